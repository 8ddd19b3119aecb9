"""A recipe: sources, stages and where the corpus goes, as data. Whatever determines the result is in it."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Union

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from curation import contamination, language, mixture, privacy, quality, rules
from curation.dedup import DedupStage, ExactDedup, MinHashDedup
from curation.dedup.spans import SpanStage
from curation.errors import Problem, RecipeError, StorageError
from curation.mixture import UNCOUNTED, Mixture, Tokens, misfits
from curation.recipe.gates import Gate
from curation.recipe.refresh import Refresh, Retention
from curation.sources import READING_VERSION, Limits, Source
from curation.stage import RowStage, RuleStage, Stage, SurveyStage, stage_kinds
from curation.storage import check_corpus_url
from curation.storage.address import absolute

FAMILIES = (language, rules, privacy, contamination, quality, mixture)
POLICIES = {"name", "output", "refresh", "gates", "retention", "mixture"}
"""The fields that do not determine what a whole run makes of its input."""

if TYPE_CHECKING:
    AnyStage = Stage
else:
    AnyStage = Annotated[Union[tuple(stage_kinds().values())], Field(discriminator="kind")]  # noqa: UP007, made at run time

RESERVED = {"read", "takedown", "refresh"}
"""What reasons and steps of the funnel begin with that are no stage's."""

READING: dict[str, object] = {
    "reading": [READING_VERSION, version("resiliparse")],
    "unicode": unicodedata.unidata_version,
}
"""What determines how any file is read, beside the recipe."""

Misfit = tuple[tuple[int | str, ...], str]
"""Where below a field something is wrong, and what."""


class Recipe(BaseModel):
    """What to curate, how, and into which corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$")]
    """What people call it."""
    output: str
    """Where the corpus is: a folder, or `s3://bucket/prefix`."""
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    """Chooses the examples in the report; every other random choice has a seed of its own."""
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    """Where documents come from. Their order breaks ties between duplicates."""
    stages: tuple[AnyStage, ...] = ()
    """What happens to the documents, in this order; deduplication comes last."""
    limits: Limits = Limits()
    """Bounds that keep a worker's memory flat."""
    max_failed: Annotated[float, Field(ge=0, le=1)] = 0.05
    """The largest share of a source's records that may be unreadable; above it the run stops, and publishes nothing."""

    refresh: Refresh = Refresh()
    """What a refresh does."""
    gates: tuple[Gate, ...] = ()
    """What must hold for a version to be published without approval."""
    retention: Retention = Retention()
    """Which versions a vacuum leaves."""
    mixture: Mixture | None = None
    """Which share of training each part of the corpus has."""

    @field_validator("output")
    @classmethod
    def _output_is_an_address(cls, output: str) -> str:
        _refuse([*_wrong_address(check_corpus_url, (), output)])
        return output

    @field_validator("sources")
    @classmethod
    def _sources_fit(cls, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        wrong = [
            found for i, source in enumerate(sources) for found in _wrong_address(absolute, (i, "uri"), source.uri)
        ]
        _refuse([*_repeated_names(sources), *wrong])
        return sources

    @field_validator("stages")
    @classmethod
    def _stages_fit(cls, stages: tuple[Stage, ...], info: ValidationInfo) -> tuple[Stage, ...]:
        _refuse(
            [
                *_repeated_names(stages),
                *_reserved_names(stages),
                *_wrong_order(stages),
                *_behind_survey(stages),
                *_counted_too_early(stages),
                *_unknown_quality(stages),
                *_wrong_scope(stages),
                *_unknown_groups(stages, info.data.get("sources")),
            ]
        )
        return stages

    @field_validator("gates")
    @classmethod
    def _gates_fit(cls, gates: tuple[Gate, ...], info: ValidationInfo) -> tuple[Gate, ...]:
        if {"sources", "stages"} <= info.data.keys():  # else what is wrong with those is told already
            _refuse([*_unknown_of(gates, info.data["sources"], info.data["stages"])])
        return gates

    @field_validator("mixture")
    @classmethod
    def _mixture_fits(cls, mixture: Mixture | None, info: ValidationInfo) -> Mixture | None:
        if mixture is not None and {"sources", "stages"} <= info.data.keys():
            _refuse([*_mixture_misfits(mixture, info.data["sources"], info.data["stages"])])
        return mixture

    @property
    def row_stages(self) -> list[RowStage]:
        """The stages that look at one document at a time, in order."""
        return [stage for stage in self.stages if isinstance(stage, RowStage)]

    @property
    def redactions(self) -> list[privacy.Redaction]:
        """The stages that look for what nobody is to see, in order."""
        return [stage for stage in self.stages if isinstance(stage, privacy.Redaction)]

    @property
    def surveyed(self) -> list[SurveyStage]:
        """The stages that decide by a survey of all documents, in order."""
        return [stage for stage in self.stages if isinstance(stage, SurveyStage) and stage.is_surveyed]

    @property
    def tokens_column(self) -> str | None:
        """The column that counts the documents' tokens: that of the last `tokens` stage; None without one."""
        counting = [stage for stage in self.stages if isinstance(stage, Tokens)]
        return counting[-1].column("count") if counting else None

    @property
    def exact(self) -> ExactDedup | None:
        return next((stage for stage in self.stages if isinstance(stage, ExactDedup)), None)

    @property
    def minhash(self) -> MinHashDedup | None:
        return next((stage for stage in self.stages if isinstance(stage, MinHashDedup)), None)

    @property
    def span_stages(self) -> list[SpanStage]:
        """The stages that take repeated parts out of what is kept, in order."""
        return [stage for stage in self.stages if isinstance(stage, SpanStage)]

    def pinned(self) -> Recipe:
        """This recipe with the digests of its stages' models in it, so that whoever runs it uses these or fails.

        Raises ModelError where a model is missing, RecipeError where a stage asks of it what it does not have.
        """
        return self._pinned(self._models())

    def fingerprint(self) -> str:
        """32 hex digits that change when anything does that determines the result of this recipe on the same input:
        fields (but for POLICIES), the stages' versions, their models' digests, how files are read, and
        Python's Unicode. Raises as `pinned`.
        """
        models = self._models()
        parts = {
            "recipe": self._pinned(models).model_dump(mode="json", exclude=POLICIES),
            "stages": [
                [stage.kind, stage.version, digests] for stage, digests in zip(self.stages, models, strict=True)
            ],
            **READING,
        }
        return _digest(parts)

    def meaning(self) -> dict[str, str]:
        """The fingerprint in parts that can be told apart: what each stage does, how each source is read. Where one
        differs from a version's, the records that it concerns must be read again. Raises as `pinned`."""
        models = self._models()
        parts: dict[str, object] = {
            f"stages.{stage.name}": [stage.model_dump(mode="json"), stage.version, digests]
            for stage, digests in zip(self._pinned(models).stages, models, strict=True)
        }
        parts |= {f"sources.{s.name}": s.model_dump(mode="json", exclude={"name", "uri"}) for s in self.sources}
        parts |= {"stages": [stage.name for stage in self.stages], "limits": self.limits.model_dump(mode="json")}
        return {name: _digest(part) for name, part in (parts | READING).items()}

    def _models(self) -> list[dict[str, str]]:
        """What each stage's `models` gives; a problem's path begins at the recipe, not at the stage."""
        models: list[dict[str, str]] = []
        problems: list[Problem] = []
        for index, stage in enumerate(self.stages):
            try:
                models.append(stage.models())
                problems += [Problem(f"stages.{index}.table", found) for found in _unmatched_table(stage, self.stages)]
            except RecipeError as error:
                problems += [Problem(f"stages.{index}.{found.path}", found.message) for found in error.problems]
        if problems:
            raise RecipeError(problems)
        return models

    def _pinned(self, models: Sequence[dict[str, str]]) -> Recipe:
        stages = []
        for stage, digests in zip(self.stages, models, strict=True):
            pins = {
                f"{field}_sha256": digests[getattr(stage, field)]
                for field in type(stage).files
                if f"{field}_sha256" in type(stage).model_fields and getattr(stage, field) in digests
            }
            stage = stage.model_copy(update=pins)  # noqa: PLW2901
            stages.append(stage.pinned(digests) if isinstance(stage, quality.QualityClassifier) else stage)
        return self.model_copy(update={"stages": tuple(stages)})


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _refuse(misfits: Sequence[Misfit]) -> None:
    """Raise all of them as one ValidationError, which pydantic puts below the field's path."""
    if misfits:
        details = [
            InitErrorDetails(type=PydanticCustomError("misfit", "{what}", {"what": message}), loc=path, input=None)
            for path, message in misfits
        ]
        raise ValidationError.from_exception_data("Recipe", details)


def _wrong_address(check: Callable[[str], object], path: tuple[int | str, ...], url: str) -> Iterator[Misfit]:
    try:
        check(url)
    except StorageError as error:
        yield path, str(error)


def _repeated_names(items: Sequence[Source] | Sequence[Stage]) -> Iterator[Misfit]:
    names = [item.name for item in items]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield (index, "name"), f"the name {name!r} is used more than once; give each its own `name`"


def _reserved_names(stages: Sequence[Stage]) -> Iterator[Misfit]:
    for index, stage in enumerate(stages):
        if stage.name in RESERVED:
            yield (index, "name"), f"{stage.name!r} is the name of a step of the pipeline; give the stage another"


_BEHIND = ("exact_dedup", "minhash_dedup", "paragraph_dedup", "substring_dedup")
"""The kinds that compare documents with each other, in their order."""


def _wrong_order(stages: Sequence[Stage]) -> Iterator[Misfit]:
    dedup: list[Stage] = []
    for index, stage in enumerate(stages):
        if isinstance(stage, DedupStage | SpanStage):
            if dedup and _BEHIND.index(stage.kind) <= _BEHIND.index(dedup[-1].kind):
                yield (index,), f"at the end there may be one each of {', '.join(_BEHIND)}, in this order"
            dedup.append(stage)
        elif dedup:
            yield (
                (index,),
                f"{stage.name} stands behind deduplication, where it could drop the survivor of documents "
                "that are already gone; move it before",
            )


def _behind_survey(stages: Sequence[Stage]) -> Iterator[Misfit]:
    surveyed: list[Stage] = []
    for index, stage in enumerate(stages):
        if isinstance(stage, RowStage) and stage.is_surveyed:
            surveyed.append(stage)
        elif isinstance(stage, RowStage) and surveyed:
            yield (
                (index,),
                f"{stage.name} stands behind {surveyed[0].name}, which decides last, when all documents that the other "
                f"stages leave are counted; move it before {surveyed[0].name}",
            )


def _counted_too_early(stages: Sequence[Stage]) -> Iterator[Misfit]:
    """A count of a text that is not the corpus's would be wrong without a word."""
    for index, stage in enumerate(stages):
        later = (each for each in stages[index + 1 :] if isinstance(each, RowStage) and each.rewrites)
        if isinstance(stage, RowStage) and stage.counts_text and (rewriting := next(later, None)):
            yield (
                (index,),
                f"{stage.name} counts the text before {rewriting.name} rewrites it, so its counts would not be those "
                f"of the documents that are kept; move it behind {rewriting.name}",
            )


def _unknown_quality(stages: Sequence[Stage]) -> Iterator[Misfit]:
    """A column to compare must be a number, and be there when the documents are compared."""
    columns: dict[str, pa.DataType] = {}
    for index, stage in enumerate(stages):
        if isinstance(stage, DedupStage) and stage.quality is not None:
            found = columns.get(stage.quality)
            if found is None:
                numbers = [name for name, type_ in columns.items() if _is_number(type_)]
                yield (index, "quality"), f"no stage before gives {stage.quality!r}; numbers are {_listed(numbers)}"
            elif not _is_number(found):
                yield (index, "quality"), f"column {stage.quality!r} is {found}, expected a number"
        columns |= {field.name: field.type for field in stage.columns()}


def _wrong_scope(stages: Sequence[Stage]) -> Iterator[Misfit]:
    exact = [stage for stage in stages if isinstance(stage, ExactDedup) and stage.scope == "corpus"]
    for index, stage in enumerate(stages):
        if exact and isinstance(stage, MinHashDedup) and stage.scope == "source":
            yield (
                (index, "scope"),
                f"{exact[0].name} keeps one copy in the whole corpus, which may be in another source, where "
                f"{stage.name} would not look for it: a document could name a survivor outside its source. "
                f"Give both the scope corpus, or {exact[0].name} the scope source",
            )


def _unknown_groups(stages: Sequence[Stage], sources: Sequence[Source] | None) -> Iterator[Misfit]:
    """Options of a language that is dropped before, or of no source, would go for nothing without a word."""
    for index, stage in enumerate(stages):
        if not isinstance(stage, RuleStage | quality.QualityClassifier):
            continue
        names = [source.name for source in sources or ()]
        for name in stage.by_source if sources is not None else ():
            if name not in names:
                yield (index, "by_source", name), f"the recipe has no such source; there are {_listed(names)}"
        if stage.by_language or (stage.table if isinstance(stage, RuleStage) else stage.groups_by_language):
            before = {field.name: each for each in stages[: index + 1] for field in each.columns()}
            giver = before.get(stage.language_column)
            if giver is None:
                yield (
                    (index, "language_column"),
                    f"no stage before gives {stage.language_column!r}: put a language stage there, or name its column",
                )
            elif isinstance(giver, language.Language):
                for name in stage.by_language:
                    if name not in giver.keep:
                        yield (index, "by_language", name), f"{giver.name} keeps {_listed(giver.keep)} only"


def _unmatched_table(stage: Stage, stages: Sequence[Stage]) -> Iterator[str]:
    """A table in other names of languages than those of the recipe's model would go for nothing without a word, and a
    language that it leaves out would be judged as English is."""
    if isinstance(stage, RuleStage) and stage.table:
        kept = {label for each in stages if isinstance(each, language.Language) for label in each.keep}
        known = stage.languages()
        if kept and not kept & known:
            yield (
                f"{stage.table} has none of the languages that are kept ({_listed(sorted(kept))}); it has "
                f"{_listed(sorted(known)[:20])}: are they named by another model?"
            )
        elif missing := sorted(kept - known - stage.by_language.keys()):
            yield (
                f"{stage.table} says nothing of {_listed(missing)}, which would be judged by this stage's own options: "
                f"give them in the table, keep them out, or say that it is meant by by_language: {{{missing[0]}: {{}}}}"
            )


def _unknown_of(gates: Sequence[Gate], sources: Sequence[Source], stages: Sequence[Stage]) -> Iterator[Misfit]:
    """A gate on what the recipe does not have would measure 0 for ever, and pass a `max` without a word."""
    for index, gate in enumerate(gates):
        what, known = _measurable(gate, sources, stages)
        if gate.of is not None and gate.of not in known:
            yield (index, "of"), f"the recipe has no {what} {gate.of!r}; there are {_listed(known)}"
        if gate.metric == "duplicate_share" and not any(isinstance(stage, DedupStage) for stage in stages):
            yield (index, "metric"), "no stage looks for duplicates: add exact_dedup or minhash_dedup"
        if gate.metric == "tokens" and not any(isinstance(stage, Tokens) for stage in stages):
            yield (index, "metric"), "no stage counts tokens: add {kind: tokens}"


def _measurable(gate: Gate, sources: Sequence[Source], stages: Sequence[Stage]) -> tuple[str, list[str]]:
    """What a gate's `of` names, and which names there are."""
    if gate.metric == "source_share":
        return "source", [source.name for source in sources]
    if gate.metric == "language_share":
        first = next((stage for stage in stages if isinstance(stage, language.Language)), None)
        return "language among those that its first language stage keeps,", [*first.keep] if first else []
    stage = next((stage for stage in stages if stage.name == (gate.of or "").partition(".")[0]), None)
    names = [stage.name, *sorted(stage.reasons())] if stage else [stage.name for stage in stages]
    return "stage or reason", names


def _mixture_misfits(mixture: Mixture, sources: Sequence[Source], stages: Sequence[Stage]) -> Iterator[Misfit]:
    if not any(isinstance(stage, Tokens) for stage in stages):
        yield (), UNCOUNTED
    first = next((stage for stage in stages if isinstance(stage, language.Language)), None)
    columns = pa.schema([field for stage in stages for field in stage.columns()])
    yield from misfits(mixture, [source.name for source in sources], [*first.keep] if first else [], columns)


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
