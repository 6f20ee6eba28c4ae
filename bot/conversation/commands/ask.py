"""Questions about commits that need no model: released, reverted, who, which files, since when."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from bot.commits import releases
from bot.conversation import spoken
from bot.conversation.asked import Ask, Asked, asked
from bot.conversation.command import Command, Context
from bot.conversation.commands import commit
from bot.errors import DigestError, NotFound, UsageError
from bot.posts import answers
from bot.posts.answers import About, Answer
from bot.posts.labels import subject_line
from bot.values import Commit, Line, Message, Post, Release, Repository, Span, Standing, Text, Twin, one_line

_KNOWN = 50
"""Commits to some files of which it is told who wrote them."""
_ALIKE = 3
_ALL = (Ask.WHY, Ask.WHAT)
"""Questions that are answered with all that is said of a commit."""
_SPOKEN = 3
"""Commits of one answer each; of more a digest is told as one."""


def answer(context: Context, question: Asked) -> tuple[Post, ...] | None:
    """The answer to a question; None where rules cannot give it after all. Raises DigestError."""
    if question.ask is Ask.KNOWS and question.path:
        return _who_knows_path(context, question)
    if question.named and question.ask in _ALL:
        return commit.expand_each(context, question.named)
    made: list[Post] = []
    for named in question.named:
        found = commit.candidates(context, named)
        if len(found) > 1:
            made.append(commit.which(context, named, found))
            continue
        repository, meant, _ = found[0]
        if (post := _of_one(context, question, repository, meant)) is None:
            return None
        made.append(post)
    return tuple(made) or _spoken_of(context, question)


def _spoken_of(context: Context, question: Asked) -> tuple[Post, ...] | None:
    """The answer about what the thread is about."""
    about = spoken.topic(context)
    if about is None:
        raise UsageError("ask_which")
    repository = about.repository
    if len(about.shas) <= _SPOKEN:
        read = context.services.app.repositories
        commits = [read.commit(repository, sha) for sha in about.shas]
        if question.ask in _ALL:
            return tuple(post for each in commits for post in commit.told(context, repository, each))
        posts = [_of_one(context, question, repository, each) for each in commits]
        found = tuple(post for post in posts if post)
        return found if len(found) == len(posts) else None
    return (_of_digest(context, question, about),)


# --- One commit --------------------------------------------------------------------------------


def _of_one(context: Context, question: Asked, repository: Repository, meant: Commit) -> Post | None:
    branch = context.subscribed(repository.name).branch or repository.branch
    about = About(repository, meant, branch, context.zone, context.texts)
    made = _ANSWERS[question.ask](context, about, question)
    if made is None:
        return None
    spoken.keep(context, repository, (meant.sha,), "".join(span.text for span in made[0]))
    return _post(subject_line(repository, meant), made)


def _post(title: Line, made: Answer) -> Post:
    first, *rest = made
    parts = (Text((first,)), *([Text(tuple(rest), bullets=True)] if rest else []))
    return Post(Message("asked", title, parts))


def _released(context: Context, about: About, question: Asked) -> Answer:
    repository = about.repository
    standing = context.services.app.releasing.standing(repository, about.commit)
    line = _line(context, repository)
    wanted = None
    if question.release:
        wanted = releases.called(question.release, line)
        if wanted is None:
            known = ", ".join(release.name for release in reversed(line[-_KNOWN // 10 :])) or "–"
            name = one_line(question.release, 60)
            raise NotFound("release_unknown", repo=repository.title, name=name, known=known)
    has = _has(context, about, wanted, standing.first)
    ported = () if standing.first else _ported(context, repository, standing)
    return answers.released(about, answers.Released(standing, line[-1] if line else None, wanted, has, ported))


def _line(context: Context, repository: Repository) -> tuple[Release, ...]:
    with suppress(DigestError):
        return context.services.app.repositories.source_of(repository.name).releases(repository.name)
    return ()


def _has(context: Context, about: About, wanted: Release | None, first: Release | None) -> bool | None:
    """Whether a release has a commit of which the first release is known; None where nobody can tell."""
    if not (wanted and first) or wanted == first:
        return bool(wanted and first)
    if wanted.made < first.made:
        return False
    with suppress(DigestError):
        source = context.services.app.repositories.source_of(about.repository.name)
        beyond = source.contents(about.repository.name, first, wanted)
        if about.commit.sha in beyond.shas:
            return False
        return True if beyond.whole and not beyond.shas else None
    return None


def _ported(context: Context, repository: Repository, standing: Standing) -> tuple[tuple[Twin, Release | None], ...]:
    """The commits of other branches that make the same change, with the first release that has each."""
    known: dict[str, Release | None] = {}
    with suppress(DigestError):
        source, shas = context.services.app.repositories.source_of(repository.name), [t.sha for t in standing.twins]
        known = dict(source.first_releases(repository.name, shas)) if shas else {}
    return tuple((twin, known.get(twin.sha)) for twin in standing.twins[:_ALIKE])


def _became(context: Context, about: About, _: Asked) -> Answer:
    links = context.services.app.links(about.repository)
    found = links.since(about.commit, about.branch, context.now)
    again = {}
    for link in found:
        if link.kind == "reverts" and link.certain:
            with suppress(DigestError):
                later = context.services.app.repositories.commit(about.repository, link.later.sha)
                again[later.sha] = links.since(later, about.branch, context.now)
    return answers.became(about, found, again)


def _since(context: Context, about: About, _: Asked) -> Answer:
    return answers.since(about, context.services.app.releasing.standing(about.repository, about.commit))


def _knows(context: Context, about: About, _: Asked) -> Answer:
    by_size = sorted(about.commit.files, key=lambda f: (-(f.added + f.removed), f.path))
    return _known(context, about.repository, about.branch, [file.path for file in by_size])


def _known(context: Context, repository: Repository, branch: str, paths: Sequence[str]) -> Answer:
    found = context.services.app.repositories.touching(repository, branch, paths, _KNOWN) if paths else ()
    return answers.knows(repository, paths, found, context.zone, context.texts)


_ANSWERS: dict[Ask, Callable[[Context, About, Asked], Answer | None]] = {
    Ask.RELEASED: _released,
    Ask.REVERTED: _became,
    Ask.WHO: lambda _, about, __: answers.who(about),
    Ask.KNOWS: _knows,
    Ask.FILES: lambda _, about, __: answers.files(about),
    Ask.TOUCHES: lambda _, about, question: answers.touches(about, question.path, question.kind),
    Ask.SINCE: _since,
}


def _who_knows_path(context: Context, question: Asked) -> tuple[Post, ...]:
    """Who knows a path, in the repository that is meant."""

    def make(repository: Repository) -> Post:
        branch = context.subscribed(repository.name).branch or repository.branch
        made = _known(context, repository, branch, [question.path.strip("/")])
        return _post((Span(repository.title),), made)

    return tuple(context.naming.each(context.naming.meant(question.repo), make))


# --- A whole digest ----------------------------------------------------------------------------


def _of_digest(context: Context, question: Asked, about: spoken.Topic) -> Post:
    repository, number = about.repository, len(about.shas)
    if question.ask is Ask.RELEASED:
        source = context.services.app.repositories.source_of(repository.name)
        known = source.first_releases(repository.name, about.shas)
        firsts = [known.get(sha) for sha in about.shas]
        made = answers.all_released(repository, number, firsts, context.zone, context.texts)
    elif question.ask is Ask.REVERTED:
        kept = context.services.app.aftermath.links(repository.name, about.shas)
        links = [link for link in kept if link.earlier.sha in about.shas]
        made = answers.all_became(repository, number, links, context.texts)
    else:
        raise UsageError("ask_which_of")
    return _post((Span(repository.title),), made)


def _ask(context: Context, words: Sequence[str]) -> tuple[Post, ...]:
    """The answer to whatever stands behind the word."""
    line = " ".join(words)
    if not line:
        raise UsageError("ask_what")
    question = asked(line, context.services.defaults.hosts)
    if question is None or (found := answer(context, question)) is None:
        raise UsageError("ask_unknown")
    return found


COMMANDS = (Command("ask", _ask, free=True),)
