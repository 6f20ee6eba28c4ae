"""Sends a message exactly once: parts that may have been sent are looked for, and only missing ones are sent."""

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
"""Searches a channel or thread: returns the IDs of the messages with the wanted marks, as far as they are found."""


def fresh(now: float, key: str = "") -> Idempotency:
    """The idempotency of a first attempt at `now` (seconds since 1970), with a key of its own."""
    return Idempotency(key or uuid.uuid4().hex, datetime.fromtimestamp(now, UTC), False, lambda: None)


@dataclass(frozen=True)
class Part(Generic[_Mark]):
    """One message of a platform: the mark that identifies it in a history, and what sends it.

    `send` gets the channel or thread and returns the message's ID, or an empty text if there is none. It may raise
    Refused, which does not affect other parts.
    """

    mark: _Mark
    send: Callable[[Place], str]


def send_parts(
    place: Place, pages: Sequence[Part[_Mark]], files: Sequence[Part[_Mark]], look: Look[_Mark] | None
) -> Place:
    """Send the missing parts, all after the first one into its thread, and return the thread.

    If a channel does not allow threads, they follow each other in the channel. `look` is given if they may have been
    sent before. Raises what sending raises; Refused after all others are sent.
    """
    beneath, refusal = Place(place.chat, place.channel, place.thread), None
    found = _sent_before(beneath, [page.mark for page in pages], [file.mark for file in files], look) if look else {}
    if first := next((found[page.mark] for page in pages if page.mark in found), None):
        beneath = replace(beneath, thread=beneath.thread or first)
    for part in (*pages, *files):
        try:
            sent = found.get(part.mark) or _sent(part, place, beneath)
        except Refused as error:
            _log.warning("%s did not accept part of a message: %s", place.chat, error)
            refusal = error
        else:
            beneath = replace(beneath, thread=beneath.thread or sent)
    if refusal:
        refusal.thread = beneath.thread
        raise refusal
    return beneath


def _sent(part: Part[_Mark], place: Place, beneath: Place) -> str:
    """Send a part below the first one, or if that is impossible, in the channel, and return its ID."""
    try:
        return part.send(beneath)
    except NoThreads:
        if place.thread or not beneath.thread:
            raise
        return part.send(place)


def _sent_before(place: Place, pages: Sequence[_Mark], files: Sequence[_Mark], look: Look[_Mark]) -> dict[_Mark, str]:
    """The parts of a message that were sent: IDs by mark.

    If none of the message's pages is there, files with the same names belong to another message.
    """
    if not pages:
        return look(place, files)
    if place.thread:
        found = look(place, [*pages, *files])
        return found if found.keys() & set(pages) else {}
    # If the first page was refused, another one starts the thread.
    found = look(place, pages[:1]) or look(place, pages[1:])
    missing = [mark for mark in (*pages, *files) if mark not in found]
    if first := next((found[page] for page in pages if page in found), None):
        found |= look(replace(place, thread=first), missing)
        if left := [file for file in files if file not in found]:  # if threads are not allowed
            found |= look(place, left)
    return found


def matching(
    messages: Iterable[Json], wanted: Sequence[_Mark], bears: Callable[[Json, _Mark], bool], name: str
) -> dict[_Mark, str]:
    """The IDs of the wanted messages by mark, read no further than needed; `name` is the field with the ID."""
    found: dict[_Mark, str] = {}
    for message in messages if wanted else ():
        found |= {mark: str(message.get(name)) for mark in wanted if bears(message, mark)}
        if len(found) == len(wanted):
            break
    return found


class Replayed:
    """The messages of a history, read once and no further than needed, however often they are iterated."""

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
    """Read a history: a missing permission (ConfigError `scope`) is raised as Forbidden."""
    try:
        yield
    except ConfigError as error:
        if error.key == scope:
            raise Forbidden("history_closed", right=error.fields.get("scope", "")) from None
        raise


def readable(messages: Iterable[Json]) -> Iterator[Json]:
    """The messages of a history; none if reading it is not permitted.

    Then the message is sent again: a rare duplicate is better than a loss. Raises Unavailable if a retry may help.
    """
    with suppress(NotFound, Forbidden, ConfigError):
        yield from messages
