"""The counts: what words, sequences of words, paragraphs and lines are like.

Word spans are int32, in bytes from the beginning of their document: those of document d are starts[i]:ends[i] for i in
spans[d]:spans[d + 1]. Every kernel runs in time proportional to the bytes, with scratch memory in proportion to the
largest document; what repeats is found by 64-bit hashes.
"""
