"""What every kernel of the text relies on."""

from __future__ import annotations

from curation.text.kernels import table_bits


def test_a_table_for_the_most_items_serves_fewer() -> None:
    sizes = [items for power in range(3, 27) for items in (2**power - 1, 2**power, 2**power + 1)]
    bits = [int(table_bits(items)) for items in sizes]
    assert bits == sorted(bits)
    assert all(2**bit > items for bit, items in zip(bits, sizes, strict=True))
