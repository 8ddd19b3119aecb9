"""E-mail addresses."""

from __future__ import annotations

import numpy as np

from curation.privacy.kernels import is_digit, is_letter, is_word
from curation.text.kernels import before, helper, inlined
from curation.text.unicode import ALPHA, decode

_LOCAL, _DOMAIN = 64, 255  # bytes of an address before and behind the @ (RFC 5321)
_WITHOUT_SPACES = 0x0590  # beyond, letters are not taken into an address: text around it may have no spaces


def _packed(text: str) -> int:
    return int.from_bytes(text.encode(), "little")


# Names of files that a screen's density is written into: icon@2x.png.
_PNG, _JPG, _JPEG, _GIF, _SVG, _WEBP = map(_packed, ("png", "jpg", "jpeg", "gif", "svg", "webp"))


@helper
def email_at(data, a, i, stop, classes):
    """(start, end) of the e-mail address around the @ at i, not before a; (0, 0) if there is none."""
    start = i
    while start > a:
        previous = before(data, a, start)
        if not is_local(data, previous, classes):
            break
        start = previous
        if i - start > _LOCAL:
            return 0, 0
    while start < i and data[start] < 0x80 and not is_word(data[start]):
        start += 1
    return (start, domain_end(data, i + 1, stop, classes)) if start < i else (0, 0)


@inlined
def is_local(data, i, classes):
    """Whether the character at i may stand before an @: what mail providers give out, not all that RFC 5322 allows."""
    byte = data[i]
    if byte < 0x80:
        return is_word(byte) or byte in (46, 45, 43, 37, 39)
    return is_alphabetic(data, i, classes)


@inlined
def is_alphabetic(data, i, classes):
    """Whether a letter of a script with spaces stands at i."""
    code = decode(data, i)[0]
    return code < _WITHOUT_SPACES and classes[code] & ALPHA != 0


@helper
def domain_end(data, i, stop, classes):
    """The end of the domain at i: two labels or more, the last one of letters; 0 if there is none."""
    begin, end, labels, numeric = i, 0, 0, 0
    while i < stop and i - begin <= _DOMAIN:
        label, digits, letters = i, 0, 0
        while i < stop and i - label < 64:
            if data[i] < 0x80:
                if is_digit(data[i]):
                    digits += 1
                elif is_letter(data[i]):
                    letters += 1
                elif data[i] != 45:
                    break
                i += 1
            elif is_alphabetic(data, i, classes):
                after = decode(data, i)[1]
                letters += after - i
                i = after
            else:
                break
        if i == label or data[label] == 45 or data[i - 1] == 45:
            break
        labels += 1
        numeric += labels <= 2 and digits == i - label
        if numeric == 2:  # package@1.2.x
            return 0
        if labels >= 2 and is_top_level(data, label, i, letters):
            end = i
        if i >= stop or data[i] != 46:
            break
        i += 1
    return end


@helper
def is_top_level(data, a, b, letters):
    """Whether the label data[a:b] with so many letters can end a domain."""
    if b - a > 5 and data[a] == 120 and data[a + 1] == 110 and data[a + 2] == 45 and data[a + 3] == 45:
        return True
    if letters < b - a or b - a < 2:
        return False
    if b - a > 4:
        return True
    packed = np.int64(0)
    for k in range(b - a):
        packed |= np.int64(data[a + k] | 32) << (8 * k)
    return packed not in (_PNG, _JPG, _JPEG, _GIF, _SVG, _WEBP)
