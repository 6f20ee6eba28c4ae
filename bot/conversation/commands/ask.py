"""Questions about commits: rules answer some, a language model, if configured, all others."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from bot.addresses import is_group
from bot.conversation import grammar, sentence, spoken
from bot.conversation.asked import Ask, Asked, asked, is_open, is_sentence, language
from bot.conversation.command import Command, Context
from bot.conversation.commands import commit
from bot.errors import DigestError, UsageError
from bot.judgement.inquiry import Library, Research
from bot.judgement.questions import Inquiry
from bot.posts import answers
from bot.posts.answers import About, Answer
from bot.posts.labels import subject_line
from bot.releasing import called
from bot.values import (
    Answered,
    Button,
    Buttons,
    Commit,
    Line,
    Link,
    Message,
    MessageKind,
    Part,
    Post,
    Release,
    Repository,
    Span,
    Standing,
    Text,
    Twin,
    local,
    one_line,
)

_KNOWN = 50
"""How many commits to read to find out who knows a path."""
_ALIKE = 3
_ALL = (Ask.WHY, Ask.WHAT)
"""Questions that are answered with a commit's full analysis."""
_REPOSITORIES = 20
"""In how many of a group's repositories one answer looks up who knows a path."""
_SPOKEN = 3
"""Up to this many commits are answered one by one, more as a digest."""
_DIGEST, _TITLE, _LONGEST = 60, 200, 300
"""Limits: commits of a digest shown to a model; characters of a question in a title; in a button."""


def answered(context: Context, line: str) -> tuple[Post, ...]:
    """The answer to a question, by rules or else by the language model; empty if it is not a question or has none.

    Raises DigestError.
    """
    hosts = context.services.defaults.hosts
    question = asked(line, hosts)
    if question and (found := _by_rules(context, question, line)):
        return found
    if context.services.app.model and is_open(line, hosts):
        return _by_model(context, line)
    return ()


def answered_sentence(context: Context, line: str) -> tuple[Post, ...]:
    """The model's answer to a sentence that is neither a command nor a recognised question. Raises DigestError.

    It is empty if no model is set, or if the line is too short to be a sentence.
    """
    return _by_model(context, line) if context.services.app.model and is_sentence(line) else ()


def _as_asked(context: Context, line: str) -> Context:
    """The context with the labels in the language of the question."""
    spoken_in = language(line, context.texts.language)
    if spoken_in == context.texts.language:
        return context
    return replace(context, texts=context.services.texts(spoken_in, context.place.chat))


def _by_rules(context: Context, question: Asked, line: str) -> tuple[Post, ...] | None:
    """The answer to a question by rules; None if they turn out not to have one. Raises DigestError."""
    if question.ask not in _ALL:  # an analysis is kept in the language of the channel
        context = _as_asked(context, line)
    if question.ask is Ask.WHY and context.services.app.model:
        return None
    if question.ask is Ask.KNOWS and question.path:
        return _who_knows_path(context, question)
    if question.named and question.ask in _ALL:
        return commit.expand_each(context, question.named)
    if not question.named:
        return _of_thread(context, question)
    meant: list[tuple[Repository, Commit]] = []
    doubtful: list[Post] = []
    for named in question.named:
        found = commit.candidates(context, named)
        if len(found) > 1:
            doubtful.append(commit.which(context, named, found))
        else:
            meant.append(found[0][:2])
    made = _of_each(context, question, meant)
    return None if made is None else (*made, *doubtful)


def _of_thread(context: Context, question: Asked) -> tuple[Post, ...] | None:
    """The answer about the thread's topic."""
    about = spoken.topic(context)
    if about is None:
        raise UsageError("ask_which")
    repository = about.repository
    if len(about.shas) > _SPOKEN:
        return (_of_digest(context, question, about),)
    meant = [(repository, context.services.app.repositories.commit(repository, sha)) for sha in about.shas]
    if question.ask in _ALL:
        return tuple(post for each in meant for post in commit.explained(context, *each))
    return _of_each(context, question, meant)


def _of_each(context: Context, question: Asked, meant: Sequence[tuple[Repository, Commit]]) -> tuple[Post, ...] | None:
    """The answers about some commits, which become the thread's topic; None if rules cannot give one."""
    made = [_answer(context, question, *each) for each in meant]
    found = [each for each in made if each is not None]
    if len(found) < len(made):
        return None
    for repository in dict.fromkeys(repository for repository, _ in meant):
        own = [(each, said) for (owner, each), said in zip(meant, found, strict=True) if owner == repository]
        text = " ".join("".join(span.text for span in said[0]) for _, said in own)
        spoken.keep(context, repository, tuple(each.sha for each, _ in own), text)
    return tuple(_post(subject_line(*each), said) for each, said in zip(meant, found, strict=True))


# --- One commit --------------------------------------------------------------------------------


def _answer(context: Context, question: Asked, repository: Repository, meant: Commit) -> Answer | None:
    branch = context.subscribed(repository.name).branch or repository.branch
    return _ANSWERS[question.ask](context, About(repository, meant, branch, context.zone, context.texts), question)


def _post(title: Line, made: Answer) -> Post:
    first, *rest = made
    parts = (Text((first,)), *([Text(tuple(rest), bullets=True)] if rest else []))
    return Post(Message("asked", title, parts))


def _released(context: Context, about: About, question: Asked) -> Answer:
    repository = about.repository
    standing = context.services.app.releasing.standing(repository, about.commit)
    line = _line(context, repository)
    wanted = called(question.release, line, repository) if question.release else None
    has = _has(context, about, wanted, standing.first)
    ported = () if standing.first else _ported(context, repository, standing)
    undone = _undone(context, about)
    return answers.released(about, answers.Released(standing, line[-1] if line else None, wanted, has, ported, undone))


def _undone(context: Context, about: About) -> tuple[tuple[Link, Release | None, bool], ...]:
    """The reverts of a commit that were not reverted themselves, the first release of each, and whether it is known."""
    found, again, _ = _links(context, about)
    reverts = [link for link in found if link.kind == "reverts" and link.certain]
    left = [link for link in reverts if not _is_reverted(again.get(link.later.sha, ()))]
    released = _first_releases(context, about.repository, [link.later.sha for link in left])
    return tuple((link, released.get(link.later.sha), link.later.sha in released) for link in left)


def _is_reverted(links: Sequence[Link]) -> bool:
    return any(link.kind == "reverts" and link.certain for link in links)


def _line(context: Context, repository: Repository) -> tuple[Release, ...]:
    with suppress(DigestError):
        return context.services.app.repositories.source_of(repository.name).releases(repository.name)
    return ()


def _has(context: Context, about: About, wanted: Release | None, first: Release | None) -> bool | None:
    """Whether a release contains a commit whose first release is known; None if that is unknown."""
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
    """The commits on other branches with the same change, with the first release of each."""
    known = _first_releases(context, repository, [twin.sha for twin in standing.twins])
    return tuple((twin, known.get(twin.sha)) for twin in standing.twins[:_ALIKE])


def _first_releases(context: Context, repository: Repository, shas: Sequence[str]) -> Mapping[str, Release | None]:
    """The first release of each commit, as far as it can be read."""
    with suppress(DigestError):
        source = context.services.app.repositories.source_of(repository.name)
        return dict(source.first_releases(repository.name, shas)) if shas else {}
    return {}


_Again = Mapping[str, Sequence[Link]]
"""What became of commits that revert another, by SHA."""


def _links(context: Context, about: About) -> tuple[tuple[Link, ...], _Again, int | None]:
    """What became of a commit and of those that revert it, and how many later commits were read for that."""
    links = context.services.app.links(about.repository, about.branch)
    found, looked = links.until_now(about.commit, about.branch, context.now)
    again: dict[str, Sequence[Link]] = {}
    for link in found:
        if link.kind == "reverts" and link.certain:
            with suppress(DigestError):
                later = context.services.app.repositories.commit(about.repository, link.later.sha)
                again[later.sha], _ = links.until_now(later, about.branch, context.now)
    return found, again, looked


def _became(context: Context, about: About, __: Asked) -> Answer:
    return answers.became(about, *_links(context, about))


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
    """Who knows a path in the repositories that are meant; of several, only in those that have it."""
    path = question.path.strip("/")

    def make(repository: Repository) -> tuple[Repository, Answer]:
        branch = context.subscribed(repository.name).branch or repository.branch
        return repository, _known(context, repository, branch, [path])

    meant = context.repositories(question.repo)
    made = context.naming.each(meant[:_REPOSITORIES], make)
    found = [each for each in made if len(each[1]) > 1] or made[:1]
    if len(found) == 1:
        return tuple(_post((Span(repository.title),), said) for repository, said in found)
    parts = [Text(said, heading=repository.title) for repository, said in found]
    more = len(meant) - _REPOSITORIES
    parts += [Text(((Span(context.texts.count("more_repositories", more)),),))] if more > 0 else []
    return (Post(Message("asked", (Span(path, code=True),), tuple(parts))),)


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


# --- What a model answers ----------------------------------------------------------------------

_CHOICES = 5


def _by_model(context: Context, line: str) -> tuple[Post, ...]:
    """The answer of the language model, or the question of which repository is meant."""
    context = _as_asked(context, line)
    about = spoken.topic(context)
    found = _meant(context, line, about)
    if len(found) > 1:
        return (_which_repository(context, line, found),)
    repository = found[0]
    spoken_of = _commits(context, line, repository, about)
    earlier = [(turn.question, turn.answer) for turn in spoken.turns(context, repository) if turn.answer]
    branch = context.subscribed(repository.name).branch or repository.branch
    today = f"{local(context.now, context.zone):%Y-%m-%d, %A}"
    inquiry = Inquiry(repository, branch, line, earlier, today, context.texts.language)
    made = _researched(context, inquiry, spoken_of)
    cited = dict.fromkeys(s.proof.commit.sha for s in made.statements if s.proof.commit)
    shas = tuple(cited) or tuple(each.sha for each in spoken_of)
    spoken.keep(context, repository, shas, " ".join(s.text for s in made.statements))
    parts = answers.researched(repository, made, context.texts)
    return (Post(Message("answer", (Span(one_line(line, _TITLE)),), _text(parts, single=len(parts) < 3))),)


def _researched(context: Context, inquiry: Inquiry, spoken_of: Sequence[Commit]) -> Answered:
    app, repository = context.services.app, inquiry.repository
    assert app.model is not None
    source, links = app.repositories.source_of(repository.name), app.links(repository, inquiry.branch)
    library = Library(inquiry, source, context.services.archive, links, context.now)
    return Research(inquiry, library, app.model.conversation(context.account)).answer(spoken_of)


def _text(lines: Answer, *, single: bool) -> tuple[Part, ...]:
    """What was found, and below it how."""
    *said, how = lines
    return (Text(tuple(said), bullets=not single), Text((how,)))


def _meant(context: Context, line: str, about: spoken.Topic | None) -> list[Repository]:
    """The repositories that a question may be about: those it names, else the thread's, else all.

    One followed here, also through a group, may be named anywhere, or by its title at the end. Raises DigestError.
    """
    words = [word for word in grammar.words(line) if grammar.is_repository(word)]
    followed = [word for word in words if any(context.naming.same(s.repo, word) for s in context.here)]
    if followed:
        return context.repositories(followed[0])
    if about and not (words and any(is_group(s.repo) for s in context.here)):
        return [about.repository]
    found = context.repositories()
    named = [each for each in found if _is_named(each, line, words)]
    return named or ([about.repository] if about else found)


def _is_named(repository: Repository, line: str, words: Sequence[str]) -> bool:
    """Whether a question names a repository: by a word, or by the suffix that `_which_repository` adds."""
    names = {repository.name.casefold(), repository.title.casefold()}
    ends = line.rstrip("?？.。! ").casefold()
    return not names.isdisjoint(map(str.casefold, words)) or any(ends.endswith(f" in {name}") for name in names)


def _commits(context: Context, line: str, repository: Repository, about: spoken.Topic | None) -> tuple[Commit, ...]:
    """The commits that a question names, else those of its thread's topic."""
    hosts = context.services.defaults.hosts
    words = [part for word in grammar.words(line) for part in sentence.apart(word)]
    named = [name for word in sentence.commits(words, hosts) if (name := grammar.reference(word, hosts))]
    found: dict[str, Commit] = {}
    for name in named[:_SPOKEN]:
        with suppress(DigestError):  # a number need not be a commit
            found |= {each.sha: each for owner, each, _ in commit.candidates(context, name) if owner == repository}
    if found or about is None or about.repository != repository:
        return tuple(found.values())
    return context.services.app.repositories.read(repository, about.shas[:_DIGEST], 0)


def _which_repository(context: Context, line: str, found: Sequence[Repository]) -> Post:
    titles = [one_line(repository.title, _TITLE) for repository in found[:_CHOICES]]
    buttons = tuple(Button(title, f"ask {one_line(line, _LONGEST)} in {title}") for title in titles)
    title = (Span(context.texts("asked.which_repo")),)
    return Post(Message("which", title, (Buttons(buttons),), kind=MessageKind.QUESTION))


# --- The command -------------------------------------------------------------------------------


def _ask(context: Context, words: Sequence[str]) -> tuple[Post, ...]:
    """Answer the question after the command's word."""
    line = " ".join(words)
    if not line:
        raise UsageError("ask_what")
    if found := answered(context, line) or (_by_model(context, line) if context.services.app.model else ()):
        return found
    raise UsageError("ask_unknown")


COMMANDS = (Command("ask", _ask, free=True),)
