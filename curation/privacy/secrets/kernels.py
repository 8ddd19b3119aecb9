"""One scan of the bytes for secrets: tokens in long words, values behind `=` and `:`, and keys behind `-----BEGIN`.

A token is long, and white space is not in it: only words that fill eight bytes are looked into. Assignments and
passwords in web addresses begin at an `=` or `:`.
"""

from __future__ import annotations

import math

import numpy as np

from curation.privacy.kernels import byte_at, enlarged, is_digit, is_letter, is_upper, is_word
from curation.privacy.secrets.patterns import ASSIGNMENT, JWT, PRIVATE_KEY, TYPES, URL_PASSWORD, URLSAFE
from curation.text.kernels import (
    TOPS,
    eight,
    first_marked,
    helper,
    inlined,
    kernel,
    mask_controls,
    mask_equal,
)

DOCUMENT, START, END, KIND = range(4)

_KEY, _JWT, _URL, _ASSIGNMENT = (TYPES.index(name) for name in (PRIVATE_KEY, JWT, URL_PASSWORD, ASSIGNMENT))
_COLONS, _EQUALS = np.uint64(0x3A3A3A3A3A3A3A3A), np.uint64(0x3D3D3D3D3D3D3D3D)
_DASHES, _BLANKS = np.uint64(0x2D2D2D2D2D2D2D2D), np.uint64(0x2020202020202020)
_BEGIN = np.frombuffer(b"-----BEGIN ", np.uint8)
_PRIVATE = np.frombuffer(b"PRIVATE KEY", np.uint8)
_END = np.frombuffer(b"-----END ", np.uint8)
_KEY_BYTES = 1 << 16  # the longest private key
_JWT_BYTES = 1 << 12  # the longest of the three parts of a JSON Web Token
_VALUE = 256  # bytes of a value behind a sign of assignment, and of the authority of a web address
_MOST_AT_ONCE = 16  # what eight bytes can give, and more
_TOKEN_ENTROPY = 2.5  # bits a character; less is a row of x or a pattern, not a token


@kernel
def find_secrets(data, offsets, patterns, least_entropy):
    """(secrets, 4) int64: document, first byte, byte behind the last (in data), kind; some overlap.

    least_entropy: bits a character of a value that only its name makes a secret.
    """
    out = np.empty((64, 4), np.int64)
    counts = np.zeros(256, np.int64)
    count = 0
    for document in range(len(offsets) - 1):
        a, stop = offsets[document], offsets[document + 1]
        i, read, keys = a, a, a  # what lies before `read` was looked into for tokens, before `keys` for private keys
        while True:
            at = next_anchor(data, i, stop, read)
            if at >= stop:
                break
            i = at + 8
            value = eight(data, at, stop)
            mask, dashes = mask_signs(value), mask_equal(value, _DASHES)
            is_solid = at >= read and fills(value)
            if count + _MOST_AT_ONCE > len(out):
                out = enlarged(out, count)
            while mask:
                place = at + first_marked(mask)
                mask &= mask - np.uint64(1)
                start, end, kind = value_at(data, a, place, stop, patterns, least_entropy, counts)
                if end:
                    count = put(out, count, document, start, end, kind)
            while dashes:
                place = at + first_marked(dashes)
                dashes &= dashes - np.uint64(1)
                end = 0
                if place >= keys and byte_at(data, place + 5, a, stop) == 66:
                    end = key_end(data, place, stop)
                if end:
                    count = put(out, count, document, place, end, _KEY)
                    keys = end
            if is_solid:
                first, read = word_around(data, max(a, read), at, stop)
                start, end, kind = next_token(data, first, first, read, patterns, counts)
                while end:
                    if count == len(out):
                        out = enlarged(out, count)
                    count = put(out, count, document, start, end, kind)
                    start, end, kind = next_token(data, first, end, read, patterns, counts)
    return out[:count].copy()


@inlined
def mask_signs(value):
    return mask_equal(value, _COLONS) | mask_equal(value, _EQUALS)


@inlined
def fills(value):
    """Whether eight bytes are all part of a word of ASCII."""
    return not ((value & TOPS) | mask_controls(value) | mask_equal(value, _BLANKS))


@helper
def next_anchor(data, i, stop, read):
    """The next eight bytes from i on that hold a sign or a hyphen, or are all of a word that was not read yet."""
    while i < stop:
        value = eight(data, i, stop)
        if mask_signs(value) or mask_equal(value, _DASHES) or (i >= read and fills(value)):
            break
        i += 8
    return i


@inlined
def put(out, count, document, start, end, kind):
    out[count, DOCUMENT] = document
    out[count, START] = start
    out[count, END] = end
    out[count, KIND] = kind
    return count + 1


@inlined
def is_solid_byte(byte):
    return 32 < byte < 128


@inlined
def word_around(data, a, i, stop):
    """(start, end) of the word of ASCII around i, within data[a:stop]."""
    first, last = i, i
    while first > a and is_solid_byte(data[first - 1]):
        first -= 1
    while last < stop and is_solid_byte(data[last]):
        last += 1
    return first, last


@inlined
def next_token(data, a, i, stop, patterns, counts):
    """(start, end, kind) of the first token from i on in the word data[a:stop]; the end is 0 if there is none."""
    while i < stop:
        if not is_word(byte_at(data, i - 1, a, stop)):
            end, kind = token_end(data, i, stop, patterns, counts)
            if end:
                return i, end, kind
        i += 1
    return i, 0, 0


@helper
def starts_with(data, i, stop, text):
    if i + len(text) > stop:
        return False
    k = 0
    while k < len(text) and data[i + k] == text[k]:
        k += 1
    return k == len(text)


@helper
def token_end(data, i, stop, patterns, counts):
    """(end, kind) of the token at i in the word that ends at stop; (0, 0) if there is none."""
    if data[i] == 101 and i + 2 < stop and data[i + 1] == 121 and data[i + 2] == 74:
        end = jwt_end(data, i, stop, patterns.letters)
        return (end, _JWT) if end else (0, 0)
    if not patterns.heads[data[i]]:
        return 0, 0
    for row in range(len(patterns.prefixes)):
        length = np.int64(patterns.prefixes[row, 0])
        if starts_with(data, i, stop, patterns.prefixes[row, 1 : 1 + length]):
            kind, allowed, least, most = patterns.shapes[row]
            begin = i + length
            end, last = begin, min(stop, begin + most + 1)
            while end < last and patterns.letters[data[end]] & allowed:
                end += 1
            while end > begin + least and data[end - 1] == 46:
                end -= 1  # of the sentence
            fits = least <= end - begin <= most and not is_word(byte_at(data, end, i, stop))
            if (
                fits
                and is_random(data, begin, end, _TOKEN_ENTROPY, counts)
                and not is_standin(data, begin, end, patterns)
            ):
                return end, kind
    return 0, 0


@helper
def jwt_end(data, i, stop, letters):
    """The end of the JSON Web Token at i: header and claims are objects in base64url, and a signature follows."""
    for part in range(3):
        begin = i
        last = min(stop, begin + _JWT_BYTES)
        while i < last and letters[data[i]] & URLSAFE:
            i += 1
        if i - begin < 10 or (part == 1 and not (data[begin] == 101 and data[begin + 1] == 121)):
            return 0
        if part < 2:
            if i >= stop or data[i] != 46:
                return 0
            i += 1
    return i


@helper
def key_end(data, i, stop):
    """The end of the private key (RFC 7468) at i, 0 if there is none; one that is cut off ends where its text does."""
    if not starts_with(data, i, stop, _BEGIN):
        return 0
    p = i + len(_BEGIN)
    label_stop = min(stop, p + 40)
    while p < label_stop and not starts_with(data, p, stop, _PRIVATE):
        if not (is_upper(data[p]) or data[p] == 32):
            return 0
        p += 1
    if p >= label_stop:
        return 0
    body = p + len(_PRIVATE)
    last = min(stop, i + _KEY_BYTES)
    p = body
    while p < last:
        if data[p] == 45 and p > body + 10 and starts_with(data, p, stop, _END):
            p += len(_END)
            while p < last and (is_upper(data[p]) or data[p] == 32):
                p += 1
            while p < last and data[p] == 45:
                p += 1
            return p
        byte = data[p]
        is_plain = is_letter(byte) or is_digit(byte) or byte <= 32 or 43 <= byte <= 47 or byte == 61
        if not (is_plain or byte in (58, 92)):  # headers; line ends written as \n
            break
        p += 1
    while p > i and data[p - 1] <= 32:
        p -= 1
    return p if p > body + 5 else 0


@helper
def value_at(data, a, i, stop, patterns, least_entropy, counts):
    """(start, end, kind) of the secret that the `:` or `=` at i gives; (0, 0, 0) if there is none."""
    if data[i] == 58 and i + 2 < stop and data[i + 1] == 47 and data[i + 2] == 47:
        start, end = url_password(data, i + 3, stop)
        return (start, end, _URL) if end else (0, 0, 0)
    if not is_secret_name(data, a, i, patterns.names):
        return 0, 0, 0
    p = i + 1
    while p < stop and (data[p] == 61 or data[p] == 62 or data[p] == 32):  # := => ==
        p += 1
    quote = byte_at(data, p, a, stop)
    is_quoted = quote in (34, 39, 96)
    p += is_quoted
    start, last = p, min(stop, p + _VALUE)
    while p < last and 32 < data[p] < 128 and not ends_value(data[p], quote, is_quoted):
        p += 1
    if is_quoted and (p >= last or data[p] != quote):
        return 0, 0, 0
    if p == start or is_opening(data[start]) or is_standin(data, start, p, patterns):
        return 0, 0, 0
    if not is_quoted and (p - start < 16 or byte_at(data, p, a, stop) == 40 or byte_at(data, p, a, stop) == 91):
        return 0, 0, 0
    if p - start >= 8 and is_mixed(data, start, p, is_quoted) and is_random(data, start, p, least_entropy, counts):
        return start, p, _ASSIGNMENT
    return 0, 0, 0


@inlined
def ends_value(byte, quote, is_quoted):
    """A quoted value ends with its quotation mark; another where a word of letters, digits and +/=_- does."""
    if is_quoted:
        return byte == quote
    return not (is_word(byte) or byte in (43, 47, 61, 45))


@inlined
def is_opening(byte):
    """Brackets of placeholders and of variables: < [ { ( | $ %"""
    return byte in (60, 91, 123, 40, 124, 36, 37)


@helper
def url_password(data, i, stop):
    """Where the password of a web address whose authority is at i stands, between a colon and an @; or (0, 0)."""
    colon, last = 0, min(stop, i + _VALUE)
    while i < last and 32 < data[i] < 128:
        byte = data[i]
        if byte in (47, 63, 35, 34, 39, 62):
            break
        if byte == 58 and colon == 0:
            colon = i
        if byte == 64:
            is_given = colon > 0 and i - colon > 3 and not is_opening(data[colon + 1]) and data[colon + 1] != 42
            return (colon + 1, i) if is_given else (0, 0)
        i += 1
    return 0, 0


@helper
def is_secret_name(data, a, i, names):
    """Whether the name before the sign at i is one of those that passwords have."""
    p = i
    while p > a and i - p < 6 and (data[p - 1] in (32, 34, 39, 93, 58)):  # "name": , ["name"] = , name :=
        p -= 1
    if p == a:
        return False
    last = data[p - 1] | 32
    if not (last in (100, 116, 110, 121, 101, 115, 97) or data[p - 1] >= 0x80):  # the last letters of NAMES
        return False
    for row in range(len(names)):
        q, k = p, np.int64(names[row, 0])
        while k > 0 and q > a:
            byte = data[q - 1] | 32 if is_upper(data[q - 1]) else data[q - 1]
            if byte == names[row, k]:
                k -= 1
            elif not (byte in (95, 45) and q < p):
                break
            q -= 1
        if k == 0:
            return True
    return False


@helper
def is_standin(data, a, b, patterns):
    """Whether what stands in data[a:b] says of itself that it is no secret."""
    for row in range(len(patterns.standins)):
        length = np.int64(patterns.standins[row, 0])
        for p in range(a, b - length + 1):
            k = 0
            while k < length:
                byte = data[p + k] | 32 if is_upper(data[p + k]) else data[p + k]
                if byte != patterns.standins[row, 1 + k]:
                    break
                k += 1
            if k == length:
                return True
    return False


@helper
def is_mixed(data, a, b, is_quoted):
    """Whether a value has digits and letters, more of the digits where no quotation marks say that it is a value."""
    digits, letters = 0, 0
    for i in range(a, b):
        digits += is_digit(data[i])
        letters += is_letter(data[i])
    return letters > 0 and digits >= (1 if is_quoted else 3)


@helper
def is_random(data, a, b, least, counts):
    """Whether data[a:b] has at least so much entropy, in bits a character; `counts` (256,) is scratch, all 0."""
    entropy, length = 0.0, b - a
    for i in range(a, b):
        counts[data[i]] += 1
    for i in range(a, b):
        if counts[data[i]]:
            share = counts[data[i]] / length
            entropy -= share * math.log2(share)
            counts[data[i]] = 0
    return entropy >= least
