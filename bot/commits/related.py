"""Finds the commits of a period, and the rows of its table, that belong together. Pure: it uses only readings."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bot.values import ChangeType, Commit, Entry, Grade, Importance, Reading, Reference, Series, Theme, one_line


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TITLE_LIMIT = 80
"""The most characters kept of a title."""


class Landed:
    """The commits of a period, newest first, found by the references of others."""

    def __init__(self, commits: Sequence[Commit] = ()) -> None:
        self.commits = commits
        self._places = {c.sha: n for n, c in enumerate(commits)}
        self._shas = sorted(self._places)
        self._pulls: dict[int, list[int]] = {}
        self._titles: dict[str, list[int]] = {}
        for n, commit in enumerate(commits):
            self._titles.setdefault(commit.reading.subject.casefold(), []).append(n)
            if commit.pull is not None:
                self._pulls.setdefault(commit.pull, []).append(n)

    def __contains__(self, commit: Commit) -> bool:
        return commit.sha in self._places

    def older(self, commit: Commit, reference: Reference) -> list[Commit]:
        """The commits that a reference of `commit` can mean: earlier ones, or the merge that brought one."""
        place = self._places.get(commit.sha)
        if place is None:
            return []
        return [self.commits[n] for n in self.before(place, reference)] or list(self._merges(place, reference.sha))

    def _merges(self, place: int, sha: str) -> Iterator[Commit]:
        """The merges before the commit at a place that brought one whose SHA starts with `sha`."""
        earlier = self.commits[place + 1 :] if sha else ()
        return (commit for commit in earlier if any(each.sha.startswith(sha) for each in commit.inner))

    def before(self, place: int, reference: Reference) -> list[int]:
        """The places of the commits that the one at a place can mean by a reference, in order."""
        return [n for n in self._named(reference) if n > place]

    def _named(self, reference: Reference) -> Sequence[int]:
        if reference.sha:
            return sorted(self._beginning(reference.sha))
        if reference.pull is not None:
            return self._pulls.get(reference.pull, ())
        return (
            ()
            if reference.kind == "stacked" or not reference.title
            else self._titles.get(reference.title.casefold(), ())
        )

    def _beginning(self, sha: str) -> Iterator[int]:
        for n in range(bisect_left(self._shas, sha), len(self._shas)):
            if not self._shas[n].startswith(sha):
                return
            yield self._places[self._shas[n]]


# --- Series ----------------------------------------------------------------------------------

_TYPES = frozenset(
    {str(t) for t in ChangeType}
    | _words("feat bugfix bug hotfix perf misc chore style doc tests ci deps main master wip nit cherry-pick")
    | {"新增", "功能", "修复", "优化", "重构", "文档", "测试", "构建", "依赖", "回退", "安全"}
)
"""Tags and types that any commit may have, which do not relate commits."""


def _specific(series: Series) -> list[str]:
    """The specific labels of a series, in a fixed order."""
    return sorted({label.lower() for label in series.labels} - _TYPES)


# --- Themes ----------------------------------------------------------------------------------

_LINKS = 10
"""The most references of a commit that join it to others: a list of everything in a release is not a theme."""

_Node = tuple[str, ...] | int


class _Joined:
    """Disjoint sets of things that belong together."""

    def __init__(self) -> None:
        self._parent: dict[_Node, _Node] = {}

    def root(self, node: _Node) -> _Node:
        """The representative of a node's set."""
        self._parent.setdefault(node, node)
        while (parent := self._parent[node]) != node:
            self._parent[node] = self._parent[parent]
            node = parent
        return node

    def join(self, a: _Node, b: _Node) -> None:
        """Join the sets of two nodes."""
        self._parent[self.root(a)] = self.root(b)


def themes(commits: Sequence[Commit], grades: Sequence[Grade]) -> tuple[Theme, ...]:
    """The commits that belong together, each in one theme at most, in table order (newest first), as are the themes.

    First come series and what commits say of one another, then what the grades name, then migrations. Commits which
    a grade's theme holds completely are left to it. Bumps are not a theme: they fold into a row (`rows`); one that was
    reverted within the period is next to its revert. Titles are the commits' own words or the grades'.
    """
    period = _Period(commits)
    wanted = [one_line(g.theme, _TITLE_LIMIT) for g in grades]
    found: list[tuple[str, list[int]]] = []
    free = {n for n in range(len(commits)) if not period.bumps[n]}
    for title, members in period.explicit():
        named = {wanted[n].casefold() for n in members}
        if len(named) > 1 or named == {""} or not free.issuperset(members):
            found.append((title, members))
            free.difference_update(members)
    graded: dict[str, list[int]] = {}
    for n in sorted(free):
        if wanted[n]:
            graded.setdefault(wanted[n].casefold(), []).append(n)
    for members in graded.values():
        if len(members) > 1:
            found.append((wanted[members[0]], members))
            free.difference_update(members)
    found += period.migrations(free)
    found.sort(key=lambda theme: theme[1][0])
    return tuple(Theme(title, tuple(commits[n].sha for n in members)) for title, members in found)


class _Period:
    """The commits of a period, newest first, with what their subjects say, and how one is found by its name."""

    def __init__(self, commits: Sequence[Commit]) -> None:
        self.commits = commits
        self.bumps = [bool(c.reading.bumps) for c in commits]
        self.subjects = [c.reading for c in commits]
        self.series = [c.reading.series for c in commits]
        self._pulls: dict[int, int] = {}
        self._shas: dict[str, list[int]] = {}
        self._titles: dict[str, list[int]] = {}
        for n, commit in enumerate(commits):
            if commit.pull is not None:
                self._pulls.setdefault(commit.pull, n)
            self._shas.setdefault(commit.sha[:7], []).append(n)
            self._titles.setdefault(self.subjects[n].subject.casefold(), []).append(n)

    def title(self, n: int) -> str:
        """The subject of a commit, as a title."""
        return one_line(self.subjects[n].subject, _TITLE_LIMIT) or self.commits[n].short

    def explicit(self) -> Iterator[tuple[str, list[int]]]:
        """Commits that belong together by what they say: counters, and references to one another or to a third."""
        joined, reverts = _Joined(), set()
        for n, commit in enumerate(self.commits):
            for reference in commit.reading.references[:_LINKS]:
                node = self._find(n, reference)
                if node is not None:
                    joined.join(n, node)
                if isinstance(node, int) and reference.kind == "reverts":
                    reverts.add(n)
            if series := self.series[n]:
                joined.join(n, ("rest", series.rest.casefold(), series.total))
                if specific := _specific(series):
                    joined.join(n, ("labels", commit.author, series.total, *specific))
        sets: dict[_Node, list[int]] = {}
        for n in range(len(self.commits)):
            sets.setdefault(joined.root(n), []).append(n)
        for members in sets.values():
            if len(members) > 1 and not all(self.bumps[n] for n in members):
                yield self._explicit_title(members, reverts), members

    def _find(self, n: int, reference: Reference) -> _Node | None:
        """The commit of the period that a reference names, else a node for the one outside the period."""
        if reference.sha:
            found = [m for m in self._shas.get(reference.sha[:7], ()) if self.commits[m].sha.startswith(reference.sha)]
            if len(found) == 1:
                return found[0]
        if reference.pull is not None and reference.pull in self._pulls:
            return self._pulls[reference.pull]
        if reference.title and reference.kind == "reverts":
            older = [m for m in self._titles.get(reference.title.casefold(), ()) if m > n]
            if older:
                return older[0]
        if reference.kind == "repairs":  # a number that no commit has may be an issue's
            return None
        if reference.pull is not None:
            return "pull", str(reference.pull)
        return ("sha", reference.sha[:7]) if reference.sha else None

    def _explicit_title(self, members: Sequence[int], reverts: Iterable[int]) -> str:
        """A revert's subject; what a series shares; else the subject of the first that landed."""
        if taken_back := sorted(set(members) & set(reverts)):
            return self.title(taken_back[0])
        series = [s for n in members if (s := self.series[n])]
        if len(series) == len(members):
            if len({s.rest.casefold() for s in series}) == 1:
                return one_line(series[0].rest, _TITLE_LIMIT)
            shared = _shared([s.labels for s in series])
            if any(label.lower() not in _TYPES for label in shared):
                return one_line(" ".join(shared), _TITLE_LIMIT)
        return self.title(members[-1])

    def migrations(self, free: set[int]) -> Iterator[tuple[str, list[int]]]:
        """Migrations, renames and ports that share their goal, their scope, or a word that no other commit uses."""
        moves = {n: move for n in sorted(free) if (move := _move(self.subjects[n]))}
        if len(moves) < 2:
            return
        used = Counter(w for n, s in enumerate(self.subjects) if not self.bumps[n] for w in _nouns(s))
        keys: dict[tuple[str, ...], list[int]] = {}
        for n, move in moves.items():
            for key in move.keys:
                keys.setdefault(key, []).append(n)
        taken: set[int] = set()
        for key, members in sorted(keys.items(), key=lambda item: (-len(item[1]), _RANK[item[0][0]], item[1], item[0])):
            others = used[key[2]] - len(members) if key[0] == "word" else 0
            left = [n for n in members if n not in taken]
            if len(left) > 1 and others * 2 <= len(members):
                taken.update(left)
                yield self._move_title(key, [moves[n] for n in left]), left

    @staticmethod
    def _move_title(key: tuple[str, ...], moves: "Sequence[_Move]") -> str:
        newest = moves[0]
        if key[0] == "to":
            return one_line(newest.goal, _TITLE_LIMIT)
        if key[0] == "scope":
            return one_line(f"{newest.verb} {newest.scope}", _TITLE_LIMIT)
        shared = {w.lower() for w in _shared([m.words for m in moves])} | {newest.verb.lower()}
        said = dict.fromkeys(w for w in newest.sentence if w.lower() in shared)
        return one_line(" ".join(said), _TITLE_LIMIT)


def _shared(lists: Sequence[Sequence[str]]) -> list[str]:
    """What all lists contain, ignoring case, in the order and spelling of the first."""
    common = set.intersection(*({word.lower() for word in words} for words in lists))
    return [word for word in dict.fromkeys(lists[0]) if word.lower() in common]


# --- Migrations ------------------------------------------------------------------------------

_MOVES = re.compile(
    r"(?P<migrate>\bmigrat(?:e[sd]?|ing|ions?)\b|迁移)|(?P<rename>\brenam(?:e[sd]?|ing)\b|重命名|改名)"
    r"|(?P<port>^port(?:s|ed|ing)?\b|移植)",
    re.IGNORECASE,
)
_GOAL = re.compile(r"(?:到|至|为|成)\s{0,3}([^，。,;；、（(]{1,40})")
_GOAL_ENDS = re.compile(r"并且?|以及|以便")
_NOUN = re.compile(r"(?<![\w/.-])[A-Za-z][\w-]{3,39}(?![\w/])")
_STOP = _words(
    "in for on with from and by as via at of using into inside across when where so because the a an new our to"
)
_COMMON = _TYPES | _words(
    "from into with without that this these when where their then than over away using used uses support more some "
    "most remaining rest first second next last other each every also only from adds added remove removed removes "
    "update updates updated code file files make move moved moves change changes allow ensure handle data name names "
    "value values type types function functions class classes method methods variable variables module modules "
    "to-do migrate migrates migrated migrating migration migrations rename renames renamed renaming port ports ported "
    "porting revert merge pull request"
)
"""Words that do not say what is moved."""
_RANK = {"to": 0, "scope": 1, "word": 2}


@dataclass(frozen=True)
class _Move:
    """A subject that moves something: the verb as written, the goal, the scope, its specific words, and all words."""

    kind: str
    verb: str
    goal: str
    goal_key: str
    scope: str
    words: tuple[str, ...]
    sentence: tuple[str, ...]

    @property
    def keys(self) -> Iterator[tuple[str, ...]]:
        """The keys that it may share with others."""
        if self.goal_key:
            yield "to", self.kind, self.goal_key
        if self.scope and self.scope.lower() not in _TYPES:
            yield "scope", self.kind, self.scope.lower()
        for word in dict.fromkeys(w.lower() for w in self.words):
            yield "word", self.kind, word


def _move(subject: Reading) -> _Move | None:
    found = _MOVES.search(subject.summary)
    if found is None or found.lastgroup is None:
        return None
    goal = _goal(found[0], subject.summary[found.end() :])
    key = goal[len(found[0]) :].lower().replace("`", "")
    sentence = tuple(_NOUN.findall(subject.summary))
    words = tuple(w for w in sentence if w.lower() not in _COMMON)
    if found[0] not in sentence:  # Chinese
        sentence = (found[0], *sentence)
    return _Move(found.lastgroup, found[0], goal, key, subject.scope, words, sentence)


def _goal(verb: str, rest: str) -> str:
    """`migrate to X` of `migrate all of it to X in one go`; empty if no goal is named."""
    if chinese := _GOAL.match(rest.lstrip()):
        return verb + _GOAL_ENDS.split(chinese[0])[0].rstrip()
    words = rest.split()[:40]
    if "to" not in words:
        return ""
    named: list[str] = []
    for word in words[words.index("to") + 1 :]:
        if named and (word.lower() in _STOP or len(named) == 4 or word[0] in "([#"):
            break
        if word.lower() not in _STOP:
            named.append(word.rstrip(",;:."))
        if word[-1] in ",;:.":
            break
    return " ".join((verb, "to", *named)) if named else ""


def _nouns(subject: Reading) -> set[str]:
    return {w.lower() for w in _NOUN.findall(subject.summary)}


# --- Rows ------------------------------------------------------------------------------------


def rows(entries: Sequence[Entry]) -> tuple[tuple[str, ...], ...]:
    """The SHAs of the table's rows, in table order: each entry its own, but two or more bots' bumps in one.

    Their row is where the newest of them was. High ones, and those about security, keep their own rows.
    """
    folded = [n for n, entry in enumerate(entries) if _folds(entry)]
    if len(folded) < 2:
        return tuple((e.commit.sha,) for e in entries)
    rest = set(folded[1:])
    together = tuple(entries[n].commit.sha for n in folded)
    return tuple(
        together if n == folded[0] else (entry.commit.sha,) for n, entry in enumerate(entries) if n not in rest
    )


def _folds(entry: Entry) -> bool:
    commit, grade = entry.commit, entry.grade
    if grade.importance is Importance.HIGH or ChangeType.SECURITY in grade.types:
        return False
    return commit.reading.bot and bool(commit.reading.bumps) and not commit.reading.security
