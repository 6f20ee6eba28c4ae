"""Sending a message exactly once: what was perhaps sent before is looked for, and only what is not there is sent."""

import logging
import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from bot.errors import ConfigError, Forbidden, NotFound, NoThreads, Refused
from bot.ports import Idempotency
from bot.values import Place

_log = logging.getLogger("digest")

Json = dict[str, Any]
_Mark = TypeVar("_Mark", bound=Hashable)
Look = Callable[[Place, Sequence[_Mark]], dict[_Mark, str]]
"""Looks into a channel or thread: the ids of the messages with the wanted marks, as far as they are there."""


def fresh(now: float, key: str = "") -> Idempotency:
    """How something is sent that was not sent before, at `now` (seconds since 1970), under a key of its own."""
    return Idempotency(key or uuid.uuid4().hex, datetime.fromtimestamp(now, UTC), False, lambda: None)


@dataclass(frozen=True)
class Part(Generic[_Mark]):
    """One message of a platform's: the mark by which it is known again in a history, and what sends it.

    `send` takes the channel or thread and returns the message's id, empty where it is told none. It may raise Refused,
    which costs no other part.
    """

    mark: _Mark
    send: Callable[[Place], str]


def send_parts(
    place: Place, pages: Sequence[Part[_Mark]], files: Sequence[Part[_Mark]], look: Look[_Mark] | None
) -> Place:
    """Send the parts that are not there, all after the first one into its thread, and return the thread.

    Where a channel takes nothing in threads, they follow each other in the channel. With `look` they may have been sent
    before. Raises what sending raises; Refused at the end, where all others are sent.
    """
    beneath, refusal = Place(place.chat, place.channel, place.thread), None
    found = _sent_before(beneath, [page.mark for page in pages], [file.mark for file in files], look) if look else {}
    if first := next((found[page.mark] for page in pages if page.mark in found), None):
        beneath = replace(beneath, thread=beneath.thread or first)
    for part in (*pages, *files):
        try:
            sent = found.get(part.mark) or _sent(part, place, beneath)
        except Refused as error:
            _log.warning("%s did not take a part of a message: %s", place.chat, error)
            refusal = error
        else:
            beneath = replace(beneath, thread=beneath.thread or sent)
    if refusal:
        refusal.thread = beneath.thread
        raise refusal
    return beneath


def _sent(part: Part[_Mark], place: Place, beneath: Place) -> str:
    """The id of a part that was sent beneath the first one, or where that cannot be, in the channel."""
    try:
        return part.send(beneath)
    except NoThreads:
        if place.thread or not beneath.thread:
            raise
        return part.send(place)


def _sent_before(place: Place, pages: Sequence[_Mark], files: Sequence[_Mark], look: Look[_Mark]) -> dict[_Mark, str]:
    """What is there of a message: ids by mark. Where no page of it is there, files of the same names are another's."""
    if not pages:
        return look(place, files)
    if place.thread:
        found = look(place, [*pages, *files])
        return found if found.keys() & set(pages) else {}
    # Where the first page was refused, another one begins the thread.
    found = look(place, pages[:1]) or look(place, pages[1:])
    missing = [mark for mark in (*pages, *files) if mark not in found]
    if first := next((found[page] for page in pages if page in found), None):
        found |= look(replace(place, thread=first), missing)
        if left := [file for file in files if file not in found]:  # where nothing is taken in threads
            found |= look(place, left)
    return found


def matching(
    messages: Iterable[Json], wanted: Sequence[_Mark], bears: Callable[[Json, _Mark], bool], name: str
) -> dict[_Mark, str]:
    """The ids of the wanted messages by mark, read no further than needed; `name` is the field that holds an id."""
    found: dict[_Mark, str] = {}
    for message in messages if wanted else ():
        found |= {mark: str(message.get(name)) for mark in wanted if bears(message, mark)}
        if len(found) == len(wanted):
            break
    return found


class Replayed:
    """The messages of a history, read once and no further than needed, however often they are gone through."""

    def __init__(self, messages: Iterator[Json]) -> None:
        self._messages = messages
        self._read: list[Json] = []

    def __iter__(self) -> Iterator[Json]:
        yield from self._read
        for message in self._messages:
            self._read.append(message)
            yield message


@contextmanager
def legible(scope: str) -> Iterator[None]:
    """Read a history, for which an application that lacks a right, told as ConfigError `scope`, is forbidden to."""
    try:
        yield
    except ConfigError as error:
        if error.key == scope:
            raise Forbidden("history_closed", right=error.fields.get("scope", "")) from None
        raise


def readable(messages: Iterable[Json]) -> Iterator[Json]:
    """The messages of a history, none where it may not be read.

    Such a history settles nothing: a rare double is better than a loss. Raises Unavailable where a later look may tell.
    """
    with suppress(NotFound, Forbidden, ConfigError):
        yield from messages
