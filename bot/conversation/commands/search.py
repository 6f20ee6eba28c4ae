"""Commits whose message, paths or analysis contain some words."""

from collections.abc import Sequence

from bot.conversation.command import Command, Context
from bot.errors import NotFound, UsageError
from bot.posts.labels import AUTHOR_LIMIT, people_label, subject_line
from bot.values import Message, Post, Span, Table, local, one_line

FOUND_LIMIT = 20


def _search(context: Context, words: Sequence[str]) -> tuple[Post, ...]:
    wanted, texts = " ".join(words), context.texts
    if not wanted:
        raise UsageError("search_empty")
    by_name = {r.name: r for r in context.naming.single()}
    found = context.services.archive.search(wanted, list(by_name), FOUND_LIMIT + 1)
    more, found = len(found) > FOUND_LIMIT, found[:FOUND_LIMIT]
    if not found:
        raise NotFound("search_nothing", text=one_line(wanted, 60))
    rows = tuple(
        (
            (Span(f"{local(c.committed, context.zone):%Y-%m-%d}"),),
            (Span(people_label(c, context.texts, AUTHOR_LIMIT)),),
            subject_line(by_name[c.repo], c),
            (Span(c.short, by_name[c.repo].commit_url(c.sha), code=True),),
        )
        for c in found
    )
    columns = (*(texts(f"table.{name}") for name in ("time", "author", "message")), "SHA")
    key = "answer.found_more" if more else "answer.found"
    title = texts(key, count=texts.count("commits", len(found)), text=one_line(wanted, 60))
    return (Post(Message("search", (Span(title),), (Table(columns, rows),))),)


COMMANDS = (Command("search", _search, free=True),)
