"""A mixture as a form has it: texts, whatever was written into its fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from curation.errors import Problem, RecipeError
from curation.mixture import Mixture
from curation.mixture.mixture import BELONGS
from curation.recipe.validation import EXPECTED

FIELDS = ("scheme", "by", "bucket", "temperature", "tokens", "max_epochs")
WEIGHT, EPOCHS = "weight.", "epochs."
"""What the names of the fields of groups begin with."""
GROUPS = "groups"
"""The field that says what the groups of the others are."""
_BELOW = {"weights": WEIGHT, "max_epochs_of": EPOCHS}


@dataclass(frozen=True)
class Draft:
    """What the fields hold; an empty text is a field that was left out."""

    fields: Mapping[str, str]
    weights: Mapping[str, str]
    """By group, or by bucket with scheme quality_bucketed."""
    epochs: Mapping[str, str]
    """The caps of single groups."""
    cluster_weights: Mapping[int, float]
    """Those of the mixture that it is a copy of; the form does not change them."""

    @property
    def groups(self) -> str:
        """What the groups with weights and caps are; another text where they are others."""
        return f"{self.fields['by']} {self.fields['bucket']} {self.fields['scheme'] == 'quality_bucketed'}"

    def takes(self, option: str) -> bool:
        """Whether an option belongs to the scheme and the groups; the fields of others are not read."""
        if option == "bucket":
            return self.fields["by"] == "bucket" or self.fields["scheme"] == "quality_bucketed"
        return self.fields["scheme"] in BELONGS.get(option, (self.fields["scheme"],))

    def read(self) -> Mixture:
        """The mixture that the fields say. Raises RecipeError with every problem, by its path: `mixture.tokens`."""
        found: dict[str, Any] = {name: text for name, text in self.fields.items() if text and self.takes(name)}
        found["max_epochs_of"] = self.epochs
        found |= {"weights": self.weights} if self.takes("weights") else {}
        found |= {"cluster_weights": self.cluster_weights} if self.takes("cluster_weights") else {}
        try:
            return Mixture.model_validate(found)
        except ValidationError as error:
            raise RecipeError([_problem(detail) for detail in error.errors()]) from None


def copy_of(mixture: Mixture) -> Draft:
    """The fields of a mixture as it is."""
    texts = {name: getattr(mixture, name) for name in FIELDS}
    return Draft(
        fields={name: _text(value) for name, value in texts.items()},
        weights={name: _text(value) for name, value in mixture.weights.items()},
        epochs={name: _text(value) for name, value in mixture.max_epochs_of.items()},
        cluster_weights=mixture.cluster_weights,
    )


def sent(parameters: Iterable[tuple[str, str]], original: Mixture) -> Draft | None:
    """The copy that was sent as a form's fields; None where none was. Fields of groups that are others now, by what
    else was sent, are left out."""
    texts = {name: text.strip() for name, text in parameters}
    if "scheme" not in texts:
        return None
    made = Draft({name: texts.get(name, "") for name in FIELDS}, {}, {}, original.cluster_weights)
    if texts.get(GROUPS, made.groups) != made.groups:
        return made
    return replace(made, weights=_below(texts, WEIGHT), epochs=_below(texts, EPOCHS))


def field_of(path: str) -> str:
    """The form's field that a problem is about; empty for the mixture as a whole."""
    _, _, below = path.partition(".")
    option, _, group = below.partition(".")
    return f"{_BELOW[option]}{group}" if group and option in _BELOW else option


def _below(texts: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): text for name, text in texts.items() if name.startswith(prefix) and text}


def _text(value: object) -> str:
    """A value as it is written; whole numbers without a fraction."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _problem(detail: Any) -> Problem:
    message = str(detail["msg"]).removeprefix("Value error, ")
    if expected := EXPECTED.get(detail["type"]):
        message = f"found {str(detail['input'])[:60]!r}, expected {expected}"
    return Problem(".".join(("mixture", *map(str, detail["loc"]))), message)
