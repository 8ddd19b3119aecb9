"""Which candidates are telephone numbers, as libphonenumber knows the world's numbering plans."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np
import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat, PhoneNumberType

from curation.privacy.pii.tables import NANP
from curation.text.words import Int64

LIBRARY = f"phonenumbers {version('phonenumbers')}"
NORTH_AMERICA = 1
_DIGITS = re.compile(r"\d+")
_TYPES = (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE)


def known_regions() -> frozenset[str]:
    """The codes (ISO 3166-1 alpha-2) of the regions that have a numbering plan."""
    return frozenset(phonenumbers.SUPPORTED_REGIONS)


@lru_cache
def domestic_lengths(regions: tuple[str, ...]) -> Int64:
    """`Tables.domestic` for these regions. Where a plan has a prefix for calls within the country (the 0 of Berlin's
    030), numbers are written with it, but for those that its formats write without. Numbers of fewer than 7 digits are
    not looked for."""
    table = np.zeros(NANP + 1, np.int64)
    for region in regions:
        if phonenumbers.country_code_for_region(region) == NORTH_AMERICA:
            table[NANP] = 1
            continue
        plan: Any = PhoneMetadata.metadata_for_region(region)
        prefix: str = plan.national_prefix or ""
        possible: tuple[int, ...] = plan.general_desc.possible_length
        lengths = sum(1 << n + len(prefix) for n in possible if 7 <= n + len(prefix) <= 15)
        table[int(prefix[0]) if prefix else slice(0, NANP)] |= lengths
        for written in _examples(region):
            if not written.startswith(prefix) and len(written) >= 7:
                table[1:NANP] |= 1 << len(written)
    return table


def _examples(region: str) -> list[str]:
    """The digits of a landline's and a mobile's number of the region, as they are written there."""
    numbers = [phonenumbers.example_number_for_type(region, type_) for type_ in _TYPES]
    return [
        "".join(_DIGITS.findall(phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)))
        for number in numbers
        if number is not None
    ]


@lru_cache(maxsize=1 << 16)
def is_phone(text: str, regions: tuple[str, ...], *, is_named: bool) -> bool:
    """Whether this is a valid number: with its country code, or as it is dialled in one of the regions.

    Without a country code and a word that says so (`is_named`), its digits must stand in the groups of the country.
    """
    if "+" in text:
        return _is_valid(text, None)
    return any(_is_valid(text, region) and (is_named or _is_grouped(text, region)) for region in regions)


def _is_valid(text: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, region))
    except NumberParseException:
        return False


def _is_grouped(text: str, region: str) -> bool:
    number = phonenumbers.parse(text, region)
    written = _DIGITS.findall(text)
    if number.country_code == NORTH_AMERICA and written[0] == "1":
        written = written[1:]
    return written == _DIGITS.findall(phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL))


def first_valid(values: Sequence[str], starts: Int64, ends: Int64, named: Int64, regions: tuple[str, ...]) -> list[int]:
    """Of candidates, which may share a start, the furthest ends first, those that are numbers and do not overlap."""
    chosen, end = [], -1
    for index, value in enumerate(values):
        if starts[index] >= end and is_phone(value, regions, is_named=bool(named[index])):
            chosen.append(index)
            end = int(ends[index])
    return chosen
