"""Writes conformance.md, what each flavour says of the cases of its tool: `.venv/bin/python -m docs.conformance`."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tests.rules.cases import Case, cases

PAGE = Path(__file__).resolve().parent / "conformance.md"

_HEAD = """# Conformance of the flavours

Written by `.venv/bin/python -m docs.conformance`; a test says whether it is current. Each rule in each flavour is asked
the cases that the tool with whose arithmetic it counts has in its own tests, made anew: other texts that put the same
question, with the verdict, the reason, the values and the text that the tool gives. They stand in
`tests/rules/cases.py`. `benchmarks/flavours.py` puts the same texts to the tools themselves.

## Cases passed

| rule | flavour | after the tests of | passed | of |
|---|---|---|---|---|
"""

_DIFFERENCES = """
## Intended differences

The cases that do not pass:

"""

_NOT_ASKED = """
Differences that no case asks for, all on purpose:

- `fineweb`: without a word the mean length of a word is 0; `0` is a threshold, `null` switches a rule off. See
  [rules.md](rules.md) and, for real documents, [agreement.md](agreement.md).
- `dolma`: "İ" is one character here; c4_v2 puts its lines in lower case first, which makes two of it and moves the
  marks of all lines behind it. Dolma's mixing files (v1.5, v1.6) ask for `…most_common_2gram`, `3gram` and `4gram`
  where the tagger writes `2grams`, `3grams` and `4grams`: as we read them, these three rules never fired there. Here
  they do.
- `dclm`: a sentence is that of our splitter, where DCLM's is NLTK's. "ſ", "ı" and "İ" are no s or i in the phrases of
  c4 (in those of `line_modifiers` they are). Bullets and ellipses are shares here, so that a document exactly at a
  threshold may fall on the other side of a rounding error. What comes before and behind these rules in DCLM's recipes
  (web addresses, languages, duplicates) are stages of their own.
"""


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(page())


def page() -> str:
    """The page as the code has it now."""
    groups: dict[tuple[str, str, str], list[Case]] = defaultdict(list)
    for case in cases():
        tool = case.after.partition(",")[0]
        groups[case.stage.kind, getattr(case.stage, "flavour"), tool].append(case)  # noqa: B009 - rules have flavours
    rows = [
        f"| `{kind}` | `{flavour}` | {tool} | {sum(case.passes() for case in group)} | {len(group)} |\n"
        for (kind, flavour, tool), group in groups.items()
    ]
    differences = dict.fromkeys(
        f"- `{kind}`, `{flavour}`: {case.difference}.\n"
        for (kind, flavour, _), group in groups.items()
        for case in group
        if case.difference
    )
    return "".join([_HEAD, *rows, _DIFFERENCES, *differences, _NOT_ASKED])


if __name__ == "__main__":
    main()
