"""Gates: bounds that a version must keep to be published without a person's approval."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

Metric = Literal[
    "documents", "bytes", "tokens", "drop_rate", "failed_rate", "duplicate_share", "language_share", "source_share"
]
AMOUNTS = frozenset({"documents", "bytes", "tokens"})
"""What is counted; the others are shares, from 0 to 1."""

_NEEDS_OF = frozenset({"language_share", "source_share"})
_TAKES_OF = _NEEDS_OF | {"drop_rate"}


class Gate(BaseModel):
    """A bound on one number of what is to be published. A breach holds the run until a person approves it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    metric: Metric
    """`documents`, `bytes`, `tokens` that are kept (`tokens` needs a stage that counts them); `drop_rate`, dropped of
    those that came to the stage; `failed_rate` and `duplicate_share`, unreadable and dropped as duplicates of all
    records; `language_share` and `source_share`, of the kept documents."""
    of: str | None = None
    """Of what: a stage or a `stage.reason` for `drop_rate` (default: all stages), a language, a source."""
    over: Literal["version", "new"] = "version"
    """Measured over the whole version, or over what this run has read. A whole run has read everything."""
    min: FiniteFloat | None = None
    max: FiniteFloat | None = None
    max_rise: Annotated[FiniteFloat, Field(ge=0)] | None = None
    """By which share of the reference the number may be larger."""
    max_fall: Annotated[FiniteFloat, Field(ge=0, lt=1)] | None = None
    """By which share of the reference it may be smaller."""
    against: Literal["last", "median"] = "last"
    """The reference: the same number of the last version that has it, or the median of those that have it; both among
    the last `window` versions."""
    window: Annotated[int, Field(ge=1, le=365)] = 7

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if all(bound is None for bound in (self.min, self.max, self.max_rise, self.max_fall)):
            raise ValueError("give at least one of min, max, max_rise, max_fall")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}: nothing passes")
        return self

    @model_validator(mode="after")
    def _says_of_what(self) -> Self:
        if self.metric in _NEEDS_OF and not self.of:
            raise ValueError(f"`of` says which {self.metric.removesuffix('_share')}")
        if self.metric not in _TAKES_OF and self.of is not None:
            raise ValueError(f"{self.metric} goes without `of`")
        return self

    @model_validator(mode="after")
    def _shares_are_shares(self) -> Self:
        if self.metric not in AMOUNTS:
            for name, bound in (("min", self.min), ("max", self.max)):
                if bound is not None and not 0 <= bound <= 1:
                    raise ValueError(f"{name} is {bound:g}, expected a share from 0 to 1: {self.metric} is one")
        return self

    @property
    def title(self) -> str:
        """What is measured, in the recipe's words: `drop_rate of c4 over new`."""
        return f"{self.metric}{f' of {self.of}' if self.of is not None else ''} over {self.over}"
