"""What is told of a candidate, and of which types there are."""

from __future__ import annotations

from curation.text.kernels import inlined

EMAIL, IBAN, CARD, SSN, IPV6, IPV4, PHONE = range(7)
"""What is found, the most specific first: of two that overlap, the earlier stays."""

DOCUMENT, START, END, KIND, NAMED = range(5)
"""The columns of a candidate; `NAMED` is 1 where a word before a telephone number says that it is one."""


@inlined
def put(out, count, start, end, kind, named):
    out[count, START] = start
    out[count, END] = end
    out[count, KIND] = kind
    out[count, NAMED] = named
    return count + 1
