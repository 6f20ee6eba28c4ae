"""What everybody shares who works on one digest: its repository and language, its patches, its model, its faults."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from bot.commits import neighbours
from bot.errors import DigestError
from bot.judgement.asker import Conversation
from bot.judgement.questions import Around, Depth
from bot.ports import Archive, CommitSource
from bot.texts import Texts
from bot.values import Commit, FilePatch, Look, Release, Repository, Sight

_MOST_RELEASES = 8


@dataclass(frozen=True, slots=True)
class Brief:
    """One digest, or one commit, in the making.

    Without a `model` the rules do everything; `concurrency` is how many questions may be open at once, `depth` how much
    is done for one commit; `habits` are patterns of the files in which the repository keeps its notes for users, beyond
    the usual ones. `faults` are the sentences that tell the reader what went wrong, each once.
    """

    repository: Repository
    branch: str
    texts: Texts
    source: CommitSource
    archive: Archive
    model: Conversation | None
    concurrency: int
    depth: Depth = Depth.NORMAL
    habits: Sequence[str] = ()
    faults: dict[str, None] = field(default_factory=dict)
    _days: dict[date, tuple[Commit, ...]] = field(default_factory=dict)
    _releases: list[tuple[Release, ...]] = field(default_factory=list)

    @property
    def language(self) -> str:
        """The reader's language."""
        return self.texts.language

    def fault(self, error: Exception) -> None:
        """Tell the reader once what went wrong; an unusable answer is no news beyond that."""
        unusable = self.texts("digest.model_unusable")
        self.faults[self.texts.error(error) if isinstance(error, DigestError) else unusable] = None

    def patches(
        self, commits: Sequence[Commit], paths: Collection[str] = ()
    ) -> Iterator[tuple[Commit, tuple[FilePatch, ...]]]:
        """Every commit with its patch, in their order, or with `paths` with that of these files.

        With none where it cannot be read, which is a fault.
        """
        left = {commit.sha: commit for commit in commits}
        try:
            for sha, patch in self.source.patches(self.repository.name, commits, paths) if commits else ():
                yield left.pop(sha), patch
        except DigestError as error:
            self.fault(error)
        yield from ((commit, ()) for commit in left.values())

    def look(self, commit: Commit, looks: Sequence[Look]) -> tuple[Sight, ...]:
        """What is looked up in the tree at a commit; where it cannot be read, each look says so."""
        try:
            return self.source.look(self.repository.name, commit, looks) if looks else ()
        except DigestError:
            return tuple(Sight(look, refused="could not be read") for look in looks)

    def around(self, commit: Commit, patches: Sequence[FilePatch]) -> Around:
        """What landed on the branch at the time of a commit and touches the same, and what was released.

        Whatever the channel wants to see. Where it cannot be read, a commit is analysed without.
        """
        near = neighbours.neighbours(commit, patches, self._day(commit.committed.date()), {})
        return Around(near, self._released(commit))

    def _day(self, day: date) -> tuple[Commit, ...]:
        if day not in self._days:
            midnight = datetime.combine(day, time(), UTC)
            since, until = midnight - neighbours.WITHIN, midnight + timedelta(days=1) + neighbours.WITHIN
            self._days[day] = ()
            with suppress(DigestError):
                self._days[day] = self.source.commits(self.repository.name, self.branch, since, until)
        return self._days[day]

    def _released(self, commit: Commit) -> tuple[tuple[Release, bool], ...]:
        try:
            if not self._releases:
                self._releases.append(self.source.releases(self.repository.name))
            near = [r for r in self._releases[0] if abs(r.made - commit.committed) <= neighbours.WITHIN]
            first = self.source.first_releases(self.repository.name, [commit.sha]) if near else {}
        except DigestError:
            return ()
        return tuple((release, first.get(commit.sha) == release) for release in near[-_MOST_RELEASES:])
