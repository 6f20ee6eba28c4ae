"""Makes the reading of a commit: once, when it is first seen, and stored with it. Pure.

A source provides a `Written`; `commit` parses it. All other code uses the reading.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.commits import claims, files, message, people
from bot.commits.bumps import bumps
from bot.commits.draft import Draft
from bot.commits.message import Message, Title
from bot.commits.people import Mailmap, Signature
from bot.commits.references import refers, requested, series_of
from bot.commits.request import Requested, beyond
from bot.commits.types import types
from bot.values import (
    BODY_LENGTH,
    INNER_COMMITS,
    SUBJECT_LENGTH,
    Commit,
    FileChange,
    InnerCommit,
    Person,
    Reading,
    one_line,
)

NO_MAILMAP = Mailmap()
_INNER_LENGTH, _INNER_LENGTHS = 4_000, 100_000
"""Characters to read of a merged commit's message, and of all of them."""
_MOST_TITLES = 2
"""How many titles of merged commits represent a merge without its own."""


@dataclass(frozen=True, slots=True)
class Written:
    """A commit as its source has it: its message as text, its author, and whether it is itself a merge."""

    sha: str
    message: str
    author: Signature
    merge: bool = False


def commit(
    repo: str,
    written: Written,
    *,
    committed: datetime,
    parents: Sequence[str],
    changes: Sequence[FileChange],
    inner: Sequence[Written] = (),
    pull: int | None = None,
    labels: Sequence[str] = (),
    request: Requested | None = None,
    mailmap: Mailmap = NO_MAILMAP,
    place: str = "",
) -> Commit:
    """A commit with its reading.

    `inner` are the commits that a merge brought in, oldest first, of which the first 250 count; `pull` is the pull
    request that the source knows, `labels` are its labels, `request` is what is written in it; `mailmap` has the names
    of co-authors; `place` is the repository as `owner/name`, if `repo` is not that.
    """
    subject, body = split_message(written.message)
    merged = tuple(InnerCommit(w.sha, split_message(w.message)[0], w.author.shown) for w in inner[:INNER_COMMITS])
    number, reading = _read(
        written,
        changes=tuple(changes),
        inner=inner[:INNER_COMMITS],
        merge=len(parents) > 1,
        pull=pull,
        mailmap=mailmap,
        place=place or repo,
    )
    # A bot's description is another project's history, and a message may name another pull request.
    there = request if request and pull == number and not reading.bot else Requested()
    asked = beyond(there, subject, body, reading.said)
    if asked:
        title = message.parse(reading.subject)
        draft = Draft(place or repo, written.sha, title, body, number, tuple(changes), reading.bot)
        reading = replace(reading, references=requested(draft, reading.references, asked))
    return Commit(
        repo=repo,
        sha=written.sha,
        subject=subject,
        body=body,
        author=written.author.shown,
        login=written.author.person.login,
        committed=committed,
        parents=tuple(parents),
        pull=number,
        files=tuple(changes),
        inner=merged,
        reading=replace(reading, labels=tuple(labels), request=asked),
    )


# --- Messages as they are kept ---------------------------------------------------------------


def _first_line(text: str) -> tuple[str, str]:
    line, _, rest = text.replace("\0", "\ufffd").strip("\r\n").partition("\n")
    return line.rstrip("\r"), rest.strip("\r\n")


def split_message(text: str) -> tuple[str, str]:
    """Subject and body of a commit message, each kept to its length; a shortened body says so in its last line."""
    line, body = _first_line(text)
    if len(line) > SUBJECT_LENGTH:
        body = f"{line[SUBJECT_LENGTH:]}\n\n{body}".rstrip("\n")
    if len(body) > BODY_LENGTH:
        kept = body[: BODY_LENGTH - 60]
        body = f"{kept}\n[… {len(body) - len(kept):,} more characters]"
    return line[:SUBJECT_LENGTH], body


def number_of(text: str, place: str = "") -> tuple[int | None, bool]:
    """The number of its own pull request that a message names, and whether it is where tools write it."""
    found = message.read(text.replace("\0", "\ufffd"), place)
    return found.number, found.sure


# --- Reading ---------------------------------------------------------------------------------


def _read(
    written: Written,
    *,
    changes: tuple[FileChange, ...],
    inner: Sequence[Written],
    merge: bool,
    pull: int | None,
    mailmap: Mailmap,
    place: str,
) -> tuple[int | None, Reading]:
    found = message.read(written.message.replace("\0", "\ufffd"), place)
    own = [w for w in inner if not w.merge] or list(inner)
    most = max(500, _INNER_LENGTHS // max(1, len(own)))
    parts = [message.read(w.message[: min(most, _INNER_LENGTH)], place) for w in own]
    only = parts[0] if len(parts) == 1 else None
    number = found.number if found.sure else pull or found.number or (only.number if only and only.sure else None)
    title = message.parse(_uncut(found.title or _inner_title(parts) or found.subject, parts, found.body))
    wrote = _people(written, own, found, mailmap, merge)
    bodies = [found.body, *(part.body for part in parts)]
    body = f"{found.body}\n{only.body}" if only else found.body
    draft = Draft(place, written.sha, title, body, number, changes, all(map(people.is_bot, wrote)))
    authors = {w.author.person for w in own or (written,)}  # the person who merged is not an author
    draft, wrote = _bumped(draft, authors.pop(), wrote) if len(authors) == 1 else (draft, wrote)
    merger = written.author.person.name if merge or found.merge else ""
    reading = replace(
        _claimed(draft, bodies, [message.parse(part.title) for part in parts], found),
        said=message.said(found.body) or (message.said(only.body) if only else ""),
        people=wrote,
        merger="" if merger in {p.name for p in wrote} else merger,
        branch=found.branch,
    )
    return number, reading


def _bumped(draft: Draft, author: Person, wrote: tuple[Person, ...]) -> tuple[Draft, tuple[Person, ...]]:
    """A bot's draft that only updates dependencies stays the bot's.

    GitHub adds people who update its branch as co-authors.
    """
    its = replace(draft, bot=True)
    manifests = bool(draft.files) and all(files.is_manifest(f.path) for f in draft.files)
    if draft.bot or not people.is_bot(author) or not manifests or not bumps(its):
        return draft, wrote
    return its, (author, *(person for person in wrote if person != author))


def _claimed(draft: Draft, bodies: Sequence[str], merged: Sequence[Title], message_: Message) -> Reading:
    """What a draft claims, and what the commits claim that it merged."""
    title = draft.title
    raised = bumps(draft)
    taken_back = claims.reverts(title, draft.body, merged, own=bool(message_.title))
    # An update of a dependency quotes that one's history: only the beginning may be about this repository.
    quotes = bool(raised) or draft.bot
    prose = () if quotes else bodies
    secured = claims.security(title, [body.partition("\n\n")[0] for body in bodies] if quotes else bodies, merged)
    if message_.subject == _FROM_FORK:
        secured = secured or title.text
    series = series_of(title)
    kinds, generated = _kinds(draft.files)
    called = {t.type for t in merged if t.type}
    return Reading(
        subject=title.whole,
        title=title.text,
        summary=title.summary,
        word=title.word,
        prefix=title.type,
        scope=title.scope,
        tags=title.tags,
        types=types(
            title,
            called,
            kinds,
            generated=generated,
            revert=bool(taken_back) and claims.title_reverts(title),
            takes_back=bool(taken_back),
            secures=bool(secured),
            bumps=bool(raised),
        ),
        bot=draft.bot,
        breaking=claims.breaking(title, prose, merged),
        security=secured,
        reverts=taken_back,
        bumps=raised,
        references=refers(draft, series, bool(raised), message_.branch),
        series=None if raised else series,
    )


def _kinds(changes: Sequence[FileChange]) -> tuple[dict[str, int], bool]:
    """How many files of each kind, and whether all are generated."""
    hand = [f.path for f in changes if not files.generated(f.path)]
    kinds: dict[str, int] = {}
    for path in hand:
        kinds[files.kind(path)] = kinds.get(files.kind(path), 0) + 1
    return kinds, bool(changes) and not hand


_FROM_FORK = "Merge commit from fork"
"""What GitHub calls the merge of an advisory's private fork."""
_PASSING = re.compile(
    r"(?:fixup|squash|amend)!|wip\b|(?:merge|update|fix(?:es|ed)?|test|tmp|temp|typo|lint|cleanup)\.?$", re.I
)


def _inner_title(parts: Sequence[Message]) -> str:
    """The title of a merge that has none: the titles of what it merged, without fixups."""
    titles = list(dict.fromkeys(one_line(part.title) for part in parts if part.title and not part.merge))
    telling = [title for title in titles if not _PASSING.match(title)] or titles
    if len(telling) <= _MOST_TITLES:
        return "; ".join(telling)
    return "; ".join([*telling[:_MOST_TITLES], "…"])


def _uncut(title: str, parts: Sequence[Message], body: str) -> str:
    """Complete a title that was cut off, from a merged commit's title or a line of the body."""
    stem = title.rstrip("….").rstrip()
    if not title.endswith(("…", "...")) or len(stem) < _STEM:
        return title
    lines = (line.strip().lstrip("*-… ") for line in body.split("\n", 20)[:20])
    whole = (text for text in (*(part.title for part in parts), *lines) if text.startswith(stem))
    return next((one_line(text, SUBJECT_LENGTH) for text in whole if len(text) > len(stem)), title)


_STEM = 20
"""How many characters identify a title that was cut off."""


def _people(
    written: Written, inner: Sequence[Written], found: Message, mailmap: Mailmap, merge: bool
) -> tuple[Person, ...]:
    """The authors of what landed: for a merge, those of what it merged."""
    wrote = people.writers([w.author, *map(mailmap, people.co_authors(w.message))] for w in inner or (written,))
    if inner:
        return wrote
    # If a bot merged and the source does not know what, the branch may name the author: `cy:paging`, `cy/paging`.
    owner = re.match(r"([A-Za-z0-9][\w-]{0,60})[:/]\S", found.branch) if merge and found.number else None
    return (Person(owner[1], owner[1]),) if owner and all(map(people.is_bot, wrote)) else wrote


# --- What was kept before there were readings ------------------------------------------------


def reread(kept: Commit) -> Commit:
    """A commit that was stored without a reading, with what can still be parsed: of what it merged, only subjects."""
    inner = [Written(i.sha, i.subject, Signature(i.author)) for i in kept.inner]
    author = Signature(kept.author, login=kept.login)
    text = f"{kept.subject}\n\n{kept.body}"
    number, reading = _read(
        Written(kept.sha, text, author),
        changes=kept.files,
        inner=inner,
        merge=len(kept.parents) > 1,
        pull=kept.pull,
        mailmap=NO_MAILMAP,
        place=kept.repo,
    )
    return replace(kept, pull=kept.pull or number, reading=reading)


def as_it_was(kept: Commit) -> Commit:
    """A commit of a digest stored without readings, read as the digest showed it: by its first line and author."""
    found = reread(kept).reading
    subject = one_line(kept.subject)
    if kept.pull is not None:
        subject = subject.removesuffix(f"(#{kept.pull})").rstrip() or subject
    merge = message.read(f"{kept.subject}\n\n{kept.body}").merge
    author = Person(kept.author, kept.login)
    raised = () if merge else found.bumps
    was = replace(found, subject=subject, people=(author,), merger="", bot=people.is_bot(author), bumps=raised)
    return replace(kept, reading=was)
