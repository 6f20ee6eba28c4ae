"""Finds the dependencies that a commit updates, from its title, body and files. Pure.

Messages are untrusted: they are read line by line, and every repetition in a pattern is bounded.
"""

import re
from collections.abc import Iterator, Sequence

from bot.commits.draft import Draft
from bot.commits.files import is_manifest
from bot.commits.message import Title
from bot.values import Bump, one_line


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LIMIT = 80
"""Characters of a package or a version that are kept."""
_UPGRADE_EMOJI = re.compile(r"^\s{0,3}(?:[⬆📌⏫]|:arrow_up:|:pushpin:)")
_VERBS = re.compile(r"bump(?:s|ed)?|upgrade(?:s|d)?|update(?:s|d)?|pin(?:s|ned)?", re.IGNORECASE)
_BEFORE = _words(
    "the a dependency dependencies module package crate rust helm release github action docker image npm pip python "
    "plugin submodule terraform provider requirement requirements on for"
)
"""Words between the verb and the package that only say what kind of thing it is."""
_AFTER = _words(
    "dev-dependency dependency action actions docker tag digest orb image requirement chart crate package plugin hook"
)
# With these names, bots and people mean the repository itself.
_NO_PACKAGE = _words(
    "version versions release releases changelog docs doc documentation readme copyright license licence year snapshot "
    "config configuration schema api copyrights contributors authors translations snapshots baseline"
)
_NO_NAME = _words("to use uses using for with of from by when so that it")
"""Words of a sentence that no package's name contains."""
_VERSION = re.compile(r"(?=[^\d]{0,12}\d|latest\b|[0-9a-f]{7})[\w.,<>=~^!*+:@|/-]{1,100}")
_EXACT = re.compile(r"[v=~^<>]{0,2}\d{1,9}(?:\.\d{1,9}){1,4}[\w.+-]{0,40}")
_NAMES = re.compile(r",? and |, ?")
_GROUP = re.compile(r"(?:bumps?|updates?) the ([^\s].{0,80}?) group\b", re.IGNORECASE)
_ALL = re.compile(
    r"(?:update|bump|upgrade) (all\b.{0,40}\bdependencies|dependencies)\b|lock ?file maintenance\b"
    r"|pre-commit autoupdate\b|pin dependencies\b|(?:更新|升级)(?:所有|全部)?依赖(?:项|包)?$",
    re.IGNORECASE,
)
_NAME = r"[`'\"]?([A-Za-z0-9@][A-Za-z0-9_./@+-]{0,100}?)[`'\"]?"
_TO = r"(?:到|至|为|成)\s{0,3}([^\s，。,;；()（）]{1,60})"
_CHINESE = (
    re.compile(
        rf"(?:将|把)?\s{{0,3}}(?:依赖(?:项|包|库)?)?\s{{0,3}}{_NAME}\s{{0,3}}从\s{{0,3}}([^\s，。]{{1,60}}?)\s{{0,3}}"
        rf"(?:升级|更新|提升){_TO}"
    ),
    re.compile(
        rf"(?:升级|更新)\s{{0,3}}(?:依赖(?:项|包|库)?)?\s{{0,3}}[:：]?\s{{0,3}}{_NAME}\s{{0,3}}"
        rf"(?:从\s{{0,3}}([^\s，。]{{1,60}}?)\s{{0,3}})?{_TO}"
    ),
    re.compile(
        rf"(?:将|把)?\s{{0,3}}(?:依赖(?:项|包|库)?)?\s{{0,3}}{_NAME}\s{{0,3}}()(?:升级|更新|提升)(?:版本)?{_TO}"
    ),
)
_LINE_LIMIT = 2_000
"""The most characters of a bot's line about a package."""


def bumps(draft: Draft) -> tuple[Bump, ...]:
    """The dependencies that a commit updates; empty for any other commit.

    A commit counts if its subject says so and a bot made it, or it changes only lock files and manifests; a person must
    also be explicit (`from 1 to 2`, `dependency`, `deps`, a dotted version), since people update and bump other things
    too, such as their own version. A group whose members are not listed is one bump with its name.
    """
    bot, title = draft.bot, draft.title
    if not bot and not (draft.files and all(is_manifest(file.path) for file in draft.files)):
        return ()
    marked = _is_marked(title)
    if single := _single(title):
        plain = bot or marked or bool(single.old and single.new) or bool(_EXACT.fullmatch(single.new))
        if not plain or _is_own(draft, single.package):
            return ()
        if not single.old:
            single = next((b for b in _listed(draft.body) if _same(b, single)), single)
        return tuple(_bump(name, single.old, single.new) for name in _NAMES.split(single.package) if name)
    named = _named(title, bot, marked)
    if named is None and not (bot and title.words and _VERBS.fullmatch(title.words[0])):
        return ()
    listed = tuple(dict.fromkeys(b for b in _listed(draft.body) if not _is_own(draft, b.package)))
    if listed or not named or _is_own(draft, named):
        return listed
    return tuple(_bump(name, "", "") for name in _NAMES.split(named) if name)


def _is_marked(title: Title) -> bool:
    """Whether the subject explicitly mentions a dependency, not only words that people use for anything."""
    about = {title.word, title.scope.lower(), *(t.lower() for t in title.tags)}
    if about & {"deps", "dep", "deps-dev", "dependencies", "dependency", "依赖"}:
        return True
    said = {w.lower() for w in title.words[:4]} & {"dependency", "dependencies", "deps"}
    return bool(said or "依赖" in title.summary or _UPGRADE_EMOJI.match(title.whole))


def _is_own(draft: Draft, package: str) -> bool:
    """Whether a name is the repository's own, its version's or its documents', not a dependency's."""
    if any(word in _NO_PACKAGE for word in package.lower().split()):
        return True
    return package.lower() == draft.repo.rstrip("/").rpartition("/")[2].lower().removesuffix(".git")


def _same(a: Bump, b: Bump) -> bool:
    return a.package.lower() == b.package.lower()


def _single(title: Title) -> Bump | None:
    """The only package that a subject updates to a version."""
    for pattern in _CHINESE:
        if found := pattern.match(title.summary):
            return _bump(found[1], found[2] or "", found[3]) if _VERSION.match(found[3]) else None
    words = title.words[:40]
    if not words or not _VERBS.fullmatch(words[0]):
        return None
    lower = [w.lower() for w in words]
    start = lower.index("from") if "from" in lower else None
    to = next((n for n in range(1, len(words) - 1) if lower[n] == "to" and _VERSION.fullmatch(words[n + 1])), None)
    if to is None:
        package = _package(words[2 if lower[1:2] == ["to"] else 1 : -1])
        return _bump(package, "", words[-1]) if package and _EXACT.fullmatch(words[-1]) else None
    package = _package(words[1 : to if start is None or start > to else start])
    old = " ".join(words[start + 1 : to]) if start is not None and start < to else ""
    return _bump(package, old, words[to + 1]) if package else None


def _package(words: Sequence[str]) -> str:
    """The package's name among words, without generic words; empty if no name is left."""
    lower = [w.lower() for w in words]
    kept = list(words[: lower.index("in")] if "in" in lower else words)  # `bump redis in /hack/redis`
    while kept and kept[0].lower() in _BEFORE and len(kept) > 1:
        kept.pop(0)
    while kept and kept[-1].lower() in _AFTER and len(kept) > 1:
        kept.pop()
    sentence = len(kept) > 4 or not _NO_NAME.isdisjoint(w.lower() for w in kept)
    return "" if sentence or (kept and _VERBS.fullmatch(kept[0])) else " ".join(kept)


def _bump(package: str, old: str, new: str) -> Bump:
    name, *versions = (one_line(text, _LIMIT).strip("`'\"*,;() ") for text in (package, old, new))
    old, new = (v.rstrip(".:") for v in versions)
    return Bump(name, old, new)


def _named(title: Title, bot: bool, marked: bool) -> str | None:
    """The packages that a subject updates without naming a version: a group, all, or names."""
    if group := _GROUP.match(title.summary):
        return one_line(f"{group[1]} group", _LIMIT) if bot or marked else None
    if found := _ALL.match(title.summary):
        return one_line(found[1] or found[0], _LIMIT)
    words = title.words
    if not marked or not 2 <= len(words) <= 12 or not _VERBS.fullmatch(words[0]):
        return None
    return one_line(_package(words[1:]), _LIMIT) or None


_SAID = re.compile(
    r"(?:Bumps|Updates|Bump|Update) (?:\[([^\]]{1,200})\](?:\([^()\s]{0,600}\))?|`([^`]{1,200})`|(\S{1,200}))"
    r" from `?(\S{1,100}?)`? to `?(\S{1,100}?)`?\.?(?=\s|$)"
)
_HOOK = re.compile(r"\s{0,8}[-*] \[?(?:https?://)?([^\s:\]]{1,200}): (\S{1,100}) (?:→|->) ([^\s\]]{1,100})")
_LINK = re.compile(r"\[([^\[\]]{1,200})\]\([^()\s]{0,600}\)")
_ARROW = re.compile(r"\s{0,3}(?:→|->|⇒)\s{0,3}")


def _listed(body: str) -> Iterator[Bump]:
    """The packages that a bot's body lists: in sentences, in a table, or as pre-commit's hooks."""
    columns: tuple[int, int, int] | None = None
    for line in body.split("\n"):
        if len(line) > _LINE_LIMIT:
            continue
        if line.lstrip().startswith("|"):
            cells = [c.strip() for c in line.strip().strip("|").split("|")]
            columns = columns or _columns(cells)
            if columns and (row := _row(cells, columns)):
                yield row
            continue
        columns = None
        if said := _SAID.match(line):
            yield _bump(said[1] or said[2] or said[3], said[4], said[5])
        elif hook := _HOOK.match(line):
            yield _bump(*hook.groups())


def _columns(cells: Sequence[str]) -> tuple[int, int, int] | None:
    """The indices of a table's columns for package, old and new version; the same if one contains `1.0 -> 2.0`."""
    head = [c.lower() for c in cells]
    name = next((n for n, c in enumerate(head) if c in ("package", "dependency", "name", "依赖", "包")), None)
    if name is None:
        return None
    if "from" in head and "to" in head:
        return name, head.index("from"), head.index("to")
    change = next((n for n, c in enumerate(head) if c in ("change", "变更")), None)
    return None if change is None else (name, change, change)


def _row(cells: Sequence[str], columns: tuple[int, int, int]) -> Bump | None:
    """A row of a table of packages; None for its header, the line below it, and rows without versions."""
    if len(cells) <= max(columns):
        return None
    name, old, new = (_LINK.sub(r"\1", cells[n]).replace("`", "").strip() for n in columns)
    if columns[1] == columns[2]:
        old, _, new = _ARROW.sub(" → ", old).partition(" → ")
    name = name.partition(" (")[0]  # renovate appends a link to the source
    return _bump(name, old, new) if name and _VERSION.match(old) and _VERSION.match(new) else None
