"""One scan of the bytes for what may be an address or a number of a person.

Everything begins at an `@` or at the first digit of a run, both rare in clean text: eight bytes are asked at once
whether they hold one. What stands there is then read by one of the functions below, each in time that is bounded.
"""

from __future__ import annotations

import numpy as np

from curation.privacy.kernels import byte_at, enlarged, is_digit, is_letter, is_upper, is_word
from curation.privacy.pii.tables import BOOK, CARD_WORD, HOST, NANP, SECURITY, TELEPHONE, VERSION
from curation.text.kernels import (
    ZERO,
    before,
    eight,
    first_marked,
    helper,
    inlined,
    kernel,
    mask_digits,
    mask_equal,
)
from curation.text.unicode import ALPHA, decode

EMAIL, IBAN, CARD, SSN, IPV6, IPV4, PHONE = range(7)
"""What is found, the most specific first: of two that overlap, the earlier stays."""

# Columns of a candidate.
DOCUMENT, START, END, KIND, NAMED = range(5)
"""`NAMED` is 1 where a word before a telephone number says that it is one."""

_AT = np.uint64(0x4040404040404040)
_MOST_AT_ONE_PLACE = 16
_GROUPS = 14
_WINDOW, _NEAR = 48, 24  # bytes before a number in which a word may say what it is; before four numbers
_LOCAL, _DOMAIN = 64, 255  # bytes of an e-mail address before and behind the @ (RFC 5321)
_WITHOUT_SPACES = 0x0590  # beyond, letters are not taken into an address: text around it may have no spaces
_VERSION_OCTET = 50  # four numbers below this are a version unless a word says otherwise

# How groups of digits are joined, as bits; JOINED: by more than one character.
_BLANK, _DASH, _DOT, _SLASH, _PAREN, _JOINED = 1, 2, 4, 8, 16, 32


def _packed(text: str) -> int:
    return int.from_bytes(text.encode(), "little")


# Names of files that a screen's density is written into: icon@2x.png.
_PNG, _JPG, _JPEG, _GIF, _SVG, _WEBP = map(_packed, ("png", "jpg", "jpeg", "gif", "svg", "webp"))


@kernel
def find_candidates(data, offsets, classes, wanted, tables):
    """(candidates, 5) int64: document, first byte, byte behind the last (in data), kind, NAMED; by document.

    `wanted`: kinds as bits. A telephone number has a row for every end that it may have, the furthest first.
    """
    out = np.empty((64, 5), np.int64)
    groups = np.empty((_GROUPS, 3), np.int64)
    parts = np.empty(8, np.uint64)
    count = 0
    for document in range(len(offsets) - 1):
        a, stop = offsets[document], offsets[document + 1]
        i, free, last = a, a, ZERO
        while i < stop:
            value = eight(data, i, stop)
            digits = mask_digits(value)
            mask = (digits & ~((digits << np.uint64(8)) | last)) | mask_equal(value, _AT)
            last = digits >> np.uint64(56)
            while mask:
                place = i + first_marked(mask)
                mask &= mask - np.uint64(1)
                if count + _MOST_AT_ONE_PLACE > len(out):
                    out = enlarged(out, count)
                before_it = count
                if data[place] != 64:
                    count = number_at(data, a, place, stop, wanted, tables, groups, parts, out, count)
                elif wanted & (1 << EMAIL):
                    start, end = email_at(data, free, place, stop, classes)
                    if end:
                        free = end
                        count = put(out, count, start, end, EMAIL, 0)
                for row in range(before_it, count):
                    out[row, DOCUMENT] = document
            i += 8
    return out[:count].copy()


@inlined
def put(out, count, start, end, kind, named):
    out[count, START] = start
    out[count, END] = end
    out[count, KIND] = kind
    out[count, NAMED] = named
    return count + 1


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


@helper
def number_at(data, a, i, stop, wanted, tables, groups, parts, out, count):
    """Put what begins with the digits at i into out; the count of candidates then."""
    previous = byte_at(data, i - 1, a, stop)
    if is_word(previous):
        if wanted & (1 << IBAN) and is_upper(previous) and is_upper(byte_at(data, i - 2, a, stop)):
            end = 0 if is_word(byte_at(data, i - 3, a, stop)) else iban_end(data, i - 2, stop, tables.ibans)
            if end:
                count = put(out, count, i - 2, end, IBAN, 0)
        return count
    if wanted & (1 << IPV6) and 50 <= data[i] <= 51 and byte_at(data, i + 4, a, stop) == 58:
        end = ipv6_end(data, i, stop, tables.ipv6, parts)
        if end and previous not in (58, 46):
            return put(out, count, i, end, IPV6, 0)
    run = i
    while run < stop and run - i < 20 and is_digit(data[run]):
        run += 1
    if run - i <= 3 and byte_at(data, run, a, stop) == 46:
        end = ipv4_end(data, i, stop)
        if end:
            if wanted & (1 << IPV4) and is_address(data, a, i, end, stop, tables):
                count = put(out, count, i, end, IPV4, 0)
            return count
    if run - i > 19 or (is_joint(previous) and is_digit(byte_at(data, i - 2, a, stop))):
        return count
    known = digit_groups(data, i, stop, groups)
    if digits_of(groups, known) < 7:
        return count
    if wanted & (1 << SSN) and is_ssn(data, a, i, stop, groups, known, tables.words):
        count = put(out, count, i, ssn_end(groups), SSN, 0)
    if wanted & (1 << CARD):
        end = card_end(data, a, i, stop, groups, known, tables)
        if end:
            count = put(out, count, i, end, CARD, 0)
    if wanted & (1 << PHONE):
        count = phones_at(data, a, i, stop, groups, known, tables, out, count)
    return count


@inlined
def is_joint(byte):
    """What a longer number goes on over: - . / ,"""
    return byte in (45, 46, 47, 44)


@helper
def is_closed(data, i, stop):
    """Whether a number may end at i."""
    if i >= stop:
        return True
    if is_word(data[i]):
        return False
    return not (is_joint(data[i]) and data[i] != 44 and i + 1 < stop and is_digit(data[i + 1]))


@helper
def iban_end(data, i, stop, lengths):
    """The end of the IBAN whose country code is at i, 0 if it is none: its country's length, remainder 1 mod 97.

    Characters may be parted by single blanks or hyphens.
    """
    length = lengths[(data[i] - 65) * 26 + data[i + 1] - 65]
    if length == 0 or i + length > stop or not is_digit(data[i + 3]):
        return 0
    value, found, p = 0, 4, i + 4
    while found < length:
        if p < stop and (data[p] == 32 or data[p] == 45):
            p += 1
        elif p + 1 < stop and data[p] == 0xC2 and data[p + 1] == 0xA0:
            p += 2
        if p >= stop:
            return 0
        if is_digit(data[p]):
            value = (value * 10 + data[p] - 48) % 97
        elif is_upper(data[p]):
            value = (value * 100 + data[p] - 55) % 97
        else:
            return 0
        p += 1
        found += 1
    value = (value * 10000 + (np.int64(data[i]) - 55) * 100 + data[i + 1] - 55) % 97
    value = (value * 100 + (np.int64(data[i + 2]) - 48) * 10 + data[i + 3] - 48) % 97
    return p if value == 1 and not is_word(byte_at(data, p, i, stop)) else 0


@inlined
def hex_value(byte):
    if is_digit(byte):
        return np.int64(byte) - 48
    lower = byte | 32
    return np.int64(lower) - 87 if 97 <= lower <= 102 else -1


@helper
def ipv6_end(data, i, stop, networks, parts):
    """The end of the global unicast IPv6 address at i, 0 if it is none. `parts` (8,) is scratch."""
    found, gap = 0, -1
    end = i
    while found < 8:
        p, part = i, np.uint64(0)
        while p < stop and p - i < 5 and hex_value(data[p]) >= 0:
            part = (part << np.uint64(4)) | np.uint64(hex_value(data[p]))
            p += 1
        if p - i == 0 or p - i > 4:
            return 0
        if p < stop and data[p] == 46 and found <= 6:
            tail = ipv4_end(data, i, stop)
            if tail:
                found += 2  # of an address that is global the first 64 bits decide
                end = tail
                break
        parts[found] = part
        found += 1
        end = p
        if p + 1 >= stop or data[p] != 58:
            break
        if data[p + 1] == 58:
            if gap >= 0:
                return 0
            gap = found
            i = p + 2
            end = i
            if i >= stop or hex_value(data[i]) < 0:
                break
        elif hex_value(data[p + 1]) >= 0:
            i = p + 1
        else:
            break
    if (found != 8 if gap < 0 else found > 7) or not is_closed(data, end, stop):
        return 0
    if end + 1 < stop and data[end] == 58 and hex_value(data[end + 1]) >= 0:
        return 0
    high = np.uint64(0)
    for k in range(4):
        part = np.uint64(0)
        if gap < 0 or k < gap:
            part = parts[k]
        elif k >= gap + 8 - found:
            part = parts[k - (8 - found)]
        high = (high << np.uint64(16)) | part
    return end if is_global(high, networks) else 0


@helper
def is_global(address, networks):
    """Whether an address (of IPv6 its first 64 bits) is for anybody to reach."""
    for row in range(len(networks)):
        if address & networks[row, 0] == networks[row, 1]:
            return networks[row, 2] != 0
    return False


@helper
def ipv4_end(data, i, stop):
    """The end of the four numbers up to 255, without leading zeros, at i; 0 if they are not there."""
    for k in range(4):
        if k:
            if i >= stop or data[i] != 46:
                return 0
            i += 1
        begin, octet = i, 0
        while i < stop and i - begin < 4 and is_digit(data[i]):
            octet = octet * 10 + data[i] - 48
            i += 1
        if i == begin or octet > 255 or (data[begin] == 48 and i - begin > 1):
            return 0
    return i


@helper
def is_address(data, a, i, end, stop, tables):
    """Whether the four numbers data[i:end] are a public address, and not a version or part of something longer."""
    previous, following = byte_at(data, i - 1, a, stop), byte_at(data, end, a, stop)
    if previous == 46 or is_word(following):
        return False
    behind = byte_at(data, end + 1, a, stop)
    if (following == 46 and is_digit(behind)) or (following == 45 and is_letter(behind)):
        return False
    if previous in (45, 47) and is_letter(byte_at(data, i - 2, a, stop)):  # name-1.2.3.4, Agent/1.2.3.4
        return False
    address, octet, most = np.uint64(0), 0, 0
    for p in range(i, end + 1):
        if p < end and data[p] != 46:
            octet = octet * 10 + data[p] - 48
        else:
            address = (address << np.uint64(8)) | np.uint64(octet)
            most = max(most, octet)
            octet = 0
    if not is_global(address, tables.ipv4):
        return False
    if most < _VERSION_OCTET and (i == a or previous == 10):  # a section's number
        return False
    meaning = nearest_word(data, a, i, _NEAR, tables.words, HOST | VERSION)
    return meaning == HOST or (meaning == 0 and most >= _VERSION_OCTET)


@helper
def nearest_word(data, a, i, window, words, asked):
    """What the last word in the window (bytes) before i that means something of what is asked means; 0 without one."""
    first = max(a, i - window)
    p = i - 1
    while p >= first:
        byte = data[p] | 32 if is_upper(data[p]) else data[p]
        apart = p == a or not (is_letter(data[p - 1]) or is_digit(data[p - 1]))
        for row in range(len(words)):
            if words[row, 2] == byte and words[row, 0] & asked and (apart or byte >= 0x80):
                length = np.int64(words[row, 1])
                if p + length <= i and holds_word(data, p, length, words, row):
                    end = p + length
                    if byte >= 0x80 or end == i or not is_letter(data[end]):
                        return words[row, 0]
        p -= 1
    return 0


@helper
def holds_word(data, i, length, words, row):
    for k in range(length):
        byte = data[i + k] | 32 if is_upper(data[i + k]) else data[i + k]
        if byte != words[row, 2 + k]:
            return False
    return True


@helper
def digit_groups(data, i, stop, groups):
    """Fill groups (_GROUPS, 3) with the digits at i and those joined to them, at most 19 and the rest of a group:
    start, end, and how it is joined to the one before; how many groups there are."""
    found, total, joint = 0, 0, 0
    while found < _GROUPS:
        p = i
        while p < stop and is_digit(data[p]):
            p += 1
        groups[found, 0], groups[found, 1], groups[found, 2] = i, p, joint
        found += 1
        total += p - i
        i, joint = joint_end(data, p, stop)
        if total >= 20 or i == p or i >= stop or not is_digit(data[i]):
            break
    return found


@helper
def joint_end(data, i, stop):
    """Where what may join groups of digits ends, and what it is: one character, or a few with a hyphen or a bracket."""
    kind, found, p = 0, 0, i
    while p < stop and found < 3:
        byte, width, bit = data[p], 1, 0
        if byte == 32:
            bit = _BLANK
        elif byte == 45:
            bit = _DASH
        elif byte == 46:
            bit = _DOT
        elif byte == 47:
            bit = _SLASH
        elif byte in (40, 41):
            bit = _PAREN
        elif byte == 0xC2 and p + 1 < stop and data[p + 1] == 0xA0:
            bit, width = _BLANK, 2
        elif byte == 0xE2 and p + 2 < stop and data[p + 1] == 0x80:
            bit, width = (_DASH if 0x90 <= data[p + 2] <= 0x95 else _BLANK if data[p + 2] == 0xAF else 0), 3
        if bit == 0:
            break
        kind |= bit
        found += 1
        p += width
    if found > 1:
        if not kind & (_DASH | _PAREN):
            return i, 0
        kind |= _JOINED
    return p, kind


@helper
def digits_of(groups, count):
    """How many digits the first groups have."""
    total = 0
    for k in range(count):
        total += groups[k, 1] - groups[k, 0]
    return total


@inlined
def size(groups, k):
    return groups[k, 1] - groups[k, 0]


@inlined
def ssn_end(groups):
    return groups[0, 1] if size(groups, 0) == 9 else groups[2, 1]


@helper
def is_ssn(data, a, i, stop, groups, known, words):
    """Whether a US social security number stands at i: its structure (SSA, 2011), written with hyphens or named."""
    if size(groups, 0) == 9:
        needs_word, second, third = True, i + 3, i + 5
    elif known >= 3 and size(groups, 0) == 3 and size(groups, 1) == 2 and size(groups, 2) == 4:
        needs_word = groups[1, 2] != _DASH or groups[2, 2] != _DASH
        second, third = groups[1, 0], groups[2, 0]
        if groups[1, 2] != groups[2, 2] or groups[1, 2] & ~(_DASH | _BLANK):
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
    return not needs_word or nearest_word(data, a, i, _WINDOW, words, SECURITY) != 0


@inlined
def number(data, a, b):
    value = 0
    for i in range(a, b):
        value = value * 10 + data[i] - 48
    return value


@helper
def card_end(data, a, i, stop, groups, known, tables):
    """The end of the payment card number at i, 0 if there is none: grouped as on cards, or 15 or 16 digits in a row, or
    another length that a word names; of a known issuer's length, with Luhn's check digit."""
    for count in range(known, 0, -1):
        total, end = digits_of(groups, count), groups[count - 1, 1]
        if 12 <= total <= 19 and is_card_shape(groups, count) and is_closed(data, end, stop):
            if not is_issued(data, groups, total, tables.issuers) or not is_luhn(data, groups, count):
                continue
            plain = 15 <= total <= 16 and not is_joint(byte_at(data, i - 1, a, stop))
            if count > 1 or plain or nearest_word(data, a, i, _WINDOW, tables.words, CARD_WORD):
                return end
    return 0


@helper
def is_card_shape(groups, count):
    """One group, or groups joined alike by blanks or hyphens: fours and a rest, or 4-6-5 and 4-6-4."""
    if count == 1:
        return True
    for k in range(1, count):
        if groups[k, 2] != groups[1, 2] or groups[k, 2] & ~(_BLANK | _DASH):
            return False
    if count == 3 and size(groups, 0) == 4 and size(groups, 1) == 6:
        return 4 <= size(groups, 2) <= 5
    for k in range(count - 1):
        if size(groups, k) != 4:
            return False
    return count >= 4 and size(groups, count - 1) <= 4


@helper
def is_issued(data, groups, total, issuers):
    """Whether the first six digits are an issuer's whose numbers have this length."""
    first, taken, k = 0, 0, 0
    while taken < 6:
        for p in range(groups[k, 0], groups[k, 1]):
            if taken < 6:
                first = first * 10 + data[p] - 48
                taken += 1
        k += 1
    for row in range(len(issuers)):
        if issuers[row, 0] <= first <= issuers[row, 1] and issuers[row, 2] >> total & 1:
            return True
    return False


@helper
def is_luhn(data, groups, count):
    """Whether the digits have Luhn's check digit (ISO/IEC 7812-1)."""
    total, doubled = np.int64(0), False
    for k in range(count - 1, -1, -1):
        for p in range(groups[k, 1] - 1, groups[k, 0] - 1, -1):
            digit = np.int64(data[p]) - 48
            if doubled:
                digit = digit * 2 - 9 if digit > 4 else digit * 2
            total += digit
            doubled = not doubled
    return total % 10 == 0


@helper
def phones_at(data, a, i, stop, groups, known, tables, out, count):
    """Put the ends that a telephone number at i may have, the furthest first: with a country code behind a plus sign,
    or as it is written in one of the regions."""
    start = i
    if byte_at(data, i - 1, a, stop) == 43 and not is_word(byte_at(data, i - 2, a, stop)):
        start = i - 2 if byte_at(data, i - 2, a, stop) == 40 else i - 1
        for k in range(known, 0, -1):
            fits = 7 <= digits_of(groups, k) <= 15 and is_closed(data, groups[k - 1, 1], stop)
            if fits and not runs_on(groups, k):
                count = put(out, count, start, groups[k - 1, 1], PHONE, 0)
        return count
    is_bracketed = byte_at(data, i - 1, a, stop) == 40
    start -= is_bracketed
    previous = byte_at(data, start - 1, a, stop)
    if is_word(previous) or previous == 43 or is_date(groups, known):
        return count
    is_behind = previous == 32 and is_digit(byte_at(data, start - 2, a, stop)) and not is_bracketed
    meaning = -1
    for k in range(known, 0, -1):
        end = groups[k - 1, 1]
        needs_word = domestic_shape(data, groups, k, tables.domestic)
        if needs_word < 0 or not is_closed(data, end, stop):
            continue
        is_before = byte_at(data, end, a, stop) == 32 and is_digit(byte_at(data, end + 1, a, stop))
        if (is_behind or is_before) and is_blank_joined(groups, k):
            needs_word = 1
        if meaning < 0:
            meaning = nearest_word(data, a, i, _WINDOW, tables.words, TELEPHONE | BOOK)
        if meaning == TELEPHONE or (meaning == 0 and not needs_word):
            count = put(out, count, start, end, PHONE, meaning == TELEPHONE)
    return count


@helper
def runs_on(groups, count):
    """Whether the first groups go on into a text with numbers: 456 9.3.1, 456 2."""
    if count < 3:
        return False
    joints = 0
    for k in range(2, count):
        joints |= groups[k, 2]
    if joints & _DOT and joints & _BLANK:
        return True
    return groups[count - 1, 2] == _BLANK and size(groups, count - 1) == 1


@helper
def domestic_shape(data, groups, count, domestic):
    """Whether the first groups may be a number without a country code: -1 no, 1 if a word must say so, 0 yes."""
    total = digits_of(groups, count)
    if domestic[NANP]:
        k = 1 if count > 1 and size(groups, 0) == 1 and data[groups[0, 0]] == 49 else 0
        if count == k + 3 and size(groups, k) == 3 and size(groups, k + 1) == 3 and size(groups, k + 2) == 4:
            mixed = groups[k + 1, 2] != groups[k + 2, 2] and (groups[k + 1, 2] | groups[k + 2, 2]) & _DOT
            return 0 if data[groups[k, 0]] > 49 and data[groups[k + 1, 0]] > 49 and not mixed else -1
        if total == 10 and data[groups[0, 0]] > 49 and count <= 2:
            return 1
        if total == 11 and data[groups[0, 0]] == 49 and count <= 3:
            return 1
    if total < 20 and domestic[np.int64(data[groups[0, 0]]) - 48] >> total & 1:
        return 1 if count == 1 else 0
    return -1


@helper
def is_date(groups, known):
    """Whether the first three groups have the shape of a date: 2024-05-01, 1.5.2024."""
    if known < 3 or groups[1, 2] != groups[2, 2] or not groups[1, 2] & (_DASH | _DOT | _SLASH):
        return False
    year_first = size(groups, 0) == 4 and size(groups, 1) <= 2 and size(groups, 2) <= 2
    return year_first or (size(groups, 0) <= 2 and size(groups, 1) <= 2 and size(groups, 2) == 4)


@helper
def is_blank_joined(groups, count):
    """Whether nothing but blanks joins the first groups: in a row of numbers, any of them could be one."""
    kinds = _BLANK
    for k in range(1, count):
        kinds |= groups[k, 2]
    return kinds == _BLANK
