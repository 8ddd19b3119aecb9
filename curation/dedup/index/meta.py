"""What the keys of a segment mean; keys of different meaning must not be compared."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict

from curation.dedup.exact_dedup import ExactDedup
from curation.dedup.index.layout import REBUILD, Segment
from curation.dedup.minhash_dedup import MinHashDedup
from curation.dedup.shingle import NORMALISER
from curation.errors import CorruptError, Problem, RecipeError
from curation.storage import Storage

FORMAT = 2

Meaning = dict[str, str | int | float | None]


class IndexMeta(BaseModel):
    """What `index.json` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    normaliser: str = NORMALISER
    scheme: str = "affine32"
    exact: Meaning | None
    minhash: Meaning | None
    documents: int
    files: dict[str, int]
    """How many files of entries there are of `docs` and each table."""

    def encode(self) -> bytes:
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, indent=1).encode()


def meta_of(exact: ExactDedup | None, minhash: MinHashDedup | None, documents: int, files: dict[str, int]) -> IndexMeta:
    """The meta of a segment that these stages' documents are in."""
    return IndexMeta(exact=_meaning(exact), minhash=_meaning(minhash), documents=documents, files=files)


def _read(storage: Storage, segment: Segment) -> IndexMeta:
    """What a segment's `index.json` says, if it can be read."""
    found = json.loads(storage.read(segment.meta.path, size=segment.meta.bytes, sha256=segment.meta.sha256))
    if found.get("format") != FORMAT:
        raise RecipeError([Problem("index", _differs(segment.folder, "format", found.get("format"), FORMAT))])
    meta = IndexMeta.model_validate(found)
    files = {"docs": len(segment.docs), **{name: len(table.entries) for name, table in segment.tables.items()}}
    if (meta.documents, meta.files) != (segment.documents, files):
        raise CorruptError(
            f"{storage.url}/{segment.folder}: the manifest names {segment.documents} documents in files {files}, the "
            f"index has {meta.documents} in {meta.files}{REBUILD}"
        )
    return meta


def read_index_meta(
    storage: Storage, segment: Segment, exact: ExactDedup | None, minhash: MinHashDedup | None
) -> IndexMeta:
    """What a segment's keys mean. Raises RecipeError, naming every difference, where they are not those that these
    stages would make, CorruptError where its files are not those that it says it has."""
    meta = _read(storage, segment)
    wanted = meta_of(exact, minhash, meta.documents, meta.files)
    problems = [
        Problem(name, _differs(segment.folder, name, getattr(meta, name), getattr(wanted, name)))
        for name in ("normaliser", "scheme", "exact", "minhash")
        if getattr(meta, name) != getattr(wanted, name)
    ]
    if problems:
        raise RecipeError(problems)
    return meta


def _differs(folder: str, name: str, found: object, wanted: object) -> str:
    return f"{folder}: the index has {found!r} for {name}, this recipe needs {wanted!r}{REBUILD}"


def _meaning(stage: ExactDedup | MinHashDedup | None) -> Meaning | None:
    """The fields of a stage that its keys and priorities depend on."""
    if stage is None:
        return None
    names = ["scope", "keep", "quality", *(["ngram", "bands", "rows", "seed"] if stage.kind == "minhash_dedup" else [])]
    return {"version": stage.version, **{name: getattr(stage, name) for name in names}}
