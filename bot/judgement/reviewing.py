"""Statements read once more by somebody who sees nothing but their quotes, as their readers do."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from bot.errors import DigestError
from bot.judgement import questions, replies
from bot.judgement.asker import Conversation
from bot.judgement.replies import Read, Rejected
from bot.values import Analysis, Commit, Insight, Repository, Risk

_Said = TypeVar("_Said", Insight, Risk)


def review(
    model: Conversation,
    repository: Repository,
    known: str,
    statements: Sequence[tuple[str, Sequence[str]]],
    language: str,
) -> tuple[Read, ...]:
    """How each statement reads with nothing but its quotes, as `questions.quoted` and `questions.proven` show them.

    `known` is what its readers know besides.
    If the model cannot say, the statements stay as they are: each of their quotes is real.
    """
    if not statements:
        return ()
    texts = [text for text, _ in statements]
    question = questions.review_question(repository, known, statements, language)
    try:
        read = model.ask(question, lambda reply: replies.read_review(reply, texts, question.user, language))
    except (Rejected, DigestError):
        return tuple(map(Read, texts))
    model.asker.checked(question, len(read), sum(bool(each.misses) for each in read))
    return read


def reviewed(model: Conversation, repository: Repository, commit: Commit, made: Analysis, language: str) -> Analysis:
    """The analysis with its statements as their quotes alone carry them; those of which nothing is left are counted."""
    shown = [(s.text, [questions.quoted(commit, e) for e in (s.evidence, *s.also)]) for s in made.statements]
    known = "\n".join((f"commit {commit.short}: {questions.titled(commit)}", made.verdict, made.summary))
    read = review(model, repository, known, shown, language)
    insights = _carried(made.insights, read[: len(made.insights)])
    risks = _carried(made.risks, read[len(made.insights) :])
    lost = len(shown) - len(insights) - len(risks)
    return replace(made, insights=insights, risks=risks, dropped=made.dropped + lost)


def _carried(statements: Sequence[_Said], read: Sequence[Read]) -> tuple[_Said, ...]:
    """The statements in the words that are left of them."""
    return tuple(replace(s, text=each.text) for s, each in zip(statements, read, strict=True) if each.text)
