"""Finds the commits that a commit names: those it reverts, fixes, completes, backports or builds on. Pure.

Messages are untrusted: they are read line by line, every repetition in a pattern is bounded, and a hostile message
takes no more time than an ordinary one of its length.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal, cast

from bot.commits.claims import HOW, names_reverted, title_reverts, what_reverted
from bot.commits.draft import Draft
from bot.commits.message import TYPES, Title, parse
from bot.values import ChangeRequest, Reference, Series, one_line

Kind = Literal["reverts", "repairs", "completes", "backports", "stacked"]

_LEAD = re.compile(
    r"(?P<reverts>\b(?:un-?do|revert|back(?:ed|s|ing)? out|roll(?:ed|s|ing)?[ -]?back)(?:es|s|ed|ing)?\b|回退|回滚"
    r"|撤销)"
    r"|(?P<backports>\bback-?port(?:s|ed|ing)?\b|\bcherry[- ]?pick(?:s|ed|ing)?\b|\bupstream commit\b|拣选|移植)"
    r"|(?P<repairs>\bfix(?:es|ed|ing|up)?(?: up| for)?\b|\brepair(?:s|ed|ing)?\b"
    r"|\b(?:introduced|caused|broken|regressed) (?:by|in|from|since|after|with)\b"
    r"|\b(?:bugs?|regressions?|breakages?|errors?|failures?|typos?) (?:of|from|in|since|after)\b|\bbroke in\b"
    r"|修复了?|修正了?|由(?=[^\n]{1,60}(?:引入|导致|引起)))"
    r"|(?P<completes>\bfollow(?:s|ing)?[- ]?up (?:to|of|for|on|from|after)\b|\bfollow(?:s|ing)?[- ]?up(?=:? {0,2}[(#])"
    r"|\bpart \d{1,3}(?:/\d{1,3})? of\b|\b(?:complet|continu)(?:es|ed|ing|ation of)\b|\bremainder of\b"
    r"|\bmissed (?:in|by|from)\b|\bforgotten in\b|\bleft ?over from\b|后续|补充|补全|承接)"
    r"|(?P<stacked>\bdepends on\b|\b(?:stacked|builds|based) on\b|依赖于?|基于)",
    re.IGNORECASE,
)
_ONE = frozenset({"reverts", "backports"})
"""Kinds for which a message mostly names one commit, in several ways."""
_FILLER = re.compile(
    r"(?:[\s:：*`(\[<]"
    r"|(?:top of|the|of|from|prs?|(?:pull|merge) requests?|mrs?|commits?|changesets?|changes (?:in|from|of|made in))\b"
    r"|提交|合并请求|自|了){0,10}",
    re.IGNORECASE,
)
_AND = re.compile(r"[`)\]]{0,2}\s{0,3}(?:\s(?=\#)|,\s{0,3}(?:and\b)?|，|、|and\b|&|和|以及)\s{0,3}", re.IGNORECASE)
_PLACE = r"[\w.-]{1,100}"
_TARGET = re.compile(
    rf"(?:https?://[\w.:-]{{1,100}}/(?P<page>{_PLACE}/{_PLACE})(?:/-)?"
    rf"/(?:(?:pulls?|merge_requests)/(?P<number>\d{{1,9}})|commit/(?P<hash>[0-9a-f]{{7,64}}))"
    rf"|(?P<owner>{_PLACE}(?:/{_PLACE})?)?(?P<sign>\#|!|\bGH-|\bPR(?=\d{{3}}))(?P<pull>\d{{1,9}})"
    rf"|(?:(?P<at>{_PLACE}/{_PLACE})@)?(?P<sha>[0-9a-f]{{7,64}}))(?!\w)",
    re.IGNORECASE,
)
_BRACKETED = re.compile(
    r"\((?:from |of |reverts? |backport of |cherry[- ]picked from )?(?:#|GH-)(\d{1,9})\)", re.IGNORECASE
)
_SELF = re.compile(r"\b(?:of|from)\b|自", re.IGNORECASE)
_NOT = re.compile(r"(?:\bnot|n't|\bnever|\bno longer|不|未|without)\s{0,2}$", re.IGNORECASE)
_BULLET = re.compile(r"^[*] ", re.MULTILINE)
_CLAUSE = re.compile(rf"(?:^|[^\w\s]\s{{0,3}}|\b(?:and|by|then|this)\s|{HOW})$", re.IGNORECASE)
"""What may come before the word for reverting in a title: `how to revert #12` reverts nothing."""
_UNBLAMED = re.compile(
    r"[^.!?。！？\n]{0,120}\b(?:(?:un|not )related|nothing to do with)\b|[^。！？\n]{0,60}无关", re.IGNORECASE
)
"""What follows if a commit is only mentioned."""
_OWN = re.compile(r"\s{0,3}\(#(\d{1,9})\)\s{0,3}$")
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


def refers(draft: Draft, series: Series | None, bumped: bool, branch: str = "") -> tuple[Reference, ...]:
    """The commits that a commit says it reverts, fixes, completes, backports or follows, without duplicates.

    Each kind is in the message's order, and the name of the merged `branch` counts too. Only those in its own
    repository: `owner/name#12` counts if it is the draft's own, and `owner#12`, GitHub's short form for a fork of the
    same name, if it is its owner. A bot's body quotes other repositories, so only the subject of a dependency bump is
    read.
    """
    said = list(_from_title(draft, series))
    if not bumped:
        said += _from_body(draft)
    said += _from_branch(branch)
    if not bumped and not any(r.kind == "reverts" for r in said):
        said += _from_prose(draft)
    if title_reverts(draft.title):  # other references are the reverted commit's, which it quotes
        said = [r for r in said if r.kind in _ONE]
    return _distinct(draft, said)


def requested(draft: Draft, known: Sequence[Reference], request: ChangeRequest) -> tuple[Reference, ...]:
    """The commits that a commit names, with those that only its pull request names."""
    asked = replace(draft, title=parse(request.title) if request.title else draft.title, body=request.said)
    more = [*_from_title(asked, None), *_from_body(asked)] if request.title else list(_from_body(asked))
    names = {name for r in known for name in (r.pull, r.sha[:7]) if name}
    return (*known, *(r for r in _distinct(draft, more) if not names & {r.pull, r.sha[:7]}))


def _distinct(draft: Draft, said: Sequence[Reference]) -> tuple[Reference, ...]:
    kinds = dict.fromkeys(r.kind for r in said)
    return tuple(
        r for kind_ in kinds for r in _merged([r for r in said if r.kind == kind_ and not _is_itself(draft, r)])
    )


def _is_itself(draft: Draft, reference: Reference) -> bool:
    own = reference.pull is not None and reference.pull == draft.pull
    return own or bool(reference.sha and draft.sha.startswith(reference.sha))


def _merged(said: Sequence[Reference]) -> Iterable[Reference]:
    """References of one kind, without duplicates; if all may mean the same commit, they are one."""
    shas, titles = ({r.sha for r in said} - {""}, {r.title for r in said} - {""})
    pulls = {r.pull for r in said if r.pull is not None}
    if said and said[0].kind in _ONE and max(len(shas), len(pulls), len(titles)) == 1:
        asked = any(r.request for r in said)
        return [
            Reference(said[0].kind, max(shas, default=""), max(pulls, default=None), max(titles, default=""), asked)
        ]
    names: dict[int | str, Reference] = {}
    for reference in said:
        names.setdefault(reference.sha or reference.title if reference.pull is None else reference.pull, reference)
    return names.values()


def _from_title(draft: Draft, series: Series | None) -> Iterator[Reference]:
    title, text = draft.title, draft.title.whole
    for at, reference in _led(draft, text):
        if reference.kind != "reverts" or _CLAUSE.search(text[:at]):
            yield reference
    if said := _REAPPLY.match(title.summary):
        quoted, after = _quoted(title.summary[said.end() :])
        number = _BRACKETED.search(after)
        yield Reference("reverts", pull=int(number[1]) if number else None, title=f'Revert "{quoted}"')
    elif names_reverted(title):
        yield from _reverted(title)
    elif _PORTED.search(text) or any(map(_RELEASE.fullmatch, title.tags)):
        yield from (Reference("backports", pull=int(found[1])) for found in _BRACKETED.finditer(text))
    if series:
        yield Reference("stacked", title=series.rest)


_BRANCH = re.compile(
    r"(?:^|/)(?P<kind>revert|(?:back-?port|cherry-?pick))[-/_](?:(?:pr[-_/]?)?(?P<pull>\d{1,9})(?=[-_/]|$)"
    r"|(?P<sha>(?=\d{0,7}[a-f])[0-9a-f]{8})$)",
    re.IGNORECASE,
)


def _from_branch(branch: str) -> Iterator[Reference]:
    """The reference in a branch's name, as made by buttons: GitHub's `revert-12-main`, GitLab's `revert-1a2b3c4d`.

    GitLab's has the first eight digits of the SHA (its `Commit#revert_branch_name`).
    """
    if found := _BRANCH.search(branch):
        kind: Kind = "reverts" if found["kind"].lower() == "revert" else "backports"
        yield Reference(kind, found["sha"] or "", int(found["pull"]) if found["pull"] else None)


_PROSE = 4_000
_SENTENCE = re.compile(r"(?<=[.!?])\s|[。！？]|\n\s{0,9}(?=\n|[-*+#>|] |[-*+]$)")
_REVERTING = re.compile(
    r"\b(?:revert|undo|back(?:s|ed|ing)?[- ]?out|roll(?:s|ed|ing)?[- ]?back)|回退|回滚|撤销|还原", re.IGNORECASE
)
_TAKES_BACK = re.compile(r"[\s*_]{0,4}(?:this (?:pr|commit|change) (?:manually |partially )?)?$", re.IGNORECASE)
_POINTS = re.compile(
    r"(?:\b(?:of|from|in|by|with|commits?|prs?|pull request|to)|合入|提交|自|由|了|的)[\s(`*\[:]{0,4}$|\($",
    re.IGNORECASE,
)


_UNRELATED = re.compile(
    r"\bnothing to do with\b|\b(?:un|not )related\b|\b(?:similar|compared?|unlike)\b|无关", re.IGNORECASE
)
"""Words that show that another commit is not the reverted one."""


def _from_prose(draft: Draft) -> Iterator[Reference]:
    """The commit in a sentence such as `Revert the new default that came with #12`, else the only one in the body."""
    says_so, text = names_reverted(draft.title), draft.body[:_PROSE]
    for sentence in (draft.title.whole, *_SENTENCE.split(text)):
        line = one_line(sentence, _LINE)
        lead = _REVERTING.search(line)
        if lead and not line.startswith(">") and (says_so or _TAKES_BACK.match(line[: lead.start()])):
            at = lead.end()
            while found := _TARGET.search(line, at):
                named, at = _named(draft, found), found.end()
                if named and _POINTS.search(line, max(0, found.start() - 24), found.start()):
                    yield named
                    return
    about = " ".join(each for each in _SENTENCE.split(text) if not _UNRELATED.search(each)) if says_so else ""
    others = {named for found in _TARGET.finditer(about) if (named := _named(draft, found))}
    others = {each for each in others if not _is_itself(draft, each)}
    if len(others) == 1:
        yield from others


_LINE = 600


def _named(draft: Draft, found: re.Match[str]) -> Reference | None:
    """The reverted commit by a number or a SHA in running text; a word or a number may look like a SHA."""
    target = _target("reverts", found)
    real = not target.sha or bool(found["hash"]) or not (target.sha.isdigit() or target.sha.isalpha())
    return target if real and _is_here(draft, found["page"] or found["owner"] or found["at"]) else None


def _target(kind_: Kind, found: re.Match[str]) -> Reference:
    number = found["number"] or found["pull"]
    asked = bool(found["number"]) or found["sign"] == "!"
    sha = (found["hash"] or found["sha"] or "").lower()
    return Reference(kind_, sha, int(number) if number else None, request=asked)


def _reverted(title: Title) -> Iterator[Reference]:
    """The reverted commit in the subject of a revert: the quoted title, the number after it, or both."""
    rest = what_reverted(title)
    quoted, after = _quoted(rest)
    named = quoted or rest
    number = _BRACKETED.search(after) or _OWN.search(named, max(0, len(named) - 24)) or _BRACKETED.search(rest)
    if own := _OWN.search(named, max(0, len(named) - 24)):
        named = named[: own.start()]
    parsed = parse(named)
    # Without quotes only what looks like a subject counts; a quoted text may be a name within a sentence.
    is_title = bool(parsed.tags) or parsed.word in TYPES or (quoted and (own or not _WORD.search(after)))
    if number or is_title:
        yield Reference("reverts", pull=int(number[1]) if number else None, title=named if is_title else "")


_WORD = re.compile(r"[^\W\d_]")


def _quoted(text: str) -> tuple[str, str]:
    """The quoted text at the start of a text, and what follows; two empty texts without quotes.

    The last closing quote counts, since a title may contain quotes; a title that was cut off has none.
    """
    closing = _QUOTES.get(text[:1])
    if closing is None:
        return "", ""
    ends = [n for n, c in enumerate(text) if n and c == closing and not text[n + 1 : n + 2].isalnum()]
    end = ends[-1] if ends else len(text)
    return text[1:end].strip(), text[end + 1 :]


def _from_body(draft: Draft) -> Iterator[Reference]:
    text = "\n".join(line for line in draft.body.split("\n") if not line.startswith(">"))
    # A squashed branch lists its own commits: what one of them reverted may be on the same branch.
    listed = _BULLET.search(text)
    end = len(text) if listed is None or names_reverted(draft.title) else listed.start()
    for lead, reference in _led(draft, text, strict=True):
        if reference.kind != "reverts" or lead < end:
            yield reference


_START = re.compile(r"(?:^|\n)[^\w\n]{0,8}(?:this (?:pr|commit|change)|本次?(?:提交|变更|PR))?\s{0,2}$", re.IGNORECASE)


def _led(draft: Draft, text: str, strict: bool = False) -> Iterator[tuple[int, Reference]]:
    """Commits named after words such as `reverts`, with the position of the words.

    `strict` is for running text, where `revert #12` may be advice: there the words must start a line, or say what the
    commit does.
    """
    for lead in _LEAD.finditer(text):
        before = text[max(0, lead.start() - 40) : lead.start()]
        filler = _FILLER.match(text, lead.end())
        assert filler is not None, "the filler may be empty"
        if _NOT.search(before) or (strict and not _tells(lead, filler[0], before)):
            continue
        kind = cast(Kind, lead.lastgroup)
        if lead[0].lower().startswith("introduced") and not _MENDS.search(draft.title.whole):
            continue  # what another commit brought is used here
        if kind == "repairs" and _UNBLAMED.match(text, filler.end()):
            continue
        for item in _targets(draft, text, filler, kind):
            yield lead.start(), item


_MENDS = re.compile(
    r"\b(?:bug|fix|hotfix|repair|mend|broken|crash|regress|correct|resolve)|修复|修正|解决", re.IGNORECASE
)


def _tells(lead: re.Match[str], filler: str, before: str) -> bool:
    """Whether words say what a commit does, rather than what people should do."""
    said = lead[0].lower()
    if lead.lastgroup == "reverts":  # past reverts, and advice, are mentioned too
        plain = said.endswith("s") or said.startswith(("backs", "rolls"))
    else:
        plain = lead.lastgroup in ("stacked", "completes") or said.endswith(("s", "ed"))
        plain = plain or said.startswith(("upstream", "由")) or " " in said
    return plain or bool(_SELF.search(filler)) or bool(_START.search(before))


def _targets(draft: Draft, text: str, filler: re.Match[str], kind_: Kind) -> Iterator[Reference]:
    """The commits in a list such as `#12, #13 and 1234abc`, as far as they are in this repository."""
    named, at = any(word in filler[0].lower() for word in ("commit", "changeset", "提交")), filler.end()
    while found := _TARGET.match(text, at):
        target = _target(kind_, found)
        sha = target.sha
        # A word or a number may look like a SHA: unless it is called a commit, it needs digits and letters.
        certain = not sha or named or found["hash"] or not (sha.isdigit() or sha.isalpha())
        if certain and _is_here(draft, found["page"] or found["owner"] or found["at"]):
            yield target
        comma = _AND.match(text, found.end())
        more = _FILLER.match(text, comma.end()) if comma else None
        if more is None:
            return
        at = more.end()


def _is_here(draft: Draft, place: str | None) -> bool:
    """Whether the repository before a number is the commit's own; a local path has no such name."""
    if not place:
        return True
    repo = draft.repo.lower()
    hosted = re.fullmatch(rf"{_PLACE}/{_PLACE}", repo)
    return bool(hosted) and place.lower() in (repo, repo.partition("/")[0])


# --- Series ----------------------------------------------------------------------------------


def series_of(title: Title) -> Series | None:
    """The series in a title's counter; the counter of a revert belongs to the reverted commit."""
    if names_reverted(title) or _REAPPLY.match(title.summary):
        return None
    for found in _COUNTER.finditer(title.whole):
        number, total = (g for g in found.groups() if g)
        if not 1 <= int(number) <= (int(total) if total.isdigit() else 99) or total in ("0", "1"):
            continue
        rest = one_line(f"{title.whole[: found.start()]} {title.whole[found.end() :]}").strip(" :：-–—,，")
        parts = parse(rest)
        labels = tuple(label for label in (*parts.tags, parts.scope) if label)
        return Series(total.lower(), rest, labels) if rest else None
    return None
