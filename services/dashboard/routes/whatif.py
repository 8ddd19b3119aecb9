"""What a version would keep under other thresholds: one that is turned, others that are set beside it, and saving."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request
from pydantic import JsonValue
from starlette.responses import Response

from curation.errors import RecipeError
from curation.stage import stage_kinds
from curation.whatif import Curve, Sweep, WhatIf
from curation.whatif.alternative import option_named
from curation.whatif.model import Amount, Group, Kept, Move, Threshold
from services.control_plane.conventions import etag
from services.control_plane.plane import Plane, ThePlane
from services.control_plane.routes.corpora import Name
from services.control_plane.routes.recipes import SETTING_PATH, Setting
from services.control_plane.routes.whatif import VALUES
from services.control_plane.slow import SLOW
from services.dashboard.calls import call
from services.dashboard.links import explain_page, recipe_page
from services.dashboard.pages import Form, allow, go, new_router, page, segment
from services.dashboard.session import is_part
from services.dashboard.tables import Chart, Column, Row, Table
from services.dashboard.text import UNKNOWN, in_words
from services.dashboard.versions import VersionName, number_asked
from services.errors import Invalid, NotFound
from services.identity.principal import Permission, Principal
from services.insights.insights import Place
from services.insights.whatifs import MAX_SWEPT

EXAMPLES = 4
"""How many documents on each side of a threshold are shown."""
UNSET = "null"
"""How a setting writes that an option is not set: its rule is off, or has its default."""
MAX_SAID = 500
"""Characters of settings that are said again, in a cookie, once they are saved."""

router = new_router()
Reader = Annotated[Principal, allow(Permission.CORPORA_READ)]
Writer = Annotated[Principal, allow(Permission.RECIPES_WRITE)]
Path = Annotated[str, Query(max_length=300, pattern=rf"^({SETTING_PATH})?$")]
Value = Annotated[str, Query(max_length=300, pattern=r"^[^&*!\x00-\x1f\x7f]*$")]
Swept = Annotated[str, Query(max_length=300, pattern=rf"^({VALUES})?$")]
Settings = Annotated[list[Setting], Query(alias="set", max_length=19)]


@dataclass(frozen=True)
class Asked:
    """What the address asks: the threshold `of` is turned to `value`, or swept; `settings` hold beside it."""

    here: str
    version: str
    of: str
    value: str
    sweep: str
    settings: tuple[str, ...]

    @property
    def all_settings(self) -> tuple[str, ...]:
        return (*self.settings, f"{self.of}={self.value}") if self.of and self.value else self.settings

    @property
    def address(self) -> str:
        named = {"version": self.version, "of": self.of, "value": self.value, "sweep": self.sweep}
        query = [(name, value) for name, value in named.items() if value] + [("set", each) for each in self.settings]
        return f"{self.here}?{urlencode(query)}" if query else self.here

    def turning(self, path: str) -> Asked:
        """Another threshold; this one's value stays."""
        others = tuple(each for each in self.all_settings if path_of(each) != path)
        return replace(self, of=path, value="", sweep="", settings=others)

    def without(self, setting: str) -> Asked:
        """One of the settings less."""
        if setting not in self.settings:
            return replace(self, value="")
        return replace(self, settings=tuple(each for each in self.settings if each != setting))


@dataclass(frozen=True)
class Answers:
    """What there is to say, as far as it could be answered."""

    what_if: WhatIf | None = None
    curve: Curve | None = None
    sweep: Sweep | None = None
    problem: str = ""
    """Why there is no answer."""
    no_curve: str = ""
    """Why there is no curve."""


@router.get("/corpora/{name}/what-if", dependencies=[SLOW])
def what_if(
    request: Request,
    plane: ThePlane,
    who: Reader,
    name: Name,
    version: VersionName = "",
    of: Path = "",
    value: Value = "",
    sweep: Swept = "",
    settings: Settings = [],  # noqa: B006, FastAPI copies it
) -> Response:
    """The thresholds, or one of them with its curve and what a value of it would keep; for htmx only the latter."""
    place = who.project_id, name, number_asked(plane, who, name, version)
    known = plane.insights.version(*place)
    others = tuple(each for each in settings if path_of(each) != of)
    asked = Asked(request.url.path, version, of, value.strip(), sweep, others)
    listed = plane.whatifs.thresholds(place).thresholds
    turned = _threshold(listed, asked.of, known.version)
    answer_only = is_part(request)
    answers = _answers(plane, place, asked, turned, answer_only=answer_only)
    tables = [*_answer_tables(answers), *_value_tables(asked, answers)]
    if not of:
        tables += _threshold_tables(plane.insights.manifest(*place).recipe, listed, asked)
    return page(
        request,
        "whatif_answer.html" if answer_only else "whatif.html",
        tables,
        title="What if",
        section="What-if",
        corpus=name,
        version=version,
        status=422 if answers.problem and not answer_only else 200,
        of=known,
        asked=asked,
        turned=turned,
        thresholds=listed,
        answers=answers,
        shown=_shown(answers.what_if.before, answers.what_if.after) if answers.what_if else None,
        position=_position(answers.curve, asked.value),
        most=MAX_SWEPT,
        suggested=_suggested(turned),
        in_words=in_words,
        explain=_explain(name, version),
        save=_target(plane, who, known.recipe) if asked.all_settings and not answers.problem else None,
    )


@router.post("/corpora/{name}/what-if/save")
async def save(request: Request, _who: Writer, name: Name, form: Form) -> Response:
    """The settings as the next revision of the recipe, unless somebody has changed it since the page was made."""
    recipe = form.get("recipe", "")
    body = {"settings": form.get("settings", "").splitlines(), "note": form.get("note", "").strip()}
    headers = {"If-Match": form.get("match", "").encode("ascii", "replace").decode()}
    made = await call(request, "POST", f"/v1/recipes/{segment(recipe)}/settings", body, headers=headers)
    settings = ", ".join(body["settings"])[:MAX_SAID]
    said = f"Revision {made['revision']} of {recipe} has {settings}. Run it to make a version of the corpus {name}."
    return go(request, recipe_page({"recipe": recipe}) or "", said)


def path_of(setting: str) -> str:
    """What a setting sets."""
    return setting.partition("=")[0]


def _threshold(listed: Sequence[Threshold], path: str, version: int) -> Threshold | None:
    found = next((each for each in listed if each.path == path), None)
    if path and found is None:
        raise NotFound(f"version {version} has no threshold {path}; choose one of those that its page lists")
    return found


def _answers(plane: Plane, place: Place, asked: Asked, turned: Threshold | None, *, answer_only: bool) -> Answers:
    """What the library says; what it refuses is said on the page, where it can be changed."""
    answers = Answers()
    if turned is not None and turned.is_number and not answer_only:
        try:
            answers = replace(answers, curve=plane.whatifs.curve(place, turned.path, asked.settings))
        except (RecipeError, Invalid) as error:
            answers = replace(answers, no_curve=_why(error))
    if not turned and not asked.settings:
        return answers
    try:
        if turned is not None and asked.sweep:
            spec = f"{turned.path}={asked.sweep}"
            answers = replace(answers, sweep=plane.whatifs.sweep(place, spec, asked.settings, 0))
        found = plane.whatifs.what_if(place, asked.all_settings, EXAMPLES)
    except (RecipeError, Invalid) as error:
        return replace(answers, problem=_why(error))
    return replace(answers, what_if=found)


def _why(error: RecipeError | Invalid) -> str:
    return error.detail if isinstance(error, Invalid) else str(error)


def _target(plane: Plane, who: Principal, recipe: str) -> dict[str, str] | None:
    """The recipe that settings are saved to, with the ETag of its newest revision; none for who may not, or where it is
    not stored."""
    if not (who.may(Permission.RECIPES_WRITE) and who.may(Permission.RECIPES_READ)):
        return None
    try:
        revision = plane.recipes.newest(who.project_id, recipe)
    except NotFound:
        return None
    return {"recipe": recipe, "revision": str(revision), "match": etag(recipe, revision)}


# ---------------------------------------------------------------------------- tables


def _threshold_tables(recipe: dict[str, Any], listed: Sequence[Threshold], asked: Asked) -> Iterable[Table]:
    """The thresholds of each stage."""
    kinds = {stage.get("name") or stage["kind"]: stage["kind"] for stage in recipe["stages"]}
    columns = (
        Column("option", "Option", "code", lambda row: asked.turning(row["path"]).address),
        Column("value", "Now", "text"),
        Column("about", "What it is"),
    )
    for name in dict.fromkeys(each.stage for each in listed):
        fields = stage_kinds()[kinds[name]].model_fields
        rows = [
            {
                "path": each.path,
                "option": each.option,
                "value": in_words(each.value),
                "about": (fields[option_named(each.option)].description or "").replace("`", ""),
            }
            for each in listed
            if each.stage == name
        ]
        yield Table(f"thresholds-{name}", name, columns, rows, classes="thresholds")


def _value_tables(asked: Asked, answers: Answers) -> Iterable[Table]:
    """What is kept for each value: of the curve, or of a sweep."""
    if answers.curve is not None:
        rows = [
            _value_row(each.value, each.after, answers.curve.before, each.is_current) for each in answers.curve.points
        ]
        note = "The values are quantiles of what the documents have, so they are not equally far apart."
        yield _values(
            "curve", asked, rows, f"Documents kept for each value of {asked.of}, which are not equally far apart", note
        )
    if answers.sweep is not None:
        points = answers.sweep.points
        rows = [_value_row(each.value, each.answer.after, answers.sweep.before, each.is_current) for each in points]
        yield _values("sweep", asked, rows, f"Documents kept for some values of {asked.of}", "Each value is replayed.")


def _values(name: str, asked: Asked, rows: Sequence[Row], caption: str, note: str) -> Table:
    is_certain = all(row["low"] == row["high"] for row in rows)
    return Table(
        name,
        caption,
        (
            Column("value", "Value", "number", lambda row: replace(asked, value=_written(row["value"])).address),
            Column("now", "Now"),
            Column("low", "Kept at least", "count"),
            Column("probably", "Probably", "count"),
            Column("high", "At most", "count"),
            Column("change", "Change", "change"),
            *_amount_columns(rows),
        ),
        rows,
        chart=Chart("line", "value", ("low",) if is_certain else ("low", "probably", "high"), "documents"),
        note=f"{note} At least and at most are exact; probably is an estimate, and change, text and tokens are its.",
        classes="tall",
    )


def _value_row(value: JsonValue, after: Kept, before: Amount, is_current: bool) -> Row:
    return {"value": value, "now": "now" if is_current else "", **_shown(before, after)}


def _shown(before: Amount, after: Kept) -> dict[str, Any]:
    """The figures of what would be kept; change, text and tokens are probable, where nothing is those that are sure."""
    amount = after.estimate or after.low
    return {
        "low": after.low.documents,
        "probably": None if after.estimate is None else after.estimate.documents,
        "high": after.high.documents,
        "change": amount.documents - before.documents,
        "bytes": amount.bytes,
        "tokens": amount.tokens,
    }


def _answer_tables(answers: Answers) -> Iterable[Table]:
    found = answers.what_if
    if found is None:
        return
    yield _amounts(found)
    for name, caption, groups in (
        ("sources", "By source", found.sources),
        ("languages", "By language", found.languages),
    ):
        rows = [_group_row(each) for each in groups if each.before.documents or each.after.high.documents]
        yield Table(name, caption, _group_columns(caption.removeprefix("By ").capitalize()), rows)
    changed = [each for each in found.rules if each.before != each.after]
    yield Table(
        "rules",
        "By rule",
        (
            Column("reason", "Reason", "code"),
            Column("before", "Drops now", "count"),
            Column("after", "Would drop", "count"),
            Column("change", "Change", "change"),
        ),
        [{**each.model_dump(), "change": each.after - each.before} for each in changed],
        note="Of the documents whose fate is known; rules that drop as many as before are left out.",
        empty="Every rule drops as many as before.",
    )
    moves = [
        {"before": each.before or "kept", "end": _end(each), **each.amount.model_dump(exclude={"tokens"})}
        for each in found.moves
    ]
    yield Table(
        "moves",
        "Documents that change sides",
        (
            Column("before", "From", "code"),
            Column("end", "To", "code"),
            Column("documents", "Documents", "count"),
            Column("bytes", "Text", "bytes"),
        ),
        moves,
        empty="No document changes sides.",
    )


def _amounts(found: WhatIf) -> Table:
    before, after = found.before, found.after
    rows = [
        _amount_row("Kept by the version", before),
        _amount_row("Would be kept at least", after.low, before),
        *([_amount_row("… probably", after.estimate, before)] if after.estimate is not None else []),
        _amount_row("… at most", after.high, before),
        _amount_row("Let through, and not seen by later stages", found.unknown),
        _amount_row("Duplicates whose kept copy would go", found.freed),
    ]
    columns = (
        Column("what", "Which"),
        Column("documents", "Documents", "count"),
        Column("change", "Change", "change"),
        *_amount_columns(rows),
    )
    return Table("kept", "What would be kept", columns, rows)


def _amount_row(what: str, amount: Amount, before: Amount | None = None) -> Row:
    change = None if before is None else amount.documents - before.documents
    return {"what": what, "change": change, **amount.model_dump()}


def _amount_columns(rows: Sequence[Row]) -> list[Column]:
    has_tokens = any(row["tokens"] is not None for row in rows)
    return [Column("bytes", "Text", "bytes"), *([Column("tokens", "Tokens", "count")] if has_tokens else [])]


def _group_row(group: Group) -> Row:
    return {
        "name": group.name or UNKNOWN,
        "before": group.before.documents,
        **_shown(group.before, group.after),
    }


def _group_columns(label: str) -> tuple[Column, ...]:
    return (
        Column("name", label),
        Column("before", "Now", "count"),
        Column("low", "At least", "count"),
        Column("probably", "Probably", "count"),
        Column("high", "At most", "count"),
        Column("change", "Change", "change"),
    )


def _end(move: Move) -> str:
    return move.after if move.fate == "dropped" else move.fate


# ----------------------------------------------------------------------------- words


def _written(value: float | None) -> str:
    """A value as a setting has it."""
    return UNSET if value is None else f"{value:.0f}" if float(value).is_integer() else repr(value)


def _position(curve: Curve | None, value: str) -> int:
    """The place among the curve's points that is nearest to a value; of the version's own without one."""
    if curve is None:
        return 0
    try:
        wanted = float(value)
    except ValueError:
        wanted = curve.current if curve.current is not None else math.nan
    places = [place for place, each in enumerate(curve.points) if each.value is not None]
    if value == UNSET or math.isnan(wanted) or not places:
        return len(curve.points) - 1
    return min(places, key=lambda place: abs((curve.points[place].value or 0) - wanted))


def _suggested(turned: Threshold | None) -> str:
    """Some values around the present one, to be swept."""
    value = turned.value if turned is not None else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value:
        return "0,1,2"
    return ",".join(f"{round(each) if isinstance(value, int) else each:g}" for each in (value / 2, value, value * 2))


def _explain(corpus: str, version: str) -> Callable[[str | None, str], str | None]:
    return lambda id_, source: explain_page({"corpus": corpus, "version": version, "id": id_, "source": source})
