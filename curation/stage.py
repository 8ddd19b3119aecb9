"""A stage: configuration that annotates a batch, then names the rows to drop and why.

Adding a stage touches one file and its test: subclass `RowStage` (or `RuleStage`, for a table of bounds) in its
family's folder, give it a `kind`, and import it in the family's `__init__.py`. The registry, the recipe's schema, the
command line and the report find it by its `kind`.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from curation.document import SOURCE
from curation.errors import Problem, RecipeError
from curation.report import Span
from curation.storage.pinned import read_pinned
from curation.storage.tables import Table, parse_table

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]
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
    """The fields that name a file to read, by path or URL, each with the values that mean something built in; or that
    list several, each as the `path` of an item."""
    file_sets: ClassVar[Mapping[str, str]] = {}
    """Those of them that may be a glob or a folder too, each with the glob of what is read below a folder."""

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

    def thresholds(self) -> frozenset[str]:
        """The options that only say which measured values are dropped: nothing that goes on is measured or written
        otherwise for them, so decisions can be replayed under other ones from the values that they hold."""
        return frozenset()

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

    counts_text: ClassVar[bool] = False
    """Whether its values say how much text the corpus has in a document: no stage behind it may rewrite the text, and
    what is cut later is counted again."""

    @property
    def rewrites(self) -> bool:
        """Whether `annotate` may change the text."""
        return False

    @property
    def is_surveyed(self) -> bool:
        """Whether it decides only once all documents have been surveyed: see SurveyStage."""
        return False

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

    def spans(self, texts: Sequence[str], decisions: pa.RecordBatch) -> list[Span | None]:
        """Where each of these texts, which this stage dropped by these decisions, shows what decided; None where no
        one place of it does. Asked for the few that a report shows."""
        return [None] * decisions.num_rows


Frozen = dict[str, Any]
"""What a survey of the corpus has settled, as plain JSON: thresholds, ranks. It stands in every manifest, so it is some
hundred kilobytes at most."""

COUNT = "count"
"""The column of a table of counts that is added up."""


class SurveyStage(RowStage):
    """A stage that must have seen every document that reaches it before it can decide on one.

    It stands behind all stages that look at one document at a time. In the first pass `annotate` measures, and nothing
    is dropped; the measurements of all documents are counted (`survey`), and what follows from the counts is `settled`
    once for the version, and recorded in its manifest; then each document is decided by that alone. A refresh decides
    by what its base has settled, which may be of sources and languages that the survey has not seen.

    The batches of `survey` and of the methods behind it are of measured documents, without their text: the columns of
    decisions that are known before anything is decided (`source`, `shard`, `row`, `id`, `language`, `bytes`), and the
    values of all stages. So what they do can be done again from a corpus's decisions.
    """

    @property
    def is_surveyed(self) -> bool:
        """Whether these fields need a survey at all; without one it decides at once, as any other stage."""
        return True

    @abstractmethod
    def survey(self, batch: pa.RecordBatch) -> pa.Table:
        """Counts of measured documents: any columns of strings, integers or booleans as keys, and `count` (int64).

        The counts of all batches are put together, those of equal keys added up, so it must not matter how documents
        are divided into batches. Only what occurs is listed (the bins of a histogram that are not empty); the columns
        are the same for every batch, one without rows too.
        """

    @abstractmethod
    def settle(self, counts: pa.Table) -> Frozen:
        """What the counts of the whole corpus settle, of one document at least: `survey`'s columns, each key once,
        sorted by the keys."""

    @abstractmethod
    def annotate_settled(self, batch: pa.RecordBatch, frozen: Frozen) -> pa.RecordBatch:
        """The batch with those of this stage's columns filled in that follow from what is settled; the same rows in
        the same order. Other columns than this stage's are left as they were, whatever it does to them."""

    @abstractmethod
    def settled_reasons(self, batch: pa.RecordBatch, frozen: Frozen) -> pa.StringArray:
        """As `drop_reasons`, of a batch that `annotate_settled` gave."""

    @abstractmethod
    def settled_evidence(self, batch: pa.RecordBatch, reasons: pa.StringArray, frozen: Frozen) -> Evidence:
        """As `evidence`, for the reasons that `settled_reasons` gave."""


def phrase_span(text: str, *words: str) -> Span | None:
    """Where a text first has these words one after the other, whatever their case and what stands between; None where
    it has not."""
    found = re.search(r"[\W_]+".join(map(re.escape, words)), text, re.IGNORECASE)
    return found.span() if found else None


@dataclass(frozen=True)
class Bound:
    """A rule: drop for `why` when the value of `column` is `op` `threshold`; a threshold of None switches it off."""

    why: str
    column: str
    op: Literal["<", "<=", ">", ">="]
    threshold: float | None


_COMPARE = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
_MOST_TABLE_BYTES = 64 << 20

TABLES: Mapping[str, str] = {"fineweb2": str(Path(__file__).parent / "tables" / "fineweb2.yaml")}
"""The tables of options by language that come with this package, and where they are."""

Setting = int | float | str | bool | tuple[str, ...] | date | None
Settings = dict[str, Setting]
"""Some of a stage's options, by name."""
_checked_tables: dict[tuple[str, tuple[str, ...], str], dict[str, Settings]] = {}
"""What tables say: by a stage's kind, the names of its bounds, and the table's digest."""


class RuleStage(RowStage):
    """A stage whose drops are a table of bounds on its own columns: the first bound that is broken names the reason.

    Its thresholds may differ by language and by source. Each document is judged by the stage's own options, with those
    of the table for its language in their place, then those of `by_language`, then those of `by_source`.
    """

    files: ClassVar[Mapping[str, frozenset[str]]] = {"table": frozenset(TABLES)}
    by_document: ClassVar[frozenset[str]] = frozenset()
    """Options that are no thresholds and may still differ so, since `annotate` asks `variants` for them."""

    by_language: dict[str, Settings] = {}
    """Options that are others for documents in a language: language → option → value."""
    by_source: dict[str, Settings] = {}
    """Options that are others for documents of a source, whatever their language: source → option → value."""
    table: str | None = None
    """Options by language: `fineweb2`, which is built in, or a file (path or `s3://` URL; YAML or CSV): kind of stage →
    language → option → value."""
    table_sha256: Sha256 | None = None
    """The SHA-256 that this file must have, in hex."""
    language_column: str = "language.label"
    """The column that says a document's language: `label` of a language stage that stands before."""

    @field_validator("table")
    @classmethod
    def _table_is_known(cls, table: str | None) -> str | None:
        if table is None or table in TABLES or "/" in table or "." in table:
            return table
        raise ValueError(f"no table {table!r} is built in, only {', '.join(TABLES)}; write ./{table} for a file")

    @field_validator("by_language", "by_source")
    @classmethod
    def _settings_are_options(cls, groups: dict[str, Settings]) -> dict[str, Settings]:
        problems: list[Problem] = []
        checked = {group: cls._checked(settings, group, problems) for group, settings in groups.items()}
        _refuse(problems)
        return checked

    @model_validator(mode="after")
    def _settings_are_adjustable(self) -> Self:
        if self.by_language or self.by_source:
            _refuse(
                [
                    *self._not_adjustable(self.by_language, "by_language."),
                    *self._not_adjustable(self.by_source, "by_source."),
                ]
            )
        return self

    @model_validator(mode="after")
    def _something_can_pass(self) -> Self:
        for language, of_language in {"": {}, **self.by_language}.items():
            for source, of_source in {"": {}, **self.by_source}.items():
                if found := self._with(of_language | of_source).contradiction():
                    named = [f"language {language}"] * bool(language) + [f"source {source}"] * bool(source)
                    raise ValueError(": ".join([", ".join(named), found] if named else [found]))
        return self

    def contradiction(self) -> str:
        """Why no document can pass these thresholds, in a sentence; empty where one can."""
        above: dict[str, float] = {}
        below: dict[str, float] = {}
        for bound in self.bounds():
            if bound.threshold is not None:
                side, tighter = (above, max) if bound.op in ("<", "<=") else (below, min)
                side[bound.column] = tighter(bound.threshold, side.get(bound.column, bound.threshold))
        for column in above.keys() & below.keys():
            if above[column] > below[column]:
                return (
                    f"{column} must be at least {above[column]:g} and at most {below[column]:g}: nothing could be kept"
                )
        return ""

    @abstractmethod
    def bounds(self) -> Sequence[Bound]:
        """The rules, in the order in which they are asked; the same ones whatever the thresholds are."""

    def reasons(self) -> frozenset[str]:
        """With a table all that there are, for what the table switches on is known only when it is read."""
        stages = [self, *(self._with(settings) for settings in self._inline())]
        bounds = [bound for stage in stages for bound in stage.bounds()]
        return frozenset(self.column(bound.why) for bound in bounds if self.table or bound.threshold is not None)

    def thresholds(self) -> frozenset[str]:
        """The options that are the threshold of a bound as they stand."""
        probe = float("nan")
        numbers = [name for name, value in self if value is None or type(value) in (int, float)]
        changed = {name: self.model_copy(update={name: probe}).bounds() for name in numbers}
        return frozenset(name for name, bounds in changed.items() if any(bound.threshold is probe for bound in bounds))

    def models(self) -> dict[str, str]:
        """The table's digest. Raises ModelError for a table that is none, RecipeError for options that are none."""
        if self.table is None:
            return {}
        return {self.table: self._tabled()[1]}

    def languages(self) -> frozenset[str]:
        """Those for which the table has options of this stage. Raises as `models`."""
        return frozenset(self._tabled()[0])

    def variants(self, batch: pa.RecordBatch) -> tuple[list[Self], np.ndarray[Any, np.dtype[np.int64]]]:
        """The stages that judge the documents of this batch, this one with the options of a language and a source, and
        for each row which of them does, (rows,). Reads `source` and the column of languages."""
        stages, _, which = self._judges(batch)
        return stages, which

    def _judges(
        self, batch: pa.RecordBatch
    ) -> tuple[list[Self], list[str | None], np.ndarray[Any, np.dtype[np.int64]]]:
        """`variants`, with what each goes by beside this stage's own options."""
        if not (self.by_language or self.by_source or self.table):
            return [self], [None], np.zeros(batch.num_rows, np.int64)
        tabled, _ = self._tabled()
        languages = _encoded(batch, self.language_column if self.by_language or self.table else None)
        sources = _encoded(batch, SOURCE if self.by_source else None)
        codes = languages.indices.to_numpy() * len(sources.dictionary) + sources.indices.to_numpy()
        pairs, which = np.unique(codes, return_inverse=True)
        stages, names = [], []
        for pair in pairs.tolist():
            language = languages.dictionary[pair // len(sources.dictionary)].as_py()
            source = sources.dictionary[pair % len(sources.dictionary)].as_py()
            of_language = tabled.get(language, {}) | self.by_language.get(language, {})
            of_source = self.by_source.get(source, {})
            stages.append(self._with(of_language | of_source))
            named = [f"language {language}"] * bool(of_language) + [f"source {source}"] * bool(of_source)
            names.append(", ".join(named) or None)
        return stages, names, which.astype(np.int64)

    def drop_reasons(self, batch: pa.RecordBatch) -> pa.StringArray:
        """By the thresholds that hold for each document."""
        first = np.full(batch.num_rows, -1, np.int64)
        stages, which = self.variants(batch)
        bounds = self.bounds()
        for index, limits in self._limits(stages):
            column = self.column(bounds[index].column)
            if batch[column].null_count:
                raise ValueError(f"{column}: {batch[column].null_count} null values; a rule needs a value")
            values = batch[column].to_numpy(zero_copy_only=False)
            first[(first < 0) & _COMPARE[bounds[index].op](values, limits[which])] = index
        reasons = np.array([None, *(self.column(bound.why) for bound in bounds)], dtype=object)
        return pa.array(reasons[first + 1], pa.string())

    def evidence(self, batch: pa.RecordBatch, reasons: pa.StringArray) -> Evidence:
        """The detail names the language and the source whose options it was judged by, if they have any."""
        values, thresholds = (pa.nulls(batch.num_rows, pa.float64()) for _ in range(2))
        given = set(pc.unique(reasons).to_pylist())
        stages, names, which = self._judges(batch)
        bounds = self.bounds()
        for index, limits in self._limits(stages):
            reason, column = self.column(bounds[index].why), self.column(bounds[index].column)
            if reason in given:
                broken = pc.fill_null(pc.equal(reasons, reason), False)
                values = pc.if_else(broken, batch[column].cast(pa.float64()), values)
                thresholds = pc.if_else(broken, pa.array(limits[which]), thresholds)
        details = pc.if_else(reasons.is_valid(), pa.array(names, pa.string()).take(pa.array(which)), None)
        return Evidence(values, thresholds, details)

    def _limits(self, stages: Sequence[Self]) -> Iterator[tuple[int, np.ndarray[Any, np.dtype[np.float64]]]]:
        """For each bound that is not off everywhere its index, and its threshold in each stage, (stages,); where it is
        off NaN, which nothing breaks."""
        for index, bounds in enumerate(zip(*(stage.bounds() for stage in stages), strict=True)):
            limits = np.array([np.nan if bound.threshold is None else bound.threshold for bound in bounds], np.float64)
            if not np.isnan(limits).all():
                yield index, limits

    def _with(self, settings: Settings) -> Self:
        alone: dict[str, object] = {"by_language": {}, "by_source": {}, "table": None}
        return self.model_copy(update=alone | settings)

    def _inline(self) -> list[Settings]:
        """Every combination of options that a document may be judged by, without the table."""
        languages, sources = ([{}, *groups.values()] for groups in (self.by_language, self.by_source))
        return [language | source for language in languages for source in sources]

    def _tabled(self) -> tuple[dict[str, Settings], str]:
        """The table's options by language, and its digest."""
        if self.table is None:
            return {}, ""
        table, sha256 = read_pinned(
            TABLES.get(self.table, self.table), self.table_sha256, parse_table, _MOST_TABLE_BYTES
        )
        key = (self.kind, tuple(bound.why for bound in self.bounds()), sha256)  # a flavour may have bounds of its own
        if key not in _checked_tables:
            _checked_tables[key] = self._checked_table(table)
        return _checked_tables[key], sha256

    def _checked_table(self, table: Table) -> dict[str, Settings]:
        """What the table says of this kind of stage. Raises RecipeError with all that is wrong with it."""
        if self.kind not in table:
            raise RecipeError(
                [Problem("table", f"{self.table} says nothing of {self.kind}; it has {', '.join(table)}")]
            )
        problems: list[Problem] = []
        settings = {name: self._checked(options, name, problems) for name, options in table[self.kind].items()}
        problems += self._not_adjustable(settings, "")
        if not problems:
            problems = [
                Problem(name, found)
                for name, options in settings.items()
                if (found := self._with(options).contradiction())
            ]
        if problems:
            raise RecipeError([Problem("table", f"{self.table}: {self.kind}.{problem}") for problem in problems])
        return settings

    def _not_adjustable(self, groups: dict[str, Settings], path: str) -> list[Problem]:
        adjustable = RuleStage.thresholds(self) | self.by_document
        return [
            Problem(f"{path}{group}.{option}", f"it cannot differ; these can: {', '.join(sorted(adjustable))}")
            for group, settings in groups.items()
            for option in settings
            if option not in adjustable
        ]

    @classmethod
    def _checked(cls, settings: Mapping[str, object], group: str, problems: list[Problem]) -> Settings:
        """The settings as the fields have them; what is wrong with them goes to `problems`."""
        checked: Settings = {}
        for option, value in settings.items():
            path = f"{group}.{option}"
            if option not in cls.model_fields:
                close = get_close_matches(option, cls.model_fields, 1)
                problems.append(Problem(path, "unknown option" + (f"; did you mean {close[0]}?" if close else "")))
                continue
            adapter, is_list = _adapter(cls, option)
            try:
                given = value.split() if is_list and isinstance(value, str) else value  # as a cell of CSV has it
                checked[option] = adapter.validate_python(given)
            except ValidationError as error:
                problems.append(Problem(path, error.errors()[0]["msg"]))
        return checked


@cache
def _adapter(stage: type[Stage], option: str) -> tuple[TypeAdapter[Any], bool]:
    """What checks a value of this option alone, and whether it is a list."""
    annotation = stage.model_fields[option].rebuild_annotation()
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    return adapter, adapter.json_schema().get("type") == "array"


def _encoded(batch: pa.RecordBatch, column: str | None) -> pa.DictionaryArray:
    """The column's values, each once, and where which stands; without a column null everywhere."""
    if column is None:
        return pa.nulls(batch.num_rows, pa.string()).dictionary_encode(null_encoding="encode")
    if column not in batch.schema.names:
        raise ValueError(f"{column}: no such column; the stage that gives it must stand before")
    return batch[column].dictionary_encode(null_encoding="encode")


def _refuse(problems: Sequence[Problem]) -> None:
    """Raise all of them as one ValidationError, each at its path below the field or model."""
    if problems:
        details = [
            InitErrorDetails(
                type=PydanticCustomError("setting", "{what}", {"what": problem.message}),
                loc=tuple(problem.path.split(".")),
                input=None,
            )
            for problem in problems
        ]
        raise ValidationError.from_exception_data("Stage", details)


def stage_kinds() -> dict[str, type[Stage]]:
    """Every registered stage by kind, sorted. Families register theirs when they are imported."""
    return dict(sorted(_registry.items()))
