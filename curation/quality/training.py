"""Training a classifier of quality with fastText: one thread and a seed, so the same documents give the same bytes.

Documents are put in the order of a hash of their text, so neither the order of the files nor that within them matters;
of equal texts one is taken. What each looks like to the model (`View`) is held in memory: 360 bytes a document for its
form, its size for its words.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import packages_distributions, version
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import orjson
import pyarrow as pa

from curation.document import METADATA, TEXT
from curation.errors import InputError, ModelError, Problem, RecipeError
from curation.quality.card import NEGATIVE, POSITIVE, Card, DataFile, Options
from curation.quality.evaluation import Evaluation, evaluate
from curation.quality.view import Array, viewed
from curation.text.fasttext import LABEL_PREFIX, Model, parse_model

MOST_GROUPS = 50
UNKNOWN = "unknown"
"""What a field that a document does not have is called."""
END_OF_LINE = b"</s>"
TWICE, CONTRADICTORY, EMPTY = "twice", "both positive and negative", "empty"


class TrainingFile(NamedTuple):
    """A file of documents of one label."""

    label: Literal["positive", "negative"]
    uri: str
    chunks: Iterable[tuple[pa.RecordBatch, int]]
    """Its documents, and beside each batch how many records could not be read."""


class Trained(NamedTuple):
    """A model's file, and its card."""

    data: bytes
    card: Card


@dataclass
class _Examples:
    """Documents by the digest of their text, each once."""

    seen: dict[bytes, tuple[bool, bytes, dict[str, str]]] = field(default_factory=dict)
    """Digest → whether it is positive, what the model sees of it, its fields."""
    contradictory: set[bytes] = field(default_factory=set)
    left_out: dict[str, int] = field(default_factory=lambda: {TWICE: 0, CONTRADICTORY: 0, EMPTY: 0})


class _Held(NamedTuple):
    """Examples in the order of their digests."""

    lines: list[bytes]
    is_positive: np.ndarray[Any, np.dtype[np.bool_]]
    fields: dict[str, list[str]]
    positions: Array  # (documents,) float64: where each stands between 0 and 1 by its digest


def train(files: Iterable[TrainingFile], options: Options, by: Sequence[str] = ("lang",)) -> Trained:
    """A classifier that tells positive documents from negative ones, and how well it does on held-out ones.

    `by` are fields of the records, of whose values each gets its own figures. Raises ModelError where fastText is not
    installed, InputError for files without a document, RecipeError for options that do not fit the documents.
    """
    library = _library()
    fields = list(dict.fromkeys([*by, *([options.group] if options.group else [])]))
    found, data_files = _read(files, options, fields)
    held = _ordered(found, fields)
    if options.group is None:
        is_tested = held.positions < options.held_out
        data = _fit(library, held, ~is_tested, options)
        scores = _score(data, held, is_tested)
        method = f"a random {options.held_out:.0%} of the documents, chosen by a hash of their text"
    else:
        is_tested = np.ones(len(held.lines), bool)
        scores = _scores_by_group(library, held, options)
        data = _fit(library, held, is_tested, options)
        method = f"each value of {options.group!r} scored by a model that saw no document with it"
    trained = np.ones(len(held.lines), bool) if options.group else ~is_tested
    return Trained(
        data,
        Card(
            sha256=hashlib.sha256(data).hexdigest(),
            library=_library_name(),
            options=options,
            data=data_files,
            trained_on={
                POSITIVE: int((trained & held.is_positive).sum()),
                NEGATIVE: int((trained & ~held.is_positive).sum()),
            },
            left_out=found.left_out,
            evaluation=_evaluation(scores, held, is_tested, method),
        ),
    )


def _library() -> Any:
    try:
        import fasttext
    except ImportError as error:
        raise ModelError("training needs fastText, which is not installed: pip install 'curation[train]'") from error
    return fasttext


def _library_name() -> str:
    (name, *_) = packages_distributions().get("fasttext", ["fasttext"])
    return f"{name} {version(name)}"


def _read(
    files: Iterable[TrainingFile], options: Options, fields: Sequence[str]
) -> tuple[_Examples, tuple[DataFile, ...]]:
    found = _Examples()
    read = tuple(_read_file(found, file, options, fields) for file in files)
    for digest in found.contradictory:
        del found.seen[digest]
    found.left_out[CONTRADICTORY] = len(found.contradictory)
    return found, read


def _read_file(found: _Examples, file: TrainingFile, options: Options, fields: Sequence[str]) -> DataFile:
    digest, documents, unreadable = hashlib.sha256(), 0, 0
    for batch, failures in file.chunks:
        unreadable += failures
        documents += batch.num_rows
        for one in _add(found, batch, file.label == POSITIVE, options, fields):
            digest.update(one)
    if not documents:
        raise InputError(f"{file.uri}: no document in it can be read")
    return DataFile(
        label=file.label, uri=file.uri, sha256=digest.hexdigest(), documents=documents, unreadable=unreadable
    )


def _add(
    found: _Examples, batch: pa.RecordBatch, is_positive: bool, options: Options, fields: Sequence[str]
) -> Iterator[bytes]:
    """Adds a batch's documents; gives the digest of each text."""
    data, offsets = viewed(batch[TEXT], options.view)
    metadata = batch[METADATA].to_pylist()
    for row, (text, (start, end)) in enumerate(zip(batch[TEXT].to_pylist(), pairwise(offsets), strict=True)):
        digest = hashlib.sha256(text.encode()).digest()
        yield digest
        if not text.strip():
            found.left_out[EMPTY] += 1
        elif digest in found.seen:
            found.left_out[TWICE] += 1
            if found.seen[digest][0] != is_positive:
                found.contradictory.add(digest)
        else:
            record = orjson.loads(metadata[row]) if metadata[row] else {}
            values = {name: _value(record.get(name)) for name in fields}
            found.seen[digest] = (is_positive, _line(data[start:end].tobytes()), values)


def _value(value: object) -> str:
    return UNKNOWN if value is None or value == "" else str(value)


def _line(seen: bytes) -> bytes:
    """What the model sees as one line of fastText's input: without its marks for the end of a line and for labels."""
    prefix = LABEL_PREFIX.encode()
    return b" ".join(word for word in seen.split() if word != END_OF_LINE and not word.startswith(prefix))


def _ordered(found: _Examples, fields: Sequence[str]) -> _Held:
    digests = sorted(found.seen)
    examples = [found.seen[digest] for digest in digests]
    return _Held(
        lines=[line for _, line, _ in examples],
        is_positive=np.array([is_positive for is_positive, _, _ in examples], bool),
        fields={name: [values[name] for _, _, values in examples] for name in fields},
        positions=np.array([_position(digest) for digest in digests], np.float64),
    )


def _position(digest: bytes) -> float:
    """0 to 1, from other bytes of the digest than those that the order begins with."""
    return int.from_bytes(digest[-8:], "big") / (1 << 64)


def _fit(library: Any, held: _Held, wanted: Array, options: Options, where: str = "") -> bytes:
    """The bytes of the model of the wanted documents."""
    for label, has in ((POSITIVE, held.is_positive), (NEGATIVE, ~held.is_positive)):
        if not (wanted & has).any():
            raise InputError(f"no {label} document is left to train on{where}; give more, or hold out less")
    with tempfile.TemporaryDirectory() as folder:
        lines, model = Path(folder, "lines.txt"), Path(folder, "model.bin")
        with lines.open("wb") as out:
            for number in np.flatnonzero(wanted).tolist():
                label = POSITIVE if held.is_positive[number] else NEGATIVE
                out.write(f"{LABEL_PREFIX}{label} ".encode() + held.lines[number] + b"\n")
        try:
            trained = library.train_supervised(
                str(lines),
                dim=options.dim,
                epoch=options.epochs,
                lr=options.lr,
                wordNgrams=options.word_ngrams,
                minn=options.min_n,
                maxn=options.max_n,
                bucket=options.buckets,
                minCount=options.min_count,
                loss=options.loss,
                seed=options.seed,
                thread=1,
                verbose=0,
            )
        except (RuntimeError, ValueError) as error:
            raise RecipeError([Problem("", f"fastText cannot train with these options: {error}")]) from error
        trained.save_model(str(model))
        return model.read_bytes()


def _score(data: bytes, held: _Held, wanted: Array) -> Array:
    """The scores of the wanted documents, (documents,) float64, 0 for the others; by our own predictor, which will
    score with it."""
    model: Model = parse_model(data, "the trained model")
    chosen = np.flatnonzero(wanted)
    texts = [held.lines[number] for number in chosen.tolist()]
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    scores = np.zeros(len(held.lines))
    scores[chosen] = model.score(np.frombuffer(b"".join(texts), np.uint8), offsets, POSITIVE)
    return scores


def _scores_by_group(library: Any, held: _Held, options: Options) -> Array:
    """Each document's score by a model that was trained without its group."""
    groups = np.array(held.fields[options.group or ""], object)
    names = sorted(set(groups.tolist()))
    if not 2 <= len(names) <= MOST_GROUPS:
        what = f"{options.group!r} has {len(names)} values; from 2 to {MOST_GROUPS} can be held out"
        raise RecipeError([Problem("--group", what)])
    scores = np.zeros(len(groups))
    for name in names:
        data = _fit(library, held, groups != name, options, f" without {options.group} {name!r}")
        scores += _score(data, held, groups == name)
    return scores


def _evaluation(scores: Array, held: _Held, is_tested: Array, method: str) -> Evaluation:
    is_positive = held.is_positive[is_tested]
    if is_positive.all() or not is_positive.any():
        raise InputError("the held-out documents are all of one label; give more documents, or hold out more of them")
    chosen = np.flatnonzero(is_tested)
    fields = {name: [values[number] for number in chosen.tolist()] for name, values in held.fields.items()}
    return evaluate(scores[is_tested], is_positive, fields, method)
