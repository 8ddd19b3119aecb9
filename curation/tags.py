"""Tags: names of versions that people move, such as `production`. What has a tag, vacuum leaves.

`_tags/<name>/<number>.json` is a ledger: the newest record is in force, the others are its history.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from curation.corpus import Corpus, Version
from curation.errors import ConflictError, MissingError, Problem, RecipeError
from curation.ledger import Ledger, ledgers

TAGS = "_tags"
NEWEST = "newest"
"""Stands for the newest version wherever a tag does, so it cannot be one."""
_NAME = re.compile(r"(?![0-9]+$)[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


class Tag(BaseModel):
    """One record: where a tag was put, or that it was taken away."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int | None
    """None: from here on there is no such tag."""
    previous: int | None
    """The version that had it before."""
    when: datetime
    who: str = ""


def tags(corpus: Corpus) -> list[Tag]:
    """The tags in force, by name."""
    found = (_ledger(corpus, name).last()[1] for name in ledgers(corpus.storage, TAGS) if _NAME.fullmatch(name))
    return [tag for tag in found if tag and tag.version is not None]


def tag_history(corpus: Corpus, name: str) -> list[Tag]:
    """Everything that happened to a tag, oldest first; empty for one that never was. Raises RecipeError for what cannot
    be one. A record's place in the list, from 1, is its number."""
    return _ledger(corpus, name).history()


def put_tag(corpus: Corpus, name: str, number: int, who: str = "", after: int | None = None) -> Tag:
    """Give a version this tag, and take it from the one that has it; the tag, which may have been there already.

    `after` is the number of the record that the caller believes in force (0: there was none). Raises RecipeError for
    what cannot be a name, MissingError where there is no such version or it has been vacuumed, ConflictError where
    somebody else wrote first.
    """
    ledger = _ledger(corpus, name)
    last, present = _last(ledger, after)
    corpus.readable(number)
    if present and present.version == number:
        return present
    previous = present.version if present else None
    record = Tag(name=name, version=number, previous=previous, when=datetime.now(UTC), who=who)
    written = ledger.append(record, last)
    try:
        corpus.readable(number)
    except MissingError:
        # A vacuum that was under way did not see the tag: it looks for them after it has said what it will remove.
        back = record.model_copy(update={"version": previous, "previous": number, "when": datetime.now(UTC)})
        ledger.append(back, written)
        raise
    return record


def delete_tag(corpus: Corpus, name: str, who: str = "", after: int | None = None) -> Tag:
    """Take a tag away; its history stays. Raises MissingError where there is none, and otherwise as `put_tag`."""
    ledger = _ledger(corpus, name)
    last, present = _last(ledger, after)
    if present is None or present.version is None:
        raise MissingError(f"{corpus.url}: there is no tag {name!r}")
    record = Tag(name=name, version=None, previous=present.version, when=datetime.now(UTC), who=who)
    ledger.append(record, last)
    return record


def resolve(corpus: Corpus, wanted: str | None) -> Version:
    """The version that a number, a tag, `newest` or nothing (the newest) stands for. Raises MissingError with what
    there is, RecipeError for what can be neither."""
    if wanted is None or wanted == NEWEST:
        return corpus.version()
    if wanted.isascii() and wanted.isdigit():
        return corpus.version(int(wanted))
    _, present = _ledger(corpus, wanted).last()
    if present is None or present.version is None:
        known = ", ".join(tag.name for tag in tags(corpus)[:10])
        raise MissingError(f"{corpus.url}: no tag {wanted!r}; there are {known or 'none'}")
    return corpus.version(present.version)


def _ledger(corpus: Corpus, name: str) -> Ledger[Tag]:
    if name == NEWEST or not _NAME.fullmatch(name):
        expected = "letters, digits, '_', '.', '-', at most 80, not digits alone, and not 'newest'"
        raise RecipeError([Problem("TAG", f"found {name!r}, expected {expected}")])
    return Ledger(corpus.storage, f"{TAGS}/{name}", Tag)


def _last(ledger: Ledger[Tag], after: int | None) -> tuple[int, Tag | None]:
    last, present = ledger.last()
    if after is not None and after != last:
        raise ConflictError(f"{ledger.storage.url}/{ledger.folder}: record {last} is in force, not {after}; look again")
    return last, present
