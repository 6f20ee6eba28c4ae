"""The full report of one or more digests, in every format. The same digests give the same bytes. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.posts.data import json
from bot.posts.html import html
from bot.posts.markdown import markdown
from bot.texts import Texts
from bot.values import Attachment, Digest


@dataclass(frozen=True, slots=True)
class Format:
    """A format of the report. Its name is the file extension; an `attached` one is posted with each digest."""

    name: str
    write: Callable[[Sequence[Digest], Texts], str]
    attached: bool = False


FORMATS = {
    each.name: each
    for each in (
        Format("md", markdown, attached=True),
        Format("html", html, attached=True),
        Format("json", lambda digests, _: json(digests)),
    )
}
"""All formats of the report, by name."""


_UNSAFE = r"[^\w.-]+"


def attachments(digest: Digest, texts: Texts) -> tuple[Attachment, ...]:
    """The full report of a digest, in each format that is posted with it."""
    return gathered(digest.repository.title, (digest,), texts)


def gathered(title: str, digests: Sequence[Digest], texts: Texts) -> tuple[Attachment, ...]:
    """One full report of several digests of a period, in each format that is posted; empty without digests."""
    if not digests:
        return ()
    first = digests[0]
    title = re.sub(_UNSAFE, "-", title).strip("-")  # a title may be a folder's name, with any characters
    when = first.between.newer.name if first.between else f"{first.period.days[0]:%Y-%m-%d}"
    name = f"{title}-{re.sub(_UNSAFE, '-', when)}"
    attached = (each for each in FORMATS.values() if each.attached)
    return tuple(Attachment(f"{name}.{each.name}", each.write(digests, texts)) for each in attached)
