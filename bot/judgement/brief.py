"""What is shared while a digest is built: its repository and language, patches, model and faults."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from bot.errors import DigestError
from bot.judgement.asker import Conversation
from bot.judgement.questions import Around, Depth
from bot.judgement.times import Times
from bot.ports import Archive, CommitSource
from bot.texts import Texts
from bot.values import Commit, FilePatch, Look, Repository, Sight


@dataclass(frozen=True)
class Brief:
    """One digest, or one commit, being built.

    Without a `model` the rules do everything; `concurrency` is how many questions may be open at once, `depth` how much
    is done for one commit; `habits` are patterns of files with notes for users besides the usual ones. `faults` are
    sentences for the reader about what went wrong, each once.
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

    @cached_property
    def _times(self) -> Times:
        return Times(self.source, self.repository.name, self.branch)

    @property
    def language(self) -> str:
        """The reader's language."""
        return self.texts.language

    def fault(self, error: Exception) -> None:
        """Record an error for the reader, once; an unusable answer is not worth more."""
        unusable = self.texts("digest.model_unusable")
        self.faults[self.texts.error(error) if isinstance(error, DigestError) else unusable] = None

    def patches(
        self, commits: Sequence[Commit], paths: Collection[str] = ()
    ) -> Iterator[tuple[Commit, tuple[FilePatch, ...]]]:
        """Every commit with its patch, in order; with `paths`, only of these files.

        If it cannot be read, that is a fault and the patch is empty.
        """
        left = {commit.sha: commit for commit in commits}
        try:
            for sha, patch in self.source.patches(self.repository.name, commits, paths) if commits else ():
                yield left.pop(sha), patch
        except DigestError as error:
            self.fault(error)
        yield from ((commit, ()) for commit in left.values())

    def look(self, commit: Commit, looks: Sequence[Look]) -> tuple[Sight, ...]:
        """The results of look-ups in the tree at a commit; if it cannot be read, each one says so."""
        try:
            return self.source.look(self.repository.name, commit, looks) if looks else ()
        except DigestError:
            return tuple(Sight(look, refused="could not be read") for look in looks)

    def around(self, commit: Commit, patches: Sequence[FilePatch]) -> Around:
        """Related commits that landed on the branch at the time of a commit, and releases of that time."""
        return self._times.around(commit, patches)
