"""Score documents by classifiers; drop them by their score, or by where they stand among all documents."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, model_validator

from curation.document import SOURCE, TEXT, with_column
from curation.errors import InputError, MissingError, ModelError, Problem, RecipeError
from curation.quality.card import POSITIVE, SUFFIX, card_beside
from curation.quality.ranks import CORPUS, RankTable, above_top, borders_of, count_scores, rank_tables
from curation.quality.view import View, viewed
from curation.stage import Evidence, Frozen, Name, Sha256, SurveyStage
from curation.storage.pinned import read_pinned
from curation.text.fasttext import BEGINNING, MOST_BYTES, Model, parse_model

LOW_SCORE, LOW_RANK = "low_score", "low_rank"
SCORE, RANK, BUCKET = "score", "rank", "bucket"
DECIMALS = 6
_parse = partial(parse_model, name="fastText model")

Array = np.ndarray[Any, np.dtype[Any]]


class Classifier(BaseModel):
    """A fastText model, and how its scores are called."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: str
    """Path or `s3://` URL of a fastText classifier (`.bin` or `.ftz`)."""
    sha256: Sha256 | None = None
    """The SHA-256 that the file must have, in hex."""
    label: str = POSITIVE
    """The label whose probability is the score; without `__label__`."""
    view: View = "words"
    """What the model sees of a text: its words, or its form. It must be what it was trained on."""
    name: Name | None = None
    """The column of its scores; needed where there are several models."""

    def load(self) -> tuple[Model, str]:
        """The model and its digest. Raises ModelError where it is missing, damaged or another."""
        try:
            return read_pinned(self.path, self.sha256, _parse, MOST_BYTES, BEGINNING)
        except ModelError as error:
            if not isinstance(error.__cause__, MissingError):
                raise
            command = f"curation quality train --positive GOOD --negative BAD --view {self.view} --out {self.path}"
            raise ModelError(f"{error}; to train one from good and bad documents: {command}") from error


class Thresholds(BaseModel):
    """What documents of one source or language must reach; what is not given is as for all others."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    min_score: Annotated[float, Field(ge=0, le=1)] | None = None
    """As the stage's."""
    keep_top: Annotated[float, Field(gt=0, le=1)] | None = None
    """As the stage's."""


class _Limits(NamedTuple):
    """What each document must reach, (documents,) float64, NaN where nothing; and whose thresholds these are."""

    score: Array
    rank: Array
    names: pa.StringArray


class QualityClassifier(SurveyStage):
    """Score documents by fastText classifiers; drop those below a score, or all but the best share."""

    version: ClassVar[int] = 1
    reference: ClassVar[str] = (
        "DCLM (Li et al. 2024): fastText, the top share of a corpus; Nemotron-CC (Su et al. 2024): the best of several "
        "percentile ranks, 20 buckets"
    )
    files: ClassVar[Mapping[str, frozenset[str]]] = {"classifiers": frozenset()}

    kind: Literal["quality_classifier"] = "quality_classifier"
    classifiers: Annotated[tuple[Classifier, ...], Field(min_length=1)]
    """The models: each with `path`, and `sha256`, `label`, `view` and `name` where they differ from the default."""
    action: Literal["drop", "tag"] = "drop"
    """`tag` drops nothing: scores, ranks and buckets are columns only."""
    min_score: Annotated[float, Field(ge=0, le=1)] | None = None
    """A document with a lower `score` is dropped."""
    keep_top: Annotated[float, Field(gt=0, le=1)] | None = None
    """Only documents with a `rank` above 1 minus this share are kept."""
    by_language: dict[str, Thresholds] = Field(default_factory=dict)
    """Thresholds that are others for documents in a language: language → `min_score`, `keep_top`."""
    by_source: dict[str, Thresholds] = Field(default_factory=dict)
    """Thresholds that are others for documents of a source, whatever their language."""
    language_column: str = "language.label"
    """The column that says a document's language: `label` of a language stage that stands before."""
    rank_within: Literal["corpus", "source", "language"] = "corpus"
    """Among which documents a rank counts: all that reach this stage, those of the source, or those in the language."""
    weight: Literal["documents", "bytes"] = "documents"
    """What a share is of: documents, or bytes of their text."""
    buckets: Annotated[int, Field(ge=2, le=1000)] | None = None
    """Into so many buckets of equal weight ranks are divided, 0 the lowest; by default into none."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [each.name for each in self.classifiers]
        if len(names) > 1 and (None in names or len(set(names)) < len(names)):
            raise ValueError("several classifiers: give each a `name` of its own")
        if taken := {SCORE, RANK, BUCKET} & set(names):
            raise ValueError(
                f"{', '.join(sorted(taken))}: the name of a column of this stage; name the model otherwise"
            )
        limits = any(limit is not None for each in self._thresholds() for limit in (each.min_score, each.keep_top))
        if self.action == "drop" and not limits:
            raise ValueError("nothing to drop by: give min_score or keep_top, or action: tag")
        if self.action == "tag" and limits:
            raise ValueError("action: tag drops nothing; leave min_score and keep_top out, or say action: drop")
        return self

    @property
    def is_surveyed(self) -> bool:
        """Whether a rank or a bucket is asked for."""
        return self.buckets is not None or any(each.keep_top is not None for each in self._thresholds())

    @property
    def groups_by_language(self) -> bool:
        """Whether `language_column` is read."""
        return bool(self.by_language) or (self.is_surveyed and self.rank_within == "language")

    def columns(self) -> pa.Schema:
        """The score of each model that has a name; `score`, their mean; with a survey `rank`, the best of the models'
        percentile ranks, and `bucket`."""
        fields = [(self.column(name), pa.float64()) for name in [*self._scored(), SCORE]]
        if self.is_surveyed:
            fields.append((self.column(RANK), pa.float64()))
        if self.buckets is not None:
            fields.append((self.column(BUCKET), pa.int64()))
        return pa.schema(dict(fields))

    def reasons(self) -> frozenset[str]:
        limits = self._thresholds()
        why = [LOW_SCORE] * any(each.min_score is not None for each in limits)
        why += [LOW_RANK] * any(each.keep_top is not None for each in limits)
        return frozenset(map(self.column, why))

    def thresholds(self) -> frozenset[str]:
        return frozenset({"min_score", "keep_top"})

    def models(self) -> dict[str, str]:
        """The models' digests. Raises ModelError too where the card beside one says that it is another model or was
        trained on another view, RecipeError where one has no such label."""
        digests, problems = {}, []
        for number, each in enumerate(self.classifiers):
            model, digests[each.path] = each.load()
            _check_card(each, digests[each.path])
            if each.label not in model.labels:
                has = ", ".join(model.labels[:20])
                problems.append(
                    Problem(f"classifiers.{number}.label", f"the model has no label {each.label!r}; it has {has}")
                )
        if problems:
            raise RecipeError(problems)
        return digests

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the scores, six decimals each; ranks and buckets are filled in when the survey is settled."""
        views = {view: viewed(batch[TEXT], view) for view in {each.view for each in self.classifiers}}
        scores = []
        for each in self.classifiers:
            model, _ = each.load()
            scores.append(np.round(model.score(*views[each.view], each.label), DECIMALS))
        for name, values in zip(self._scored(), scores, strict=False):
            batch = with_column(batch, self.column(name), pa.array(values))
        return with_column(batch, self.column(SCORE), pa.array(np.round(np.mean(scores, axis=0), DECIMALS)))

    def drop_reasons(self, batch: pa.RecordBatch) -> pa.StringArray:
        """By score alone."""
        return self._reasons(batch, [(LOW_SCORE, self._is_below(batch))])

    def evidence(self, batch: pa.RecordBatch, reasons: pa.StringArray) -> Evidence:
        """The score against `min_score`, or the rank against that which it must be above; the detail names the language
        and source whose thresholds these are, if they have any."""
        limits = self._limits(batch)
        values, thresholds = (pa.nulls(batch.num_rows, pa.float64()) for _ in range(2))
        for why, column, limit in ((LOW_SCORE, SCORE, limits.score), (LOW_RANK, RANK, limits.rank)):
            if self.column(why) in self.reasons():
                is_why = pc.fill_null(pc.equal(reasons, self.column(why)), False)
                values = pc.if_else(is_why, batch[self.column(column)], values)
                thresholds = pc.if_else(is_why, pa.array(limit), thresholds)
        return Evidence(values, thresholds, pc.if_else(reasons.is_valid(), limits.names, None))

    def survey(self, batch: pa.RecordBatch) -> pa.Table:
        weights = np.ones(batch.num_rows, np.int64)
        if self.weight == "bytes":
            weights = np.maximum(np.asarray(batch["bytes"], np.int64), 1)
        groups = self._groups(batch)
        scores = {name: self._values(batch, name) for name in self._ranked()}
        return pa.concat_tables([count_scores(name, groups, values, weights) for name, values in scores.items()])

    def settle(self, counts: pa.Table) -> Frozen:
        """The tables of ranks: classifier → group → table; the group "" is the whole corpus."""
        shares = {each.keep_top for each in self._thresholds() if each.keep_top is not None}
        exactly = {*map(above_top, shares), *borders_of(self.buckets or 1)}
        return {
            name: {group: table.model_dump(mode="json") for group, table in tables.items()}
            for name, tables in rank_tables(counts, exactly).items()
        }

    def annotate_settled(self, batch: pa.RecordBatch, frozen: Frozen) -> pa.RecordBatch:
        """The rank of a document is the highest of its ranks by the models. In a group that the survey has not seen it
        is that in the whole corpus. Raises InputError where the survey saw no document."""
        groups = self._groups(batch).dictionary_encode()
        ranks = np.zeros(batch.num_rows)
        for name in self._ranked():
            if name not in frozen and batch.num_rows:
                raise InputError(
                    f"{self.name}: the survey saw no document, so there are no ranks: run the whole recipe again"
                )
            scores = self._values(batch, name)
            for number, group in enumerate(groups.dictionary.to_pylist()):
                inside = np.asarray(groups.indices) == number
                table = RankTable.model_validate(frozen[name].get(group, frozen[name][CORPUS]))
                ranks[inside] = np.maximum(ranks[inside], table.ranks(scores[inside]))
        batch = with_column(batch, self.column(RANK), pa.array(ranks))
        if self.buckets is not None:
            found = np.searchsorted(np.array(borders_of(self.buckets)), ranks, side="left").astype(np.int64)
            batch = with_column(batch, self.column(BUCKET), pa.array(found))
        return batch

    def settled_reasons(self, batch: pa.RecordBatch, frozen: Frozen) -> pa.StringArray:
        ranks = self._values(batch, RANK)
        is_low = ranks <= self._limits(batch).rank
        return self._reasons(batch, [(LOW_SCORE, self._is_below(batch)), (LOW_RANK, is_low)])

    def settled_evidence(self, batch: pa.RecordBatch, reasons: pa.StringArray, frozen: Frozen) -> Evidence:
        return self.evidence(batch, reasons)

    def pinned(self, digests: Mapping[str, str]) -> Self:
        """This stage with these digests of its models, by path."""
        pinned = (each.model_copy(update={"sha256": digests[each.path]}) for each in self.classifiers)
        return self.model_copy(update={"classifiers": tuple(pinned)})

    def _scored(self) -> list[str]:
        """The columns of single models; none where there is one model without a name."""
        return [each.name for each in self.classifiers if each.name is not None]

    def _ranked(self) -> list[str]:
        return self._scored() or [SCORE]

    def _thresholds(self) -> list[Thresholds]:
        """All that there are: the stage's own, those of languages, those of sources."""
        own = Thresholds.model_construct(min_score=self.min_score, keep_top=self.keep_top)
        return [own, *self.by_language.values(), *self.by_source.values()]

    def _values(self, batch: pa.RecordBatch, name: str) -> Array:
        column = batch[self.column(name)]
        if column.null_count:
            raise ValueError(f"{self.column(name)}: {column.null_count} null values; every document has a score")
        values: Array = column.to_numpy(zero_copy_only=False)
        return values

    def _is_below(self, batch: pa.RecordBatch) -> Array:
        below: Array = self._values(batch, SCORE) < self._limits(batch).score
        return below

    def _reasons(self, batch: pa.RecordBatch, broken: list[tuple[str, Array]]) -> pa.StringArray:
        reasons = pa.nulls(batch.num_rows, pa.string())
        for why, is_broken in reversed(broken):
            reasons = pc.if_else(pa.array(is_broken), self.column(why), reasons)
        return reasons

    def _groups(self, batch: pa.RecordBatch) -> pa.StringArray:
        """The group of each document among which its rank counts."""
        if self.rank_within == "corpus":
            return pa.array([CORPUS]).take(pa.array(np.zeros(batch.num_rows, np.int64)))
        return _column(batch, SOURCE if self.rank_within == "source" else self.language_column)

    def _limits(self, batch: pa.RecordBatch) -> _Limits:
        """The stage's own thresholds, in their place those of the document's language, then those of its source."""
        nothing = pa.repeat(pa.scalar(CORPUS), batch.num_rows)
        languages = (_column(batch, self.language_column) if self.by_language else nothing).dictionary_encode()
        sources = (_column(batch, SOURCE) if self.by_source else nothing).dictionary_encode()
        pairs, which = np.unique(
            np.asarray(languages.indices, np.int64) * max(1, len(sources.dictionary)) + np.asarray(sources.indices),
            return_inverse=True,
        )
        scores, ranks, names = [], [], []
        for pair in pairs.tolist():
            language = languages.dictionary[pair // len(sources.dictionary)].as_py()
            source = sources.dictionary[pair % len(sources.dictionary)].as_py()
            limits: dict[str, float | None] = {"min_score": self.min_score, "keep_top": self.keep_top}
            special = [
                (kind, group, found[group].model_dump(exclude_none=True))
                for kind, group, found in (("language", language, self.by_language), ("source", source, self.by_source))
                if group in found
            ]
            for _, _, found in special:
                limits |= found
            score, share = limits["min_score"], limits["keep_top"]
            scores.append(np.nan if score is None else score)
            ranks.append(np.nan if share is None else above_top(share))
            names.append(", ".join(f"{kind} {group}" for kind, group, _ in special) or None)
        return _Limits(
            np.array(scores, np.float64)[which],
            np.array(ranks, np.float64)[which],
            pa.array(names, pa.string()).take(pa.array(which)),
        )


def _column(batch: pa.RecordBatch, name: str) -> pa.StringArray:
    if name not in batch.schema.names:
        raise ValueError(f"{name}: no such column; the stage that gives it must stand before")
    if batch[name].null_count:
        raise ValueError(f"{name}: {batch[name].null_count} null values; every document belongs to a group")
    return batch[name]


def _check_card(classifier: Classifier, sha256: str) -> None:
    card = card_beside(classifier.path)
    if card is None:
        return
    if card.sha256 != sha256:
        raise ModelError(
            f"{classifier.path}{SUFFIX} is the card of another model ({card.sha256}; the model is {sha256}): copy "
            "model and card together, or remove the card"
        )
    if card.options.view != classifier.view:
        raise ModelError(
            f"{classifier.path} was trained on view {card.options.view!r}, the recipe says {classifier.view!r}: write "
            f"view: {card.options.view}"
        )
