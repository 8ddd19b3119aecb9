"""How numbers and the values of options are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.dashboard.text import change, count, duration, in_words, number, share, size


@pytest.mark.parametrize(
    ("write", "value", "written"),
    [
        (count, 1234567, "1,234,567"),
        (change, -56, "−56"),
        (change, 0.2, "0"),
        (size, 999, "999 B"),
        (size, 12_345_678, "12.3 MB"),
        (share, 0.12345, "12.35 %"),
        (share, 0.00001, "< 0.01 %"),
        (number, 3.0, "3"),
        (number, 0.123456, "0.1235"),
        (number, float("inf"), "inf"),
        (number, float("nan"), "nan"),
        (number, True, "yes"),
        (duration, 0.25, "0.25 s"),
        (duration, 3725, "1 h 2 min"),
        (in_words, None, "not set"),
        (in_words, False, "no"),
        (in_words, [], "none"),
        (in_words, ["en", "de"], "en, de"),
        (in_words, {"de": 0.5, "any": None}, "de: 0.5, any: not set"),
    ],
)
def test_a_value_is_written_as_people_write_it(write: Callable[[Any], str], value: object, written: str) -> None:
    assert write(value) == written


@pytest.mark.parametrize("write", [count, change, size, share, number, duration])
def test_what_is_not_known_is_no_zero(write: Callable[[None], str]) -> None:
    assert write(None) == "–"
