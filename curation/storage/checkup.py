"""Whether a store can hold a corpus: a few small objects are written, raced for, read and removed again."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Barrier

from curation.errors import ConflictError, MissingError, StorageError, TransientError
from curation.storage.address import open_storage
from curation.storage.storage import Storage

WRITERS = 16
ROUNDS = 8
FOLDER = "_doctor"
"""Where the doctor writes, below the URL; empty again afterwards."""


@dataclass(frozen=True)
class Check:
    """One thing that a store must be able to do.

    `advice` says what to do when `ok` is False; with `ok` True it is a warning, or empty.
    """

    name: str
    ok: bool
    found: str
    advice: str = ""


@dataclass(frozen=True)
class _Patient:
    storage: Storage
    folder: str
    body: bytes

    def key(self, name: str) -> str:
        return f"{self.folder}/{name}"


_Look = Callable[[_Patient], str | tuple[str, str]]
"""Looks at one thing: what was found, or that and a warning. Raises _RefusedError."""


class _RefusedError(Exception):
    """A check that failed: what was found, and what to do."""

    def __init__(self, found: str, advice: str) -> None:
        self.found, self.advice = found, advice
        super().__init__(found)


def doctor(url: str) -> list[Check]:
    """The checks of the store at `url`, in order; the store is fit when all are `ok`. Stops where it makes no sense to
    go on. Raises StorageError for an address that cannot be one."""
    return examine(open_storage(url))


def examine(storage: Storage) -> list[Check]:
    """As `doctor`, for a storage."""
    patient = _Patient(storage, f"{FOLDER}/{secrets.token_hex(8)}", secrets.token_bytes(1 << 16))
    checks = [_check("reach", _reach, patient)]
    if not checks[0].ok:
        return checks
    try:
        return checks + list(_tries(patient))
    finally:
        with suppress(StorageError):
            storage.delete_prefix(f"{patient.folder}/")


def bucket_versioning(url: str) -> str | None:
    """`unversioned`, `enabled`, `suspended`, or `unknown` and why; None of a folder. Raises StorageError."""
    address = open_storage(url).url
    if not address.startswith("s3://"):
        return None
    return _bucket_versioning(address.removeprefix("s3://").partition("/")[0])


def refuse(checks: list[Check]) -> None:
    """Raises StorageError with every failed check and its advice, if there is one."""
    failed = [f"{check.name}: {check.found}. {check.advice}" for check in checks if not check.ok]
    if failed:
        raise StorageError("this store cannot hold a corpus: " + "; ".join(failed))


def _tries(patient: _Patient) -> Iterator[Check]:
    first = _check("write and read", _write_and_read, patient)
    yield first
    if first.ok:
        yield from (_check(name, look, patient) for name, look in _FURTHER.items())


def _check(name: str, look: _Look, patient: _Patient) -> Check:
    try:
        found = look(patient)
    except _RefusedError as refused:
        return Check(name, False, refused.found, refused.advice)
    except TransientError as error:
        return Check(name, False, str(error), "See that the store is up and AWS_ENDPOINT_URL right, and try again.")
    except (StorageError, ConflictError) as error:
        return Check(name, False, str(error), "Mend the address, the credentials or the permissions.")
    return Check(name, True, found) if isinstance(found, str) else Check(name, True, *found)


def _reach(patient: _Patient) -> str:
    patient.storage.list(f"{FOLDER}/")
    return f"{patient.storage.url} answers"


def _write_and_read(patient: _Patient) -> str:
    key, body = patient.key("object é+%.bin"), patient.body
    patient.storage.write(key, body[:10])
    entry = patient.storage.write(key, body)
    patient.storage.read(key, size=len(body), sha256=hashlib.sha256(body).hexdigest())
    if patient.storage.head(key) != entry:
        raise _RefusedError(
            "an object's size or tag differs from what its writing answered", "Use a store with strong consistency."
        )
    return f"{len(body)} bytes came back with their SHA-256"


def _list_after_write(patient: _Patient) -> str:
    keys = [patient.key(f"listed/{number:03}") for number in range(10)]
    for key in keys:
        patient.storage.write(key, b"x")
    if [entry.key for entry in patient.storage.list(patient.key("listed/"))] != keys:
        raise _RefusedError(
            "objects just written are not in the listing", "Use a store whose listings are strongly consistent."
        )
    return f"{len(keys)} new objects are listed at once"


def _range_read(patient: _Patient) -> str:
    key, body = patient.key("ranges"), patient.body
    patient.storage.write(key, body)
    with patient.storage.open_seekable(key) as file:
        file.seek(-100, 2)
        tail = file.read()
    if patient.storage.read_range(key, 1000, 5000) != body[1000:6000] or tail != body[-100:]:
        raise _RefusedError("a range of an object holds the wrong bytes", "Use a store that honours ranged reads.")
    return "parts of an object read as they should"


def _delete(patient: _Patient) -> str:
    key = patient.key("deleted")
    patient.storage.write(key, b"x")
    patient.storage.delete(key)
    patient.storage.delete(key)
    with suppress(MissingError):
        patient.storage.read(key)
        raise _RefusedError("an object is still there after it was deleted", "Allow deletion, and switch caches off.")
    return "a deleted object is gone"


def _conditional_create(patient: _Patient) -> str:
    """Races writers for fresh keys: one must win each, and what is there must be the winner's."""
    with ThreadPoolExecutor(WRITERS) as pool:
        for number in range(ROUNDS):
            _race(patient, pool, patient.key(f"raced/{number}"))
    return f"{ROUNDS} races of {WRITERS} writers had one winner each"


def _race(patient: _Patient, pool: ThreadPoolExecutor, key: str) -> None:
    start = Barrier(WRITERS)
    bodies = [secrets.token_bytes(64) for _ in range(WRITERS)]

    def writes(body: bytes) -> bool:
        start.wait()
        return _creates(patient.storage, key, body)

    winners = [body for body, won in zip(bodies, pool.map(writes, bodies), strict=True) if won]
    if _creates(patient.storage, key, b"too late"):
        winners.append(b"too late")
    advice = "Use a store, and an unversioned bucket, that honours If-None-Match; two runs could overwrite each other."
    if len(winners) != 1:
        raise _RefusedError(f"{len(winners)} of {WRITERS + 1} writers created the same object", advice)
    if patient.storage.read(key) != winners[0]:
        raise _RefusedError("the object is not the one that its creator wrote", advice)


def _creates(storage: Storage, key: str, body: bytes) -> bool:
    try:
        storage.create(key, body)
    except ConflictError:
        return False
    return True


def _versioning(patient: _Patient) -> str | tuple[str, str]:
    """Old versions of a bucket's objects cost space, and some stores let every conditional write through."""
    state = bucket_versioning(patient.storage.url)
    if state is None:
        return "not a bucket"
    if state == "unversioned":
        return "the bucket keeps no old versions"
    return f"the bucket's versioning is {state}", (
        "A corpus has versions of its own: prefer an unversioned bucket, or expire its noncurrent versions."
    )


def _bucket_versioning(bucket: str) -> str:
    from botocore.exceptions import ClientError

    from curation.storage.client import s3_client
    from curation.storage.s3_errors import s3_errors

    with s3_errors(f"s3://{bucket}"):
        try:
            return s3_client().get_bucket_versioning(Bucket=bucket).get("Status", "unversioned").lower()
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 501):
                return "unknown (not allowed to ask)"
            raise


_FURTHER: dict[str, _Look] = {
    "list after write": _list_after_write,
    "range read": _range_read,
    "delete": _delete,
    "conditional create": _conditional_create,
    "versioning": _versioning,
}
