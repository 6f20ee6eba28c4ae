"""The topic of a thread: the commits of the last answer there, or of the digest that it belongs to."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.conversation.command import Context
from bot.delivery.ledger import follow_up_of
from bot.errors import DigestError
from bot.values import Delivery, Place, Repository, Turn, one_line

_GOES_ON = timedelta(days=30)
"""How long the topic of a thread is remembered."""
_DIRECTLY = timedelta(hours=12)
"""The same for a direct message, which has no threads."""
_QUESTION, _ANSWER, _SHAS = 500, 2_000, 500
_COMMIT = "commit:"
"""The prefix of the keys of commits' messages in a delivery."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What `it` means in a thread: commits of a repository, by SHA; `digest` says that they are a whole digest."""

    repository: Repository
    shas: tuple[str, ...]
    digest: bool = False


def topic(context: Context) -> Topic | None:
    """The topic of a thread, if the person may see it; None if it is unknown.

    The innermost thread counts: the last answer in it, else what was delivered there.
    """
    for place in _threads(context):
        for repo, shas, digest in (*_turned(context, place), *_delivered(context, place)):
            with suppress(DigestError):
                return Topic(context.naming.find(repo), shas, digest)
    return None


def turns(context: Context, repository: Repository) -> tuple[Turn, ...]:
    """The questions about one repository in a thread, and the answers, oldest first."""
    found = {turn.at: turn for place in _threads(context) for turn in _kept(context, place)}
    return tuple(found[at] for at in sorted(found) if found[at].repo == repository.name)


def keep(context: Context, repository: Repository, shas: tuple[str, ...], answer: str = "") -> None:
    """Remember a line that was answered publicly in a thread, so that the next one can refer to it."""
    if context.place.viewer or not (shas or answer):
        return
    turn = Turn(
        context.now,
        one_line(context.request.text, _QUESTION),
        one_line(answer, _ANSWER),
        repository.name,
        shas[:_SHAS],
        context.who.person,
    )
    context.services.talks.keep_turn(_threads(context)[-1], turn)


def _threads(context: Context) -> list[Place]:
    """The threads that a line is in, the outermost last; the chat itself if it has none."""
    place = context.place
    beneath = context.request.beneath
    nearer, root = (*beneath[:-1], place.thread), beneath[-1] if beneath else place.thread
    names = dict.fromkeys(name for name in nearer if name != root)
    return [replace(place.whole, thread=name) for name in (*names, root)]


def _kept(context: Context, place: Place) -> tuple[Turn, ...]:
    alone = place.thread is None
    if alone and context.place.viewer:
        return ()
    return context.services.talks.turns(place, context.now - (_DIRECTLY if alone else _GOES_ON))


def _turned(context: Context, place: Place) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """The repository and commits of the last answers in a thread, latest first."""
    for turn in reversed(_kept(context, place)):
        if turn.shas:
            yield turn.repo, turn.shas, len(turn.shas) > 1


def _delivered(context: Context, place: Place) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """The repository and commits of the delivery whose thread a line is in."""
    for subscription in context.here if place.thread else ():
        for delivery in context.services.ledger.deliveries(subscription.id):
            own_steps = (step for step in delivery.steps if not follow_up_of(delivery, step.key))  # of its own thread
            steps = [step for step in own_steps if step.thread == place.thread]
            if steps:
                own = [step.key.removeprefix(_COMMIT) for step in steps if step.key.startswith(_COMMIT)]
                # Chats with message IDs have a thread for each commit; in others all belong to the headline.
                yield from _commits(context, subscription.repo, delivery, own[0] if len(steps) == len(own) == 1 else "")
                return


def _commits(context: Context, repo: str, delivery: Delivery, own: str) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """The commits of a delivery, or only `own` if it is one of them; with several repositories, only `own`."""
    keys = {member.repo: member.digest for member in delivery.members if member.digest} or {repo: delivery.digest}
    reported = {name: _shas(context, key) for name, key in keys.items()}
    reported = {name: shas for name, shas in reported.items() if shas}
    for name, shas in reported.items():
        if own in shas:
            yield name, (own,), False
        elif len(reported) == 1:
            yield name, shas, len(shas) > 1


def _shas(context: Context, key: str) -> tuple[str, ...]:
    """The SHAs of a kept digest."""
    made = context.services.archive.digest(key) if key else None
    return tuple(entry.commit.sha for entry in made.entries) if made else ()
