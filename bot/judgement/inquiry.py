"""A question from a person, answered by a model in a few steps: it sees what it asks for, and must give proofs.

What it asks for is read only here, and only from the repository that the question is about; each thing shown is a piece
with a name, in which the quotes of the answer must be found.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, chain, count, islice
from typing import Protocol

from bot.commits import patch
from bot.commits.patch import QUOTE_LINES, EvidenceIndex, Selection, places, readings
from bot.commits.releases import called, is_name
from bot.errors import DigestError, NotFound
from bot.judgement import questions, replies
from bot.judgement.asker import Conversation
from bot.judgement.links import Links
from bot.judgement.proofs import NUMBER, Proofs, seen
from bot.judgement.questions import Inquiry
from bot.judgement.replies import Read, Rejected, StepTaken
from bot.judgement.shapes import MOST_SAID, SEARCH, Tool, WantedReply
from bot.ports import Archive, CommitSource
from bot.values import (
    Answered,
    Commit,
    Evidence,
    Link,
    Look,
    LookKind,
    Proof,
    Release,
    Reply,
    Sight,
    Statement,
    one_line,
)

STEPS = 6
"""The most steps of one inquiry; an unusable answer is asked for once more, and each answer is read once more."""
_ROOM = 90_000
"""The most characters shown in total: after that the model must answer."""
_PATCH_TOKENS, _LISTED, _FOUND, _RELEASES = 8_000, 60, 20, 15
_TOUCHING, _COUNTED, _PATHS, _AUTHORS, _SHORT, _TWINS = 30, 300, 12, 8, 7, 2
_DAWN = date(1970, 1, 1)
_BACK = timedelta(days=7)
"""How far back to list commits at the beginning, if there is no other topic."""
_TITLED = 20
"""Characters of a title that are a quote of it."""
_LONGEST = 31
"""The most days of commits listed at once."""


# --- What is shown -----------------------------------------------------------------------------


class Shown(Protocol):
    """A piece that is shown."""

    @property
    def text(self) -> str:
        """As a model sees it."""
        ...

    def find(self, path: str, quote: str) -> Proof | None:
        """What a quote from it proves; None if it is not in it."""
        ...


@dataclass(frozen=True, slots=True)
class _Listed:
    """Lines, each about a commit or a release."""

    title: str
    rows: tuple[tuple[str, Commit | Release], ...]

    @property
    def text(self) -> str:
        return "\n".join([self.title, *(line for line, _ in self.rows)])

    def find(self, _: str, quote: str) -> Proof | None:
        lines = [self.title, *(line for line, _ in self.rows)]
        for n in (*range(1, len(lines)), 0):
            following = lines[n : n + QUOTE_LINES]
            if ends := [last for first, last in places(quote, following) if first == 0]:
                return self._proof(n, following[: ends[0] + 1])
        return self._proof(0, lines[:1]) if self._heads(quote) else None

    def _heads(self, quote: str) -> bool:
        """Whether a quote is of the title, which is longer than a line of code may be: it has all names with counts."""
        said, title = " ".join(quote.split()), " ".join(self.title.split())
        return len(said) >= _TITLED and bool(re.search(rf"(?<!\w){re.escape(said)}(?!\w)", title, re.IGNORECASE))

    def _proof(self, first: int, lines: Sequence[str]) -> Proof:
        """What lines of the list prove, which begin with its title or a row."""
        if first == 0:
            return Proof(note="; ".join(lines))
        about = self.rows[first - 1][1]
        if isinstance(about, Release):
            return Proof(release=about, note="; ".join([*([self.title] if first == 1 else []), *lines[1:]]))
        return Proof(about, note="; ".join(lines))


@dataclass(frozen=True, slots=True)
class _Whole:
    """A commit with the shown part of its patch, and other facts about it."""

    commit: Commit
    seen: Selection
    index: EvidenceIndex
    besides: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join([questions.commit_shown(self.commit, self.seen), *self.besides])

    def find(self, path: str, quote: str) -> Proof | None:
        head = f"commit {self.commit.short} by {_author(self.commit)}"
        for lines in ((head,), self.besides):
            for first, last in places(quote, lines)[:1]:
                return Proof(self.commit, note="; ".join(lines[first : last + 1]))
        paths = [path, ""] if path else ["", *(f.path for f in self.commit.files)]
        found = filter(None, (self.index.find(each, quote) for each in paths))
        evidence = next(found, None)
        # The index has the whole patch, but only what was shown proves anything.
        if evidence and self._is_shown(evidence, quote):
            return Proof(self.commit, evidence)
        return self._heading(path, quote)

    def _heading(self, path: str, quote: str) -> Proof | None:
        """The line of a file or a hunk that is quoted as such; with a `path` of that file only."""
        lines = self.seen.text.split("\n")
        files = accumulate(lines, lambda file, line: line if line.startswith("=== ") else file, initial="")
        for file, line in zip(islice(files, 1, None), lines, strict=True):
            is_asked = line.startswith(("=== ", "@@")) and line[:2] in quote and (not path or path in file)
            if is_asked and places(quote, [line]):
                return Proof(self.commit, note=line if line == file else f"{file} {line}")
        return None

    def _is_shown(self, evidence: Evidence, quote: str) -> bool:
        return (
            not evidence.path
            or evidence.line is None
            or any(places(each, _side(self.seen.text, other)) for each in readings(quote) for other in ("-", "+", "\n"))
        )


def _side(seen: str, other: str) -> list[str]:
    """Hunks without the marks of lines, and without the lines of the `other` side if that is a mark."""
    lines = (line for line in seen.split("\n") if not line.startswith(other))
    return [line[1:] if line[:1] in "+- " else line for line in lines]


_HEADS = "--- ", "=== "


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was looked up in the tree at a commit."""

    commit: Commit
    asked: str
    sights: tuple[Sight, ...]

    @property
    def text(self) -> str:
        return f"{self._where}\n{questions.looked(self.sights, 0)}"

    @property
    def _where(self) -> str:
        return f"looked up at {self._tree}" + ", the newest commit" * (not self.asked)

    @property
    def _tree(self) -> str:
        """The tree, also by the name with which it was requested: `v1.2.0 (9a93eb7)`, `#12^ (9a93eb7)`."""
        is_told = is_name(self.asked) or self.asked.endswith("^")
        return f"{self.asked} ({self.commit.short})" if is_told else self.commit.short

    def find(self, path: str, quote: str) -> Proof | None:
        quote, shown = NUMBER.sub("", quote), NUMBER.sub("", self.text).split("\n")
        if not places(quote, shown):
            return None
        if evidence := seen(path, quote, self.sights, self.commit):
            return Proof(self.commit, evidence, tree=self._tree, newest=not self.asked)
        searched = Proofs(self.commit, EvidenceIndex(self.commit, ()), sights=self.sights)
        words = (look.word for each in self.sights if (look := each.look).kind is LookKind.WORD and look.word in quote)
        if found := searched.find(SEARCH, next(words, "")):
            return Proof(self.commit, found, tree=self._tree, newest=not self.asked)
        ((first, last), *_) = places(quote, shown)
        heads = [line.lstrip("-= ") for line in shown[first : last + 1] if line.startswith((*_HEADS, self._where))]
        if len(heads) <= last - first:
            return None
        return Proof(note=", ".join(dict.fromkeys((*heads, self._where))))  # also what was not searched


@dataclass(frozen=True, slots=True)
class _Nothing:
    """That nothing was found of what was requested, which may be the answer."""

    text: str

    def find(self, _: str, quote: str) -> Proof | None:
        """All of it, whatever part is quoted."""
        return Proof(note=self.text) if places(quote, [self.text]) else None


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why something is not shown; it proves nothing."""

    text: str

    def find(self, _: str, __: str) -> None:
        """Nothing."""


# --- What can be asked for ---------------------------------------------------------------------

_NUMBER, _SHA = re.compile(r"[#!]?(\d{1,9})"), re.compile(r"@?([0-9a-f]{4,64})", re.IGNORECASE)
_NOTHING, _UNTOUCHED = "nothing found", "no later commit is known that reverts it, fixes it or follows it up"
_ABSENT = ("commit_unknown", "pull_unknown", "pull_not_merged", "path_unknown", "release_unknown", "search_nothing")
"""The errors that say that there is no such thing, and not that it cannot be read."""


class Library:
    """Everything that a question about a branch of one repository may be shown, read-only."""

    def __init__(self, inquiry: Inquiry, source: CommitSource, archive: Archive, links: Links, now: datetime) -> None:
        self._repository = inquiry.repository
        self._branch = inquiry.branch
        self._source = source
        self._archive = archive
        self._links = links
        self._now = now
        self._tools: dict[Tool, Callable[[WantedReply], Shown]] = {
            Tool.COMMITS: self._landed,
            Tool.COMMIT: lambda wanted: self.whole(self._named(wanted.name)),
            Tool.TOUCHING: self._touching,
            Tool.SEARCH: self._search,
            Tool.WORD: self._word,
            Tool.PLACE: self._place,
            Tool.RELEASES: self._released,
        }

    def show(self, wanted: WantedReply) -> Shown:
        """The requested piece, or why it is not shown."""
        try:
            return self._tools[wanted.tool](wanted)
        except DigestError as error:
            if isinstance(error, NotFound) and error.key in _ABSENT:
                return _Nothing(f"{_called(wanted)}: not found in {self._repository.title}")
            return _Refused(f"{_called(wanted)}: cannot be read now ({error.key.replace('_', ' ')})")
        except ValueError:
            return _Refused(f"{_called(wanted)}: that is not how it is asked for")

    def recent(self) -> Shown:
        """What landed in the last days."""
        found = self._source.commits(self._name, self._branch, self._now - _BACK, self._now)
        return self._list(f"landed in the last {_BACK.days} days", found)

    def listed(self, commits: Sequence[Commit]) -> Shown:
        """The commits of the topic."""
        return self._list("spoken of in this thread", commits)

    def whole(self, commit: Commit) -> Shown:
        """A commit in full."""
        ((_, patches),) = [*islice(self._source.patches(self._name, [commit]), 1)] or [(commit.sha, ())]
        seen = patch.select(commit, patches, _PATCH_TOKENS)
        became = tuple(map(_link, self._links.since(commit, self._branch))) or (_UNTOUCHED,)
        landed = f"landed: {commit.committed:%Y-%m-%d %H:%M} UTC"
        besides = (landed, _changes(commit), *_names(commit), *self._standing(commit), *became)
        return _Whole(commit, seen, EvidenceIndex(commit, patches), besides)

    @property
    def _name(self) -> str:
        return self._repository.name

    def _standing(self, commit: Commit) -> Iterable[str]:
        try:
            known = self._source.first_releases(self._name, [commit.sha])
        except DigestError:
            return ()
        if commit.sha not in known:
            return ()
        first = known[commit.sha]
        if first:
            return (f"first release with it: {one_line(first.name, 80)}, {first.made:%Y-%m-%d}",)
        ported = tuple(self._ported(commit))
        other = "" if ported else "; a port of it would be another commit"
        return (f"in no release of {self._main_line()} yet{other}", *ported)

    def _main_line(self) -> str:
        """The releases that are known: those of other packages are not."""
        newest = ""
        with suppress(DigestError):
            newest = "".join(
                f", the newest {one_line(each.name, 80)}" for each in self._source.releases(self._name)[-1:]
            )
        return f"{self._repository.title}'s main line of tags{newest}"

    def _ported(self, commit: Commit) -> Iterator[str]:
        """Commits on other branches with the same change, and their first releases."""
        with suppress(DigestError):
            twins = self._source.twins(self._name, commit)[:_TWINS]
            known = self._source.first_releases(self._name, [each.sha for each in twins]) if twins else {}
            for twin in twins:
                first = known.get(twin.sha)
                release = f", first release with it: {one_line(first.name, 80)}" if first else ""
                branch = f" on {one_line(twin.branch, 80)}" if twin.branch else ""
                yield f"the same change is {twin.sha[:_SHORT]}{branch}{release}"

    def _landed(self, wanted: WantedReply) -> Shown:
        first, last = sorted((_day(wanted.since), _day(wanted.until or wanted.since)))
        since = datetime.combine(max(first, last - timedelta(days=_LONGEST)), datetime.min.time(), UTC)
        until = datetime.combine(last, datetime.min.time(), UTC) + timedelta(days=1)
        found = self._source.commits(self._name, self._branch, since, until)
        return self._list(f"landed from {since:%Y-%m-%d} to {last}", found)

    def _touching(self, wanted: WantedReply) -> Shown:
        path = wanted.path.strip("` /")
        dated = bool(wanted.since or wanted.until)
        most = _COUNTED if dated else _TOUCHING
        found = self._source.touching(self._name, self._branch, [path], most) if path else ()
        touch = f"that touch {one_line(path, 200)}"
        if not dated:
            return self._list(f"the last {most} commits at most {touch}", found)
        last = _day(wanted.until) if wanted.until else self._now.date()
        first, last = sorted((_day(wanted.since) if wanted.since else _DAWN, last))
        # A source may give no more than `_TOUCHING`, whatever is asked for.
        if len(found) in {_TOUCHING, most} and found[-1].committed.date() >= first:
            back = f"the last {len(found)} commits {touch} go back to {found[-1].committed:%Y-%m-%d} only"
            return _Refused(f"{_called(wanted)}: {back}")
        within = tuple(each for each in found if first <= each.committed.date() <= last)
        return self._list(f"commits {touch}, all from {first} to {last}", within)

    def _search(self, wanted: WantedReply) -> Shown:
        found = self._archive.search(wanted.words, [self._name], _FOUND)
        return self._list(
            f"commits in earlier digests that match “{one_line(wanted.words, 100)}” (none inside a merge)", found
        )

    def _word(self, wanted: WantedReply) -> Shown:
        return self._looked(wanted, Look(LookKind.WORD, wanted.words.strip("` ")))

    def _place(self, wanted: WantedReply) -> Shown:
        word, path = wanted.words.strip("` "), wanted.path.strip("` ")
        return self._looked(wanted, Look(LookKind.PLACE, word, path, wanted.line, wanted.last))

    def _looked(self, wanted: WantedReply, look: Look) -> Shown:
        commit = self._named(wanted.name) if wanted.name else self._newest()
        return _Seen(commit, one_line(wanted.name, 80), self._source.look(self._name, commit, [look]))

    def _released(self, _: WantedReply) -> Shown:
        line = self._source.releases(self._name)[-_RELEASES:]
        rows = tuple((f"{release.made:%Y-%m-%d} {one_line(release.name, 80)}", release) for release in reversed(line))
        title = f"the latest of the releases of {self._repository.title}'s main line of tags"
        return _Listed(title, rows) if rows else _Nothing(f"{title}: {_NOTHING}")

    def _list(self, title: str, commits: Sequence[Commit]) -> Shown:
        rows = tuple((questions.commit_line(commit), commit) for commit in commits[:_LISTED])
        more = f" (of which the newest {_LISTED} are listed)" if len(commits) > _LISTED else ""
        if not rows:
            return _Nothing(f"{title}: {_NOTHING}")
        return _Listed(f"{title}{more}: {_by_author(commits)}; newest first", rows)

    def _named(self, name: str) -> Commit:
        """The commit with a name, or of the release with it; with `^` behind it, its first parent.

        Raises NotFound; ValueError for an invalid name.
        """
        if name.endswith("^") and not name.endswith("^^"):
            parents = self._named(name[:-1]).parents
            if not parents:
                raise ValueError(name)
            return self._source.commit(self._name, parents[0])
        sha, number = _SHA.fullmatch(name), _NUMBER.fullmatch(name)
        if number:
            try:
                return self._source.pull(self._name, int(number[1]))
            except NotFound:
                if not (sha and len(sha[1]) >= _SHORT):  # digits alone may be the start of a SHA
                    raise
        if sha:
            return self._source.commit(self._name, sha[1].lower())
        release = called(name, self._source.releases(self._name)) if is_name(name) else None
        if release is None:
            raise ValueError(name)
        return self._source.commit(self._name, release.sha)

    def _newest(self) -> Commit:
        for days in (14, 120, 1_500):
            if found := self._source.commits(self._name, self._branch, self._now - timedelta(days=days), self._now):
                return found[0]
        raise ValueError("empty")


def _changes(commit: Commit) -> str:
    """`changes 2 files: src/a.py, tests/test_a.py`: what of a commit is in no line of its patch."""
    paths = [one_line(file.path, 120) for file in commit.files[:_PATHS]]
    more = f", {len(commit.files) - _PATHS} more" if len(commit.files) > _PATHS else ""
    count = f"{len(commit.files)} file{'s' * (len(commit.files) != 1)}"
    return f"changes {count}: {', '.join(paths)}{more}"


def _names(commit: Commit) -> Iterator[str]:
    """`says that it repairs #12`: the references of a commit, which its shown message may leave out."""
    for each in commit.reading.references:
        name = f"#{each.pull}" if each.pull is not None else each.sha[:_SHORT]
        if name:
            yield f"says that it {each.kind} {name}"


def _author(commit: Commit) -> str:
    return ", ".join(questions.authors(commit))


def _by_author(commits: Sequence[Commit]) -> str:
    """`4 commits, by author: Ada 3, Grace 1; co-authors counted too: Ada 3, Grace 2`: the model need not count."""
    wrote = [tuple(dict.fromkeys(questions.authors(commit))) for commit in commits]
    alone = _counted(names[:1] for names in wrote)
    shared = _counted(wrote)
    more = f"; co-authors counted too: {shared}" if shared != alone else ""
    return f"{len(commits)} commit{'s' * (len(commits) != 1)}, by author: {alone}{more}"


def _counted(names: Iterable[Sequence[str]]) -> str:
    """How often each name occurs, the most frequent first, and how many names are left out."""
    counts = Counter(chain.from_iterable(names))
    shown = [f"{name} {number}" for name, number in counts.most_common(_AUTHORS)]
    more = len(counts) - len(shown)
    return ", ".join([*shown, *([f"{more} others"] if more else [])])


def _day(text: str) -> date:
    """Parse a date of this age. Raises ValueError."""
    found = date.fromisoformat(text)
    if not 1970 <= found.year <= 2200:
        raise ValueError(text)
    return found


def _link(link: Link) -> str:
    sure = "" if link.certain else "probably "
    name = f"#{link.later.pull}" if link.later.pull is not None else link.later.sha[:7]
    return f"{sure}{link.kind} it: {name} {one_line(link.later.title, 120)}, {link.at:%Y-%m-%d}"


def _called(wanted: WantedReply) -> str:
    """A look-up as it was requested."""
    span = f"{wanted.line}-{wanted.last}" if wanted.line else ""
    parts = (wanted.tool, wanted.name, wanted.words, wanted.path, span, wanted.since, wanted.until)
    return one_line(" ".join(filter(None, parts)), 200)


# --- Step by step ------------------------------------------------------------------------------


class Research:
    """One question on its way to an answer."""

    def __init__(self, inquiry: Inquiry, library: Library, model: Conversation) -> None:
        self._inquiry = inquiry
        self._library = library
        self._model = model
        self._pieces: dict[str, Shown] = {}
        self._asked: dict[str, str] = {}
        self._found: list[Answered] = []
        self._carried: tuple[Statement, ...] = ()

    def answer(self, spoken_of: Sequence[Commit]) -> Answered:
        """The answer, starting with the topic's commits. Raises DigestError if the model or the source fails.

        An answer that its quotes do not carry is asked for once more, and then cut to what they do.
        """
        self._begin(spoken_of)
        for left in reversed(range(STEPS)):
            try:
                step = self._step(0 if self._is_full else left)
            except Rejected:
                break
            except DigestError:
                if self._found:
                    break
                raise
            if step.statements or step.unknown or not step.looks:
                if self._is_final(step) or not left:
                    break
                continue
            for wanted in step.looks:
                self._show(wanted)
        given = [each for each in self._found if each.statements] or self._found
        return given[-1] if given else self._answered((), 0)

    def _is_final(self, step: StepTaken) -> bool:
        """Note an answer as its quotes carry it; return whether that is all of it, or it was asked for again already.

        Otherwise what they miss is shown.
        """
        read = self._read(step.statements)
        if read is None and any(each.statements for each in self._found):
            return True  # the first answer was read, this one was not
        read = read or tuple(Read(said.text) for said in step.statements)
        pairs = list(zip(step.statements, read, strict=True))
        left = tuple(replace(said, text=each.text) for said, each in pairs if each.text)
        is_final = bool(self._found) or not any(each.misses for each in read)
        dropped = len(step.problems) + len(pairs) - len(left)
        is_cut = bool(pairs) and not (read[0].text or self._carried)  # what is left does not answer the question
        self._found.append(self._answered(self._joined(left), dropped, unknown=step.unknown or step.headless or is_cut))
        if not is_final:
            self._carried = tuple(said for said, each in pairs if not each.misses)
            self._pieces[self._next] = _Refused(_missed(pairs))
        return is_final

    def _joined(self, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        """The statements, and those of the first answer that were carried and about which these say nothing."""
        told = {each for said in statements for each in (said.text, *said.proofs)}
        more = (said for said in self._carried if told.isdisjoint((said.text, *said.proofs)))
        return (*statements, *more)[:MOST_SAID] if statements else statements

    def _read(self, statements: Sequence[Statement]) -> tuple[Read, ...] | None:
        """How each statement reads with nothing but its quotes; None if the model cannot say."""
        if not statements:
            return ()
        question = questions.review_question(self._inquiry, statements)
        told = [" ".join((self._inquiry.asked, *map(questions.shown, said.proofs))) for said in statements]
        tries = count(1)

        def read(reply: Reply) -> tuple[Read, ...]:
            found, problems = replies.read_review(reply, statements, told, self._inquiry.language)
            if problems and next(tries) == 1:
                raise Rejected(" ".join(problems))
            return found

        try:
            found = self._model.ask(question, read)
        except (Rejected, DigestError):
            return None
        self._model.asker.checked(question, len(found), sum(bool(each.misses) for each in found))
        return found

    def _begin(self, spoken_of: Sequence[Commit]) -> None:
        if len(spoken_of) > 2 or not spoken_of:
            self._add(self._library.listed(spoken_of) if spoken_of else self._library.recent())
        for commit in spoken_of if len(spoken_of) <= 2 else ():
            self._add(self._library.whole(commit))

    def _step(self, left: int) -> StepTaken:
        shown = [f"[{name}] {piece.text}" for name, piece in self._pieces.items()]
        question = questions.step_question(self._inquiry, shown, left)
        told = questions.step_question(self._inquiry, [piece.text for piece in self._sources], left)
        tries = count(1)

        def read(reply: Reply) -> StepTaken:
            is_first = next(tries) == 1
            step = replies.read_step(reply, self._find, told.user, self._inquiry.language)
            if step.problems and is_first:
                raise Rejected(" ".join(step.problems))
            self._model.asker.checked(question, step.stated, len(step.problems))
            return step

        return self._model.ask(question, read)

    def _find(self, source: str, path: str, quote: str) -> Proof | None:
        piece = self._pieces.get(source)
        return piece.find(path, quote) if piece else None

    def _show(self, wanted: WantedReply) -> None:
        called = _called(wanted)
        if called in self._asked:
            self._add(_Refused(f"{called}: shown already as {self._asked[called]}"))
            return
        self._asked[called] = self._add(self._library.show(wanted))

    def _add(self, piece: Shown) -> str:
        name = self._next
        self._pieces[name] = _Refused("there is no more room") if self._is_full else piece
        return name

    @property
    def _next(self) -> str:
        return f"S{len(self._pieces) + 1}"

    @property
    def _sources(self) -> list[Shown]:
        """The pieces that can prove anything."""
        return [piece for piece in self._pieces.values() if not isinstance(piece, _Refused)]

    @property
    def _is_full(self) -> bool:
        return sum(len(piece.text) for piece in self._pieces.values()) > _ROOM

    def _answered(self, statements: tuple[Statement, ...], dropped: int, *, unknown: bool = False) -> Answered:
        return Answered(statements, self._model.asker.name, len(self._sources), dropped, unknown)


def _missed(pairs: Iterable[tuple[Statement, Read]]) -> str:
    """An answer with what its quotes miss, so that it can be given once more."""
    lines = (f"{n}. {said.text}\n    {each.misses or 'carried'}" for n, (said, each) in enumerate(pairs, 1))
    return "\n".join(("your answer, read with nothing but its quotes, and what they miss:", *lines))
