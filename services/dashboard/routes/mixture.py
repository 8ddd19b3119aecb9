"""The mixture of a version: what each part should have, has and costs; how it came about; and what another would do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args

from fastapi import Request
from pydantic import ValidationError
from starlette.responses import Response

from curation.errors import Problem, RecipeError
from curation.mixture import Mixture
from curation.report import By, MixtureReport, Scheme
from services.control_plane.conventions import etag
from services.control_plane.plane import Plane, ThePlane
from services.control_plane.routes.corpora import Name
from services.control_plane.slow import SLOW
from services.dashboard.calls import call
from services.dashboard.draft import Draft, copy_of, field_of, sent
from services.dashboard.mixtures import effect, epochs, measures, past, shares, sources
from services.dashboard.pages import Form, allow, go, new_router, page, segment
from services.dashboard.session import ROOT
from services.dashboard.versions import VersionName, number_asked
from services.errors import Invalid, NotFound
from services.identity.principal import Permission, Principal
from services.insights.insights import Place
from services.recipes.recipe import StoredRecipe

SHOWN_FIELDS = 48
"""How many groups a form has fields for."""
SHOWN_WARNINGS = 12
VERSIONS = 50

router = new_router()
Reader = Annotated[Principal, allow(Permission.CORPORA_READ)]
Writer = Annotated[Principal, allow(Permission.RECIPES_WRITE)]


@dataclass(frozen=True)
class Trial:
    """A copy of the mixture, and, where one was sent, what it would make of the version, or what is wrong with it."""

    draft: Draft
    weighted: Sequence[str]
    """Groups, or buckets, that a weight can be written for."""
    capped: Sequence[str]
    mixture: Mixture | None = None
    plan: MixtureReport | None = None
    wrong: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By field; those under "" are of the whole."""


@router.get("/corpora/{name}/mixture", dependencies=[SLOW])
def show_mixture(request: Request, plane: ThePlane, who: Reader, name: Name, version: VersionName = "") -> Response:
    """The mixture that a version has by its recipe, and beside it a copy that is tried."""
    place = (who.project_id, name, number_asked(plane, who, name, version))
    found = plane.insights.mixture(*place)
    recipe = plane.insights.manifest(*place).recipe
    own = Mixture.model_validate(recipe.get("mixture") or {})
    trial = _trial(plane, place, own, sent(request.query_params.multi_items(), own))
    stored = _stored(plane, who, str(recipe["name"]))
    now = _mixture_of(stored)
    history = plane.mixtures.history(who.project_id, name, place[2])
    tables = [
        *([shares(found.plan), epochs(found.plan)] if found.plan else [sources(found)]),
        *([effect(found.plan, trial.plan), measures(found.plan, trial.plan)] if trial.plan else []),
        *past(history, name),
    ]
    return page(
        request,
        "mixture.html",
        tables,
        title=f"Mixture of version {place[2]}",
        section="Mixture",
        corpus=name,
        version=version,
        number=place[2],
        versions=plane.insights.versions(who.project_id, name, limit=VERSIONS),
        mixture=own,
        is_asked=recipe.get("mixture") is not None,
        plan=found.plan,
        problem=found.problem,
        trial=trial,
        gone=plane.insights.version(*place).gone,
        schemes=get_args(Scheme),
        axes=get_args(By),
        stored=stored,
        stored_differs=now is not None and now != own,
        is_saved=now is not None and now == trial.mixture,
        written=json.dumps(_written(trial.mixture)) if trial.mixture else "",
        shown_warnings=SHOWN_WARNINGS,
    )


@router.post("/corpora/{name}/mixture")
async def save_mixture(request: Request, _who: Writer, name: Name, form: Form) -> Response:
    """Store the copy as the next revision of the recipe, through the API; the next run goes by it."""
    try:
        mixture = Mixture.model_validate_json(form.get("mixture", ""))
        revision = int(form.get("revision", ""))
    except ValueError:
        raise Invalid("the form does not hold a mixture and a revision; see the effect of the copy again") from None
    recipe = form.get("recipe", "")
    address = f"/v1/recipes/{segment(recipe)}"
    stored = await call(request, "GET", address, params={"revision": revision})
    body = {**stored["recipe"], "mixture": _written(mixture)}
    saved = await call(
        request,
        "PUT",
        address,
        body,
        params={"note": f"mixture, tried on version {form.get('number', '')} of {name}"},
        headers={"If-Match": etag(recipe, revision)},
    )
    back = f"{ROOT}/corpora/{segment(name)}/mixture?version={segment(form.get('number', ''))}"
    return go(request, back, f"Saved as revision {saved['revision']} of the recipe {recipe}; its next run goes by it.")


def _mixture_of(stored: StoredRecipe | None) -> Mixture | None:
    """The mixture of a stored recipe; None where there is no such recipe."""
    if stored is None:
        return None
    try:
        return Mixture.model_validate(stored.recipe.get("mixture") or {})
    except ValidationError:  # placeholders, which are filled in when it runs
        return None


def _written(mixture: Mixture) -> dict[str, Any]:
    """As somebody would write it into a recipe: without what goes without saying."""
    return {"scheme": mixture.scheme, **mixture.model_dump(mode="json", exclude_defaults=True)}


def _stored(plane: Plane, who: Principal, recipe: str) -> StoredRecipe | None:
    """The stored recipe of this name, where there is one that this principal may see."""
    if not who.may(Permission.RECIPES_READ):
        return None
    try:
        return plane.recipes.get(who.project_id, recipe)
    except NotFound:
        return None


# ------------------------------------------------------------------------ the copy


def _trial(plane: Plane, place: Place, own: Mixture, draft: Draft | None) -> Trial:
    """What was sent, tried on the version; the version's own mixture, to be changed, where nothing was."""
    shown = draft or copy_of(own)
    capped = _groups(plane, place, shown.fields["by"], shown.fields["bucket"])
    buckets = shown.fields["scheme"] == "quality_bucketed"
    weighted = _groups(plane, place, "bucket", shown.fields["bucket"]) if buckets else capped
    made = Trial(shown, _fields(weighted, shown.weights), _fields(capped, shown.epochs))
    if draft is None:
        return made
    try:
        mixture = draft.read()
        plan = plane.mixtures.mixture_of(place, mixture)
    except RecipeError as error:
        return Trial(shown, made.weighted, made.capped, wrong=_by_field(error.problems))
    except (Invalid, NotFound) as error:
        return Trial(shown, made.weighted, made.capped, wrong={"": [error.detail]})
    return Trial(shown, made.weighted, made.capped, mixture, plan)


def _groups(plane: Plane, place: Place, by: str, bucket: str) -> list[str]:
    """The groups that the version has, and those that its recipe names; none where it cannot be told."""
    asked: dict[str, Any] = {"by": by or "source", **({"bucket": bucket} if bucket and by == "bucket" else {})}
    try:
        plan = plane.mixtures.mixture_of(place, Mixture.model_validate(asked))
    except (ValidationError, RecipeError, Invalid, NotFound):
        return []
    parts = sorted(plan.parts, key=lambda part: -part.tokens)
    declared = plane.insights.manifest(*place).recipe["sources"] if asked["by"] == "source" else []
    return list(dict.fromkeys([*(part.group for part in parts), *(str(one["name"]) for one in _items(declared))]))


def _items(value: object) -> list[Mapping[str, Any]]:
    return [*value] if isinstance(value, list | tuple) else []


def _fields(groups: Sequence[str], given: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*given, *groups]))[:SHOWN_FIELDS]


def _by_field(problems: Iterable[Problem]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for problem in problems:
        found.setdefault(field_of(problem.path), []).append(problem.message)
    return found
