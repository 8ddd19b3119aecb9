"""What a recipe says about training: which share each part of the corpus has, of how many tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Self

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from curation.report import By, Scheme

Weight = Annotated[FiniteFloat, Field(ge=0)]
Epochs = Annotated[FiniteFloat, Field(gt=0)]

FINEWEB2 = {1: 1.0, 2: 2.0, 3: 3.0, 5: 5.0, 100: 8.0, 1000: 1.0}
"""How often a document is seen that stands for so many documents or more (FineWeb-2, Penedo et al. 2025)."""

UNCOUNTED = "shares are of tokens, and no stage counts them: add {kind: tokens}"

BELONGS: dict[str, tuple[str, ...]] = {
    "weights": ("fixed", "quality_bucketed"),
    "temperature": ("temperature",),
    "cluster_weights": ("rehydrate",),
}
"""Which schemes take an option; where it has no default they need it."""


class Mixture(BaseModel):
    """The shares that groups of documents have in training. Nothing of it is dropped from the corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    scheme: Scheme = "natural"
    """`natural`: as many tokens as each group has; `fixed`: by `weights`; `temperature`: tokens to the power of
    1/`temperature`; `unimax`: as even as `max_epochs` lets it be; `quality_bucketed`: each document as often as the
    weight of its bucket says; `rehydrate`: as often as the size of its cluster of duplicates says."""
    by: By = "source"
    """What groups are: the recipe's sources, the labels of its first language stage, or the values of `bucket`."""
    bucket: Annotated[str, Field(min_length=1)] | None = None
    """The column that holds a document's bucket, `stage.value`: a text, a whole number or a truth value."""
    tokens: Annotated[int, Field(gt=0)] | None = None
    """How many tokens are seen in all. Default: as many as there are; for `quality_bucketed` and `rehydrate` as many as
    their weights make of them."""
    max_epochs: Epochs | None = None
    """How often a document is seen at most. Default: as often as the share asks for."""
    max_epochs_of: dict[str, Epochs] = {}
    """The same for some groups, instead of `max_epochs`."""
    weights: dict[str, Weight] = {}
    """`fixed`: each group's share, in any unit; `quality_bucketed`: how often documents of each bucket are seen. Every
    group or bucket has one; 0 leaves it out."""
    temperature: Annotated[FiniteFloat, Field(gt=0)] | None = None
    """1 is `natural`, larger is more even (mT5 and XLM-R: 3.3)."""
    cluster_weights: dict[Annotated[int, Field(ge=1)], Weight] = {}
    """`rehydrate`: how often a document is seen that stands for so many or more; sizes begin at 1. Default: FineWeb-2's
    `{"1": 1, "2": 2, "3": 3, "5": 5, "100": 8, "1000": 1}`."""

    @property
    def buckets(self) -> bool:
        """Whether documents are told apart by their bucket."""
        return self.by == "bucket" or self.scheme == "quality_bucketed"

    @property
    def steps(self) -> dict[int, float]:
        """The weights by cluster size, from the least size."""
        return dict(sorted((self.cluster_weights or FINEWEB2).items()))

    @model_validator(mode="after")
    def _options_fit_the_scheme(self) -> Self:
        for option, schemes in BELONGS.items():
            given = bool(getattr(self, option))
            if given and self.scheme not in schemes:
                raise ValueError(f"{option} goes with scheme {' or '.join(schemes)}, not with {self.scheme}")
            if not given and self.scheme in schemes and option != "cluster_weights":
                raise ValueError(f"scheme {self.scheme} needs {option}")
        if self.scheme == "unimax" and self.max_epochs is None:
            raise ValueError("scheme unimax needs max_epochs: what makes it differ from equal shares")
        return self

    @model_validator(mode="after")
    def _something_is_seen(self) -> Self:
        for option, weights in (("weights", self.weights.values()), ("cluster_weights", self.cluster_weights.values())):
            if weights and not any(weights):
                raise ValueError(f"all {option} are 0: nothing would be seen")
        if self.cluster_weights and min(self.cluster_weights) != 1:
            raise ValueError("cluster_weights begin at 1, the size of a document that has no duplicates")
        return self

    @model_validator(mode="after")
    def _buckets_have_a_column(self) -> Self:
        if self.buckets and self.bucket is None:
            raise ValueError("say in `bucket` which column holds a document's bucket, `stage.value`")
        if self.bucket is not None and not self.buckets:
            raise ValueError("bucket goes with `by: bucket` or scheme quality_bucketed")
        return self


def misfits(
    mixture: Mixture, sources: Sequence[str], languages: Sequence[str], columns: pa.Schema
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Groups that a corpus of these sources, kept languages and value columns cannot have: where below the field, and
    what is wrong. Which buckets there are only a version's decisions say."""
    if mixture.bucket is not None:
        known = [field.name for field in columns if not pa.types.is_floating(field.type)]
        if mixture.bucket not in known:
            listed = ", ".join(known) or "none"
            yield ("bucket",), f"no stage gives buckets {mixture.bucket!r}; columns that are no fractions are {listed}"
    if mixture.by == "bucket":
        return
    groups = sources if mixture.by == "source" else languages
    if not groups:
        yield ("by",), "no stage finds languages: add one of kind language"
        return
    weighted = [*mixture.weights] if mixture.scheme == "fixed" else []
    for option, given in (("weights", weighted), ("max_epochs_of", [*mixture.max_epochs_of])):
        for name in given:
            if name not in groups:
                yield (option, name), f"the recipe has no {mixture.by} {name!r}; there are {', '.join(groups)}"
