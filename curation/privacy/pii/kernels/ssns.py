"""US social security numbers."""

from __future__ import annotations

from curation.privacy.kernels import byte_at
from curation.privacy.pii.kernels.digits import BLANK, DASH, is_closed, number, size
from curation.privacy.pii.kernels.nearby import WINDOW, nearest_word
from curation.privacy.pii.tables import SECURITY
from curation.text.kernels import helper, inlined


@helper
def is_ssn(data, a, i, stop, groups, known, words):
    """Whether a US social security number stands at i: its structure (SSA, 2011), written with hyphens or named."""
    if size(groups, 0) == 9:
        needs_word, second, third = True, i + 3, i + 5
    elif known >= 3 and size(groups, 0) == 3 and size(groups, 1) == 2 and size(groups, 2) == 4:
        needs_word = groups[1, 2] != DASH or groups[2, 2] != DASH
        second, third = groups[1, 0], groups[2, 0]
        if groups[1, 2] != groups[2, 2] or groups[1, 2] & ~(DASH | BLANK):
            return False
    else:
        return False
    area, group, serial = number(data, i, i + 3), number(data, second, second + 2), number(data, third, third + 4)
    if area in (0, 666) or area >= 900 or group == 0 or serial == 0:
        return False
    if (area == 78 and group == 5 and serial == 1120) or (area == 219 and group == 9 and serial == 9999):
        return False  # printed in advertisements, and void
    if not is_closed(data, ssn_end(groups), stop) or byte_at(data, i - 1, a, stop) == 45:
        return False
    return not needs_word or nearest_word(data, a, i, WINDOW, words, SECURITY) != 0


@inlined
def ssn_end(groups):
    return groups[0, 1] if size(groups, 0) == 9 else groups[2, 1]
