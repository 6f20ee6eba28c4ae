"""The walk of a morning on real parts: git, SQLite, and a model server over a real socket."""

import json
import threading
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from answers import answer
from model_server import Fault, ModelServer
from world import DAY, HOME, World, busy_day, words

from adapters.llms.openai.model import OpenAIModel
from bot.delivery import schedule
from bot.errors import Unavailable
from bot.rights import Who
from bot.values import RULES, Importance, Period, Scope


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    return busy_day(tmp_path_factory.mktemp("busy") / "app")


class Talking(World):
    """A world with a model server."""

    def __init__(self, folder, clock, history, answers=answer, **more):
        self.server = ModelServer(answer=answers)
        self.server.__enter__()
        model = OpenAIModel("test-model", self.server.key, self.server.url, timeout=20, concurrency=8)
        super().__init__(folder, clock, str(history.path), model=model, **more)

    def digest(self, language="en"):
        repository = self.repositories.find(self.defaults.repo, Who(HOME))
        return self.app.digest(repository, Scope(repository.name, schedule.day(DAY.date(), "UTC"), language))

    def close(self):
        super().close()
        self.server.__exit__(None)


@pytest.fixture
def talking(tmp_path, clock, history):
    made = Talking(tmp_path, clock, history)
    yield made
    made.close()


def test_every_commit_is_graded_and_described_by_the_model_in_few_requests(talking):
    digest = talking.digest()
    assert [len(digest.by_importance[i]) for i in Importance] == [6, 12, 11]
    assert {e.analysis.by for e in digest.entries} == {"test-model"}
    assert len(talking.server.statuses) == 1 + 6 + 2 + 1
    assert talking.server.prompt_characters <= 90_000
    assert not digest.degraded
    high = digest.by_importance[Importance.HIGH][0]
    assert high.analysis.risks[0].evidence.line is not None
    assert high.analysis.coverage == 1


def test_a_digest_has_one_key_however_its_period_is_written(talking):
    repository, day = talking.repositories.find(talking.defaults.repo, Who(HOME)), schedule.day(DAY.date(), "UTC")
    shanghai = (moment.astimezone(ZoneInfo("Asia/Shanghai")) for moment in (day.since, day.until))
    written = (day, Period(DAY, DAY + timedelta(days=1), "UTC"), Period(*shanghai, "UTC"))
    assert len({repr(period) for period in written}) == 3
    assert len({talking.app.request(repository, Scope(repository.name, p, "en"), ()).key for p in written}) == 1
    other = Period(DAY, DAY + timedelta(hours=23), "UTC")
    keys = {talking.app.request(repository, Scope(repository.name, p, "en"), ()).key for p in (day, other)}
    assert len(keys) == 2


def test_usage_is_kept(talking):
    talking.digest()
    used = talking.store.usage(DAY, DAY + timedelta(days=9))
    assert {s.model for s in used} == {"test-model"}
    assert {s.purpose: s.requests for s in used} == {
        "triage.v2": 1,
        "analysis.v4": 6,
        "batch.v3": 2,
        "overview.v2": 1,
    }
    assert sum(s.prompt for s in used) > 1000
    assert {s.purpose: (s.stated, s.dropped) for s in used if s.stated} == {"analysis.v4": (12, 0)}


def test_a_week_is_opened_by_a_question_of_its_own_and_is_another_digest_than_its_table(talking):
    repository = talking.repositories.find(talking.defaults.repo, Who(HOME))
    week = Scope(repository.name, Period(DAY - timedelta(days=6), DAY + timedelta(days=1), "UTC"), "en", rollup=True)
    made = talking.app.digest(repository, week)
    asked = {spent.purpose for spent in talking.store.usage(DAY, DAY + timedelta(days=9))}
    assert "rollup.v1" in asked
    assert "overview.v2" not in asked
    assert made.rollup.components
    assert talking.app.digest(repository, week) == made
    assert talking.app.digest(repository, replace(week, rollup=False)).rollup is None


def test_what_was_analysed_once_is_not_asked_again(talking):
    talking.digest()
    asked = len(talking.server.statuses)
    assert talking.digest() == talking.digest()
    assert "replace endpoint" in talking.said("#100")
    assert len(talking.server.statuses) == asked


def test_another_language_is_asked_for_anew(talking):
    talking.digest()
    chinese = talking.digest("zh")
    assert "启动" in chinese.overview
    assert "启动" in chinese.by_importance[Importance.HIGH][0].analysis.summary


def test_a_commit_that_was_low_is_analysed_when_asked_for(talking):
    talking.digest()
    asked = len(talking.server.statuses)
    said = talking.said("#305")
    assert "Technical insight" in said
    assert len(talking.server.statuses) == asked + 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault.LENGTH,
        Fault.EMPTY,
        Fault.REFUSAL,
        Fault.HTML,
        Fault.NO_CHOICES,
        Fault.BAD_KEY,
        Fault.NO_MODEL,
        Fault.QUOTA,
    ],
)
def test_whatever_the_model_does_the_digest_goes_out_and_says_so(talking, fault):
    talking.server.queue(*[fault] * 60)
    digest = talking.digest()
    assert len(digest.entries) == 29
    assert {e.analysis.by for e in digest.entries} == {RULES}
    assert digest.degraded
    assert digest.notices
    assert all(e.analysis.note for e in digest.by_importance[Importance.HIGH])


def test_a_degraded_digest_is_tried_again(talking):
    talking.server.queue(*[Fault.EMPTY] * 20)  # triage 2, six high 12, two batches 4, overview 2
    assert talking.digest().degraded
    assert not talking.digest().degraded


def test_one_bad_answer_is_asked_for_again_with_what_was_wrong(talking):
    talking.server.queue('{"commits": []}')
    digest = talking.digest()
    assert not digest.degraded
    second = talking.server.bodies[1]["messages"][-1]["content"]
    assert "these commits are missing" in second


def test_statements_without_evidence_are_asked_for_again_and_then_dropped(tmp_path, clock, history):
    def inventive(body):
        text = answer(body)
        return (
            text.replace('"quote": "', '"quote": "invented ')
            if "Analyse this commit" in body["messages"][-1]["content"]
            else text
        )

    talking = Talking(tmp_path, clock, history, inventive)
    high = talking.digest().by_importance[Importance.HIGH]
    assert all(not e.analysis.risks and not e.analysis.insights and e.analysis.dropped == 2 for e in high)
    assert "statements dropped for lack of evidence: 2" in talking.said("#100")
    assert len(talking.server.statuses) == 1 + 2 * 6 + 2 + 1
    talking.close()


def test_an_answer_of_which_nothing_can_be_verified_is_not_taken(tmp_path, clock, history):
    def inventive(body):
        told = json.loads(answer(body))
        if "risks" in told:
            told["risks"] = [risk | {"quote": f"invented_{n}"} for n, risk in enumerate(told["risks"] * 3)]
            told["insights"] = []
        return json.dumps(told)

    talking = Talking(tmp_path, clock, history, inventive)
    digest = talking.digest()
    high = digest.by_importance[Importance.HIGH]
    assert {e.analysis.by for e in high} == {RULES}
    assert all(e.analysis.note for e in high)
    assert {
        s.purpose: (s.stated, s.dropped) for s in talking.store.usage(DAY, DAY + timedelta(days=9)) if s.stated
    } == {"analysis.v4": (18, 18)}
    talking.close()


def test_a_patch_that_cannot_be_read_costs_depth_and_nothing_else(tmp_path, clock, history, monkeypatch):
    world = World(tmp_path, clock, str(history.path))

    def broken(repo, commits, paths=()):
        yield from ()
        raise Unavailable("git_slow", repo="app")

    monkeypatch.setattr(world.source, "patches", broken)
    said = world.said("2026-02-18")
    assert "29 commits" in said
    assert world.store.recent_digests(str(history.path), "main", "en", 1)[0].degraded
    world.close()


def test_the_usual_number_is_known_after_three_days(tmp_path, clock, history):
    world = World(tmp_path, clock, str(history.path))
    for day in ("2026-02-14", "2026-02-15", "2026-02-16"):
        world.ask(day)
    assert "usually 0" in words(world.ask("2026-02-18")[0].headline)
    world.close()


def test_the_usual_number_counts_a_day_once(tmp_path, clock, history):
    world = World(tmp_path, clock, str(history.path))
    repository = world.repositories.find(str(history.path), Who(HOME))
    for zone in ("UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin"):
        world.app.digest(repository, Scope(repository.name, schedule.day(DAY.date() - timedelta(days=2), zone), "en"))
    assert "usually" not in words(world.ask("2026-02-18")[0].headline)
    world.close()


def test_two_threads_that_ask_for_one_digest_both_get_it(talking):
    made = []
    threads = [threading.Thread(target=lambda: made.append(talking.digest())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made[0].entries == made[1].entries


def test_a_day_that_changed_is_told_anew(talking, history, monkeypatch):
    first = talking.digest()
    real = talking.source.commits
    monkeypatch.setattr(talking.source, "commits", lambda *a: real(*a)[1:])
    assert len(talking.digest().entries) == len(first.entries) - 1
