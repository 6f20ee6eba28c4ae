"""Which commits of a period belong together, and which earlier commits a commit names. Pure.

Everything is read from messages that anybody may write: lines are looked at one by one, every repetition in a pattern
is bounded, and a hostile message costs what an ordinary one of its length costs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, cast

from bot import triage
from bot.patch import kind
from bot.values import ChangeType, Commit, Entry, FileChange, Grade, Importance, Theme, inert, one_line


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TITLE_LIMIT = 80
"""Characters of a title, a package or a version that are kept."""

# --- Reading a subject -----------------------------------------------------------------------

_OWN = re.compile(r"\s{0,3}\(#(\d{1,9})\)\s{0,3}$")
_EMOJI = re.compile(r"^(?::[a-z_]{1,40}:|[^\w\s\[(【\"'`“「#]{1,8})\s{0,3}")
_TAG = re.compile(r"\s{0,3}[\[【]([^\[\]【】]{1,60})[\]】]")
_HEADER = re.compile(r"\s{0,3}:?\s{0,3}([A-Za-z]{1,20}|[\u4e00-\u9fff]{2})(?:\(([^()]{1,60})\))?!?\s?[:：]\s{0,3}")
_UPGRADE_EMOJI = re.compile(r"^\s{0,3}(?:[⬆📌⏫]|:arrow_up:|:pushpin:)")


@dataclass(frozen=True)
class _Subject:
    """A subject taken apart: its tags, what a conventional header says, and the sentence that remains.

    `whole` is the subject on one line without the number of the commit's own pull request.
    """

    whole: str
    tags: tuple[str, ...]
    type: str
    scope: str
    summary: str

    @cached_property
    def words(self) -> list[str]:
        """The words of the sentence."""
        return self.summary.split()


def _subject(commit: Commit) -> _Subject:
    text = one_line(commit.subject)
    own = _OWN.search(text, max(0, len(text) - 24))
    if own and (commit.pull is None or int(own[1]) == commit.pull):
        text = text[: own.start()]
    # GitHub breaks a title that is too long and goes on in the body.
    first, _, _ = commit.body.partition("\n")
    if text.endswith("…") and first.startswith("…"):
        text = one_line(text[:-1] + first[1:])
    return _parse(text)


def _parse(text: str) -> _Subject:
    at, tags, type_, scope = 0, [], "", ""
    if emoji := _EMOJI.match(text):
        at = emoji.end()
    while tag := _TAG.match(text, at):
        tags.append(tag[1].strip())
        at = tag.end()
    if header := _HEADER.match(text, at):
        type_, scope, at = header[1].lower(), (header[2] or "").strip(), header.end()
    summary = text[at:].strip()
    if emoji := _EMOJI.match(summary):  # `fix(deps): ⬆️ bump …`
        summary = summary[emoji.end() :]
    return _Subject(text, tuple(tags), type_, scope, summary)


# --- Dependency bumps ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bump:
    """A dependency that a commit raises; a version that the commit does not name is empty."""

    package: str
    old: str = ""
    new: str = ""


_VERBS = re.compile(r"bump(?:s|ed)?|upgrade(?:s|d)?|update(?:s|d)?|pin(?:s|ned)?", re.IGNORECASE)
_BEFORE = _words(
    "the a dependency dependencies module package crate rust helm release github action docker image npm pip python "
    "plugin submodule terraform provider requirement requirements on for"
)
"""Words between the verb and the package that only say what kind of thing it is."""
_AFTER = _words(
    "dev-dependency dependency action actions docker tag digest orb image requirement chart crate package plugin hook"
)
# A bot that raises these speaks of the repository itself, and so does a person.
_NO_PACKAGE = _words(
    "version versions release releases changelog docs doc documentation readme copyright license licence year snapshot "
    "config configuration schema api copyrights contributors authors translations snapshots baseline"
)
_NO_NAME = _words("to use uses using for with of from by when so that it")
"""Words of a sentence that no package's name holds."""
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
_MANIFEST = re.compile(
    r"(?:^|/)(?:[\w.-]{0,60}(?:requirements|constraints)[\w.-]{0,60}\.(?:txt|in)|requirements/[^/]+\.(?:txt|in)|go\.mod"
    r"|go\.work|gemfile|podfile|pipfile|mix\.exs|build\.sbt|package\.swift|setup\.py|[^/]+\.(?:csproj|gemspec|props))$",
    re.IGNORECASE,
)
_LINE_LIMIT = 2_000
"""Characters of a line beyond which it is no bot's line on a package."""


def bumps(commit: Commit) -> tuple[Bump, ...]:
    """The dependencies that a commit raises, empty for any other commit.

    A commit counts where its subject says so and a bot made it, or it changes nothing but lock files and manifests;
    a person must also be plain about it (`from 1 to 2`, `dependency`, `deps`, a dotted version), since people update
    and bump other things too, their own version for one. A group whose members nothing names is one bump by its name.
    """
    bot = triage.is_bot(commit)
    if not bot and not (commit.files and all(map(_is_manifest, commit.files))):
        return ()
    subject = _subject(commit)
    marked = _is_marked(commit, subject)
    if single := _single(subject):
        plain = bot or marked or bool(single.old and single.new) or bool(_EXACT.fullmatch(single.new))
        if not plain or _is_own(commit, single.package):
            return ()
        if not single.old:
            single = next((b for b in _listed(commit) if _same(b, single)), single)
        return tuple(_bump(name, single.old, single.new) for name in _NAMES.split(single.package) if name)
    named = _named(subject, bot, marked)
    if named is None and not (bot and subject.words and _VERBS.fullmatch(subject.words[0])):
        return ()
    listed = tuple(dict.fromkeys(b for b in _listed(commit) if not _is_own(commit, b.package)))
    if listed or not named or _is_own(commit, named):
        return listed
    return tuple(_bump(name, "", "") for name in _NAMES.split(named) if name)


def _is_manifest(file: FileChange) -> bool:
    return file.generated or kind(file.path) == "config" or bool(_MANIFEST.search(file.path))


def _is_marked(commit: Commit, subject: _Subject) -> bool:
    """Whether the subject says that it is about a dependency, beyond the words that people use for anything."""
    about = {subject.type, subject.scope.lower(), *(t.lower() for t in subject.tags)}
    if about & {"deps", "dep", "deps-dev", "dependencies", "dependency", "依赖"}:
        return True
    said = {w.lower() for w in subject.words[:4]} & {"dependency", "dependencies", "deps"}
    return bool(said or "依赖" in subject.summary or _UPGRADE_EMOJI.match(one_line(commit.subject)))


def _is_own(commit: Commit, package: str) -> bool:
    """Whether a name is no dependency's, but that of the repository, of its version or its documents."""
    if any(word in _NO_PACKAGE for word in package.lower().split()):
        return True
    return package.lower() == commit.repo.rstrip("/").rpartition("/")[2].lower().removesuffix(".git")


def _same(a: Bump, b: Bump) -> bool:
    return a.package.lower() == b.package.lower()


def _single(subject: _Subject) -> Bump | None:
    """The one package that a subject raises to a version."""
    for pattern in _CHINESE:
        if found := pattern.match(subject.summary):
            return _bump(found[1], found[2] or "", found[3]) if _VERSION.match(found[3]) else None
    words = subject.words[:40]
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
    """The name among words, without those that say what kind of thing it is; empty where no name is left."""
    lower = [w.lower() for w in words]
    kept = list(words[: lower.index("in")] if "in" in lower else words)  # `bump redis in /hack/redis`
    while kept and kept[0].lower() in _BEFORE and len(kept) > 1:
        kept.pop(0)
    while kept and kept[-1].lower() in _AFTER and len(kept) > 1:
        kept.pop()
    sentence = len(kept) > 4 or not _NO_NAME.isdisjoint(w.lower() for w in kept)
    return "" if sentence or (kept and _VERBS.fullmatch(kept[0])) else " ".join(kept)


def _bump(package: str, old: str, new: str) -> Bump:
    name, *versions = (one_line(text, _TITLE_LIMIT).strip("`'\"*,;() ") for text in (package, old, new))
    old, new = (v.rstrip(".:") for v in versions)
    return Bump(name, old, new)


def _named(subject: _Subject, bot: bool, marked: bool) -> str | None:
    """What a subject calls the packages it raises without a version: a group, all, or names."""
    if group := _GROUP.match(subject.summary):
        return one_line(f"{group[1]} group", _TITLE_LIMIT) if bot or marked else None
    if found := _ALL.match(subject.summary):
        return one_line(found[1] or found[0], _TITLE_LIMIT)
    words = subject.words
    if not marked or not 2 <= len(words) <= 12 or not _VERBS.fullmatch(words[0]):
        return None
    return one_line(_package(words[1:]), _TITLE_LIMIT) or None


_SAID = re.compile(
    r"(?:Bumps|Updates|Bump|Update) (?:\[([^\]]{1,200})\](?:\([^()\s]{0,600}\))?|`([^`]{1,200})`|(\S{1,200}))"
    r" from `?(\S{1,100}?)`? to `?(\S{1,100}?)`?\.?(?=\s|$)"
)
_HOOK = re.compile(r"\s{0,8}[-*] \[?(?:https?://)?([^\s:\]]{1,200}): (\S{1,100}) (?:→|->) ([^\s\]]{1,100})")
_LINK = re.compile(r"\[([^\[\]]{1,200})\]\([^()\s]{0,600}\)")
_ARROW = re.compile(r"\s{0,3}(?:→|->|⇒)\s{0,3}")


def _listed(commit: Commit) -> Iterator[Bump]:
    """The packages that a bot's body lists: in sentences, in a table, or as pre-commit's hooks."""
    columns: tuple[int, int, int] | None = None
    for line in inert(commit.body).split("\n"):
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
    """Where a table's head puts package, old and new version; the same column where one holds `1.0 -> 2.0`."""
    head = [c.lower() for c in cells]
    name = next((n for n, c in enumerate(head) if c in ("package", "dependency", "name", "依赖", "包")), None)
    if name is None:
        return None
    if "from" in head and "to" in head:
        return name, head.index("from"), head.index("to")
    change = next((n for n, c in enumerate(head) if c in ("change", "变更")), None)
    return None if change is None else (name, change, change)


def _row(cells: Sequence[str], columns: tuple[int, int, int]) -> Bump | None:
    """A row of a table of packages; None for its head, the line beneath it, and rows without versions."""
    if len(cells) <= max(columns):
        return None
    name, old, new = (_LINK.sub(r"\1", cells[n]).replace("`", "").strip() for n in columns)
    if columns[1] == columns[2]:
        old, _, new = _ARROW.sub(" → ", old).partition(" → ")
    name = name.partition(" (")[0]  # renovate puts the link to the source behind it
    return _bump(name, old, new) if name and _VERSION.match(old) and _VERSION.match(new) else None


# --- Other commits that a commit names -------------------------------------------------------

Kind = Literal["reverts", "backports", "stacked"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A commit that another one names: by the start of its SHA, its pull request's number, or its title.

    `stacked` means: comes after it. A counter as in `[2/3]` names the rest of its series by the title they share.
    """

    kind: Kind
    sha: str = ""
    pull: int | None = None
    title: str = ""


_LEAD = re.compile(
    r"(?P<reverts>\brevert(?:s|ing)?\b|\bback(?:s|ing)? out\b|\broll(?:s|ing)? back\b|回退|回滚|撤销)"
    r"|(?P<backports>\bback-?port(?:s|ed|ing)?\b|\bcherry[- ]?pick(?:s|ed|ing)?\b|\bupstream commit\b|拣选|移植)"
    r"|(?P<stacked>\bdepends on\b|\b(?:stacked|builds|based) on\b|\bpart \d{1,3}(?:/\d{1,3})? of\b"
    r"|\bfollow[- ]?up (?:to|of|for|on)\b|依赖于?|基于|后续)",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"(?:[\s:：*`(\[<]|(?:top of|the|of|from|prs?|pull requests?|mrs?|commits?|changes (?:in|from|of|made in))\b"
    r"|提交|合并请求|自|了){0,10}",
    re.IGNORECASE,
)
_AND = re.compile(r"[`)\]]{0,2}\s{0,3}(?:\s(?=\#)|,\s{0,3}(?:and\b)?|，|、|and\b|&|和|以及)\s{0,3}", re.IGNORECASE)
_PLACE = r"[\w.-]{1,100}"
_TARGET = re.compile(
    rf"(?:https?://[\w.:-]{{1,100}}/(?P<page>{_PLACE}/{_PLACE})/(?:pull/(?P<number>\d{{1,9}})|commit/(?P<hash>[0-9a-f]{{7,64}}))"
    rf"|(?P<owner>{_PLACE}(?:/{_PLACE})?)?(?:\#|\bGH-)(?P<pull>\d{{1,9}})"
    rf"|(?:(?P<at>{_PLACE}/{_PLACE})@)?(?P<sha>[0-9a-f]{{7,64}}))(?!\w)",
    re.IGNORECASE,
)
_BRACKETED = re.compile(
    r"\((?:from |of |reverts? |backport of |cherry[- ]picked from )?(?:#|GH-)(\d{1,9})\)", re.IGNORECASE
)
_SELF = re.compile(r"\b(?:of|from)\b|自", re.IGNORECASE)
_NOT = re.compile(r"(?:\bnot|n't|\bnever|\bno longer|不|未|without)\s{0,2}$", re.IGNORECASE)
_BULLET = re.compile(r"^[*] ", re.MULTILINE)
_REVERT = re.compile(
    r"(?:revert(?:s|ing)?|back(?:s|ing)? out|roll(?:s|ing)? back)\b[:：]?|回退|回滚|撤销", re.IGNORECASE
)
_REAPPLY = re.compile(r"re-?(?:apply|land)\b[:：]?\s{0,3}(?=[\"“])", re.IGNORECASE)
_PORTED = re.compile(r"\bback-?port|\bcherry[- ]?pick|移植|拣选", re.IGNORECASE)
_RELEASE = re.compile(
    r"(?:(?:releases?|stable|branch|backport|maint)[-/ _])?v?\d{1,4}(?:\.(?:\d{1,4}|x)){1,3}[\w.-]{0,20}"
)
_QUOTES = {'"': '"', "“": "”", "「": "」", "『": "』", "'": "'", "`": "`"}
_COUNTER = re.compile(
    r"[\[(（【](?:(?:part|patch)(?: v\d{1,2})?\s|第\s?)?(\d{1,2})\s?(?:/|／|\bof\b)\s?(\d{1,2}|n)(?:\s?部分)?[\])）】]"
    r"|(?<![\w/.])(\d{1,2})/(n)(?![\w/])"
    r"|\bpart (\d{1,2}) ?(?:/|of) ?(\d{1,2}|n)\b",
    re.IGNORECASE,
)


def refers(commit: Commit) -> tuple[Reference, ...]:
    """The commits that a commit says it reverts, ports or follows, each once, in the order of its message
    within a kind.

    Only those of its own repository: `owner/name#12` counts where it is `commit.repo`, and `owner#12`, GitHub's short
    form for a fork of the same name, where it is its owner. A bot's body quotes what happened in other repositories,
    therefore of a dependency bump the subject alone is read.
    """
    subject = _subject(commit)
    said = list(_from_subject(commit, subject))
    if not bumps(commit):
        said += _from_body(commit, subject)
    kinds = dict.fromkeys(r.kind for r in said)
    return tuple(
        r for kind_ in kinds for r in _merged([r for r in said if r.kind == kind_ and not _is_itself(commit, r)])
    )


def is_named(reference: Reference, commit: Commit) -> bool:
    """Whether a reference can mean a commit of the same repository."""
    if reference.sha:
        return commit.sha.startswith(reference.sha)
    if reference.pull is not None:
        return commit.pull == reference.pull
    return reference.kind != "stacked" and _subject(commit).whole.casefold() == reference.title.casefold()


def _is_itself(commit: Commit, reference: Reference) -> bool:
    own = reference.pull is not None and reference.pull == commit.pull
    return own or bool(reference.sha and commit.sha.startswith(reference.sha))


def _merged(said: Sequence[Reference]) -> Iterable[Reference]:
    """References of one kind, each once; where all may name the same commit in different ways, they are one."""
    shas, titles = ({r.sha for r in said} - {""}, {r.title for r in said} - {""})
    pulls = {r.pull for r in said if r.pull is not None}
    if said and said[0].kind != "stacked" and max(len(shas), len(pulls), len(titles)) == 1:
        return [Reference(said[0].kind, max(shas, default=""), max(pulls, default=None), max(titles, default=""))]
    names: dict[int | str, Reference] = {}
    for reference in said:
        names.setdefault(reference.sha or reference.title if reference.pull is None else reference.pull, reference)
    return names.values()


def _from_subject(commit: Commit, subject: _Subject) -> Iterator[Reference]:
    text = subject.whole
    yield from (reference for _, reference in _led(commit, text))
    if said := _REAPPLY.match(subject.summary):
        title, after = _quoted(subject.summary[said.end() :])
        number = _BRACKETED.search(after)
        yield Reference("reverts", pull=int(number[1]) if number else None, title=f'Revert "{title}"')
    elif _says_revert(subject):
        yield from _reverted(subject)
    elif _PORTED.search(text) or any(map(_RELEASE.fullmatch, subject.tags)):
        yield from (Reference("backports", pull=int(found[1])) for found in _BRACKETED.finditer(text))
    if series := _series(subject):
        yield Reference("stacked", title=series.rest)


def _says_revert(subject: _Subject) -> bool:
    names = {subject.type, *(tag.lower() for tag in subject.tags)}
    return bool(names & {"revert", "reverts", "回退", "回滚", "撤销"} or _REVERT.match(subject.summary))


def _reverted(subject: _Subject) -> Iterator[Reference]:
    """What the subject of a revert says was reverted: the quoted title, the number behind it, or both."""
    found = _REVERT.match(subject.summary)
    rest = subject.summary[found.end() if found else 0 :].strip()
    title, after = _quoted(rest)
    named = title or rest
    number = _BRACKETED.search(after) or _OWN.search(named, max(0, len(named) - 24)) or _BRACKETED.search(rest)
    if own := _OWN.search(named, max(0, len(named) - 24)):
        named = named[: own.start()]
    parsed = _parse(named)
    # Without quotes only what looks like a subject is one; a quoted thing may be a name within a sentence.
    is_title = bool(parsed.tags) or parsed.type in _TYPES or (title and (own or not _WORD.search(after)))
    if number or is_title:
        yield Reference("reverts", pull=int(number[1]) if number else None, title=named if is_title else "")


_WORD = re.compile(r"[^\W\d_]")


def _quoted(text: str) -> tuple[str, str]:
    """What stands in the quotes with which a text begins, and what follows; two empty texts without quotes.

    The last closing quote counts, since a title may hold quotes; a title that was cut off has none.
    """
    closing = _QUOTES.get(text[:1])
    if closing is None:
        return "", ""
    ends = [n for n, c in enumerate(text) if n and c == closing and not text[n + 1 : n + 2].isalnum()]
    end = ends[-1] if ends else len(text)
    return text[1:end].strip(), text[end + 1 :]


def _from_body(commit: Commit, subject: _Subject) -> Iterator[Reference]:
    text = "\n".join(line for line in inert(commit.body).split("\n") if not line.startswith(">"))
    # A squashed branch lists its own commits: what one of them reverted may be of the same branch.
    listed = _BULLET.search(text)
    end = len(text) if listed is None or _says_revert(subject) else listed.start()
    for lead, reference in _led(commit, text, strict=True):
        if reference.kind != "reverts" or lead < end:
            yield reference


_START = re.compile(r"(?:^|\n)[^\w\n]{0,8}(?:this (?:pr|commit|change)|本次?(?:提交|变更|PR))?\s{0,2}$", re.IGNORECASE)


def _led(commit: Commit, text: str, strict: bool = False) -> Iterator[tuple[int, Reference]]:
    """Commits named behind words such as `reverts`, with the place of the words.

    `strict` is for running text, where `revert #12` may be an advice: there the words must begin a line, or tell
    what the commit does.
    """
    for lead in _LEAD.finditer(text):
        before = text[max(0, lead.start() - 40) : lead.start()]
        filler = _FILLER.match(text, lead.end())
        assert filler is not None, "the filler may be empty"
        if _NOT.search(before) or (strict and not _tells(lead, filler[0], before)):
            continue
        for item in _targets(commit, text, filler, cast(Kind, lead.lastgroup)):
            yield lead.start(), item


def _tells(lead: re.Match[str], filler: str, before: str) -> bool:
    """Whether words say what a commit does, rather than what somebody should do."""
    said = lead[0].lower()
    plain = lead.lastgroup == "stacked" or said.endswith(("s", "ed")) or said.startswith(("backs", "rolls", "upstream"))
    return plain or bool(_SELF.search(filler)) or bool(_START.search(before))


def _targets(commit: Commit, text: str, filler: re.Match[str], kind_: Kind) -> Iterator[Reference]:
    """The commits of a list such as `#12, #13 and 1234abc`, as far as they are of this repository."""
    named, at = "commit" in filler[0].lower() or "提交" in filler[0], filler.end()
    while found := _TARGET.match(text, at):
        sha = (found["hash"] or found["sha"] or "").lower()
        number = found["number"] or found["pull"]
        # A word or a number may look like a SHA: one that is not called a commit needs digits and letters.
        certain = not sha or named or found["hash"] or not (sha.isdigit() or sha.isalpha())
        if certain and _is_here(commit, found["page"] or found["owner"] or found["at"]):
            yield Reference(kind_, sha, int(number) if number else None)
        comma = _AND.match(text, found.end())
        more = _FILLER.match(text, comma.end()) if comma else None
        if more is None:
            return
        at = more.end()


def _is_here(commit: Commit, place: str | None) -> bool:
    """Whether a place named in front of a number is the commit's repository; a path on a disk has no such name."""
    if not place:
        return True
    repo = commit.repo.lower()
    hosted = re.fullmatch(rf"{_PLACE}/{_PLACE}", repo)
    return bool(hosted) and place.lower() in (repo, repo.partition("/")[0])


# --- Series ----------------------------------------------------------------------------------

_TYPES = frozenset(
    {str(t) for t in ChangeType}
    | _words("feat bugfix bug hotfix perf misc chore style doc tests ci deps main master wip nit cherry-pick")
    | {"新增", "功能", "修复", "优化", "重构", "文档", "测试", "构建", "依赖", "回退", "安全"}
)
"""Tags and types that any commit may have: they say nothing on what it belongs to."""


@dataclass(frozen=True, slots=True)
class _Series:
    """A counter in a subject: what remains without it, and the tags and the scope that a series may share."""

    total: str
    rest: str
    labels: tuple[str, ...]

    @property
    def telling(self) -> list[str]:
        """The labels that not every commit may have, in a fixed order."""
        return sorted({label.lower() for label in self.labels} - _TYPES)


def _series(subject: _Subject) -> _Series | None:
    if _says_revert(subject) or _REAPPLY.match(subject.summary):
        return None  # the counter is the other commit's
    for found in _COUNTER.finditer(subject.whole):
        number, total = (g for g in found.groups() if g)
        if not 1 <= int(number) <= (int(total) if total.isdigit() else 99) or total in ("0", "1"):
            continue
        rest = one_line(f"{subject.whole[: found.start()]} {subject.whole[found.end() :]}").strip(" :：-–—,，")
        parts = _parse(rest)
        labels = tuple(label for label in (*parts.tags, parts.scope) if label)
        return _Series(total.lower(), rest, labels) if rest else None
    return None


# --- Themes ----------------------------------------------------------------------------------

_LINKS = 10
"""References of one commit that join it to others: a list of everything in a release is no theme."""

_Node = tuple[str, ...] | int


class _Joined:
    """Things that belong together because each belongs to another: sets that grow into one another."""

    def __init__(self) -> None:
        self._parent: dict[_Node, _Node] = {}

    def root(self, node: _Node) -> _Node:
        """The one of its set that stands for all."""
        self._parent.setdefault(node, node)
        while (parent := self._parent[node]) != node:
            self._parent[node] = self._parent[parent]
            node = parent
        return node

    def join(self, a: _Node, b: _Node) -> None:
        """Make the sets of two one."""
        self._parent[self.root(a)] = self.root(b)


def themes(commits: Sequence[Commit], grades: Sequence[Grade]) -> tuple[Theme, ...]:
    """The commits that belong together, each in one theme at most, in table order (newest first), as are the themes.

    First come series and what commits say of one another, then what the grades name, then migrations. Commits which
    a grade's theme holds completely are left to it. Bumps are no theme: they fold into a row (`rows`); one that was
    reverted within the period stands beside its revert. Titles are the commits' own words or the grades'.
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
        self.bumps = [bool(bumps(c)) for c in commits]
        self.subjects = [_subject(c) for c in commits]
        self.series = [None if b else _series(s) for b, s in zip(self.bumps, self.subjects, strict=True)]
        self._pulls: dict[int, int] = {}
        self._shas: dict[str, list[int]] = {}
        self._titles: dict[str, list[int]] = {}
        for n, commit in enumerate(commits):
            if commit.pull is not None:
                self._pulls.setdefault(commit.pull, n)
            self._shas.setdefault(commit.sha[:7], []).append(n)
            self._titles.setdefault(self.subjects[n].whole.casefold(), []).append(n)

    def title(self, n: int) -> str:
        """The subject of a commit, as a title."""
        return one_line(self.subjects[n].whole, _TITLE_LIMIT) or self.commits[n].short

    def explicit(self) -> Iterator[tuple[str, list[int]]]:
        """Commits that belong together by what they say: counters, and references to one another or to a third."""
        joined, reverts = _Joined(), set()
        for n, commit in enumerate(self.commits):
            for reference in refers(commit)[:_LINKS]:
                node = self._find(n, reference)
                if node is not None:
                    joined.join(n, node)
                if isinstance(node, int) and reference.kind == "reverts":
                    reverts.add(n)
            if series := self.series[n]:
                joined.join(n, ("rest", series.rest.casefold(), series.total))
                if series.telling:
                    joined.join(n, ("labels", commit.author, series.total, *series.telling))
        sets: dict[_Node, list[int]] = {}
        for n in range(len(self.commits)):
            sets.setdefault(joined.root(n), []).append(n)
        for members in sets.values():
            if len(members) > 1 and not all(self.bumps[n] for n in members):
                yield self._explicit_title(members, reverts), members

    def _find(self, n: int, reference: Reference) -> _Node | None:
        """The commit of the period that a reference names, else what stands for the one outside that is meant."""
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
        """Migrations, renames and ports which share where they lead to, their scope, or a word nobody else uses."""
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
    def _move_title(key: tuple[str, ...], moves: Sequence[_Move]) -> str:
        newest = moves[0]
        if key[0] == "to":
            return one_line(newest.goal, _TITLE_LIMIT)
        if key[0] == "scope":
            return one_line(f"{newest.verb} {newest.scope}", _TITLE_LIMIT)
        shared = {w.lower() for w in _shared([m.words for m in moves])} | {newest.verb.lower()}
        said = dict.fromkeys(w for w in newest.sentence if w.lower() in shared)
        return one_line(" ".join(said), _TITLE_LIMIT)


def _shared(lists: Sequence[Sequence[str]]) -> list[str]:
    """What all lists hold, whatever its case, as the first one orders and spells it."""
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
"""Words that say nothing on what is moved."""
_RANK = {"to": 0, "scope": 1, "word": 2}


@dataclass(frozen=True)
class _Move:
    """A subject that moves something: the verb as written, where to, the scope, its telling words, and all of them."""

    kind: str
    verb: str
    goal: str
    goal_key: str
    scope: str
    words: tuple[str, ...]
    sentence: tuple[str, ...]

    @property
    def keys(self) -> Iterator[tuple[str, ...]]:
        """What it may share with others."""
        if self.goal_key:
            yield "to", self.kind, self.goal_key
        if self.scope and self.scope.lower() not in _TYPES:
            yield "scope", self.kind, self.scope.lower()
        for word in dict.fromkeys(w.lower() for w in self.words):
            yield "word", self.kind, word


def _move(subject: _Subject) -> _Move | None:
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
    """`migrate to X` of `migrate all of it to X in one go`; empty where no goal is named."""
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


def _nouns(subject: _Subject) -> set[str]:
    return {w.lower() for w in _NOUN.findall(subject.summary)}


# --- Rows ------------------------------------------------------------------------------------

_SECURITY = re.compile(
    r"\bCVE-\d{4}-\d|\bGHSA-[0-9a-z]{4}-|\[security\]|\bsecurity (?:update|fix|patch)|安全漏洞|安全更新|安全修复",
    re.IGNORECASE,
)


def rows(entries: Sequence[Entry]) -> tuple[tuple[str, ...], ...]:
    """The SHAs of the table's rows, in table order: each entry its own, but bots' bumps, where two or more, in one.

    Their row stands where the newest of them stood. What is high or speaks of security keeps a row of its own.
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
    if _SECURITY.search(commit.subject) or _SECURITY.search(commit.body):
        return False
    return triage.is_bot(commit) and bool(bumps(commit))
