"""`/v1/me`, projects, keys and the audit log, over HTTP."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.control_plane.plane import Plane
from services.identity.keys import NewKey
from services.identity.principal import Permission, Role


@pytest.fixture
def plane(app: FastAPI) -> Plane:
    found: Plane = app.state.plane
    return found


@pytest.fixture
def root(app: FastAPI, plane: Plane) -> TestClient:
    """A client of the installation's admin."""
    made = plane.keys.first(plane.projects.ensure_default().id)
    assert made is not None
    return TestClient(app, headers={"Authorization": f"Bearer {made[1]}"})


def client(app: FastAPI, key: str, **headers: str) -> TestClient:
    return TestClient(app, headers={"Authorization": f"Bearer {key}", **headers})


def test_a_key_says_who_it_is(app: FastAPI, plane: Plane) -> None:
    project = plane.projects.ensure_default()
    new = NewKey(name="ci", role=Role.EDITOR, scopes=frozenset({Permission.JOBS_READ}))
    key, text = plane.keys.create(project.id, new, "test")
    answer = client(app, text).get("/v1/me")
    assert answer.status_code == 200
    assert answer.json() == {
        "name": f"key:{key.id}",
        "project_id": project.id,
        "project": "default",
        "role": "editor",
        "permissions": ["jobs:read"],
        "is_installation_admin": False,
    }


def test_a_key_from_making_to_revoking(app: FastAPI, root: TestClient) -> None:
    made = root.post("/v1/keys", json={"name": "ci", "role": "viewer"})
    assert made.status_code == 201
    key, secret = made.json()["key"], made.json()["secret"]
    assert made.headers["Location"] == f"/v1/keys/{key['id']}"
    assert root.get(made.headers["Location"]).json()["name"] == "ci"
    assert secret not in root.get("/v1/keys").text
    user = client(app, secret)
    assert user.get("/v1/me").json()["role"] == "viewer"
    assert user.get("/v1/keys").status_code == 403
    assert root.delete(f"/v1/keys/{key['id']}").status_code == 204
    assert user.get("/v1/me").status_code == 401
    assert root.get(f"/v1/keys/{key['id']}").json()["revoked"] is not None


def test_projects_are_made_and_changed_by_their_etag(root: TestClient, plane: Plane) -> None:
    default = root.get(f"/v1/projects/{plane.projects.by_name('default').id}")
    folder = default.json()["roots"][0]
    address = f"/v1/projects/{default.json()['id']}"
    web = {"name": "web", "roots": [f"{folder}/web"]}
    refused = root.post("/v1/projects", json=web)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:curation:problem:conflict")
    patch = {"roots": [f"{folder}/default"]}
    assert root.patch(address, json=patch).status_code == 428
    assert root.patch(address, json=patch, headers={"If-Match": '"9"'}).status_code == 412
    assert root.patch(address, json=patch, headers={"If-Match": default.headers["ETag"]}).status_code == 200
    made = root.post("/v1/projects", json=web)
    assert made.status_code == 201
    assert root.get(made.headers["Location"]).json() == made.json()
    outside = root.post("/v1/projects", json={"name": "etc", "roots": ["/etc"]})
    assert (outside.status_code, outside.json()["errors"][0]["path"]) == (422, "roots.0")
    assert root.post("/v1/projects", json=web).status_code == 409


def test_lists_are_pages(root: TestClient) -> None:
    for number in range(4):
        root.post("/v1/projects", json={"name": f"p{number}"})
        root.post("/v1/keys", json={"name": f"k{number}", "role": "viewer"})
    for address, total in (("/v1/projects", 5), ("/v1/keys", 5), ("/v1/audit", 8)):
        seen, page = [], None
        while True:
            answer = root.get(address, params={"page_size": 3, **({"page": page} if page else {})}).json()
            seen += [item.get("id") or item["sequence"] for item in answer["items"]]
            page = answer["next_page"]
            if page is None:
                break
        assert len(seen) == len(set(seen)) == total
    assert root.get("/v1/keys", params={"page": "AAAA"}).status_code == 400


def test_an_admin_of_the_installation_works_in_every_project(app: FastAPI, root: TestClient) -> None:
    root.post("/v1/projects", json={"name": "web"})
    in_web = {"Curation-Project": "web"}
    key = root.post("/v1/keys", json={"name": "ci", "role": "admin"}, headers=in_web).json()["secret"]
    user = client(app, key)
    assert user.get("/v1/me").json()["project"] == "web"
    assert user.get("/v1/me", headers=in_web).status_code == 200
    assert [p["name"] for p in user.get("/v1/projects").json()["items"]] == ["web"]
    answers = [user.get("/v1/me", headers={"Curation-Project": name}) for name in ("default", "none", "a\0b")]
    assert [answer.status_code for answer in answers] == [403] * 3
    assert len({answer.json()["detail"] for answer in answers}) == 1
    default_id = root.get("/v1/me").json()["project_id"]
    assert user.get(f"/v1/projects/{default_id}").status_code == 404
    assert user.post("/v1/projects", json={"name": "mine"}).status_code == 403
    assert root.get("/v1/me", headers={"Curation-Project": "nowhere"}).status_code == 403


def test_the_audit_log_says_who_did_what(app: FastAPI, root: TestClient, plane: Plane) -> None:
    root.post("/v1/projects", json={"name": "web"}, headers={"X-Request-ID": "made-web"})
    made = root.post("/v1/keys", json={"name": "ci", "role": "viewer"}).json()
    user = client(app, made["secret"])
    user.post("/v1/keys", json={"name": "more", "role": "viewer"})
    user.post("/v1/keys", content=b"{", headers={"Content-Type": "application/json"})
    TestClient(app).post("/v1/keys?secret=1", json={})
    TestClient(app).post("/v1/nowhere", json={})
    user.get("/v1/me")
    rows = root.get("/v1/audit").json()["items"][::-1]
    seen = [(row["principal"], row["action"], row["detail"]["status"]) for row in rows]
    who, ci = root.get("/v1/me").json()["name"], f"key:{made['key']['id']}"
    assert seen == [
        (who, "create_project", 201),
        (who, "create_key", 201),
        (ci, "create_key", 403),
        (ci, "create_key", 400),
        ("anonymous", "create_key", 401),
    ]
    assert rows[0]["request_id"] == "made-web"
    assert rows[0]["detail"] == {
        "method": "POST",
        "status": 201,
        "project": "default",
        "address": "testclient",
        "made": f"/v1/projects/{plane.projects.by_name('web').id}",
        "name": "web",
        "roots": "",
    }
    assert rows[1]["detail"]["made"] == f"/v1/keys/{made['key']['id']}"
    assert rows[1]["detail"]["role"] == "viewer"
    assert all(row["target"] in {"/v1/projects", "/v1/keys"} for row in rows)
    assert made["secret"][-43:] not in str(rows)
    verified = root.get("/v1/audit/verify").json()
    assert verified == {"rows": 5, "head": rows[-1]["hash"]}
    assert user.get("/v1/audit").status_code == 403
    newest = root.get("/v1/audit").json()["items"][0]
    assert (newest["principal"], newest["action"], newest["detail"]["status"]) == (ci, "list_audit", 403)


def test_the_audit_log_is_filtered(root: TestClient) -> None:
    root.post("/v1/projects", json={"name": "web"})
    made = root.post("/v1/keys", json={"name": "ci", "role": "viewer"}).json()["key"]
    who = root.get("/v1/me").json()["name"]

    def actions(**filters: str) -> list[str]:
        return [row["action"] for row in root.get("/v1/audit", params=filters).json()["items"]]

    assert actions() == actions(principal=who) == ["create_key", "create_project"]
    assert actions(action="create_key") == ["create_key"]
    assert actions(principal="key:other") == actions(until="2000-01-01T00:00:00Z") == []
    assert actions(since=made["created"]) == ["create_key"]


@pytest.mark.parametrize("expires", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00", "2200-01-01T00:00:00Z"])
def test_times_beyond_all_clocks_are_refused(root: TestClient, expires: str) -> None:
    assert root.post("/v1/keys", json={"name": "k", "role": "viewer", "expires": expires}).status_code == 422
    for parameter in ("created_after", "created_before"):
        assert root.get("/v1/jobs", params={parameter: expires}).status_code == 422


def test_a_projects_admin_sees_its_own_rows_only(app: FastAPI, root: TestClient) -> None:
    root.post("/v1/projects", json={"name": "web"})
    in_web = {"Curation-Project": "web"}
    key = root.post("/v1/keys", json={"name": "ci", "role": "admin"}, headers=in_web).json()["secret"]
    rows = client(app, key).get("/v1/audit").json()["items"]
    assert [row["action"] for row in rows] == ["create_key"]
    assert client(app, key).get("/v1/audit/verify").status_code == 403
