"""Everything that the routes ask, opened once a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from services.catalogue import Catalogue
from services.control_plane.conventions import PageTokens
from services.database import Database, open_database
from services.identity.audit import Audit
from services.identity.keys import Keys
from services.identity.oidc import Tokens
from services.identity.projects import Projects
from services.insights.duplicates import Clusters
from services.insights.insights import Insights
from services.insights.mixtures import Mixtures
from services.insights.screening import Screening
from services.insights.trials import Trials
from services.insights.whatifs import WhatIfs
from services.intake import Intake
from services.jobs.store import JobStore
from services.recipes.store import RecipeStore
from services.schedules.store import ScheduleStore
from services.settings import Settings
from services.upkeep.upkeep import Upkeep
from services.webhooks.store import WebhookStore


@dataclass(frozen=True)
class Plane:
    settings: Settings
    database: Database
    pages: PageTokens
    projects: Projects
    keys: Keys
    tokens: Tokens
    audit: Audit
    recipes: RecipeStore
    catalogue: Catalogue
    jobs: JobStore
    intake: Intake
    schedules: ScheduleStore
    webhooks: WebhookStore
    insights: Insights
    mixtures: Mixtures
    screening: Screening
    whatifs: WhatIfs
    clusters: Clusters
    trials: Trials
    upkeep: Upkeep

    def close(self) -> None:
        """Leave the database."""
        self.database.close()


def open_plane(settings: Settings) -> Plane:
    """The parts over the settings' database, which must be migrated. Raises SettingsError."""
    secret = settings.secret_key()
    database = open_database(settings)
    projects = Projects(database, settings)
    recipes = RecipeStore(database)
    catalogue = Catalogue(database)
    jobs = JobStore(database, settings)
    intake = Intake(projects, recipes, catalogue)
    insights = Insights(catalogue, lambda project_id, url: intake.confinement(project_id).check([url]))

    def confine(project_id: str, body: dict[str, Any]) -> dict[str, Any]:
        return intake.confinement(project_id).recipe(body)

    return Plane(
        settings=settings,
        database=database,
        pages=PageTokens(secret),
        projects=projects,
        keys=Keys(database, secret),
        tokens=Tokens(settings),
        audit=Audit(database),
        recipes=recipes,
        catalogue=catalogue,
        jobs=jobs,
        intake=intake,
        schedules=ScheduleStore(database),
        webhooks=WebhookStore(database, secret, settings),
        insights=insights,
        mixtures=Mixtures(insights),
        screening=Screening(insights),
        whatifs=WhatIfs(insights, confine),
        clusters=Clusters(insights, confine, lambda project_id, uris: intake.confinement(project_id).check(uris)),
        trials=Trials(insights, confine),
        upkeep=Upkeep(insights),
    )


async def _plane(request: Request) -> Plane:  # not a plain function, which would be given a thread
    plane: Plane = request.app.state.plane
    return plane


ThePlane = Annotated[Plane, Depends(_plane)]
