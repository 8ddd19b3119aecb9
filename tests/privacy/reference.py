"""What the kernels say, in plain Python; slow, and made to be read."""

from __future__ import annotations

import re

from curation.privacy.pii.tables import iban_lengths


def luhn(digits: str) -> bool:
    """Whether the last digit is Luhn's of the others."""
    doubled = [int(d) * 2 if k % 2 else int(d) for k, d in enumerate(reversed(digits))]
    return sum(n // 10 + n % 10 for n in doubled) % 10 == 0


def card(text: str) -> bool:
    """Whether the whole text is a Visa or Mastercard number of 16 digits as it is printed or in one row."""
    shaped = re.fullmatch(r"\d{16}|\d{4}( \d{4}){3}|\d{4}(-\d{4}){3}", text)
    digits = re.sub(r"\D", "", text)
    issued = digits[:1] == "4" or 51 <= int(digits[:2] or 0) <= 55
    return bool(shaped) and issued and luhn(digits)


def iban(text: str) -> bool:
    """Whether the whole text is an IBAN, with single blanks or hyphens anywhere behind the check digits."""
    if not re.fullmatch(r"[A-Z]{2}\d\d([ -]?[A-Z0-9])*", text):
        return False
    plain = re.sub(r"[ -]", "", text)
    number = int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4]))
    return iban_lengths().get(plain[:2]) == len(plain) and number % 97 == 1


def ssn(text: str) -> bool:
    """Whether the whole text is a social security number with hyphens that may have been given out."""
    found = re.fullmatch(r"(?!000|666|9)(\d{3})-(?!00)(\d\d)-(?!0000)(\d{4})", text)
    return bool(found) and text not in ("078-05-1120", "219-09-9999")


EMAIL = re.compile(
    r"(?<![A-Za-z0-9_.%+'-])[A-Za-z0-9_][A-Za-z0-9_.%+'-]{0,62}@(?!\d+\.\d+(\.|$|[^A-Za-z0-9.-]))"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}(?![A-Za-z0-9-])"
)
"""Of ASCII, where no name of a picture is the last label."""
