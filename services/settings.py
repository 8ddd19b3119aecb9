"""The settings of every service, read from the environment (`CURATION_…`) in this one place."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.errors import SettingsError

PREFIX = "CURATION_"
CLIENTS_OWN = {"CURATION_URL", "CURATION_KEY", "CURATION_PROJECT"}
"""What the client reads, not the services."""
SERVICE_LINK = re.compile(
    r"CURATION_(\w+_)?(SERVICE_HOST=[\da-f.:]+|SERVICE_PORT(_\w+)?=\d+|PORT(_\d+_(TCP|UDP|SCTP))?=(tcp|udp|sctp)://\S+"
    r"|PORT_\d+_(TCP|UDP|SCTP)_(PROTO=(tcp|udp|sctp)|PORT=\d+|ADDR=[\da-f.:]+))",
    re.ASCII,
)
"""What Kubernetes tells a pod, unasked, of every service whose name begins with `curation`."""


class Settings(BaseSettings):
    """One installation. Every field is `CURATION_<FIELD>` in the environment; the defaults are the embedded service."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True, env_ignore_empty=True
    )

    data: Path = Path("curation-data")
    """The folder of the embedded service: its database and its secret key."""
    database_url: SecretStr | None = None
    """`postgresql+psycopg://…`; default: SQLite in `data`. Several services may share a PostgreSQL."""
    database_url_file: Path | None = None
    """A file that holds `database_url`, for secrets that are mounted."""
    secret_key_file: Path | None = None
    """A file of at least 32 random bytes; keys' hashes, page tokens and webhooks' secrets derive from it. Default: made
    in `data` at the first start. Every service of an installation needs the same."""
    roots: Annotated[tuple[str, ...], NoDecode] = (".",)
    """Where recipes may read and write: folders and `s3://bucket/prefix`, separated by commas. Relative paths in
    recipes are below the first one that is a folder."""

    host: str = "127.0.0.1"
    """The address that the API listens on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8321
    """Its port; 0 takes a free one."""
    public_url: str | None = None
    """What clients call the API, where that is not http://host:port."""
    body_limit_bytes: Annotated[int, Field(ge=1024)] = 1 << 20
    """The largest body of a request."""
    requests_per_minute: Annotated[int, Field(ge=1)] = 1200
    """How many requests one key may make in a minute, on each API process."""
    failed_logins_per_minute: Annotated[int, Field(ge=1)] = 60
    """How many requests without a valid key one address may make in a minute."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses or networks (`10.0.0.0/8`) of proxies whose X-Forwarded-For says who the client is, separated by
    commas. Without it, all clients behind a proxy are one address."""
    slow_requests: Annotated[int, Field(ge=1, le=30)] = 20
    """How many requests that read much (estimates, previews, statistics, what-ifs, checks of recipes) one API process
    answers at once."""
    slow_requests_per_key: Annotated[int, Field(ge=1)] = 6
    """How many of them may be one key's."""
    max_event_streams: Annotated[int, Field(ge=1)] = 1000
    """How many event streams one API process serves."""
    max_event_streams_per_key: Annotated[int, Field(ge=1)] = 200
    """How many of them may be one key's."""
    metrics_public: bool = False
    """Whether /metrics answers without a key."""

    oidc_issuer: str | None = None
    """The `iss` of JWTs that are accepted beside API keys; without it none is."""
    oidc_audience: str | None = None
    """The `aud` that they must have."""
    oidc_jwks_url: str | None = None
    """Where the issuer's keys are: https://…, or file:///…"""
    oidc_algorithms: Annotated[tuple[str, ...], NoDecode] = ("RS256", "ES256")
    """The only signature algorithms that are accepted."""
    oidc_roles_claim: str = "curation_roles"
    """The claim that maps projects to roles: {"web": "editor"}; "*" is every project."""

    engine: Literal["ray", "local"] = "ray"
    """What jobs run on: Ray, or the job's own process."""
    ray_address: str | None = None
    """A Ray cluster; default: each job starts one on its runner's machine."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Workers a job may use; default: all that Ray has."""
    runner_name: str = socket.gethostname()
    """What this runner is called in leases."""
    max_running_jobs: Annotated[int, Field(ge=1)] = 1
    """How many jobs this runner executes at once."""
    max_running_per_project: Annotated[int, Field(ge=1)] = 8
    """How many jobs of one project may run at once, on all runners."""
    lease_s: Annotated[float, Field(gt=0)] = 30.0
    """How long a job stays with a worker that says nothing."""
    heartbeat_s: Annotated[float, Field(gt=0)] = 2.0
    """How often a worker says that it is alive, and asks what it should do."""
    start_timeout_s: Annotated[float, Field(gt=0)] = 180.0
    """How long a job may be STARTING."""
    cancel_grace_s: Annotated[float, Field(ge=0)] = 30.0
    """How long a cancelled job may take to stop by itself before it is killed."""
    stall_timeout_s: Annotated[float, Field(gt=0)] = 3600.0
    """How long a running job may make no progress before it is killed."""
    max_attempts: Annotated[int, Field(ge=1)] = 3
    """How often a job whose worker died is started again before it is CRASHED."""
    poll_s: Annotated[float, Field(gt=0)] = 1.0
    """How often scheduler and runner look for work."""
    log_lines: Annotated[int, Field(ge=100)] = 10_000
    """How many log lines of one job are kept."""
    keep_events_days: Annotated[int, Field(ge=1)] = 30
    """How long events and deliveries are kept, and occurrences that were left out."""
    keep_logs_days: Annotated[int, Field(ge=1)] = 30
    """How long the log lines of a job are kept once it has ended."""
    keep_jobs_days: Annotated[int, Field(ge=1)] = 365
    """How long jobs are kept once they have ended, and their occurrences. What they published stays."""

    webhook_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Hosts that webhooks may call although they are private or without TLS (`host` or `host:port`)."""
    otlp_endpoint: str | None = None
    """Where OpenTelemetry traces go (OTLP over HTTP); default: nowhere."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    failpoint: str = ""
    """For tests of recovery: kill this process at a named point (`name`, `name:3` for the third time;
    see `services.failpoints`)."""

    @field_validator("roots", "oidc_algorithms", "webhook_hosts", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            ipaddress.ip_network(proxy)  # raises ValueError; "*" would let every client choose its address
        return value

    @property
    def url(self) -> str:
        """The database's URL; holds a password, so never log it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        if self.database_url_file is not None:
            return _read(self.database_url_file).decode().strip()
        return f"sqlite:///{self.data.absolute() / 'control-plane.db'}"

    @property
    def is_embedded(self) -> bool:
        """Whether the database is this folder's own SQLite."""
        return self.url.startswith("sqlite")

    def environment(self) -> dict[str, str]:
        """This process's environment with these settings in it: for a child that shall have the same."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        for name, field in type(self).model_fields.items():
            if (value := getattr(self, name)) != field.default:
                own[f"{PREFIX}{name.upper()}"] = _written(value)
        return own

    def secret_key(self) -> bytes:
        """The installation's secret. The embedded service makes its own; others must be given one.

        Raises SettingsError.
        """
        path = self.secret_key_file or self.data / "secret.key"
        if self.secret_key_file is None and self.is_embedded and not path.exists():
            _make_secret(path)
        key = _read(path)
        if len(key) < 32:
            raise SettingsError(f"{path}: found {len(key)} bytes, expected a secret of at least 32")
        return key


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Raises SettingsError for a value that is wrong and for a name that nobody reads."""
    names = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for name, value in (environment if environment is not None else os.environ).items():
        is_known = name in names | CLIENTS_OWN or SERVICE_LINK.fullmatch(f"{name}={value}")
        if name.startswith(PREFIX) and not is_known:
            near = difflib.get_close_matches(name, names, 1)
            raise SettingsError(f"{name}: there is no such setting{f'; did you mean {near[0]}?' if near else ''}")
    try:
        return Settings()
    except ValueError as error:
        raise SettingsError(_plain(error)) from None


def replace_environment(environment: Mapping[str, str]) -> None:
    """Give this process another environment, as if it had been started in it."""
    os.environ.clear()
    os.environ.update(environment)


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value) or ","
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _plain(error: ValueError) -> str:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(f"{PREFIX}{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None


def _make_secret(path: Path) -> None:
    """Write a new secret that only this user can read; when two processes do so at once, one of them wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
