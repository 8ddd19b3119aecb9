"""Object storage: one small interface over local folders and S3.

Keys are relative to the storage's URL, with `/` between parts. Writes are atomic: a reader sees all of an object or
none of it. Nothing secret appears in a URL, an error, a pickle or a log.
"""

from curation.storage.address import check_corpus_url, forget_storages, object_url, open_storage
from curation.storage.checkup import Check, bucket_versioning, doctor
from curation.storage.find import find, find_all
from curation.storage.storage import Entry, Storage

__all__ = [
    "Check",
    "Entry",
    "Storage",
    "bucket_versioning",
    "check_corpus_url",
    "doctor",
    "find",
    "find_all",
    "forget_storages",
    "object_url",
    "open_storage",
]
