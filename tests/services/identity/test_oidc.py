"""Tokens of an issuer: what is accepted, and everything that is not."""

from __future__ import annotations

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OctKey

from services.errors import SettingsError, Unauthorized, Unavailable
from services.identity.oidc import Tokens
from services.identity.principal import Role
from services.settings import Settings
from tests.services.conftest import make_settings
from tests.services.identity.issuer import AUDIENCE, FORGERIES, ISSUER, Issuer, jwks_server, now


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def other() -> Issuer:
    return Issuer("other")


def oidc_settings(folder: Path, url: str, **changes: Any) -> Settings:
    return make_settings(folder, oidc_issuer=ISSUER, oidc_audience=AUDIENCE, oidc_jwks_url=url, **changes)


@pytest.fixture
def tokens(issuer: Issuer, tmp_path: Path) -> Tokens:
    return Tokens(oidc_settings(tmp_path, issuer.write(tmp_path)))


@pytest.mark.parametrize("name", FORGERIES)
def test_what_is_refused(tokens: Tokens, issuer: Issuer, name: str) -> None:
    with pytest.raises(Unauthorized):
        tokens.authenticate(FORGERIES[name](issuer))


@given(st.one_of(st.text(max_size=60), st.lists(st.binary(max_size=40), min_size=3, max_size=3)))
def test_garbage_is_refused(
    issuer: Issuer, tmp_path_factory: pytest.TempPathFactory, garbage: str | list[bytes]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    tokens = Tokens(oidc_settings(folder, issuer.write(folder)))
    text = garbage if isinstance(garbage, str) else ".".join(base64.urlsafe_b64encode(g).decode() for g in garbage)
    with pytest.raises(Unauthorized):
        tokens.authenticate(text)


def test_what_is_accepted(tokens: Tokens, issuer: Issuer) -> None:
    roles = {"default": "editor", "*": "viewer", "web": "emperor", "print": 7}
    subject = tokens.authenticate(issuer.token(curation_roles=roles))
    assert subject.name == "oidc:alice"
    assert subject.roles == {"default": Role.EDITOR, "*": Role.VIEWER}
    for accepted in ({"aud": ["x", AUDIENCE]}, {"exp": now(-30)}, {"nbf": now(30)}, {"iat": None, "nbf": None}):
        assert tokens.authenticate(issuer.token(**accepted)).name == "oidc:alice"
    assert tokens.authenticate(issuer.token(curation_roles=None)).roles == {}
    assert tokens.authenticate(issuer.token(curation_roles=["admin"])).roles == {}


def test_without_an_issuer_no_token_is_valid(issuer: Issuer, tmp_path: Path) -> None:
    with pytest.raises(Unauthorized):
        Tokens(make_settings(tmp_path)).authenticate(issuer.token())


@pytest.mark.parametrize(
    "changes",
    [
        {"oidc_audience": None},
        {"oidc_issuer": None},
        {"oidc_algorithms": ("RS256", "HS256")},
        {"oidc_algorithms": ("none",)},
        {"oidc_algorithms": ()},
        {"oidc_jwks_url": "http://issuer.example/jwks"},
    ],
)
def test_settings_that_trust_too_much_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    settings = oidc_settings(tmp_path, "https://issuer.example/jwks").model_copy(update=changes)
    with pytest.raises(SettingsError):
        Tokens(settings)


def test_shared_secrets_in_a_jwks_are_no_keys(tmp_path: Path, issuer: Issuer) -> None:
    secret = OctKey.generate_key(256, {"kid": "shared"})
    encryption = issuer.key.as_dict(private=False) | {"kid": "enc", "use": "enc"}
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [secret.as_dict(private=True), encryption]}))
    tokens = Tokens(oidc_settings(tmp_path, f"file://{tmp_path / 'jwks.json'}"))
    for header, key in (({"alg": "HS256", "kid": "shared"}, secret), ({"kid": "enc"}, issuer.key)):
        with pytest.raises(Unauthorized):
            tokens.authenticate(issuer.token(header=header, key=key))


def test_keys_are_fetched_when_needed_and_no_oftener(tmp_path: Path, issuer: Issuer, other: Issuer) -> None:
    current, clock = [issuer], [0.0]
    with jwks_server(lambda: (200, {}, current[0].jwks().encode()), tmp_path) as server:
        settings = oidc_settings(tmp_path, server.url)
        tokens = Tokens(settings, tls=server.client_tls, now=lambda: clock[0])
        for _ in range(3):
            tokens.authenticate(issuer.token())
        assert server.asked == 1
        current[0] = other
        with pytest.raises(Unauthorized):
            tokens.authenticate(other.token())
        assert server.asked == 1
        clock[0] = 31
        assert tokens.authenticate(other.token()).name == "oidc:alice"
        with pytest.raises(Unauthorized):
            tokens.authenticate(issuer.token())
        assert server.asked == 2
        clock[0] = 332
        tokens.authenticate(other.token())
        assert server.asked == 3


@pytest.mark.parametrize(
    "answer",
    [
        (302, {"Location": "/elsewhere"}, b""),
        (500, {}, b""),
        (200, {}, b"no JSON"),
        (200, {}, b"[]"),
        (200, {}, b'{"keys": 7}'),
        (200, {}, b" " * (1 << 20) + b"{}"),
    ],
)
def test_an_issuer_that_does_not_answer_lets_nobody_in(
    tmp_path: Path, issuer: Issuer, answer: tuple[int, dict[str, str], bytes]
) -> None:
    with jwks_server(lambda: answer, tmp_path) as server:
        tokens = Tokens(oidc_settings(tmp_path, server.url), tls=server.client_tls)
        for _ in range(2):
            with pytest.raises(Unavailable) as caught:
                tokens.authenticate(issuer.token())
        assert caught.value.retry_after_s
        assert server.asked == 1


def test_an_issuer_that_cannot_be_trusted_or_reached_lets_nobody_in(tmp_path: Path, issuer: Issuer) -> None:
    with jwks_server(lambda: (200, {}, issuer.jwks().encode()), tmp_path) as server:
        with pytest.raises(Unavailable):
            Tokens(oidc_settings(tmp_path, server.url)).authenticate(issuer.token())
        url = server.url
    for unreachable in (url, f"file://{tmp_path}/nowhere"):
        with pytest.raises(Unavailable):
            Tokens(oidc_settings(tmp_path, unreachable)).authenticate(issuer.token())


def test_while_keys_are_fetched_those_that_were_there_are_used(tmp_path: Path, issuer: Issuer) -> None:
    clock = [0.0]
    is_asked, goes_on = threading.Event(), threading.Event()

    def answer() -> tuple[int, dict[str, str], bytes]:
        if clock[0]:
            is_asked.set()
            assert goes_on.wait(10)
        return 200, {}, issuer.jwks().encode()

    with jwks_server(answer, tmp_path) as server, ThreadPoolExecutor() as pool:
        tokens = Tokens(oidc_settings(tmp_path, server.url), tls=server.client_tls, now=lambda: clock[0])
        tokens.authenticate(issuer.token())
        clock[0] = 301
        fetching = pool.submit(tokens.authenticate, issuer.token())
        try:
            assert is_asked.wait(10)
            assert tokens.authenticate(issuer.token()).name == "oidc:alice"
            assert not fetching.done()
        finally:
            goes_on.set()
        assert fetching.result(10).name == "oidc:alice"
        assert server.asked == 2
