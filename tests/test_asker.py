"""The token budget: what may be asked, what is reserved while it is asked, and when nothing more is."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from make import spend

from adapters.stores.sqlite import SqliteStore
from bot.errors import ConfigError, ModelError, Paused, Unavailable
from bot.judgement.asker import Asker, Bill, Limits, most
from bot.judgement.replies import Rejected
from bot.values import Finish, Question, Reply, Spending, Usage

USED = Usage("some-model", 200, 100, 1)
QUESTION = Question("analysis.v1", "s" * 297, "u" * 297, {}, 800)  # 100 + 100 + 800 tokens at most


class Model:
    """Answers with what it was given: a reply's text, or an error."""

    name = "some-model"

    def __init__(self, *answers, usage=USED):
        self.answers, self.usage, self.asked = list(answers), usage, []
        self.before = lambda: None

    def ask(self, question):
        self.asked.append(question)
        self.before()
        answer = self.answers.pop(0) if self.answers else "{}"
        if isinstance(answer, Exception):
            raise answer
        return Reply(answer, Finish.STOP, self.usage)


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "digest.db")
    yield made
    made.close()


def test_a_question_takes_at_most_its_words_and_its_room():
    assert most(QUESTION) == 1_000


def test_the_day_has_a_limit_that_no_question_goes_past(store, clock):
    model = Model()
    asker = Asker(model, Bill(store, Limits(day=2_000), clock))
    asker.reply(QUESTION)
    asker.reply(QUESTION)
    asker.reply(QUESTION)
    asker.reply(QUESTION)  # 900 taken: with 1,000 at most it is still within
    with pytest.raises(ModelError) as spent:
        asker.reply(QUESTION)
    assert (spent.value.key, spent.value.fields["tokens"]) == ("model_budget_day", "2,000")
    assert len(model.asked) == 4


def test_another_process_on_the_same_database_keeps_the_same_limit(store, clock):
    Asker(Model(usage=Usage("some-model", 900, 200, 1)), Bill(store, Limits(day=2_000), clock)).reply(QUESTION)
    with pytest.raises(ModelError):
        Asker(Model(), Bill(store, Limits(day=2_000), clock)).reply(QUESTION)


def test_what_is_being_asked_counts_at_most(store, clock):
    model, started, go_on = Model(), threading.Event(), threading.Event()
    asker = Asker(model, Bill(store, Limits(day=1_500), clock))

    def wait():
        started.set()
        go_on.wait(20)

    model.before = wait
    open_one = threading.Thread(target=asker.reply, args=(QUESTION,))
    open_one.start()
    started.wait(20)
    with pytest.raises(ModelError):
        asker.reply(QUESTION)
    go_on.set()
    open_one.join()
    assert asker.reply(QUESTION).text == "{}"


def test_the_next_day_of_the_operators_zone_begins_anew(store, clock):
    limits = Limits(day=2_000, zone="Asia/Shanghai")
    asker = Asker(Model(usage=Usage("some-model", 1_500, 0, 1)), Bill(store, limits, clock))
    asker.reply(QUESTION)
    with pytest.raises(ModelError):
        asker.reply(QUESTION)
    midnight = Limits(zone="Asia/Shanghai").midnight(clock())
    assert midnight.astimezone(ZoneInfo("Asia/Shanghai")).hour == 0
    clock.now = midnight + timedelta(days=1)
    assert asker.reply(QUESTION)


def test_tokens_of_a_failed_answer_count(store, clock):
    failed = Unavailable("model_timeout", model="m", seconds=1, usage=Usage("some-model", 1_900, 0, 3))
    asker = Asker(Model(failed), Bill(store, Limits(day=2_500), clock))
    with pytest.raises(Unavailable):
        asker.reply(QUESTION)
    with pytest.raises(ModelError):
        asker.reply(QUESTION)


def test_a_digest_has_a_limit_of_its_own(store, clock):
    talk = Asker(Model(), Bill(store, Limits(digest=1_500), clock)).conversation()
    talk.reply(QUESTION)
    talk.reply(QUESTION)
    with pytest.raises(ModelError) as spent:
        talk.reply(QUESTION)
    assert spent.value.key == "model_budget_digest"
    with pytest.raises(ModelError):  # a smaller one would fit, but the digest has said that it goes on without
        talk.reply(replace(QUESTION, max_tokens=1))


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (ConfigError("model_key_invalid", url="u"), 1),
        (Paused("model_paused", model="m", seconds="300"), 1),
        (Unavailable("model_unavailable", model="m", status=500), 3),
        (ModelError("model_answer_unreadable", model="m"), 5),
    ],
)
def test_a_model_that_cannot_answer_is_left_alone(store, clock, error, asked):
    model = Model(*[error] * 9)
    talk = Asker(model, Bill(store, Limits(), clock)).conversation()
    for _ in range(5):
        with pytest.raises(type(error)):
            talk.reply(QUESTION)
    assert len(model.asked) == asked


def read_list(reply):
    found = dict(pair.split("=") for pair in reply.text.split())
    if len(found) < 3:
        raise Rejected("incomplete", found=found)
    return found


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["a=1 b=1 c=1"], {"a": "1", "b": "1", "c": "1"}),
        (["a=1 b=1", "a=2 b=2 c=2"], {"a": "2", "b": "2", "c": "2"}),
        (["a=1 b=1", "b=2 c=2"], {"a": "1", "b": "2", "c": "2"}),
        (["a=1", ""], {"a": "1"}),
        (["", "c=2"], {"c": "2"}),
        (["a=1", Unavailable("model_unavailable", model="m", status=500)], {"a": "1"}),
    ],
)
def test_of_two_lists_with_faults_what_is_right_in_either_is_taken(store, clock, answers, expected):
    talk = Asker(Model(*answers), Bill(store, Limits(), clock)).conversation()
    assert talk.ask_list(QUESTION, read_list) == expected


@pytest.mark.parametrize(
    ("answers", "error"),
    [(["", ""], Rejected), (["", Unavailable("model_unavailable", model="m", status=500)], Unavailable)],
)
def test_two_lists_of_which_nothing_is_right_are_none(store, clock, answers, error):
    talk = Asker(Model(*answers), Bill(store, Limits(), clock)).conversation()
    with pytest.raises(error):
        talk.ask_list(QUESTION, read_list)


def test_costs_need_a_price():
    spent = [Spending("m", "p", 2_000_000, 500_000, 9)]
    assert Limits().cost(spent) is None
    assert Limits(prompt_price=0.5, completion_price=2).cost(spent) == pytest.approx(2.0)


def test_what_was_cached_costs_as_the_rest_unless_it_has_a_price():
    spent = [Spending("m", "p", 2_000_000, 500_000, 9, cached=1_500_000)]
    assert Limits(prompt_price=0.5, completion_price=2).cost(spent) == pytest.approx(2.0)
    priced = Limits(prompt_price=0.5, completion_price=2, cached_price=0.1)
    assert priced.cost(spent) == pytest.approx(0.25 + 0.15 + 1.0)


def test_a_day_is_the_operators_whole_one(store, clock):
    bill = Bill(store, Limits(zone="Europe/Berlin"), clock)
    clock.now = datetime(2026, 3, 30, 12, tzinfo=UTC)  # the day before had 23 hours
    for at, prompt in (("28T22:59", 1), ("28T23:00", 2), ("29T21:59", 4), ("29T22:00", 8)):
        spend(store, Usage("m", prompt, 0, 1), "p", datetime.fromisoformat(f"2026-03-{at}:00+00:00"))
    assert [sum(s.prompt for s in bill.day(back)) for back in (0, 1, 2)] == [8, 6, 1]
