"""The counts of the flavours `dolma` and `dclm`: pieces between white space, lines and their copies, n-grams.

Offsets, spans and the bounds on time and memory are as in `curation.text.signals.kernels`.
"""
