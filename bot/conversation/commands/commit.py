"""Explains a commit by any of its names, and the commits that a text links to."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from bot.addresses import is_group
from bot.conversation import spoken
from bot.conversation.command import Command, Context
from bot.conversation.grammar import CommitName, named_commits, quoted, references
from bot.conversation.sentence import without_fillers
from bot.errors import DigestError, NotFound, UsageError
from bot.posts.labels import reported_labels, subject_line
from bot.posts.post import commit_message
from bot.values import (
    Button,
    Buttons,
    Commit,
    DeliveredCommit,
    Line,
    Message,
    MessageKind,
    Post,
    Repository,
    Span,
    Text,
    one_line,
)

_EXPLAINED = 3
"""The most commits of a text that are explained at once: each can be long."""

_Found = tuple[Repository, Commit, str]
"""A commit in its repository, and its number or `@sha` as its name there."""
_Look = Callable[[], tuple[Commit, str]]
"""Looks up a commit and its name."""


def expand(context: Context, named: CommitName) -> tuple[Post, ...]:
    """One commit in full, or a question if several are possible."""
    found = candidates(context, named)
    if len(found) > 1:
        return (which(context, named, found),)
    return explained(context, *found[0][:2])


def explained(context: Context, repository: Repository, commit: Commit) -> tuple[Post, ...]:
    """A commit's full analysis."""

    def followed() -> set[str]:
        everywhere = context.services.subscriptions.subscriptions()
        return {s.branch for s in everywhere if s.repo == repository.name and s.branch}

    entry = context.services.app.expand(repository, commit, context.texts, followed, context.account)
    where = {r.sha: _reported_here(context, repository, r.sha) for r in entry.relations if r.sha}
    named = reported_labels({sha: each[0].at for sha, each in where.items() if each}, context.zone, context.texts)
    standing = context.services.app.releasing.standing(repository, commit)
    said = commit_message(repository, entry, context.zone, context.texts, standing=standing, reported=named)
    spoken.keep(context, repository, (commit.sha,))
    return (Post(said),)


def _reported_here(context: Context, repository: Repository, sha: str) -> list[DeliveredCommit]:
    """The places in this channel where a commit was reported, the earliest first."""
    delivered = context.services.archive.delivered_to(repository.name, sha)
    return [each for each in delivered if each.place.whole == context.place.whole]


def _mute(muted: bool, context: Context, words: Sequence[str]) -> tuple[Post, ...]:
    """Mute or unmute follow-ups in the threads where commits were reported here."""
    named = named_commits(words, context.services.defaults.hosts)
    if len(named) != 1:
        raise UsageError("mute_what")
    found = candidates(context, named[0])
    threads = {
        each.place for repository, commit, _ in found for each in _reported_here(context, repository, commit.sha)
    }
    repository, commit, _ = found[0]
    if not any(place.thread for place in threads):
        raise NotFound("mute_nothing", name=repository.named(commit))
    for place in threads:
        context.services.app.aftermath.mute(place, context.now, muted)
    said = context.texts("answer.muted" if muted else "answer.unmuted", name=repository.named(commit))
    return (Post(Message("muted", (Span(said),), kind=MessageKind.ANNOUNCEMENT)),)


def _explain(context: Context, words: Sequence[str]) -> tuple[Post, ...]:
    """The commits that a text links to, or consists of: one in full, or the first few of them."""
    hosts = context.services.defaults.hosts
    found = references(" ".join(words), hosts) or named_commits(without_fillers(words), hosts)
    if not found:
        raise UsageError("explain_nothing")
    return expand_each(context, found)


def expand_each(context: Context, found: Sequence[CommitName]) -> tuple[Post, ...]:
    """The first few of several commits, with a note if there are more."""
    answers = context.naming.each(found[:_EXPLAINED], lambda one: expand(context, one))
    posts = [post for answer in answers for post in answer]
    if len(found) > _EXPLAINED:
        more = context.texts("answer.explained", n=_EXPLAINED, of=len(found))
        posts.append(Post(Message("more", (Span(more),))))
    return tuple(posts)


def candidates(context: Context, named: CommitName) -> list[_Found]:
    """All commits that a reference can mean."""
    found: dict[tuple[str, str], _Found] = {}
    missing: list[DigestError] = []
    for repository, looks in _places(context, named):
        for look in looks:
            try:
                commit, name = look()
            except UsageError:
                raise
            except DigestError as error:
                missing.append(error)
            else:
                found.setdefault((repository.name, commit.sha), (repository, commit, name))
    if not found and not missing:  # nothing reported from a group
        raise NotFound("search_nothing", text=named.sha or str(named.pull))
    if not found:
        raise missing[0]
    return list(found.values())


def _places(context: Context, named: CommitName) -> Iterator[tuple[Repository, Sequence[_Look]]]:
    """Where and how to look up a reference; in a group, with its many repositories, only among reported commits."""
    for repository in context.naming.meant(named.repo):
        if not is_group(repository.name):
            yield repository, _looks(context, repository, named)
            continue
        for member in context.naming.members(repository):
            yield member, [partial(_with_name, each) for each in _kept(context, member, named)]


def _kept(context: Context, repository: Repository, named: CommitName) -> Iterator[Commit]:
    """The commits of a repository that a reference can mean, among those stored."""
    if named.pull is not None:
        yield from context.services.archive.commits_by_pull(repository.name, named.pull)[:1]
    if named.sha:
        yield from context.services.app.repositories.kept(repository, named.sha)


def _looks(context: Context, repository: Repository, named: CommitName) -> list[_Look]:
    """The ways to look a reference up.

    A plain number of up to six digits is a pull request; only a SHA that the bot has reported can make it ambiguous,
    since in a large repository nearly every short number starts some SHA.
    """
    repositories = context.services.app.repositories
    looks: list[_Look] = []
    if (number := named.pull) is not None:
        looks.append(lambda: (repositories.pull(repository, number), repository.number(number)))
    if named.sha and (named.pull is None or len(named.sha) >= 7):
        looks.append(lambda: _with_name(repositories.commit(repository, named.sha)))
    elif named.sha:
        looks += [partial(_with_name, kept) for kept in repositories.kept(repository, named.sha)]
    return looks


def _with_name(commit: Commit) -> tuple[Commit, str]:
    return commit, f"@{commit.sha}"


def which(context: Context, named: CommitName, found: Sequence[_Found]) -> Post:
    """The question of which of several commits is meant."""
    colon = context.texts("report.colon")
    lines: list[Line] = [
        (Span(f"{repository.title} {commit.short}{colon}", code=True), *subject_line(repository, commit, 100))
        for repository, commit, _ in found
    ]
    buttons = tuple(
        Button(f"{one_line(repository.title, 60)}{name[:10]}", quoted(f"{repository.name}{name}"))
        for repository, _, name in found
    )
    title = context.texts("answer.which", text=named.sha or found[0][0].number(named.pull or 0))
    parts = (Text(tuple(lines), bullets=True), Buttons(buttons))
    return Post(Message("which", (Span(title),), parts, kind=MessageKind.QUESTION))


COMMANDS = (
    Command("explain", _explain),
    Command("mute", partial(_mute, True)),
    Command("unmute", partial(_mute, False), help="mute"),
)
