"""What each depth takes: told from what was measured or from commits, by a command, the doctor and the log."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from answers import answer
from click.testing import CliRunner
from make import change, commit, spend
from make import sha as numbered
from model_server import ModelServer
from repositories import Builder
from slack_server import SlackServer
from test_app import Talking
from test_worker import CHANNEL, Bot, Time
from test_worker import DAY as WORKING_DAY
from world import DAY

from adapters.llms.openai.model import OpenAIModel
from bot import parts
from bot.cli import cli
from bot.conversation import operator
from bot.judgement import cost
from bot.judgement.asker import Asker, Limits
from bot.judgement.questions import Depth
from bot.ports import Verdict
from bot.texts import Texts
from bot.values import Analysis, ChangeType, Entry, Grade, Importance, Spending, Table, Usage

TRIAGE = Spending("m", "triage.v1", 1_000, 500, 1)
BATCH = Spending("m", "batch.v3", 2_000, 300, 1)
DRAFT = Spending("m", "draft.v3", 40_000, 4_000, 4, cached=1_000)
LOOK = Spending("m", "look.v4", 52_000, 8_000, 4, stated=9, cached=30_000)
ANALYSIS = Spending("m", "analysis.v4", 40_000, 8_000, 4)
CHECK = Spending("m", "check.v1", 24_000, 3_000, 4, cached=500)
EACH, SAID = 9_500, 1_200
"""Tokens of a check, and of its answer, where none is measured."""
NOW = datetime(2026, 2, 20, tzinfo=UTC)
OLD = Spending("m", "analysis.v1", 9_000, 2_000, 4)


def tokens(costs):
    return {str(depth): (spent.prompt, spent.completion) for depth, spent in costs.items()}


# --- Measured --------------------------------------------------------------------------------


def test_a_day_with_looks_tells_exactly_what_it_took_and_from_that_the_others():
    costs = cost.of_day([TRIAGE, BATCH, DRAFT, LOOK, CHECK], Depth.NORMAL)
    assert tokens(costs) == {
        "brief": (1_000 + 2_000 + 40_000, 500 + 300 + 8_000),
        "normal": (1_000 + 2_000 + 40_000 + 52_000 + 24_000, 500 + 300 + 4_000 + 8_000 + 3_000),
        "deep": (3_000 + 40_000 + 52_000 + 24_000 + 52_000 + 2 * 12_000, 800 + 4_000 + 8_000 + 3_000 + 4 * 1_800),
    }
    assert [spent.requests for spent in costs.values()] == [6, 14, 18]
    assert [spent.cached for spent in costs.values()] == [1_000, 31_500, 31_500]


def test_where_not_every_analysis_was_checked_the_others_are_expected_to_be():
    one = Spending("m", "check.v1", 5_000, 500, 1)
    costs = cost.of_day([DRAFT, LOOK, one], Depth.NORMAL)
    assert costs[Depth.NORMAL].prompt == 40_000 + 52_000 + 5_000 + 3 * EACH
    assert costs[Depth.NORMAL].completion == 4_000 + 8_000 + 500 + 3 * SAID


def test_a_deep_day_tells_what_it_took_and_without_third_questions_the_others():
    both = Spending("m", "look.v4", 90_000, 12_000, 6)
    costs = cost.of_day([TRIAGE, DRAFT, both, CHECK], Depth.DEEP)
    assert tokens(costs) == {
        "brief": (1_000 + 40_000, 500 + 8_000),
        "normal": (1_000 + 40_000 + 40_000 + 10_000 + 24_000, 500 + 4_000 + 8_000 + 3_000),
        "deep": (1_000 + 40_000 + 90_000 + 24_000, 500 + 4_000 + 12_000 + 3_000),
    }


def test_a_deep_day_has_found_twice_as_much():
    costs = cost.of_day([TRIAGE, DRAFT, LOOK, CHECK], Depth.DEEP)
    assert tokens(costs)["deep"] == (1_000 + 40_000 + 52_000 + 24_000, 500 + 4_000 + 8_000 + 3_000)
    assert tokens(costs)["normal"] == (1_000 + 40_000 + 52_000 + 24_000 - 6_000, 500 + 4_000 + 8_000 + 3_000)


def test_a_brief_day_tells_exactly_what_it_took_and_expects_drafts_and_what_is_found():
    costs = cost.of_day([TRIAGE, ANALYSIS], Depth.BRIEF)
    found = 4 * 5_000  # half of the 10,000 tokens of each question
    assert tokens(costs) == {
        "brief": (41_000, 8_500),
        "normal": (41_000 + 40_000 + found + 4 * EACH, 8_500 + 4 * 1_200 + 4 * SAID),
        "deep": (41_000 + 80_000 + 4 * found + 4 * EACH, 8_500 + 4 * 1_200 + 4 * SAID + 4 * 1_800),
    }


@pytest.mark.parametrize(("prompt", "found"), [(100, 4_666), (10_000, 5_000), (40_000, 8_000)])
def test_what_is_found_has_bounds(prompt, found):
    costs = cost.of_day([Spending("m", "analysis.v4", prompt, 0, 1)], Depth.BRIEF)
    assert costs[Depth.NORMAL].prompt == 2 * prompt + found + EACH


def test_commits_asked_about_at_once_beside_looks_are_taken_for_as_looked_at():
    costs = cost.of_day([ANALYSIS, DRAFT, LOOK, CHECK], Depth.NORMAL)
    assert costs[Depth.NORMAL].prompt == 40_000 * 2 + 12_000 + 40_000 + 52_000 + 24_000 + 4 * EACH
    assert costs[Depth.NORMAL].completion == 8_000 + 4_000 + 4_000 + 8_000 + 3_000 + 4 * SAID


def test_several_models_count_together():
    two = [ANALYSIS, Spending("other", "analysis.v4", 40_000, 8_000, 4)]
    assert tokens(cost.of_day(two, Depth.BRIEF))["brief"] == (80_000, 16_000)


@pytest.mark.parametrize(
    "spent", [[], [TRIAGE], [Spending("m", "doctor", 9, 9, 1)], [OLD], [TRIAGE, ANALYSIS, OLD]], ids=len
)
def test_a_day_without_analyses_or_with_those_of_an_earlier_version_tells_nothing(spent):
    assert cost.of_day(spent, Depth.BRIEF) is None


def test_small_commits_cost_the_same_at_each_depth():
    assert {spent.tokens for spent in cost.of_day([TRIAGE, BATCH], Depth.NORMAL).values()} == {3_800}


# --- By commits ------------------------------------------------------------------------------


def entry(importance, number, *files):
    grade = Grade(importance, (ChangeType.FIX,), "", "It does.", 0.5)
    return Entry(commit("fix: it", *files, sha=numbered(number)), grade, Analysis("It does."))


def test_commits_are_taken_by_grade_and_size():
    wide = change("src/a.py", added=400, removed=100)
    lock = change("package-lock.json", added=90_000, removed=0)
    assert tokens(cost.of_commits([entry(Importance.LOW, 1, wide)])) == dict.fromkeys(
        ("brief", "normal", "deep"), (150, 110)
    )
    small = cost.of_commits([entry(Importance.MEDIUM, 1, change(added=10, removed=0), lock)])
    assert {spent.tokens for spent in small.values()} == {150 + 110 + 200 + 300}
    high = cost.of_commits([entry(Importance.HIGH, 1, wide, lock)])
    assert tokens(high) == {
        "brief": (150 + 11_000, 110 + 1_800),
        "normal": (150 + 2 * 11_000 + 5_500 + EACH, 110 + 1_800 + 1_200 + SAID),
        "deep": (150 + 3 * 11_000 + 4 * 5_500 + EACH, 110 + 1_800 + 1_200 + 1_800 + SAID),
    }


def test_of_a_commit_that_is_too_large_only_four_questions_are_asked():
    huge = cost.of_commits([entry(Importance.HIGH, 1, change(added=1_000_000, removed=0))])
    assert huge[Depth.BRIEF].requests == 4
    assert huge[Depth.BRIEF].prompt == 150 + 4 * 41_000


def test_deeper_takes_more_of_one_commit():
    brief, normal, deep = (cost.of_one()[depth].tokens for depth in Depth)
    assert brief < normal < deep
    assert normal < 5 * brief


@pytest.mark.parametrize(
    ("exact", "said"), [(0, 0), (7, 7), (99, 99), (104, 100), (52_956, 53_000), (1_255_000, 1_300_000)]
)
def test_an_estimate_has_two_digits(exact, said):
    assert cost.about(exact) == said


# --- Asked for -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    build = Builder(tmp_path_factory.mktemp("cost") / "app")
    build.commit("root", DAY - timedelta(days=1), {"README.md": "# App\n"}, message="start")
    text = "".join(f"value_{n} = compute_the_value({n}, option={n})\n" for n in range(200))
    build.commit("high", DAY + timedelta(hours=1), {"src/api.py": text}, message="feat(api)!: serve a host (#7)")
    build.commit("small", DAY + timedelta(hours=2), {"src/b.py": "b = 1\n" * 9}, message="fix: wrong part (#8)")
    return build.finish()


@pytest.fixture
def talk(tmp_path, clock, history):
    made = []

    def start(**more):
        made.append(Talking(tmp_path, clock, history, **more))
        return made[-1]

    yield start
    for world in made:
        world.close()


def tables(talking):
    (post,) = talking.ask("usage")
    return [part for part in post.headline.parts if isinstance(part, Table)]


def cells(table):
    return [["".join(span.text for span in cell) for cell in row] for row in table.rows]


def test_usage_shows_each_kind_of_question_with_what_was_cached_and_its_cost(talk):
    limits = Limits(prompt_price=10, completion_price=10, cached_price=1)
    talking = talk(depth=Depth.NORMAL, limits=limits)
    talking.digest()
    asked, _ = tables(talking)
    rows = {row[0]: row[1:] for row in cells(asked)}
    assert list(rows) == ["grades", "draft", "look-up", "analysis check", "overview", "total"]
    (spent,) = [s for s in talking.bill.today() if s.purpose == "look.v4"]
    assert 0 < spent.cached < spent.prompt
    price = ((spent.prompt - spent.cached) * 10 + spent.cached + spent.completion * 10) / 1_000_000
    taken = (spent.requests, spent.prompt, spent.cached, spent.completion)
    assert rows["look-up"][:5] == [*(f"{n:,}" for n in taken), f"{price:.4f}"]
    assert rows["total"][0] == str(sum(s.requests for s in talking.bill.today()))


def test_without_prices_no_cost_is_shown_and_several_models_have_a_column(talk):
    talking = talk(depth=Depth.NORMAL)
    spend(talking.store, Usage("other", 1, 1, 1), "analysis.v1", DAY)
    talking.digest()
    asked, depths = tables(talking)
    assert asked.columns[:2] == ("Model", "Question")
    assert "Cost" not in (*asked.columns, *depths.columns)
    assert ["other", "analysis.v1"] in [row[:2] for row in cells(asked)]


def test_usage_tells_what_yesterday_would_have_taken_at_each_depth(talk, clock):
    talking = talk(depth=Depth.NORMAL, limits=Limits(zone="Asia/Shanghai", prompt_price=1, completion_price=4))
    talking.digest()
    spent = sum(s.tokens for s in talking.bill.today())
    clock.pass_time(days=1)
    spend(talking.store, Usage("test-model", 5, 5, 1), "triage.v1", clock())  # today's count for nothing
    _, depths = tables(talking)
    assert depths.heading == "2026-02-20 at each depth, estimated"
    rows = {row[0]: row[1:] for row in cells(depths)}
    assert list(rows) == ["brief", "normal", "deep"]
    assert rows["normal"][1] == f"{cost.about(spent):,}"
    assert float(rows["brief"][2]) < float(rows["normal"][2]) < float(rows["deep"][2])


def test_a_brief_estimate_is_near_what_brief_then_takes(talk, tmp_path):
    talking = talk(depth=Depth.NORMAL)
    talking.digest()
    told = cost.of_day(talking.bill.today(), Depth.NORMAL)[Depth.BRIEF].tokens
    (tmp_path / "brief").mkdir()
    brief = Talking(tmp_path / "brief", talking.app.clock, type("H", (), {"path": talking.defaults.repo}))
    brief.digest()
    took = sum(s.tokens for s in brief.bill.today())
    brief.close()
    assert told == pytest.approx(took, rel=0.1)


def test_cached_tokens_are_measured_apart_from_those_they_are_part_of(talk):
    talking = talk(depth=Depth.NORMAL)
    talking.digest()
    measured = {m.name: m.samples for m in operator.measures(talking.store, talking.app.clock() + timedelta(1), None)}
    cached = {labels["purpose"]: number for labels, number in measured["model_cached_tokens"]}
    asked = {labels["purpose"]: number for labels, number in measured["model_tokens"] if labels["kind"] == "prompt"}
    assert 0 < cached["look.v4"] < asked["look.v4"]
    assert {labels["kind"] for labels, _ in measured["model_tokens"]} == {"prompt", "completion"}


def test_before_anything_was_analysed_nothing_is_made_up(talk, clock):
    talking = talk(depth=Depth.NORMAL)
    spend(talking.store, Usage("test-model", 5, 5, 1), "triage.v1", clock())
    assert "known after the first digest" in talking.said("usage")


# --- The doctor ------------------------------------------------------------------------------


def found(talking, language="en", *, chosen=False):
    """What the doctor says of the depth, and with which verdict."""
    talking.app.chosen = chosen
    (finding,) = [f for f in operator.examine(talking.app, talking.store, "digest.db") if f.subject == "depth"]
    return finding.verdict, Texts(language)(f"doctor.depth_{finding.outcome}", **finding.fields)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_new_installation_is_asked_with_what_each_depth_does_and_takes_until_something_was_asked(talk, language):
    talking = talk(depth=Depth.NORMAL)
    for _ in range(2):  # the doctor's own question counts for nothing
        verdict, said = found(talking, language)
        assert verdict is Verdict.WARNING
        assert all(f"OPENAI_DEPTH={depth}" in said for depth in Depth)
        assert all(f"{cost.about(spent.tokens):,}" in said for spent in cost.of_one().values())
    talking.digest()
    verdict, said = found(talking, language)
    assert (verdict, "2026-02-20" in said, "OPENAI_DEPTH" in said) == (Verdict.FINE, True, False)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_installation_that_stays_brief_is_told_what_to_set(talk, clock, language):
    talking = talk(depth=Depth.BRIEF, limits=Limits(prompt_price=1, completion_price=4))
    spend(talking.store, Usage("test-model", 9_000, 2_000, 4), "analysis.v1", clock() - timedelta(days=1))
    verdict, said = found(talking, language)
    assert verdict is Verdict.WARNING
    assert "OPENAI_DEPTH=normal" in said
    texts = Texts(language)
    assert texts.aside(f"{cost.about(cost.of_one()[Depth.DEEP].tokens):,}", "\0").partition("\0")[0] in said
    talking.digest()
    clock.pass_time(days=1)
    _, said = found(talking, language)
    (normal,) = [row for row in cells(tables(talking)[1]) if row[0] == "normal"]
    assert "2026-02-20" in said
    assert texts.aside(normal[2], normal[3]) in said
    assert "OPENAI_DEPTH=normal" in said


def test_a_depth_that_is_set_is_told_with_what_it_takes(talk):
    verdict, said = found(talk(depth=Depth.DEEP), chosen=True)
    assert (verdict, said.startswith("deep. ")) == (Verdict.FINE, True)


def test_the_settings_say_whether_somebody_chose_and_what_a_cached_token_costs(monkeypatch):
    with ModelServer() as model:
        for name, value in {"MODEL": "test-model", "API_KEY": model.key, "BASE_URL": model.url}.items():
            monkeypatch.setenv(f"OPENAI_{name}", value)
        said = CliRunner().invoke(cli, ["doctor"]).output
        assert "! Depth: how deep should analyses go?" in said
        monkeypatch.setenv("OPENAI_DEPTH", "deep")
        monkeypatch.setenv("OPENAI_CACHED_PRICE", "0.25")
        assert "✓ Depth: deep. " in CliRunner().invoke(cli, ["doctor"]).output
        with parts.program() as program:
            assert program.bill.limits.cached_price == 0.25
            spend(program.store, Usage("test-model", 9, 9, 1), "batch.v1", NOW)
    monkeypatch.delenv("OPENAI_DEPTH")
    with parts.program() as program:
        assert (program.app.depth, program.app.chosen) == (Depth.BRIEF, False)


def test_without_a_model_there_is_no_depth(talk):
    talking = talk()
    talking.app.model = None
    assert "depth" not in {f.subject for f in operator.examine(talking.app, talking.store, "digest.db")}


# --- The first digest ------------------------------------------------------------------------


class Told(Bot):
    """A worker with a model, on an installation that stays brief."""

    def __init__(self, folder, server, time, model):
        super().__init__(folder, server, time)
        self.world.app.model = Asker(OpenAIModel("test-model", model.key, model.url, 20, 8), self.world.bill)
        self.world.app.chosen = False


@pytest.fixture
def bot(tmp_path):
    time = Time(WORKING_DAY - timedelta(hours=12))
    with ModelServer(answer=answer) as model, SlackServer(time.seconds, channels=("C1",)) as server:
        made = Told(tmp_path, server, time, model)
        yield made
        made.worker.stop(5)
        made.world.close()


def depths_logged(caplog):
    return [record.fields for record in caplog.records if "OPENAI_DEPTH" in record.getMessage()]


def test_the_first_digest_tells_in_the_log_what_each_depth_takes_and_the_next_ones_do_not(bot, caplog):
    caplog.set_level(logging.INFO, "digest")
    bot.follow(CHANNEL)
    for day in (0, 1):
        bot.commit(f"one{day}", WORKING_DAY + timedelta(days=day, hours=3), f"feat(api)!: replace it {day}")
    bot.at("19T09:00")
    (fields,) = depths_logged(caplog)
    took = sum(s.tokens for s in bot.world.bill.today())
    assert fields["tokens_brief"] == cost.about(took)
    assert fields["tokens_brief"] < fields["tokens_normal"] < fields["tokens_deep"]
    assert fields["next"] == "OPENAI_DEPTH=normal"
    bot.at("20T09:00")
    assert len(depths_logged(caplog)) == 1


@pytest.mark.parametrize("change", [{"chosen": True}, {"depth": Depth.NORMAL}])
def test_where_somebody_chose_or_normal_holds_the_log_says_nothing(bot, caplog, change):
    caplog.set_level(logging.INFO, "digest")
    for name, value in change.items():
        setattr(bot.world.app, name, value)
    bot.follow(CHANNEL)
    bot.commit("one", WORKING_DAY + timedelta(hours=3), "feat(api)!: replace it")
    bot.at("19T09:00")
    assert any(record.getMessage() == "built" for record in caplog.records)
    assert depths_logged(caplog) == []


def test_the_doctor_takes_the_commits_of_the_last_digests_that_were_posted_where_nothing_was_measured(bot):
    bot.world.app.model, model = None, bot.world.app.model
    bot.follow(CHANNEL)
    bot.commit("one", WORKING_DAY + timedelta(hours=3), "feat(api)!: replace it")
    bot.at("19T09:00")
    bot.world.app.model = model
    spend(bot.store, Usage("test-model", 9, 9, 1), "analysis.v1", WORKING_DAY)
    _, said = found(bot.world)
    assert "2026-02-18" in said
    (digest,) = bot.store.recent_digests(bot.repo, "main", "en", 9)
    assert f"{cost.about(cost.of_commits(digest.entries)[Depth.NORMAL].tokens):,} at normal" in said
