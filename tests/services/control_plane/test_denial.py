"""The denial matrix: every operation that the API has, asked by everybody who must not.

Whoever adds an operation need do nothing: it is found in the OpenAPI document, with the permission that it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import sqlalchemy
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response

from services.control_plane.plane import Plane
from services.database.tables import api_keys, audit, metadata
from services.identity.keys import NewKey
from services.identity.principal import PERMISSIONS, Permission, Role
from tests.services.conftest import make_settings
from tests.services.control_plane.conftest import migrated_app
from tests.services.identity.issuer import AUDIENCE, FORGERIES, ISSUER, Issuer

PUBLIC = {"get_liveness", "get_readiness"}
"""What needs no key. Nothing else may do without."""
NEEDS = {"get_metrics": Permission.METRICS_READ}
"""What an operation needs where its document does not say so, for it can do without a key by the settings."""
OF_THE_INSTALLATION = {"verify_audit"}
"""What only an admin of the installation may, beside what needs `projects:write`."""
NOT_AN_OBJECT = {"put_recipe", "get_stage_schema"}
"""Whose path names nothing that another project could have."""
ENDLESS = {"stream_job_events"}

BODIES: Mapping[str, Any] = {
    "put_hold": {"reason": "case 17"},
    "put_tag": {"version": 1},
    "restore_version": {"version": 1},
    "set_in_recipe": {"settings": ["stages.gopher_quality.min_words=80"]},
    "take_down": {"sources": ["input"]},
    "update_project": {"roots": []},
    "update_webhook": {"name": "changed"},
    "update_schedule": {"jitter_s": 1},
    "backfill_schedule": {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"},
    "create_project": {"name": "new"},
    "create_key": {"name": "new", "role": "admin", "scopes": ["keys:write"]},
}
"""Bodies that would be accepted; others get an empty one."""

Headers: TypeAlias = list[tuple[str, str]]


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    permission: Permission | None
    parameters: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class World:
    """A project with one thing of each kind, another project, and keys."""

    app: FastAPI
    issuer: Issuer
    things: Mapping[str, str]
    root: str
    other: str
    """An admin's key of the other project."""
    loop: asyncio.Runner
    client: AsyncClient

    @property
    def plane(self) -> Plane:
        plane: Plane = self.app.state.plane
        return plane

    def key(self, role: Role, scopes: set[Permission] | None = None) -> str:
        new = NewKey(name="k", role=role, scopes=None if scopes is None else frozenset(scopes))
        return self.plane.keys.create(self.plane.projects.by_name("default").id, new, "test")[1]

    def close(self) -> None:
        self.loop.run(self.client.aclose())
        self.loop.close()
        self.plane.close()

    def ask(self, operation: Operation, headers: Headers) -> Response:
        query = {p["name"]: _sample(p) for p in operation.parameters if p["in"] == "query" and p.get("required")}
        body = {} if operation.method == "GET" else {"json": BODIES.get(operation.id, {})}
        sent = [("If-Match", "*"), *headers]
        url = operation.path.format(**self.things)
        return self.loop.run(self.client.request(operation.method, url, params=query, headers=sent, **body))

    def rows(self) -> dict[str, list[Any]]:
        """Everything in the database but the audit log, and when keys were used."""
        found = {}
        with self.plane.database.reading() as connection:
            for table in metadata.sorted_tables:
                columns = [c for c in table.c if c is not api_keys.c.last_used]
                if not table.name.startswith("audit"):
                    found[table.name] = sorted(map(repr, connection.execute(sqlalchemy.select(*columns))))
        return found


def operations(app: FastAPI) -> list[Operation]:
    """Every operation that needs a key."""
    found = []
    for path, methods in app.openapi()["paths"].items():
        for method, described in methods.items():
            name, security = described["operationId"], described.get("security", [])
            scopes = [scope for one in security for scope in one.get("key", [])]
            permission = NEEDS.get(name) or (Permission(scopes[0]) if scopes else None)
            if name not in PUBLIC:
                parameters = tuple(described.get("parameters", ()))
                found.append(Operation(name, method.upper(), path, permission, parameters))
    return found


def new_world(folder: Path, url: str | None = None) -> World:
    issuer = Issuer()
    settings = make_settings(
        folder,
        url,
        requests_per_minute=100_000,
        failed_logins_per_minute=100_000,
        webhook_hosts=("127.0.0.1:9",),
        oidc_issuer=ISSUER,
        oidc_audience=AUDIENCE,
        oidc_jwks_url=issuer.write(folder),
    )
    app = migrated_app(settings)
    plane: Plane = app.state.plane
    default = plane.projects.ensure_default()
    first = plane.keys.first(default.id)
    assert first is not None
    other = plane.keys.create(
        plane.projects.create("other", (), "test").id, NewKey(name="other", role=Role.ADMIN), "test"
    )[1]
    victim, _ = plane.keys.create(default.id, NewKey(name="victim", role=Role.VIEWER), "test")
    loop, client = asyncio.Runner(), AsyncClient(transport=ASGITransport(app), base_url="http://127.0.0.1")
    root = bearer(first[1])
    recipe = {
        "name": "docs",
        "output": str(folder / "corpora/docs"),
        "sources": [{"name": "input", "uri": str(folder / "input/*.txt")}],
        "stages": [{"kind": "gopher_quality"}],
    }

    def make(path: str, body: dict[str, Any]) -> str:
        made = loop.run(client.post(path, json=body, headers=root))
        assert made.status_code in {200, 201, 202}, made.text
        return str(made.json().get("id", ""))

    def read(path: str) -> Any:
        return loop.run(client.get(path, headers=root)).json()["items"]

    plane.recipes.create(default.id, "docs", recipe, "test")
    cron = {"name": "hourly", "recipe_name": "docs", "cron": "0 * * * *", "timezone": "UTC"}
    webhook = make("/v1/webhooks", {"name": "hook", "url": "http://127.0.0.1:9/hook"})
    make(f"/v1/webhooks/{webhook}/test", {})
    schedule = make("/v1/schedules", cron)
    past = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T02:00:00Z"}
    things = {
        "name": "docs",
        "kind": "gopher_quality",
        "version": "1",
        "reason": "gopher_quality",
        "tag": "production",
        "number": "1",
        "job_id": make("/v1/jobs", {"recipe": recipe}),
        "schedule": schedule,
        "backfill_id": make(f"/v1/schedules/{schedule}/backfill", past),
        "webhook_id": webhook,
        "delivery_id": read(f"/v1/webhooks/{webhook}/deliveries")[0]["id"],
        "project_id": default.id,
        "key_id": victim.id,
    }
    assert [corpus["name"] for corpus in read("/v1/corpora")] == ["docs"]
    return World(app, issuer, things, first[1], other, loop, client)


def _sample(parameter: Mapping[str, Any]) -> str:
    return "1" if "integer" in str(parameter["schema"]) else "x"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = new_world(tmp_path_factory.mktemp("denial"))
    yield world
    world.close()


def bearer(text: str) -> Headers:
    return [("Authorization", f"Bearer {text}")]


def _ended(world: World, **change: str) -> Headers:
    """A key that was good until it was revoked, or expired."""
    text = world.key(Role.ADMIN)
    key_id = world.plane.keys.authenticate(text).name.removeprefix("key:")
    past = world.plane.database.now() - timedelta(seconds=1)
    with world.plane.database.transaction() as connection:
        connection.execute(api_keys.update().where(api_keys.c.id == key_id).values({change["how"]: past}))
    return bearer(text)


STRANGERS: dict[str, Callable[[World], Headers]] = {
    "no key": lambda world: [],
    "empty": lambda world: [("Authorization", "")],
    "empty bearer": lambda world: bearer(""),
    "garbage": lambda world: bearer("cur_" + "0" * 70),
    "bytes": lambda world: bearer("cur_\x00"),
    "half of a key": lambda world: bearer(world.root[:-1]),
    "another secret": lambda world: bearer(world.root[:31] + world.other[31:]),
    "revoked": lambda world: _ended(world, how="revoked"),
    "expired": lambda world: _ended(world, how="expires"),
    "a key as a password": lambda world: [("Authorization", f"Basic {world.root}")],
    "a key without its scheme": lambda world: [("Authorization", world.root)],
    "a key in another header": lambda world: [("X-API-Key", world.root), ("Cookie", f"key={world.root}")],
    "two keys": lambda world: bearer(world.root) * 2,
    "a token as a password": lambda world: [("Authorization", f"Basic {world.issuer.token()}")],
    **{
        f"token: {name}": lambda world, forge=FORGERIES[name]: bearer(forge(world.issuer))  # type: ignore[misc]
        for name in (
            "alg none",
            "HS256 by the public key",
            "wrong issuer",
            "wrong audience",
            "expired",
            "not yet",
            "unknown kid",
            "kid is a path",
            "another key",
        )
    },
}
OUTSIDERS: dict[str, Callable[[World], Headers]] = {
    "another project's name": lambda world: [*bearer(world.key(Role.ADMIN)), ("Curation-Project", "other")],
    "an unknown project's name": lambda world: [*bearer(world.root), ("Curation-Project", "nowhere")],
    "a token without roles": lambda world: bearer(world.issuer.token(curation_roles={})),
    "a token for an unknown project": lambda world: bearer(world.issuer.token(curation_roles={"nowhere": "admin"})),
    "a token of another project": lambda world: [
        *bearer(world.issuer.token(curation_roles={"other": "admin"})),
        ("Curation-Project", "default"),
    ],
    "a token of a role that is none": lambda world: bearer(world.issuer.token(curation_roles={"default": "owner"})),
}


def refused(answer: Response, statuses: set[int], why: str) -> None:
    assert answer.status_code in statuses, f"{why}: {answer.status_code} {answer.text[:300]}"
    assert answer.headers["Content-Type"] == "application/problem+json", why
    problem = answer.json()
    assert problem["status"] == answer.status_code, why
    assert problem["type"].startswith("urn:curation:problem:"), why
    assert problem["request_id"] == answer.headers["X-Request-ID"], why


def test_all_but_what_is_public_needs_a_key(world: World) -> None:
    described = [d for methods in world.app.openapi()["paths"].values() for d in methods.values()]
    assert {d["operationId"] for d in described if not d.get("security")} == PUBLIC
    open_to_all = {o.id for o in operations(world.app) if o.permission is None}
    assert open_to_all == {"get_me"}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_are_let_in_nowhere(world: World, stranger: str) -> None:
    headers = STRANGERS[stranger](world)
    before = world.rows()
    for operation in operations(world.app):
        answer = world.ask(operation, headers)
        refused(answer, {401}, operation.id)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert world.root not in answer.text
    assert world.rows() == before


@pytest.mark.parametrize("outsider", OUTSIDERS)
def test_outsiders_of_a_project_are_let_in_nowhere(world: World, outsider: str) -> None:
    headers = OUTSIDERS[outsider](world)
    before = world.rows()
    for operation in operations(world.app):
        refused(world.ask(operation, headers), {403}, operation.id)
    assert world.rows() == before


def test_lower_roles_and_other_scopes_are_not_enough(world: World) -> None:
    keys = {role: world.key(role) for role in Role}
    narrowed = {p: world.key(Role.ADMIN, set(PERMISSIONS[Role.ADMIN]) - {p}) for p in Permission}
    tokens = {role: world.issuer.token(curation_roles={"default": role}) for role in Role}
    before = world.rows()
    for operation in operations(world.app):
        permission = operation.permission
        if permission is None:
            continue
        lower = [role for role in Role if permission not in PERMISSIONS[role]]
        for text in (narrowed[permission], *(held[role] for held in (keys, tokens) for role in lower)):
            refused(world.ask(operation, bearer(text)), {403}, operation.id)
    assert world.rows() == before


@pytest.fixture
def own_world(database_url: str, tmp_path: Path) -> Iterator[World]:
    """One that a test may change, over each database."""
    world = new_world(tmp_path, database_url)
    yield world
    world.close()


def test_another_projects_things_are_not_there(own_world: World) -> None:
    world = own_world
    before = world.rows()
    for operation in operations(world.app):
        if "{" not in operation.path or operation.id in NOT_AN_OBJECT:
            continue
        token = world.issuer.token(curation_roles={"other": "admin"})
        for text in (world.other, token):
            statuses = {403} if operation.permission is Permission.PROJECTS_WRITE else {404}
            refused(world.ask(operation, bearer(text)), statuses, operation.id)
    assert world.rows() == before
    lists = [o for o in operations(world.app) if o.id.startswith("list_") and "{" not in o.path]
    lists = [operation for operation in lists if operation.id != "list_audit"]  # it has what they asked for
    assert len(lists) >= 7
    for operation in lists:
        answer = world.ask(operation, bearer(world.other))
        assert answer.status_code == 200, operation.id
        for kind, thing in world.things.items():
            assert kind not in {"job_id", "schedule", "webhook_id", "project_id", "key_id"} or thing not in answer.text


def test_whoever_may_is_let_in(own_world: World) -> None:
    """Else the matrix would say nothing: each operation lets in who has just its permission."""
    world = own_world
    for operation in operations(world.app):
        permission = operation.permission
        if operation.id in ENDLESS:
            continue
        text = world.root
        if permission is not None and permission is not Permission.PROJECTS_WRITE:
            lowest = next(role for role in Role if permission in PERMISSIONS[role])
            text = world.key(lowest, {permission})
        if operation.id in OF_THE_INSTALLATION:
            refused(world.ask(operation, bearer(world.key(Role.ADMIN))), {403}, operation.id)
            text = world.root
        answer = world.ask(operation, bearer(text))
        assert answer.status_code not in {401, 403, 500}, f"{operation.id}: {answer.text}"


def test_what_is_denied_is_in_the_audit_log(world: World) -> None:
    with world.plane.database.reading() as connection:
        rows = {(row.action, row.principal) for row in connection.execute(sqlalchemy.select(audit))}
    below = {operation.id for operation in operations(world.app) if operation.path.startswith("/v1/")}
    assert {action for action, principal in rows if principal == "anonymous"} == below
    world.plane.audit.verify()
