"""The report of a mixture: what each part has, should have and can have, and what the caps cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from curation.errors import Problem, RecipeError
from curation.manifest import Manifest
from curation.mixture import weights
from curation.mixture.counting import Amount, Counts, Place, count
from curation.mixture.mixture import Mixture
from curation.report import MixtureReport, MixtureShare
from curation.storage import Storage

CHEAP_EPOCHS, USELESS_EPOCHS = 4, 40
"""Up to four epochs are nearly as good as fresh text, beyond forty a repetition is worth nothing (Muennighoff et al.
2023)."""


def mixture_report(storage: Storage, manifest: Manifest, mixture: Mixture) -> MixtureReport:
    """The mixture of a version, from its manifest and decisions alone. Raises RecipeError for what does not fit it:
    groups that it does not have, no weight for one that it has; and as `count`."""
    return planned(storage.url, manifest, mixture, count(storage, manifest, mixture))


def planned(corpus: str, manifest: Manifest, mixture: Mixture, counts: Counts) -> MixtureReport:
    """As `mixture_report`, from counts that are at hand."""
    parts = _with_empty(manifest, mixture, counts)
    tokens = [amount.tokens for amount in parts.values()]
    if not any(tokens):
        raise RecipeError([Problem("mixture", f"version {manifest.version} has no tokens to mix")])
    solved = _solve(mixture, parts)
    if not any(solved.seen):
        raise _nothing_seen()
    empty = _empty_buckets(mixture, counts)
    shown = [_part(solved, index) for index in range(len(parts))]
    natural = [part.natural for part in shown]
    realised = [part.realised for part in shown]
    shortfall = solved.budget - sum(solved.seen)
    return MixtureReport(
        corpus=corpus,
        version=manifest.version,
        run=manifest.run,
        digest=manifest.digest,
        scheme=mixture.scheme,
        by=mixture.by,
        tokenizer=counts.tokenizer,
        tokenizer_sha256=counts.tokenizer_sha256,
        documents=sum(amount.documents for amount in parts.values()),
        tokens=sum(tokens),
        budget=solved.budget,
        seen=sum(solved.seen),
        shortfall=shortfall,
        moved=sum(max(0, wanted - seen) for wanted, seen in zip(solved.wanted, solved.seen, strict=True)),
        extra_epochs=max(0.0, *(part.epochs - part.epochs_wanted for part in shown)),
        effective_tokens=sum(part.effective_tokens for part in shown),
        effective_tokens_uncapped=sum(
            weights.effective_tokens(unique, wanted)
            for unique, wanted in zip(tokens, solved.wanted, strict=True)
            if unique
        ),
        kl_target=weights.divergence(realised, [part.target for part in shown]),
        kl_natural=weights.divergence(realised, natural),
        kl_even=weights.divergence(realised, [1.0 if part.tokens else 0.0 for part in shown]),
        effective_parts=weights.effective_groups(realised),
        is_feasible=not (empty or any(part.is_capped for part in shown)),
        parts=tuple(shown),
        warnings=(*_of_empty(empty), *_warnings(solved, shown)),
    )


@dataclass(frozen=True)
class _Solved:
    """Lists in the order of the parts; tokens but for `target` and `epochs`."""

    places: Sequence[Place]
    amounts: Sequence[Amount]
    target: weights.Shares
    budget: int
    epochs: Sequence[float | None]
    is_capped: Sequence[bool]
    wanted: Sequence[int]
    seen: Sequence[int]


def _solve(mixture: Mixture, parts: Mapping[Place, Amount]) -> _Solved:
    places, amounts = [*parts], [*parts.values()]
    tokens = [amount.tokens for amount in amounts]
    factors = _factors(mixture, places)
    if not any(factors):
        raise _nothing_seen()
    target = _target(mixture, tokens, factors)
    budget = mixture.tokens or _whole_budget(mixture, tokens, factors)
    epochs = [mixture.max_epochs_of.get(place.group, mixture.max_epochs) for place in places]
    caps = [
        None if most is None and unique else weights.cap_tokens(unique, most or 0)
        for unique, most in zip(tokens, epochs, strict=True)
    ]
    wanted = weights.whole_tokens(target, budget)
    shares = weights.project(target, caps, budget)
    seen = weights.whole_tokens(shares, budget)
    return _Solved(places, amounts, target, budget, epochs, weights.binding(shares, target), wanted, seen)


def _with_empty(manifest: Manifest, mixture: Mixture, counts: Counts) -> dict[Place, Amount]:
    """The parts, with groups that have a weight and nothing else. Raises RecipeError for groups that there are not, and
    for those without a weight where each needs one."""
    present = {place.group for place in counts.parts}
    known = present | _declared(manifest, mixture)
    known |= counts.buckets if mixture.by == "bucket" else set()
    weighted = {*mixture.weights} if mixture.scheme == "fixed" else set()
    problems = _unknown("mixture.max_epochs_of", mixture.max_epochs_of, known, mixture.by)
    problems += _unknown("mixture.weights", weighted, known, mixture.by)
    if mixture.scheme == "fixed":
        problems += _without_weight(present, mixture)
    if mixture.scheme == "quality_bucketed":
        tiers = {place.tier for place in counts.parts}
        there = tiers | counts.buckets | _declared_buckets(manifest, mixture)
        problems += _unknown("mixture.weights", mixture.weights, there, "bucket") + _without_weight(tiers, mixture)
    if problems:
        raise RecipeError(problems)
    empty = weighted - present if mixture.scheme == "fixed" else set()
    return dict(sorted({**counts.parts, **{Place(group): Amount(0, 0, 0) for group in empty}}.items()))


def _declared(manifest: Manifest, mixture: Mixture) -> set[str]:
    """The groups that the version's recipe names, whether they hold anything or not."""
    recipe = manifest.recipe
    if mixture.by == "source":
        return {str(source["name"]) for source in _items(recipe.get("sources"))}
    if mixture.by == "language":
        first = next((stage for stage in _items(recipe.get("stages")) if stage["kind"] == "language"), None)
        return {*first["keep"]} if first else set()
    return _declared_buckets(manifest, mixture)


def _declared_buckets(manifest: Manifest, mixture: Mixture) -> set[str]:
    """The buckets that the stage of the column may give, whether a document has one or not; none where only the
    documents say."""
    name, _, value = (mixture.bucket or "").partition(".")
    stages = _items(manifest.recipe.get("stages"))
    stage: dict[str, Any] = next((each for each in stages if each["name"] == name), {"kind": ""})
    if (stage["kind"], value) == ("quality_classifier", "bucket"):
        return {str(number) for number in range(int(stage["buckets"] or 0))}
    if (stage["kind"], value) == ("language", "label"):
        return {*stage["keep"]}
    return set()


def _empty_buckets(mixture: Mixture, counts: Counts) -> list[str]:
    """Those that are to be seen, and of which no document is kept."""
    if mixture.scheme != "quality_bucketed":
        return []
    filled = {place.tier for place in counts.parts}
    return [bucket for bucket, weight in mixture.weights.items() if weight and bucket not in filled]


def _nothing_seen() -> RecipeError:
    nothing = "every group that has a weight is empty, or its cap is below one token"
    return RecipeError([Problem("mixture", f"nothing would be seen: {nothing}")])


def _items(value: object) -> list[dict[str, Any]]:
    return [*value] if isinstance(value, list | tuple) else []


def _unknown(path: str, given: Iterable[str], known: Set[str], what: str) -> list[Problem]:
    there = ", ".join(sorted(known)) or "none"
    return [
        Problem(f"{path}.{name}", f"the version has no {what} {name!r}; there are {there}")
        for name in given
        if name not in known
    ]


def _without_weight(present: Set[str], mixture: Mixture) -> list[Problem]:
    missing = sorted(present - mixture.weights.keys())
    if not missing:
        return []
    return [Problem("mixture.weights", f"no weight for {', '.join(missing)}; 0 leaves a group out")]


def _factors(mixture: Mixture, places: Sequence[Place]) -> list[float]:
    """The weight that the scheme has for each part; 1 where it has none."""
    if mixture.scheme == "fixed":
        return [mixture.weights[place.group] for place in places]
    if mixture.scheme == "quality_bucketed":
        return [mixture.weights[place.tier] for place in places]
    if mixture.scheme == "rehydrate":
        return [mixture.steps[int(place.tier)] for place in places]
    return [1.0] * len(places)


def _target(mixture: Mixture, tokens: Sequence[int], factors: Sequence[float]) -> weights.Shares:
    """The shares that the scheme gives, whatever the caps."""
    if mixture.scheme == "natural":
        return weights.natural(tokens)
    if mixture.scheme == "fixed":
        return weights.fixed(factors)
    if mixture.temperature is not None:
        return weights.temperature(tokens, mixture.temperature)
    if mixture.scheme == "unimax":
        return weights.even(tokens)
    return weights.repeated(tokens, factors)


def _whole_budget(mixture: Mixture, tokens: Sequence[int], factors: Sequence[float]) -> int:
    """The budget of a mixture that names none: every token as often as its factor, where that is how often."""
    if mixture.scheme not in ("quality_bucketed", "rehydrate"):
        return sum(tokens)
    pairs = zip(tokens, factors, strict=True)
    return max(1, round(sum((unique * weights.exact(factor) for unique, factor in pairs), Fraction())))


def _part(solved: _Solved, index: int) -> MixtureShare:
    place, amount = solved.places[index], solved.amounts[index]
    target, seen = solved.target[index], solved.seen[index]
    unique = amount.tokens
    return MixtureShare(
        group=place.group,
        tier=place.tier,
        documents=amount.documents,
        bytes=amount.bytes,
        tokens=unique,
        natural=unique / sum(each.tokens for each in solved.amounts),
        target=float(target),
        realised=seen / sum(solved.seen),
        weight=seen,
        epochs_wanted=solved.wanted[index] / unique if unique else 0.0,
        epochs=seen / unique if unique else 0.0,
        max_epochs=solved.epochs[index],
        is_capped=solved.is_capped[index],
        effective_tokens=weights.effective_tokens(unique, seen) if unique else 0.0,
    )


def _of_empty(buckets: Sequence[str]) -> Iterator[str]:
    for bucket in buckets:
        yield f"bucket {bucket} has nothing: no document with it is kept, so its share goes to the others"


def _warnings(solved: _Solved, parts: Sequence[MixtureShare]) -> Iterator[str]:
    for part in parts:
        name = f"{part.group} {part.tier}" if part.tier else part.group
        if not part.tokens and part.target:
            yield f"{name} has nothing: its share of {part.target:.1%} goes to the others"
        elif part.is_capped and part.epochs < part.epochs_wanted:
            yield (
                f"{name} would be seen {part.epochs_wanted:,.2f} times, its cap is {part.max_epochs:g}: it gets "
                f"{part.realised:.1%} instead of {part.target:.1%}"
            )
        elif part.epochs > USELESS_EPOCHS:
            yield f"{name} is seen {part.epochs:,.1f} times: beyond {USELESS_EPOCHS} a repetition is worth nothing"
        elif part.epochs > CHEAP_EPOCHS:
            yield (
                f"{name} is seen {part.epochs:,.1f} times: its {part.weight:,} tokens are worth "
                f"{part.effective_tokens:,.0f} fresh ones"
            )
    if shortfall := solved.budget - sum(solved.seen):
        yield (
            f"{shortfall:,} of {solved.budget:,} tokens are missing: every part is at its cap. Lower `tokens`, raise "
            "`max_epochs`, or find more text"
        )
