"""JWTs of an OpenID Connect issuer, accepted beside API keys where the settings name one.

What is trusted is pinned: the issuer, the audience, the signatures' algorithms, and where the issuer's keys are. Of a
token's header only `alg` and `kid` are read, and `kid` is but compared.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from pydantic import BaseModel, ConfigDict

from services.errors import SettingsError, Unauthorized, Unavailable
from services.identity.principal import NOT_VALID, Role
from services.settings import Settings

PublicKey: TypeAlias = RSAKey | ECKey | OKPKey
"""What a signature can be checked with; never a shared secret."""

ASYMMETRIC = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
LEEWAY_S = 60
"""How far the issuer's clock may be from ours."""
FRESH_S = 300.0
"""How long its keys are used before they are fetched again."""
REFETCH_S = 30.0
"""How often at most they are fetched for a key that is not among them, or after a failure."""
TIMEOUT_S = 5.0
MAX_JWKS_BYTES = 1 << 20
MAX_TOKEN_BYTES = 16 << 10
MAX_SUBJECT = 180
FAR = 2**40


class Subject(BaseModel):
    """Whom a token speaks of."""

    model_config = ConfigDict(frozen=True)

    name: str
    """`oidc:<sub>`."""
    roles: Mapping[str, Role]
    """By project name; "*" is every project."""
    expires: float
    """When the token does, in seconds since 1970."""


class Tokens:
    """The tokens of the settings' issuer; without an issuer none is valid. Raises SettingsError."""

    def __init__(
        self,
        settings: Settings,
        *,
        tls: ssl.SSLContext | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._algorithms = [name for name in settings.oidc_algorithms if name in ASYMMETRIC]
        self._roles_claim = settings.oidc_roles_claim
        parts = (settings.oidc_issuer, settings.oidc_audience, settings.oidc_jwks_url)
        if any(parts) and not all(parts):
            raise SettingsError("CURATION_OIDC_ISSUER, …_AUDIENCE and …_JWKS_URL go together: give all of them or none")
        if self._algorithms != list(settings.oidc_algorithms) or not self._algorithms:
            raise SettingsError(f"CURATION_OIDC_ALGORITHMS: expected some of {', '.join(sorted(ASYMMETRIC))}")
        self._keys = _IssuersKeys(settings.oidc_jwks_url, tls, now) if settings.oidc_jwks_url else None
        self._claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": settings.oidc_issuer or ""},
            aud={"essential": True, "value": settings.oidc_audience or ""},
            exp={"essential": True},
            sub={"essential": True},
        )

    def authenticate(self, text: str) -> Subject:
        """Whom the token speaks of.

        Raises Unauthorized, the same for every text that is not a valid token, and Unavailable while the issuer's keys
        cannot be had.
        """
        if self._keys is None or len(text) > MAX_TOKEN_BYTES:
            raise Unauthorized(NOT_VALID)
        algorithm, kid = _header(text)
        if algorithm not in self._algorithms:
            raise Unauthorized(NOT_VALID)
        key = self._keys.find(kid)
        try:
            token = jwt.decode(text, key, algorithms=[algorithm])
            self._claims.validate(token.claims)
        except (JoseError, ValueError, TypeError):
            raise Unauthorized(NOT_VALID) from None
        subject = token.claims["sub"]
        if not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
            raise Unauthorized(NOT_VALID)
        return Subject(
            name=f"oidc:{subject}",
            roles=_roles(token.claims.get(self._roles_claim)),
            expires=float(min(token.claims["exp"], FAR)) + LEEWAY_S,
        )


class _IssuersKeys:
    """The issuer's public keys, fetched when they are needed, by one thread at a time. Meanwhile others use those that
    there were, if there were any."""

    def __init__(self, url: str, tls: ssl.SSLContext | None, now: Callable[[], float]) -> None:
        if urlsplit(url).scheme not in {"https", "file"}:
            raise SettingsError("CURATION_OIDC_JWKS_URL: expected https://… or file:///…")
        self._url = url
        self._tls = tls
        self._now = now
        self._lock = threading.Lock()
        self._by_kid: Mapping[str, PublicKey] = {}
        self._fetched: float | None = None
        self._tried: float | None = None

    def find(self, kid: str) -> PublicKey:
        """Raises Unauthorized for a key that the issuer does not have, Unavailable where that cannot be known."""
        if self._is_wanting(kid) and self._lock.acquire(blocking=not self._by_kid):
            try:
                if self._is_wanting(kid):
                    self._fetch()
            finally:
                self._lock.release()
        key = self._by_kid.get(kid)
        if key is None:
            raise Unauthorized(NOT_VALID)
        return key

    def _is_wanting(self, kid: str) -> bool:
        is_stale = not self._is_within(self._fetched, FRESH_S)
        return is_stale or (kid not in self._by_kid and not self._is_within(self._tried, REFETCH_S))

    def _is_within(self, moment: float | None, seconds: float) -> bool:
        return moment is not None and self._now() - moment < seconds

    def _fetch(self) -> None:
        if not self._is_within(self._fetched, FRESH_S) and self._is_within(self._tried, REFETCH_S):
            raise Unavailable("the issuer's keys cannot be had now", retry_after_s=REFETCH_S)
        self._tried = self._now()
        try:
            self._by_kid = _public_keys(_read(self._url, self._tls))
        except (httpx2.HTTPError, OSError, ValueError):
            raise Unavailable("the issuer's keys cannot be had now", retry_after_s=REFETCH_S) from None
        self._fetched = self._now()


def _read(url: str, tls: ssl.SSLContext | None) -> bytes:
    """The bytes at a URL, of at most `MAX_JWKS_BYTES`. Redirects are not followed, proxies not used."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path)).read_bytes()
    deadline = time.monotonic() + TIMEOUT_S
    data = b""
    with (
        httpx2.Client(verify=tls or True, timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client,
        client.stream("GET", url) as response,
    ):
        if response.status_code != 200:
            raise ValueError(f"found status {response.status_code}")
        for chunk in response.iter_bytes():
            data += chunk
            if len(data) > MAX_JWKS_BYTES or time.monotonic() > deadline:
                raise ValueError("the answer is too large or too slow")
    return data


def _public_keys(data: bytes) -> dict[str, PublicKey]:
    """The keys of a JWKS that signatures can be checked with. What else is in it is passed over (RFC 7517, 5)."""
    found = json.loads(data)
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise ValueError("found no JWKS")
    keys: dict[str, PublicKey] = {}
    for entry in listed:
        if isinstance(entry, dict) and isinstance(entry.get("kid"), str) and entry.get("use", "sig") == "sig":
            try:
                key = JWKRegistry.import_key(entry)
            except (JoseError, ValueError, TypeError, KeyError):
                continue
            if isinstance(key, RSAKey | ECKey | OKPKey):
                keys[entry["kid"]] = key
    return keys


def _header(text: str) -> tuple[str, str]:
    """`alg` and `kid` of a token in the compact form. Raises Unauthorized."""
    try:
        first = text.partition(".")[0].encode("ascii")
        header = json.loads(base64.urlsafe_b64decode(first + b"=" * (-len(first) % 4)))
        algorithm, kid = header["alg"], header["kid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Unauthorized(NOT_VALID) from None
    if not isinstance(algorithm, str) or not isinstance(kid, str):
        raise Unauthorized(NOT_VALID)
    return algorithm, kid


def _roles(claim: object) -> dict[str, Role]:
    """The roles that a claim gives; what is no role gives nothing."""
    if not isinstance(claim, dict):
        return {}
    return {str(project): Role(role) for project, role in claim.items() if isinstance(role, str) and role in set(Role)}
