"""IP addresses."""

from __future__ import annotations

import numpy as np

from curation.privacy.kernels import byte_at, is_digit, is_letter, is_word
from curation.privacy.pii.kernels.digits import is_closed
from curation.privacy.pii.kernels.nearby import nearest_word
from curation.privacy.pii.tables import HOST, VERSION
from curation.text.kernels import helper, inlined

_NEAR = 24  # bytes before four numbers in which a word may say what they are
_VERSION_OCTET = 50  # four numbers below this are a version unless a word says otherwise


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
