"""What of some lists is in web addresses. Both are in lower case; beyond ASCII, bytes match only themselves.

A set of entries is (data, offsets, table): their bytes, where each begins, (entries + 1,), and an open-addressing table
of indices plus one, 0 where empty, of a size that is a power of two.
"""

from __future__ import annotations

import numpy as np

from curation.text.kernels import hash_bytes, helper, kernel, table_bits

NO_HOST = -1


@kernel
def make_set(data, offsets):
    """The table of the entries data[offsets[i]:offsets[i + 1]]; of equal ones the first stands for all."""
    bits = table_bits(len(offsets) - 1)
    table = np.zeros(1 << bits, np.int32)
    for i in range(len(offsets) - 1):
        slot = find(data, offsets[i], offsets[i + 1], data, offsets, table)
        if table[slot] == 0:
            table[slot] = i + 1
    return table


@helper
def find(data, a, b, entries, offsets, table):
    """The slot of data[a:b], or the empty one where it would be."""
    mask = len(table) - 1
    slot = np.int64(hash_bytes(data, a, b) & np.uint64(mask))
    while table[slot] != 0:
        i = table[slot] - 1
        if offsets[i + 1] - offsets[i] == b - a:
            same = 0
            while same < b - a and entries[offsets[i] + same] == data[a + same]:
                same += 1
            if same == b - a:
                return slot
        slot = (slot + 1) & mask
    return slot


@kernel
def find_domains(data, offsets, entries, entry_offsets, table, with_subdomains, found):
    """found (addresses,) gets the entry that is an address's host, or with subdomains a domain above it, the longest
    first; -1 without one."""
    for i in range(len(offsets) - 1):
        a, b = host_of(data, offsets[i], offsets[i + 1])
        found[i] = -1
        while a < b:
            entry = table[find(data, a, b, entries, entry_offsets, table)] - 1
            if entry >= 0 or not with_subdomains:
                found[i] = entry
                break
            while a < b and data[a] != 46:
                a += 1
            a += 1


@helper
def host_of(data, a, b):
    """Where the host of the address data[a:b] begins and ends: behind `//` and `user@`, before `:port`, `/`, `?`, `#`;
    an address without `//` begins with its host."""
    start = a
    i = a
    while i + 1 < b and data[i] not in (47, 63, 35):
        i += 1
    if i + 1 < b and data[i] == 47 and data[i + 1] == 47 and (i == a or data[i - 1] == 58):
        start = i + 2
    end = start
    while end < b and data[end] not in (47, 63, 35, 92):
        end += 1
    for i in range(start, end):
        if data[i] == 64:
            start = i + 1
    for i in range(start, end):
        if data[i] == 58 and (data[start] != 91 or data[i - 1] == 93):
            end = i
            break
    while end > start and data[end - 1] == 46:
        end -= 1
    return start, end


@kernel
def find_all(data, offsets, entries, entry_offsets, table, found):
    """found (addresses,) gets the entry that an address is, -1 without one."""
    for i in range(len(offsets) - 1):
        found[i] = table[find(data, offsets[i], offsets[i + 1], entries, entry_offsets, table)] - 1


@kernel
def find_words(data, offsets, entries, entry_offsets, table, counts, found):
    """counts (addresses,) gets how many different entries are words of an address, found (addresses,) the first of
    them, -1 without one. Words are runs of letters and digits."""
    met = np.full(len(entry_offsets), -1, np.int64)  # the last address that each entry was met in
    for i in range(len(offsets) - 1):
        a, stop = offsets[i], offsets[i + 1]
        found[i] = -1
        counts[i] = 0
        while a < stop:
            b = a
            while b < stop and is_plain(data[b]):
                b += 1
            if b > a:
                entry = table[find(data, a, b, entries, entry_offsets, table)] - 1
                if entry >= 0 and met[entry] != i:
                    met[entry] = i
                    counts[i] += 1
                    if found[i] < 0:
                        found[i] = entry
            a = b + 1


@kernel
def find_substrings(data, offsets, entries, entry_offsets, begins, order, found):
    """found (addresses,) gets the entry that is first in an address when all but letters and digits is taken out of it,
    -1 without one; of several that begin at one place, the first in `order`.

    `order` (entries,) has the entries, each of two bytes at least, sorted by their first two; begins (0x10000 + 1,)
    where in it those with each two begin.
    """
    longest = 0
    for i in range(len(offsets) - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    plain = np.empty(longest, np.uint8)
    for i in range(len(offsets) - 1):
        size = 0
        for k in range(offsets[i], offsets[i + 1]):
            if is_plain(data[k]):
                plain[size] = data[k]
                size += 1
        found[i] = substring_of(plain, size, entries, entry_offsets, begins, order)


@helper
def substring_of(plain, size, entries, offsets, begins, order):
    for a in range(size - 1):
        two = np.int64(plain[a]) << 8 | plain[a + 1]
        for k in range(begins[two], begins[two + 1]):
            first, length = offsets[order[k]], offsets[order[k] + 1] - offsets[order[k]]
            same = 2
            while same < length and a + same < size and entries[first + same] == plain[a + same]:
                same += 1
            if same == length:
                return order[k]
    return -1


@helper
def is_plain(byte):
    """A small letter or a digit."""
    return 97 <= byte <= 122 or 48 <= byte <= 57
