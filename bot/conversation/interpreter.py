"""Interprets a line and answers with posts: the same in every chat and in the terminal."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date

from bot.conversation import dates, forms, grammar, sentence
from bot.conversation.asked import is_question
from bot.conversation.command import PUBLIC, Command, Context, Services, unknown
from bot.conversation.commands import WORDS, ask, commit, digests, following
from bot.conversation.naming import Naming
from bot.conversation.options import is_option
from bot.delivery import schedule
from bot.errors import DigestError, UsageError
from bot.rights import Who
from bot.texts import Texts, words_of
from bot.values import Digest, Form, Message, MessageKind, Place, Post, Problem, Request, Span, Subscription


class Interpreter:
    """Answers requests; each is parsed once into its context."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def context(self, request: Request, *, in_public: bool = False) -> Context:
        """Parse a request: its words, its command and its channel's settings. Raises StoreError, Unavailable.

        If `in_public`, the answer to a line that ends in `post` is visible to everybody.
        """
        defaults, repositories = self._services.defaults, self._services.app.repositories
        typed = grammar.words(request.text)
        words = [word for word in typed if not grammar.is_call(word)]
        command = WORDS.get(words[0].lower()) if words else None
        if command and command.about_place:  # a setting may name a person, which is rejected, not ignored
            words = typed[typed.index(words[0]) :]
        place, aloud = request.place, False
        if in_public and len(words) > 1 and words[-1].lower() in words_of(PUBLIC) and not (command and command.free):
            words, place, aloud = words[:-1], replace(place, viewer=None), True
        here = self._services.subscriptions.subscriptions(place.whole)
        words = self._with_folders(words, command, {s.repo for s in here})
        follows, by_operator = frozenset(s.repo for s in here), self._services.by_operator
        who = Who(place, request.user or place.viewer or "", follows=follows, by_operator=by_operator)
        naming = Naming(repositories, defaults.hosts, who, here, defaults.repo)
        named = next((word for word in words if grammar.is_repository(word)), defaults.repo)
        followed = self._spoken_of(naming, here, named)
        language = defaults.asked_language or (followed.language if followed else defaults.language)
        zone = defaults.asked_zone or (followed.zone if followed else defaults.zone)
        texts = self._services.texts(language, place.chat)
        problem = None
        if command is None or command.dated:
            try:
                command, words = self._dated(command, words, schedule.today(self._services.app.clock(), zone))
            except UsageError as error:
                problem = error
        return Context(request, tuple(words), command, place, who, texts, zone, naming, self._services, problem, aloud)

    @staticmethod
    def _dated(command: Command | None, words: Sequence[str], today: date) -> tuple[Command | None, list[str]]:
        """The words of a line, with its date in the grammar's form, and the command that a plain request stands for."""
        lead = words[:1] if command else ()
        rest = sentence.without_fillers(words[len(lead) :])
        read = [*lead, *dates.spoken(rest, today, grammar.is_repository)] or list(words)
        found = WORDS.get(read[0].lower()) if read else None
        plain = found if found and (found.dated or found.name in sentence.ASKED) else None
        return command or plain, read

    @staticmethod
    def _spoken_of(naming: Naming, here: Sequence[Subscription], named: str) -> Subscription | None:
        """The subscription whose language and zone apply: that of the named repository, if the person may know of it.

        Otherwise the first one here: another language would reveal that a hidden repository is followed.
        """
        first = here[0] if here else None
        alike = (s for s in here if naming.same(s.repo, named))
        return next((s for s in alike if _speaks_like(s, first) or naming.is_known(s)), first)

    def _with_folders(self, words: Sequence[str], command: Command | None, followed: Collection[str]) -> list[str]:
        """Prefix words that name a repository in the current folder with `./`."""
        if command and command.free:
            return list(words)
        options = (number for number, word in enumerate(words) if is_option(word))
        last = next(options, len(words)) if command and command.about_place else len(words)

        def is_folder(number: int, word: str) -> bool:
            taken = word in followed or word.startswith(("/", ".", "~")) or grammar.is_time(word)
            named = (1 if command else 0) <= number < last and not taken and grammar.reference(word) is None
            return named and self._services.is_folder(word)

        return [f"./{word}" if is_folder(number, word) else word for number, word in enumerate(words)]

    # --- Answering ---------------------------------------------------------------------------

    def answer(self, context: Context) -> tuple[Post, ...]:
        """The answer; an expected error is answered with its text in the place's language."""
        try:
            return self.run(context)
        except DigestError as error:
            return (_error(context.texts.error(error)),)

    def run(self, context: Context) -> tuple[Post, ...]:
        """The answer, followed by the errors of the parts that failed. Raises DigestError if there is no answer."""
        posts = self._run(context)
        failed = dict.fromkeys(context.texts.error(error) for error in context.naming.failed)
        return (*posts, *map(_error, failed))

    @staticmethod
    def _run(context: Context) -> tuple[Post, ...]:
        grammar.check_length(context.request.text)
        _check(context)
        words = context.words
        if not words:
            return digests.last(context)
        if context.command:
            return context.command.run(context, words[1:])
        said = [word for word in words if word.lower() not in grammar.AND]
        timed = [grammar.is_time(word) for word in said]
        if any(timed) and all(time or grammar.is_repository(w) for time, w in zip(timed, said, strict=True)):
            return digests.day(context, said)
        if named := grammar.named_commits(words, context.services.defaults.hosts):
            return commit.expand_each(context, named)
        if all(map(grammar.is_repository, said)):
            return digests.day(context, ["yesterday", *said])
        if len(words) <= 2 and grammar.is_repository(words[0]):
            return digests.day(context, [words[1], words[0]])
        if found := ask.answered(context, question := _question(context)):
            return found
        today = schedule.today(context.now, context.zone)
        if meant := sentence.meant(words, context.services.defaults.hosts, today):
            return Interpreter._run(replace(context, words=tuple(meant), command=WORDS.get(meant[0])))
        refusal = _unknown(words)  # a suggestion for a word helps more than a rejected question
        if refusal.key != "command_near" and (found := ask.answered_sentence(context, question)):
            return found
        raise refusal if refusal.key == "command_near" or not is_question(question) else UsageError("ask_unknown")

    def digests(self, request: Request) -> tuple[tuple[Digest, ...], tuple[DigestError, ...]]:
        """The digests of `yesterday owner/repo` and the like, without layout, and the errors of missing ones.

        Raises DigestError if there are none.
        """
        context = self.context(request)
        _check(context)
        return digests.digests(context, context.words), tuple(context.naming.failed)

    def followed(self, place: Place) -> Post | None:
        """What a place follows, with settings and buttons; None if it follows nothing.

        Only what its viewer may know of is shown.
        """
        context = self.context(Request("", place, ""))
        return following.listed(context)[0] if context.here or context.naming.unnamed else None

    # --- Forms -------------------------------------------------------------------------------

    @staticmethod
    def form(context: Context) -> Form | None:
        """The form that a line asks for; None if it asks for an answer. Raises UsageError."""
        return context.command.form(context, context.words[1:]) if context.command else None

    def filled_form(self, place: Place, values: Mapping[str, str]) -> Form:
        """The form, filled in with `values`."""
        context = self.context(Request("", place, ""))
        known = context.naming.kept(values["repo"], values.get("branch", "")) if forms.KNOWN in values else None
        shown = forms.subscribe_form(known or context.fresh(), known is not None, context.texts)
        return forms.filled(shown, values)

    def problem(self, place: Place, values: Mapping[str, str]) -> Problem | None:
        """The problem with a filled-in form, as far as that is known without any request."""
        context = self.context(Request(forms.line(values), place, ""))
        try:
            grammar.check_length(context.request.text)
            following.check(context)
        except DigestError as error:
            return self.complaint(place, values, error)
        return None

    def complaint(self, place: Place, values: Mapping[str, str], error: DigestError) -> Problem:
        """An error, with the input of the form that it is about."""
        return Problem(forms.input_of(error, self.filled_form(place, values)), self.texts(place).error(error))

    def texts(self, place: Place | None) -> Texts:
        """The labels in the language of a place; without one, in the operator's."""
        return (
            self.context(Request("", place, "")).texts
            if place
            else self._services.texts(self._services.defaults.language)
        )


def _check(context: Context) -> None:
    """Reject a line with a part that cannot be parsed. Raises UsageError."""
    if context.problem:
        raise context.problem


def _question(context: Context) -> str:
    """A line as it was typed, for recognising questions, without the word that makes the answer public."""
    line = context.request.text
    return line if context.place == context.request.place else line.rstrip().rpartition(" ")[0]


def _speaks_like(one: Subscription, other: Subscription | None) -> bool:
    return other is not None and (one.language, one.zone) == (other.language, other.zone)


def _unknown(words: Sequence[str]) -> UsageError:
    """The error for a line that was not understood: it names an unknown word."""
    left = [word for word in words if not grammar.is_time(word)]
    strange = [word for word in left if not grammar.is_repository(word) and word not in WORDS]
    said = sentence.without_fillers(strange)
    return unknown(*(said or strange or left))


def _error(text: str) -> Post:
    return Post(Message("error", (Span(text),), kind=MessageKind.ERROR))
