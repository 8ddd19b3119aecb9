"""The card of a model: what it was trained on and how, and how good it was found to be. It lies beside the model."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from curation.errors import ModelError
from curation.quality.evaluation import Evaluation
from curation.quality.view import View
from curation.storage import find

SUFFIX = ".json"
POSITIVE, NEGATIVE = "positive", "negative"
"""The labels of the models that we train."""


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class DataFile(_Shown):
    """A file that a model was trained on."""

    label: Literal["positive", "negative"]
    uri: str
    sha256: str
    """Of its documents' texts: the digest of the digests, in their order."""
    documents: int
    unreadable: int
    """Records that are no documents."""


class Options(_Shown):
    """How a model is trained; the names are fastText's own where it has one."""

    view: View = "form"
    """What it sees of a text: its form or its words."""
    dim: int = 16
    """Size of the vectors."""
    epochs: int = 10
    """How often each document is seen."""
    lr: float = 0.1
    """Learning rate."""
    word_ngrams: int = 1
    """Longest sequence of words that counts."""
    min_n: int = 0
    """Shortest sequence of characters that counts."""
    max_n: int = 0
    """Longest sequence of characters that counts; 0: none."""
    buckets: int = 200_000
    """How many rows all sequences share."""
    min_count: int = 1
    """Words that are rarer are not known."""
    loss: Literal["softmax", "hs", "ns"] = "softmax"
    """What is made small."""
    seed: int = 0
    """Of fastText's random numbers."""
    held_out: float = 0.2
    """Share of the documents that are only tested on, by a hash of their text."""
    group: str | None = None
    """The field by whose values documents are held out instead: each is tested by a model that saw no other with its
    value, and the model that is written has seen all."""


class Card(_Shown):
    """What MODEL.json says of the model beside it."""

    sha256: str
    """Of the model's file."""
    labels: tuple[str, str] = (POSITIVE, NEGATIVE)
    library: str
    """The library that trained it, with its version."""
    options: Options
    data: tuple[DataFile, ...]
    trained_on: dict[str, int]
    """Documents by label."""
    left_out: dict[str, int]
    """Documents that were neither trained nor tested on, by reason."""
    evaluation: Evaluation


def card_beside(path: str) -> Card | None:
    """The card beside this model; None where there is none. Raises ModelError for one that cannot be read."""
    storage, entries = find(path + SUFFIX)
    if not entries:
        return None
    try:
        return Card.model_validate_json(storage.read(entries[0].key, size=entries[0].size))
    except ValidationError:
        raise ModelError(
            f"{path}{SUFFIX} is no model's card of this version; remove it, or train the model anew"
        ) from None
