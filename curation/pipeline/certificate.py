"""Certificates of takedowns: what was asked, what was done, what proves it; each hashed, and chained to the last."""

from __future__ import annotations

import hashlib
from datetime import datetime

import orjson

from curation.corpus import Corpus
from curation.document import ID, ROW, SHARD, SOURCE
from curation.errors import CorruptError, MissingError
from curation.ledger import Ledger
from curation.manifest import Frozen
from curation.pipeline.matches import Matches
from curation.storage import Storage
from curation.tags import tags
from curation.tombstones import id_hash

CERTIFICATES = "_certificates"
LISTS = f"{CERTIFICATES}/lists"
"""Below it the lists that certificates name lie, as JSON lines, named by their SHA-256."""


class Asked(Frozen):
    """What was to be taken down; of ids only how many, since a list of people's documents is theirs."""

    ids: int = 0
    urls: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    reason: str | None = None
    erase: bool = False


class Listing(Frozen):
    """A list beside the certificate."""

    path: str
    lines: int
    sha256: str


class Holder(Frozen):
    """A version that held some of the documents."""

    version: int
    run: str
    documents: int
    tags: tuple[str, ...] = ()


class Findings(Frozen):
    """What a takedown concerns, as its certificate lists it."""

    documents: Listing
    versions: tuple[Holder, ...]
    unknown_versions: tuple[int, ...]


class RewrittenFile(Frozen):
    path: str
    before: str
    """SHA-256."""
    after: str


class Search(Frozen):
    """What was read, after everything was removed, to see that nothing is left."""

    objects: int
    bytes: int
    excerpts: int
    """Different stretches of 40 bytes of the texts that were looked for (of a shorter text, the whole)."""
    shared: int
    """Further ones that were not, because documents that remain have them, too."""


class Erasure(Frozen):
    """What was removed from the store."""

    finished: datetime
    files: Listing
    """The files that were removed, each with its size and SHA-256."""
    rewritten: tuple[RewrittenFile, ...]
    search: Search


class Certificate(Frozen):
    """One takedown, or the erasure of one."""

    number: int
    previous: str
    """The digest of the certificate before it; empty of the first."""
    corpus: str
    written: datetime
    who: str = ""
    asked: Asked
    version: int
    """The version that is without the documents."""
    run: str
    base: int
    """The version that it was made from."""
    digest_before: str
    """The digest of the base's manifest."""
    digest_after: str
    documents: Listing
    """Each document: source, salted hash of its id, SHA-256 of the text, where it was read, why it was taken down."""
    versions: tuple[Holder, ...]
    """Every version whose files were there and that held any of the documents; an erasure has erased them."""
    unknown_versions: tuple[int, ...] = ()
    """Versions whose files had been removed before, so that nobody can tell."""
    token_shards: tuple[str, ...] = ()
    """Files of tokens made of such versions. No version has any yet, so it is empty."""
    promoted: int
    """Duplicates that are kept now in place of what was taken down."""
    stranded: int
    """Duplicates that could not be decided anew, because their input file is gone or has changed."""
    erasure: Erasure | None = None
    digest: str = ""
    """SHA-256 of everything above, as JSON."""

    def sealed(self) -> Certificate:
        """With its digest."""
        return self.model_copy(update={"digest": self._digest()})

    def is_sealed(self) -> bool:
        """Whether its digest is its own."""
        return self.digest == self._digest()

    def _digest(self) -> str:
        return hashlib.sha256(self.model_dump_json(exclude={"digest"}).encode()).hexdigest()


def certificates(storage: Storage) -> Ledger[Certificate]:
    """A corpus's certificates."""
    return Ledger(storage, CERTIFICATES, Certificate)


def findings(corpus: Corpus, salt: str, found: Matches) -> Findings:
    """Write the list of the documents, and say who holds them."""
    lines = [
        orjson.dumps(
            {
                "source": row[SOURCE],
                "id_hash": id_hash(salt, row[ID]),
                "sha256": row["sha256"],
                "bytes": row["bytes"],
                "shard": row[SHARD],
                "row": row[ROW],
                "reason": row["reason"],
            }
        )
        for row in found.documents.to_pylist()
    ]
    return Findings(
        documents=write_listing(corpus.storage, lines),
        versions=holders(corpus, found),
        unknown_versions=found.gone,
    )


def holders(corpus: Corpus, found: Matches) -> tuple[Holder, ...]:
    """The versions that hold some of the documents, with their tags."""
    named = tags(corpus)
    return tuple(
        Holder(
            version=held.version.version,
            run=held.version.run,
            documents=held.documents,
            tags=tuple(tag.name for tag in named if tag.version == held.version.version),
        )
        for held in found.held
    )


def write_listing(storage: Storage, lines: list[bytes]) -> Listing:
    """Write a list, under a name that says its content."""
    data = b"".join(line + b"\n" for line in lines)
    digest = hashlib.sha256(data).hexdigest()
    path = f"{LISTS}/{digest}.jsonl"
    storage.write(path, data)
    return Listing(path=path, lines=len(lines), sha256=digest)


def checked_certificate(corpus: Corpus, number: int | None = None) -> Certificate:
    """A certificate, by default the newest, after it was checked with all before it: each digest, the chain, the lists
    and the manifests that it names. Raises MissingError, and CorruptError for what is not as it was."""
    ledger = certificates(corpus.storage)
    numbers = ledger.numbers()
    wanted = numbers[-1] if number is None and numbers else number
    if wanted is None or wanted not in numbers:
        there = f"there are {len(numbers)}" if numbers else "nothing was ever taken down here"
        raise MissingError(f"{corpus.url}: no certificate{'' if number is None else f' {number}'}; {there}")
    previous = ""
    for each in (ledger.read(n) for n in range(1, wanted + 1)):
        _check(corpus, each, previous)
        previous = each.digest
    return each


def _check(corpus: Corpus, certificate: Certificate, previous: str) -> None:
    where = f"{corpus.url}: certificate {certificate.number}"
    if not certificate.is_sealed():
        raise CorruptError(f"{where} is not what was written: its digest is another")
    if certificate.previous != previous:
        raise CorruptError(f"{where} does not follow the one before it: a certificate was replaced or removed")
    if corpus.manifest(certificate.version).digest != certificate.digest_after:
        raise CorruptError(f"{where}: the manifest of version {certificate.version} is not the one that it names")
    listings = [certificate.documents, *([certificate.erasure.files] if certificate.erasure else [])]
    for listing in listings:
        corpus.storage.read(listing.path, sha256=listing.sha256)
