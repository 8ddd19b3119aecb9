"""The client: one object over the whole API."""

from __future__ import annotations

from types import TracebackType

from services.client.corpora import Corpora
from services.client.identity import AuditLog, Keys, Me, Projects
from services.client.jobs import Jobs
from services.client.operations import Status
from services.client.recipes import Recipes
from services.client.schedules import Schedules
from services.client.transport import RETRY_S, TIMEOUT_S, Transport
from services.client.upkeep import Upkeep
from services.client.webhooks import Webhooks


class Client:
    """A service, as one key sees it in one project.

    >>> with Client("http://127.0.0.1:8321", key) as client:  # doctest: +SKIP
    ...     job = client.jobs.submit(Submission(recipe_name="docs"))
    ...     print(client.jobs.wait(job.id).version)

    Every method raises ProblemError for what the service refuses, UnreachableError where nobody answers. Requests that
    only read, and submissions, are repeated for `retry_s` where the service cannot be reached or is busy; others are
    sent once.
    """

    def __init__(
        self,
        url: str,
        key: str,
        project: str | None = None,
        *,
        allow_clear: bool = False,
        retry_s: float = RETRY_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`project` is a name; default: the key's. Raises RecipeError for an http:// URL of another machine, over which
        the key would travel in clear, unless `allow_clear`."""
        self._transport = Transport(url, key, project, allow_clear=allow_clear, retry_s=retry_s, timeout_s=timeout_s)
        self.url = self._transport.url
        self.jobs = Jobs(self._transport)
        self.recipes = Recipes(self._transport)
        self.schedules = Schedules(self._transport)
        self.corpora = Corpora(self._transport)
        self.upkeep = Upkeep(self._transport)
        self.keys = Keys(self._transport)
        self.projects = Projects(self._transport)
        self.audit = AuditLog(self._transport)
        self.webhooks = Webhooks(self._transport)

    def me(self) -> Me:
        """Whose key this is, and what it may do."""
        return self._transport.get("/v1/me", Me)

    def status(self) -> Status:
        """Which processes the installation has."""
        return self._transport.get("/v1/status", Status)

    def close(self) -> None:
        """Leave the connections."""
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
