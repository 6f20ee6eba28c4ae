"""Requests from other programs, as lines of the grammar: they read what the operator may read, and change nothing."""

from collections.abc import Callable

from bot.commits.hosts import Hosts
from bot.conversation import grammar
from bot.conversation.grammar import EVERYBODYS
from bot.conversation.interpreter import Interpreter
from bot.errors import UsageError
from bot.posts.markdown import said
from bot.posts.report import FORMATS
from bot.values import Message, MessageKind, Place, Post, Request, Span


class OperatorsAgents:
    """The `bot.ports.Agents` of the operator. `answering` returns the interpreter for a repository, by name."""

    def __init__(
        self, answering: Callable[[str], Interpreter], place: Place, person: str, hosts: Hosts = EVERYBODYS
    ) -> None:
        self._answering = answering
        self._place = place
        self._person = person
        self._hosts = hosts

    def digest(self, time: str, repository: str = "") -> str:
        """The report of a period or a release; it ends with the repositories that are missing, and why."""
        interpreter, request = self._answering(repository), self._request(time)
        made, failed = interpreter.digests(request)
        texts = interpreter.context(request).texts
        missing = [Post(Message("error", (Span(texts.error(error)),), kind=MessageKind.ERROR)) for error in failed]
        return "\n".join([FORMATS["md"].write(made, texts), *([said(missing)] if missing else [])])

    def commit(self, name: str, repository: str = "") -> str:
        """A commit's full analysis."""
        if not grammar.named_commits(grammar.words(name), self._hosts):
            raise UsageError("ask_which")
        return self._answered(name, repository)

    def search(self, words: str, repository: str = "") -> str:
        """The commits of past digests that contain some words."""
        return self._answered(f"search {words}", repository)

    def question(self, question: str, repository: str = "") -> str:
        """The answer to a question about commits."""
        return self._answered(f"ask {question}", repository)

    def releases(self, repository: str = "") -> str:
        """The latest releases."""
        return self._answered("releases", repository)

    def _answered(self, line: str, repository: str) -> str:
        interpreter = self._answering(repository)
        return said(interpreter.run(interpreter.context(self._request(line))))

    def _request(self, line: str) -> Request:
        return Request(line, self._place, self._person)
