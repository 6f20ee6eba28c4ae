"""What everybody shares who works on one digest: its repository and language, its patches, its model, its faults."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from bot.errors import DigestError
from bot.judgement.asker import Conversation
from bot.ports import Archive, CommitSource
from bot.texts import Texts
from bot.values import Commit, FilePatch, Repository


@dataclass(frozen=True, slots=True)
class Brief:
    """One digest, or one commit, in the making.

    Without a `model` the rules do everything; `concurrency` is how many questions may be open at once; `habits` are
    patterns of the files in which the repository keeps its notes for users, beyond the usual ones. `faults` are the
    sentences that tell the reader what went wrong, each once.
    """

    repository: Repository
    texts: Texts
    source: CommitSource
    archive: Archive
    model: Conversation | None
    concurrency: int
    habits: Sequence[str] = ()
    faults: dict[str, None] = field(default_factory=dict)

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
