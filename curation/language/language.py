"""Keep documents in some languages: fastText's label and probability, or `und` where the text is too short to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from curation.document import TEXT, with_column
from curation.errors import Problem, RecipeError
from curation.language import fasttext, kernels
from curation.stage import Evidence, RowStage
from curation.text.arrow import text_buffers
from curation.text.fasttext import Model, Predictions
from curation.text.unicode import tables

UNDETERMINED = "und"


class Language(RowStage):
    """Drop documents that are not surely in one of some languages."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = (
        "fastText lid.176 (Joulin et al. 2016); the threshold and its strict comparison as in FineWeb (datatrove 0.10, "
        "LanguageFilter)"
    )
    files: ClassVar[Mapping[str, frozenset[str]]] = {"model": frozenset({fasttext.BUILT_IN})}

    kind: Literal["language"] = "language"
    keep: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    """The labels of the model to keep; for lid.176 ISO 639-1 codes, or ISO 639-3 where there is none (`en`, `ceb`)."""
    min_score: Annotated[float, Field(ge=0, le=1)] = 0.65
    """A document is kept only if its label's probability is above this; at it or below, it is dropped."""
    min_letters: Annotated[int, Field(ge=0)] = 20
    """A document with fewer letters, web addresses left out, is `und`: undetermined."""
    model: str = fasttext.BUILT_IN
    """`lid.176`, or the path or `s3://` URL of a fastText classifier (`.bin` or `.ftz`)."""
    model_sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    """The SHA-256 that the model's file must have, in hex."""

    def columns(self) -> pa.Schema:
        return pa.schema(
            [
                (self.column("label"), pa.string()),
                (self.column("score"), pa.float64()),
                (self.column("second"), pa.string()),
                (self.column("margin"), pa.float64()),
                (self.column("letters"), pa.int64()),
            ]
        )

    def reasons(self) -> frozenset[str]:
        return frozenset(map(self.column, ("unknown", "other", "low_score")))

    def thresholds(self) -> frozenset[str]:
        return frozenset({"keep", "min_score"})

    def models(self) -> dict[str, str]:
        """The model's digest. Raises RecipeError too, where the model has no label of a name in `keep`."""
        model = fasttext.load_model(self.model, self.model_sha256)
        _expect_labels(self.keep, model.labels)
        return {self.model: model.sha256}

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds `label`, its probability `score`, the `second` likeliest label (null where there is none), by how much
        the first is likelier (`margin`), and how many `letters` this rests on. For `und`, score and margin are 0."""
        model = fasttext.load_model(self.model, self.model_sha256)
        _expect_labels(self.keep, model.labels)
        predictions, letters = _predict(model, batch[TEXT])
        unknown = (letters < self.min_letters) | (predictions.labels[:, 0] < 0)
        first = np.where(unknown, len(model.labels), predictions.labels[:, 0])
        second = np.where(unknown, -1, predictions.labels[:, 1])
        scores = np.where(unknown[:, None], 0.0, predictions.probabilities)
        names = pa.array([*model.labels, UNDETERMINED], pa.string())
        values = (
            names.take(pa.array(first)),
            pa.array(scores[:, 0]),
            names.take(pa.array(second, mask=second < 0)),
            pa.array(scores[:, 0] - scores[:, 1]),
            pa.array(letters),
        )
        for name, column in zip(self.columns().names, values, strict=True):
            batch = with_column(batch, name, column)
        return batch

    def drop_reasons(self, batch: pa.RecordBatch) -> pa.StringArray:
        label, score = batch[self.column("label")], batch[self.column("score")]
        if label.null_count or score.null_count:
            raise ValueError(f"{self.name}: a label or a score is null; annotate gives every document one")
        return pc.case_when(
            pc.make_struct(
                pc.equal(label, UNDETERMINED),
                pc.invert(pc.is_in(label, value_set=pa.array(self.keep, pa.string()))),
                pc.less_equal(score, self.min_score),
            ),
            self.column("unknown"),
            self.column("other"),
            self.column("low_score"),
        )

    def evidence(self, batch: pa.RecordBatch, reasons: pa.StringArray) -> Evidence:
        """The label with its score against `min_score`; where it is `und`, the letters against `min_letters`."""
        unknown = pc.equal(reasons, self.column("unknown"))
        dropped = pc.is_valid(reasons)
        values = pc.if_else(unknown, batch[self.column("letters")].cast(pa.float64()), batch[self.column("score")])
        thresholds = pc.if_else(unknown, float(self.min_letters), self.min_score)
        return Evidence(
            pc.if_else(dropped, values, pa.scalar(None, pa.float64())),
            pc.if_else(dropped, thresholds, pa.scalar(None, pa.float64())),
            pc.if_else(dropped, batch[self.column("label")], pa.scalar(None, pa.string())),
        )


def _predict(model: Model, texts: pa.LargeStringArray) -> tuple[Predictions, np.ndarray[Any, np.dtype[np.int64]]]:
    """The predictions for normalised texts, and the letters that each has; (documents,) int64."""
    data, offsets = text_buffers(texts)
    for array in (data, offsets):
        array.flags.writeable = False  # as Arrow's are, but an empty batch's: the kernel is compiled for one kind
    text, ends, letters = kernels.normalise(data, offsets, *tables())
    return model.predict(text, ends), letters


def _expect_labels(keep: Sequence[str], labels: Sequence[str]) -> None:
    unknown = [code for code in keep if code not in labels]
    if unknown:
        raise RecipeError([Problem("keep", _unknown_label(code, labels)) for code in unknown])


def _unknown_label(code: str, labels: Sequence[str]) -> str:
    begin_alike = [label for label in labels if code.lower().startswith(label) or label.startswith(code.lower())]
    nearest = dict.fromkeys([*begin_alike, *get_close_matches(code, labels, n=5, cutoff=0.3)])
    return f"the model knows no language {code!r}; nearest of its {len(labels)} labels: {', '.join([*nearest][:5])}"
