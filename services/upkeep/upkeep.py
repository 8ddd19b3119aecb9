"""What is done to corpora beside jobs: versions are tagged, held, restored and vacuumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from curation.corpus import Corpus
from curation.errors import ConflictError
from curation.pipeline import Outcome
from curation.pipeline.certificate import Certificate, certificates, checked_certificate
from curation.pipeline.restore import restore
from curation.retention import Hold, Vacuumed, holds, put_hold, release_hold, vacuum
from curation.tags import Tag, delete_tag, put_tag, resolve, tag_history, tags
from services.errors import PreconditionFailed
from services.insights.insights import Insights, answered
from services.jobs.job import Mode, NewJob, NewTakedown, Takedown
from services.jobs.takedowns import criteria_of


class Upkeep:
    """Raises NotFound for a corpus, version or tag that is not there, Forbidden for a corpus that is no longer within
    its project's roots, Unavailable where a store fails; and of the library ConflictError where somebody else wrote
    first, RecipeError for what cannot be a name, a number or a reason."""

    def __init__(self, insights: Insights) -> None:
        self._insights = insights

    def number(self, project_id: str, name: str, version: str) -> int:
        """The number of a version that is called by its number, a tag, or `newest`."""
        with self._opened(project_id, name) as corpus:
            return resolve(corpus, version).version

    def tags(self, project_id: str, name: str) -> Sequence[Tag]:
        """Those in force, by name."""
        with self._opened(project_id, name) as corpus:
            return tags(corpus)

    def tag_history(self, project_id: str, name: str, tag: str) -> Sequence[Tag]:
        """Every record of a tag, oldest first; the last one is in force. Empty for one that never was."""
        with self._opened(project_id, name) as corpus:
            return tag_history(corpus, tag)

    def put_tag(self, project_id: str, name: str, tag: str, version: int, by: str, *, after: int) -> Tag:
        """Give a version the tag. Raises PreconditionFailed where `after` is not the number of the record in force."""
        with self._opened(project_id, name) as corpus, _moved_on():
            return put_tag(corpus, tag, version, by, after)

    def delete_tag(self, project_id: str, name: str, tag: str, by: str, *, after: int) -> None:
        """Take the tag away. As `put_tag`."""
        with self._opened(project_id, name) as corpus, _moved_on():
            delete_tag(corpus, tag, by, after)

    def holds(self, project_id: str, name: str) -> Sequence[Hold]:
        """The legal holds in force, by version."""
        with self._opened(project_id, name) as corpus:
            return holds(corpus)

    def put_hold(self, project_id: str, name: str, version: int, reason: str, by: str) -> Hold:
        """Put a version under a legal hold: neither vacuum nor erasure may touch it."""
        with self._opened(project_id, name) as corpus:
            return put_hold(corpus, version, reason, by)

    def release_hold(self, project_id: str, name: str, version: int, by: str) -> None:
        """End a version's legal hold."""
        with self._opened(project_id, name) as corpus:
            release_hold(corpus, version, by)

    def restore(self, project_id: str, name: str, version: int) -> Outcome:
        """Publish a version again as the newest. Raises ConflictError where documents were taken down since."""
        with self._opened(project_id, name) as corpus:
            return restore(corpus, version)

    def vacuum(
        self, project_id: str, name: str, by: str, *, keep: int | None, grace_days: float | None, dry_run: bool
    ) -> Vacuumed:
        """Remove the files that no version needs which stays, or say which these are."""
        with self._opened(project_id, name) as corpus:
            return vacuum(corpus, keep, grace_days, dry_run, by)

    def takedown(self, project_id: str, name: str, new: NewTakedown, traceparent: str | None = None) -> NewJob:
        """The job that takes these documents down. Raises Invalid, with every problem by its path."""
        criteria_of(new)
        entry, _ = self._insights.open(project_id, name)
        newest = self._insights.manifest(project_id, name)
        return NewJob(
            mode=Mode.TAKEDOWN,
            takedown=Takedown.model_validate(new.model_dump(include=set(Takedown.model_fields))),
            recipe={**newest.recipe, "output": entry.url},
            recipe_name=str(newest.recipe["name"]),
            corpus=entry.name,
            corpus_url=entry.url,
            labels=new.labels,
            hold=new.hold,
            traceparent=traceparent,
        )

    def certificates(self, project_id: str, name: str, *, after: int, limit: int) -> Sequence[Certificate]:
        """What takedowns have certified behind this number, oldest first, as it is written."""
        with self._opened(project_id, name) as corpus:
            ledger = certificates(corpus.storage)
            return [ledger.read(number) for number in ledger.numbers() if number > after][:limit]

    def certificate(self, project_id: str, name: str, number: int) -> Certificate:
        """One of them, checked with all before it. Raises Unavailable where one is not what was written."""
        with self._opened(project_id, name) as corpus:
            return checked_certificate(corpus, number)

    @contextmanager
    def _opened(self, project_id: str, name: str) -> Iterator[Corpus]:
        _, corpus = self._insights.open(project_id, name)
        with answered():
            yield corpus


@contextmanager
def _moved_on() -> Iterator[None]:
    try:
        yield
    except ConflictError as error:
        raise PreconditionFailed(str(error)) from error
