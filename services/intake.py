"""From a submission to a job: the one door for everything that will be run, by people and by schedules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from curation.errors import Problem
from curation.recipe import Recipe
from services.catalogue import Catalogue
from services.confinement import Confinement
from services.errors import Invalid, NotFound
from services.identity.projects import Projects
from services.jobs.job import Mode, NewJob, Submission
from services.moment import FIRST
from services.recipes.checking import checked, invalid_recipe, recipe_problems
from services.recipes.models import model_problems
from services.recipes.placeholders import fill_placeholders, has_placeholders
from services.recipes.store import RecipeStore


@dataclass(frozen=True)
class Resolved:
    """What a submission means: a whole recipe, its addresses absolute and within the project's roots."""

    body: dict[str, Any]
    """As it was written, but for placeholders and addresses."""
    recipe: Recipe
    written: dict[str, Any]
    """As its author wrote it."""
    name: str
    revision: int | None


class Intake:
    """Checks what is submitted. Nothing that it lets through reads or writes outside its project's roots."""

    def __init__(self, projects: Projects, recipes: RecipeStore, catalogue: Catalogue) -> None:
        self._projects = projects
        self._recipes = recipes
        self._catalogue = catalogue

    def prepare(
        self,
        project_id: str,
        submission: Submission,
        *,
        by: str,
        schedule_id: str | None = None,
        traceparent: str | None = None,
    ) -> NewJob:
        """The job that `JobStore.submit` keeps. `by` is who asks, for what is kept of it.

        Names the corpus in the catalogue, in a transaction of its own: ask before yours begins. Raises Invalid with
        every problem by its path in the submission (`recipe.sources.0.uri`).
        """
        resolved = self.resolve(project_id, submission)
        corpus = self._catalogue.register(project_id, resolved.body["output"])
        return NewJob(
            mode=submission.mode,
            redo=submission.redo,
            recipe=resolved.body,
            recipe_name=resolved.name,
            recipe_revision=resolved.revision,
            corpus=corpus.name,
            corpus_url=corpus.url,
            labels=submission.labels,
            priority=submission.priority,
            hold=submission.hold,
            workers=submission.workers,
            traceparent=traceparent,
            schedule_id=schedule_id,
            occurrence=submission.occurrence,
        )

    def resolve(self, project_id: str, submission: Submission) -> Resolved:
        """What would be run; nothing is written. Raises as `prepare`."""
        _check(submission)
        written, name, revision = self._written(project_id, submission)
        problems = recipe_problems(written)
        if has_placeholders(written) and submission.occurrence is None and not problems:
            problems = _missing_occurrence(written)
        if problems:
            raise invalid_recipe(problems, "recipe")
        body = fill_placeholders(written, submission.occurrence) if submission.occurrence else written
        try:
            body = self.confinement(project_id).recipe(body)
            recipe = checked(body)
        except Invalid as error:
            raise invalid_recipe(error.problems or [Problem("", error.detail)], "recipe") from None
        return Resolved(body=body, recipe=recipe, written=written, name=name or recipe.name, revision=revision)

    def check(self, project_id: str, body: dict[str, Any]) -> Resolved:
        """What a recipe that is to be stored would mean; placeholders stand for an example. Raises Invalid with every
        problem by its path in the recipe."""
        problems = recipe_problems(body)
        filled = fill_placeholders(body, FIRST) if not problems and has_placeholders(body) else body
        confined = filled
        try:
            confined = self.confinement(project_id).recipe(filled)
        except Invalid as error:
            problems = [*problems, *(p for p in error.problems if p.path not in {found.path for found in problems})]
        if problems:
            raise invalid_recipe(problems)
        recipe = checked(confined)
        if problems := model_problems(recipe, body):
            raise invalid_recipe(problems)
        return Resolved(body=confined, recipe=recipe, written=body, name=recipe.name, revision=None)

    def check_models(self, resolved: Resolved) -> None:
        """Raises Invalid where a model that the recipe names cannot be used: of a submission this is not known before,
        for a model may have to be read."""
        if problems := model_problems(resolved.recipe, resolved.written):
            raise invalid_recipe(problems, "recipe")

    def confinement(self, project_id: str) -> Confinement:
        """Where the project's recipes may read and write."""
        return Confinement(self._projects.roots(project_id))

    def _written(self, project_id: str, submission: Submission) -> tuple[dict[str, Any], str, int | None]:
        """The recipe as it was written, its name and its revision; "" and None for one that came with the job."""
        if submission.recipe is not None:
            return submission.recipe, "", None
        try:
            stored = self._recipes.get(project_id, submission.recipe_name or "", submission.recipe_revision)
        except NotFound as error:
            path = "recipe_revision" if "revision" in error.detail else "recipe_name"
            raise _invalid([Problem(path, error.detail)]) from None
        return stored.recipe, stored.name, stored.revision


def _check(submission: Submission) -> None:
    problems = []
    if (submission.recipe is None) == (submission.recipe_name is None):
        found = "neither" if submission.recipe is None else "both"
        problems.append(Problem("recipe", f"found {found} of recipe and recipe_name, expected one"))
    if submission.recipe_revision is not None and submission.recipe_name is None:
        problems.append(Problem("recipe_revision", "found without recipe_name"))
    if submission.redo and submission.mode != Mode.REFRESH:
        problems.append(Problem("redo", f"found with mode {submission.mode}, which does everything anew; leave it out"))
    if problems:
        raise _invalid(problems)


def _invalid(problems: Sequence[Problem]) -> Invalid:
    return Invalid(str(problems[0]), problems=problems)


def _missing_occurrence(body: dict[str, Any]) -> list[Problem]:
    return [
        Problem(f"sources.{index}.uri", "has a placeholder, but the submission has no `occurrence`")
        for index, source in enumerate(body["sources"])
        if "${" in source["uri"]
    ]
