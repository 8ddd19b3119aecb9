"""A stage: configuration that annotates a batch, then names the rows to drop and why.

Adding a stage touches one file and its test: subclass `RowStage` (or `RuleStage`, for a table of bounds) in its
family's folder, give it a `kind`, and import it in the family's `__init__.py`. The registry, the recipe's schema, the
command line and the report find it by its `kind`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]

_registry: dict[str, type[Stage]] = {}


class Stage(BaseModel):
    """What every stage has: its fields are its configuration, its identity and its schema in the API."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    version: ClassVar[int] = 1
    """Raised when the stage's arithmetic changes, so that old results are not taken for new ones."""
    reference: ClassVar[str] = ""
    """Where the rule and its thresholds come from: paper, tool and version."""
    files: ClassVar[Mapping[str, frozenset[str]]] = {}
    """The fields that name a file to read, by path or URL, each with the values that mean something built in."""

    kind: str
    """Which stage this is."""
    name: Name = ""
    """What its columns and reasons begin with; needed only to use one kind twice. Default: the kind."""

    @model_validator(mode="before")
    @classmethod
    def _named_by_kind(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("name"):
            return {**data, "name": data.get("kind", cls.kinds()[0])}
        return data

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        for kind in cls.kinds():
            _registry[kind] = cls

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """The values of `kind` that mean this class; none for an abstract one."""
        annotation = cls.model_fields["kind"].annotation
        return tuple(get_args(annotation)) if annotation is not str else ()

    def column(self, value: str) -> str:
        """The name of one of this stage's columns."""
        return f"{self.name}.{value}"

    def columns(self) -> pa.Schema:
        """The value columns that this stage adds, with their types; names as `column` gives them."""
        return pa.schema([])

    @abstractmethod
    def reasons(self) -> frozenset[str]:
        """Every drop reason that it may give, as `column` names it."""

    def models(self) -> dict[str, str]:
        """Digests of what determines the result beside the fields (a model file: name → SHA-256).

        Raises ModelError when one is missing.
        """
        return {}


@dataclass(frozen=True)
class Evidence:
    """Why rows were dropped, one entry a row; null where the row is kept or there is nothing to say."""

    values: pa.DoubleArray
    thresholds: pa.DoubleArray
    details: pa.StringArray


class RowStage(Stage):
    """A stage that looks at one document at a time."""

    rewrites: ClassVar[bool] = False
    """Whether `annotate` may change the text."""

    def signals(self) -> frozenset[str]:
        """The measurements of `curation.text.signals` that it reads; those of several stages are taken in one scan."""
        return frozenset()

    @abstractmethod
    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with this stage's columns added (and its text rewritten); the same rows in the same order."""

    @abstractmethod
    def drop_reasons(self, batch: pa.RecordBatch) -> pa.StringArray:
        """`name.why` for each row to drop, null for each to keep; reads columns of an annotated batch only."""

    def evidence(self, batch: pa.RecordBatch, reasons: pa.StringArray) -> Evidence:
        """The value and threshold behind each reason that `drop_reasons` gave for this batch."""
        nothing = pa.nulls(batch.num_rows, pa.float64())
        return Evidence(nothing, nothing, pa.nulls(batch.num_rows, pa.string()))


Frozen = dict[str, Any]
"""What a survey of the corpus has settled, as plain JSON: thresholds, ranks."""


class SurveyStage(RowStage):
    """A stage that must have seen every document that reaches it before it can decide on one.

    It stands behind all stages that look at one document at a time. In the first pass `annotate` measures, and nothing
    is dropped; the measurements of all documents are counted (`survey`, which adds up in any order), and what follows
    from the counts is `settled` once for the version, and recorded in its manifest; then each document is decided by
    that alone. A refresh decides by what its base has settled.
    """

    @property
    def is_surveyed(self) -> bool:
        """Whether these fields need a survey at all; without one it decides at once, as any other stage."""
        return True

    @abstractmethod
    def survey(self, batch: pa.RecordBatch) -> dict[str, np.ndarray[Any, np.dtype[np.int64]]]:
        """Counts of an annotated batch by name, each of any shape that is the same for every batch; those of all
        batches are added up. Reads the columns of decisions alone: address, language, this stage's values."""

    @abstractmethod
    def settle(self, counts: Mapping[str, np.ndarray[Any, np.dtype[np.int64]]]) -> Frozen:
        """What the counts of the whole corpus settle."""

    @abstractmethod
    def annotate_settled(self, batch: pa.RecordBatch, frozen: Frozen) -> pa.RecordBatch:
        """The annotated batch with the columns filled in that follow from what is settled."""

    @abstractmethod
    def settled_reasons(self, batch: pa.RecordBatch, frozen: Frozen) -> pa.StringArray:
        """As `drop_reasons`, of a batch that `annotate_settled` gave."""

    @abstractmethod
    def settled_evidence(self, batch: pa.RecordBatch, reasons: pa.StringArray, frozen: Frozen) -> Evidence:
        """As `evidence`, for the reasons that `settled_reasons` gave."""


@dataclass(frozen=True)
class Bound:
    """A rule: drop for `why` when the value of `column` is `op` `threshold`; a threshold of None switches it off."""

    why: str
    column: str
    op: Literal["<", "<=", ">", ">="]
    threshold: float | None


_COMPARE = {"<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal}


class RuleStage(RowStage):
    """A stage whose drops are a table of bounds on its own columns: the first bound that is broken names the reason."""

    @abstractmethod
    def bounds(self) -> Sequence[Bound]:
        """The rules, in the order in which they are asked."""

    def reasons(self) -> frozenset[str]:
        return frozenset(self.column(bound.why) for bound in self._active())

    def drop_reasons(self, batch: pa.RecordBatch) -> pa.StringArray:
        broken = self._first_broken(batch)
        reasons = np.array([None, *(self.column(bound.why) for bound in self._active())], dtype=object)
        return pa.array(reasons[broken + 1], pa.string())

    def evidence(self, batch: pa.RecordBatch, reasons: pa.StringArray) -> Evidence:
        values: list[float | None] = [None] * batch.num_rows
        thresholds: list[float | None] = [None] * batch.num_rows
        by_reason = {self.column(bound.why): bound for bound in self._active()}
        for row, reason in enumerate(reasons.to_pylist()):
            if reason is not None:
                bound = by_reason[reason]
                values[row] = batch[self.column(bound.column)][row].as_py()
                thresholds[row] = bound.threshold
        return Evidence(
            pa.array(values, pa.float64()), pa.array(thresholds, pa.float64()), pa.nulls(batch.num_rows, pa.string())
        )

    def _active(self) -> list[Bound]:
        return [bound for bound in self.bounds() if bound.threshold is not None]

    def _first_broken(self, batch: pa.RecordBatch) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The index of the first broken bound for each row, -1 for none; (rows,)."""
        first = np.full(batch.num_rows, -1, np.int64)
        for index, bound in enumerate(self._active()):
            values = batch[self.column(bound.column)]
            if values.null_count:
                raise ValueError(f"{self.column(bound.column)}: {values.null_count} null values; a rule needs a value")
            hit = _COMPARE[bound.op](values, pa.scalar(bound.threshold, values.type)).to_numpy(zero_copy_only=False)
            first[(first < 0) & hit] = index
        return first


def stage_kinds() -> dict[str, type[Stage]]:
    """Every registered stage by kind, sorted. Families register theirs when they are imported."""
    return dict(sorted(_registry.items()))
