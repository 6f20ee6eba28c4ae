"""`owner/*`: one subscription and one headline for all repositories whose names begin so."""

import json
from dataclasses import replace
from datetime import timedelta
from random import Random
from types import SimpleNamespace

import feishu_checks
import pytest
import samples
import slack_checks
from github_server import TOKEN, GitHubServer
from repositories import Builder, lines
from test_github_source import source as github
from test_worker import CHANNEL, DAY, Time, opened
from world import HOME, World, words

from adapters.chats.feishu import cards
from adapters.chats.slack import blocks
from adapters.sources.git.source import GitSource
from bot.addresses import is_group
from bot.conversation import operator
from bot.conversation.agents import OperatorsAgents
from bot.conversation.commands import ask
from bot.delivery.early import coming_job
from bot.errors import Forbidden, NoRight, NotFound, Unavailable, UsageError
from bot.posts import group, report
from bot.rights import Right, Rights, Who
from bot.texts import Texts
from bot.values import DeliveryState, Filters, Place, Request, StepState, Subscription, Table, Threads

OTHER = Place("slack", "T1/C2")


@pytest.fixture
def time():
    return Time(DAY - timedelta(hours=12))


@pytest.fixture
def bot(tmp_path, time):
    with opened(tmp_path, time) as made:
        made.group = f"{tmp_path}/team-*"
        made.builders = {}
        for name in ("a", "b", "c"):
            commit(made, name, "root", DAY - timedelta(days=30))
        yield made
        made.worker.stop(5)


def commit(bot, repo, name, at, subject=""):
    """A commit in one of the repositories of the team."""
    build = bot.builders.setdefault(repo, Builder(bot.folder / f"team-{repo}"))
    build.commit(name, at, {f"src/{name}.py": lines(1, 20, name)}, message=subject or f"fix: {name}")
    build.finish()


def follow(bot, place=CHANNEL, repo="", **fields):
    repo = repo or bot.group
    known = {"schedule": "0 9 * * *", "zone": "UTC", "language": "en", "created": bot.time.moment}
    return bot.store.subscribe(Subscription(place, repo, **(known | fields)))


def told(bot, followed):
    """By delivery the titles of what it told, repository by repository."""
    found = []
    for delivery in reversed(bot.store.deliveries(followed.id)):
        digests = [bot.store.digest(key) for key in delivery.digests]
        found.append([f"{d.repository.title}:{e.commit.subject}" for d in digests for e in d.entries])
    return found


def test_all_repositories_with_commits_have_one_headline(bot):
    followed = follow(bot)
    commit(bot, "a", "one", DAY + timedelta(hours=3))
    commit(bot, "b", "two", DAY + timedelta(hours=4), "feat!: drop the old endpoint")
    bot.at("18T09:00")
    assert bot.tops() == []  # nothing landed on the 17th
    bot.at("19T09:00")
    (headline,) = bot.tops()
    said = str(headline)
    for part in ("team-a", "team-b", "drop the old endpoint", "Repositories with commits: 2 of 3."):
        assert part in said, part
    assert any("fix: one" in each for each in bot.said())  # a message of Slack's has one table
    assert "team-c" not in said
    bot.at("19T23:00")
    commit(bot, "b", "three", DAY + timedelta(hours=40))
    bot.at("20T09:00")
    assert len(bot.tops()) == 2
    assert told(bot, followed) == [
        [],
        ["team-a:fix: one", "team-b:feat!: drop the old endpoint"],
        ["team-b:fix: three"],
    ]


def test_a_repository_that_fails_costs_its_own_part_and_is_told_of_from_where_it_was_left(bot, monkeypatch):
    followed = follow(bot)
    bot.at("18T09:00")
    landed, read = bot.world.source.landed, []

    def fail(repo, *rest):
        read.append(repo[-1])
        if repo.endswith("team-b"):
            raise Unavailable("host_unreachable", host="b")
        return landed(repo, *rest)

    for name in ("a", "b"):
        commit(bot, name, "one", DAY + timedelta(hours=3), f"fix: {name} one")
    monkeypatch.setattr(bot.world.source, "landed", fail)
    bot.at("19T09:00")
    assert bot.tops() == []  # it may pass
    for _ in range(5):
        bot.time.moment += timedelta(minutes=5)
        bot.tick()
    (headline,) = bot.tops()
    assert "fix: a one" in str(headline)
    assert "team-b could not be read" in str(headline)
    assert read.count("a") == 1  # what was read once is not read again
    monkeypatch.undo()
    commit(bot, "b", "two", DAY + timedelta(hours=30), "fix: b two")
    bot.at("20T09:00")
    assert told(bot, followed) == [[], ["team-a:fix: a one"], ["team-b:fix: b two", "team-b:fix: b one"]]


def test_where_no_repository_can_be_read_the_digest_waits(bot, monkeypatch):
    followed = follow(bot)
    bot.at("18T09:00")
    commit(bot, "a", "one", DAY + timedelta(hours=3))

    def fail(*_):
        raise Forbidden("repository_unreadable", repo="x")

    monkeypatch.setattr(bot.world.source, "landed", fail)
    bot.at("19T09:00")
    assert bot.tops() == []
    monkeypatch.undo()
    bot.at("19T10:00")
    assert len(bot.tops()) == 1
    assert told(bot, followed)[-1] == ["team-a:fix: one"]


def test_what_comes_to_the_group_is_announced_once_and_what_left_comes_back_where_it_was(bot):
    followed = follow(bot)
    bot.at("18T09:00")
    commit(bot, "new", "first", DAY + timedelta(hours=3))
    (bot.folder / "team-a").rename(bot.folder / "aside")
    bot.at("19T09:00")
    (headline,) = bot.tops()
    assert "New here: team-new" in str(headline)
    bot.at("19T23:00")
    (bot.folder / "aside").rename(bot.folder / "team-a")
    commit(bot, "a", "back", DAY + timedelta(hours=30))
    bot.at("20T09:00")
    assert "New here" not in str(bot.tops()[1])
    assert told(bot, followed) == [[], ["team-new:fix: first"], ["team-a:fix: back"]]


def test_a_repository_that_is_renamed_goes_on_where_it_was(bot, monkeypatch):
    monkeypatch.setattr("github.Requester.time", SimpleNamespace(sleep=lambda _: None))
    bot.world.repositories.rights = Rights()
    commit(bot, "a", "one", DAY - timedelta(hours=3))
    before = {"Team/app": bot.folder / "team-a", "Team/old": bot.folder / "team-b"}
    with GitHubServer(before) as server:
        bot.world.sources = lambda _: github(server, TOKEN)
        followed = follow(bot, repo="Team/*")
        bot.at("18T09:00")
    commit(bot, "b", "late", DAY - timedelta(days=5), "fix: made long before it landed")
    after = {"Team/app": bot.folder / "team-a", "Team/lib": bot.folder / "team-b"}
    with GitHubServer(after, moved={"Team/old": "Team/lib"}) as server:
        bot.at("19T09:00")
    assert told(bot, followed) == [["Team/app:fix: one"], ["Team/lib:fix: made long before it landed"]]
    assert "New here" not in str(bot.tops()[-1])


def test_each_digest_is_built_once_and_shared_with_who_follows_one_repository(bot, monkeypatch):
    built, build = [], bot.world.app.build

    def count(request, account):
        built.append(request.repository.title)
        return build(request, account)

    monkeypatch.setattr(bot.world.app, "build", count)
    follow(bot)
    follow(bot, OTHER)
    follow(bot, OTHER, f"{bot.folder}/team-a")
    commit(bot, "a", "one", DAY + timedelta(hours=3))
    commit(bot, "b", "two", DAY + timedelta(hours=4))
    bot.at("19T09:00")
    assert len(bot.tops()) == 1
    assert len(bot.tops("C2")) == 2
    assert sorted(built) == ["team-a", "team-b"]


def test_digests_of_a_group_are_built_before_their_slot(bot, monkeypatch):
    followed = follow(bot)
    commit(bot, "a", "one", DAY + timedelta(hours=3))
    bot.at("18T09:00")
    bot.time.moment = DAY + timedelta(hours=32, minutes=45)
    job = coming_job(followed, bot.store.deliveries(followed.id)[0], bot.time.moment)
    bot.worker.early.build([job])
    monkeypatch.setattr(bot.world.app, "build", None)  # nothing is left to build
    bot.at("19T09:00")
    assert told(bot, followed) == [[], ["team-a:fix: one"]]


def test_what_a_channel_may_not_see_is_named_nowhere(bot):
    pattern = f"{bot.folder}/team-a"
    bot.world.repositories.rights = Rights((), (Right("T1", "C1", pattern),))
    answer = bot.world.ask(f"subscribe {bot.group} at 09:00 on daily zone UTC", CHANNEL)
    said = [words(message) for post in answer for message in (post.headline, *post.replies)]
    commit(bot, "a", "one", DAY + timedelta(hours=3))
    commit(bot, "b", "secret", DAY + timedelta(hours=4))
    bot.at("19T09:00")
    assert len(bot.tops()) == 1
    said += [bot.world.said("list", CHANNEL), bot.world.said(f"2026-02-18 {bot.group}", CHANNEL), *bot.said()]
    assert "team-a" in "".join(said)
    for secret in ("team-b", "secret", "team-c"):
        assert secret not in "".join(said)
    hidden = [bot.world.said(f"subscribe {bot.folder}/{name}-*", OTHER) for name in ("team", "none")]
    assert hidden[0].replace("team", "none") == hidden[1]
    bot.world.repositories.rights = Rights()
    commit(bot, "a", "later", DAY + timedelta(hours=30))
    before = len(bot.said())
    bot.at("20T09:00")
    assert all("later" not in each for each in bot.said()[before:])
    assert bot.store.subscriptions(CHANNEL)[0].paused == "denied"


def test_what_came_to_the_group_and_went_before_it_was_read_is_named_nowhere(bot, monkeypatch):
    followed = follow(bot)
    commit(bot, "a", "zero", DAY - timedelta(hours=3))
    bot.at("18T09:00")
    commit(bot, "a", "one", DAY + timedelta(hours=3))
    commit(bot, "new", "secret", DAY + timedelta(hours=3))
    landed = bot.world.source.landed

    def fail(repo, *rest):
        if repo.endswith("new"):
            raise Unavailable("host_unreachable", host="new")
        return landed(repo, *rest)

    monkeypatch.setattr(bot.world.source, "landed", fail)
    bot.at("19T09:00")
    assert any(m.new for m in bot.store.deliveries(followed.id)[0].members)
    monkeypatch.setattr(bot.world.source, "landed", landed)
    allowed = tuple(Right("T1", "C1", f"{bot.folder}/team-{name}") for name in "abc")
    bot.world.repositories.rights = Rights((), allowed)
    bot.at("19T10:00")
    assert told(bot, followed)[-1] == ["team-a:fix: one"]
    assert not any("team-new" in each for each in bot.said())


def test_rights_that_end_while_a_digest_is_sent_keep_the_rest_of_it_back(bot, monkeypatch):
    follow(bot)
    commit(bot, "a", "one", DAY + timedelta(hours=3), "feat!: a breaks")
    commit(bot, "b", "two", DAY + timedelta(hours=4), "feat!: b breaks")
    post = bot.chat.post

    def end(place, message, once=None):
        sent = post(place, message, once)
        bot.world.repositories.rights = Rights((), (Right("T1", "C1", f"{bot.folder}/team-a"),))
        raise Unavailable("slack_failed", error="x") if message.key == "headline" and sent else AssertionError

    monkeypatch.setattr(bot.chat, "post", end)
    bot.at("19T09:00")
    monkeypatch.undo()
    before = len(bot.said())
    bot.at("19T10:00")
    replies = bot.said()[before:]
    assert any("a breaks" in each for each in replies)
    assert not any("b breaks" in each for each in replies)


def test_a_digest_of_a_group_is_posted_once_whoever_is_killed(bot, monkeypatch):
    followed = follow(bot)
    commit(bot, "a", "one", DAY + timedelta(hours=3))
    commit(bot, "b", "two", DAY + timedelta(hours=4))
    bot.killed_after_sending(monkeypatch)
    (delivery,) = [d for d in bot.store.deliveries(followed.id) if d.digest]
    assert {step.state for step in delivery.steps} == {StepState.INTENDED}
    bot.worker = bot.another()
    bot.at("19T09:30")
    assert len(bot.tops()) == 1
    assert told(bot, followed)[-1] == ["team-a:fix: one", "team-b:fix: two"]


def test_a_process_that_dies_while_it_gathers_leaves_what_it_has_read(bot, monkeypatch):
    followed = follow(bot)
    bot.at("18T09:00")
    for name in ("a", "b", "c"):
        commit(bot, name, "one", DAY + timedelta(hours=3), f"fix: {name}")
    landed, read = bot.world.source.landed, []

    def die(repo, *rest):
        read.append(repo[-1])
        if read == ["a", "b"]:
            raise KeyboardInterrupt
        return landed(repo, *rest)

    monkeypatch.setattr(bot.world.source, "landed", die)
    bot.time.moment = DAY + timedelta(hours=33)
    bot.worker.tick()
    bot.worker.drain(60)
    bot.worker = bot.another()
    bot.at("19T09:30")
    assert read == ["a", "b", "b", "c"]
    assert told(bot, followed)[-1] == ["team-a:fix: a", "team-b:fix: b", "team-c:fix: c"]


def test_each_commit_is_told_once_over_days_on_which_repositories_fail(bot, monkeypatch):
    followed, drawn, broken, made = follow(bot), Random(7), set(), []
    landed = bot.world.source.landed

    def fail(repo, *rest):
        if repo[-1] in broken:
            raise Forbidden("repository_unreadable", repo=repo)
        return landed(repo, *rest)

    monkeypatch.setattr(bot.world.source, "landed", fail)
    for day in range(7):
        for name in "abc":
            if drawn.random() < 0.7 and day < 6:
                made.append(f"team-{name}:fix: {name}{day}")
                late = timedelta(days=drawn.choice((0, 0, 3)))  # it landed long after it was made
                commit(bot, name, f"{name}{day}", DAY + timedelta(days=day, hours=drawn.randrange(1, 9)) - late)
        broken = {name for name in "abc" if drawn.random() < 0.4 and day < 6}
        bot.at(f"{19 + day}T09:00")
        if day == 3:
            bot.worker = bot.another()
    found = [each for delivery in told(bot, followed) for each in delivery]
    assert sorted(found) == sorted(made)
    assert len(made) > 8


def test_a_digest_of_a_group_that_was_given_up_is_built_anew_when_it_is_tried_again(bot, monkeypatch):
    followed = follow(bot)
    bot.at("18T09:00")
    commit(bot, "a", "one", DAY + timedelta(hours=3))

    def refuse(*_):
        raise Unavailable("slack_failed", error="x")

    monkeypatch.setattr(bot.chat, "post", refuse)
    bot.at("19T09:00")
    (delivery,) = bot.store.deliveries(followed.id, DeliveryState.DUE)
    bot.store.keep_delivery(replace(delivery, state=DeliveryState.FAILED))
    assert bot.store.delivered_shas(followed.id, 0) == set()
    monkeypatch.undo()
    operator.retry(bot.store, delivery.id, bot.time.moment)
    bot.tick()
    assert told(bot, followed) == [[], ["team-a:fix: one"]]
    assert len(bot.store.delivered_shas(followed.id, 0)) == 1


def test_a_commit_of_a_fork_is_told_once(bot):
    followed = follow(bot)
    for name in ("x", "y"):
        commit(bot, name, "same", DAY + timedelta(hours=3))
    commit(bot, "y", "more", DAY + timedelta(hours=4))
    bot.at("19T09:00")
    assert told(bot, followed)[-1] == ["team-x:fix: same", "team-y:fix: more"]


def test_what_became_of_a_commit_is_said_in_the_thread_of_the_group(bot):
    followed = follow(bot)
    commit(bot, "a", "one", DAY + timedelta(hours=3))
    sha = bot.builders["a"].finish().sha("one")
    bot.at("19T09:00")
    commit(bot, "a", "undone", DAY + timedelta(hours=40), f'Revert "fix: one"\n\nThis reverts commit {sha}.')
    commit(bot, "b", "other", DAY + timedelta(hours=40))
    bot.at("20T09:00")
    first, _ = bot.tops()
    thread = bot.server.thread("C1", first["ts"])
    assert sum("reverted by" in str(message) for message in thread) == 1
    assert [f.repo for f in bot.store.deliveries(followed.id)[0].follow_ups] == [f"{bot.folder}/team-a"]


def test_a_thread_in_which_something_is_said_later_is_still_about_its_own_digest(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    sha = bot.build.finish().sha("one")
    bot.at("19T09:00")
    bot.commit("undone", DAY + timedelta(hours=40), f'Revert "fix: one"\n\nThis reverts commit {sha}.')
    bot.at("20T09:00")
    thread = replace(CHANNEL, thread=bot.tops()[0]["ts"])
    said = bot.world.said("which files does it change?", thread)
    assert "src/one.py" in said
    assert "src/undone.py" not in said


def test_of_many_repositories_the_weightiest_have_a_table_and_the_report_has_all(bot, monkeypatch):
    monkeypatch.setattr(group, "TABLES", 2)
    for name, subject in (("a", "docs: a"), ("b", "feat!: b"), ("c", "fix: c")):
        commit(bot, name, "one", DAY + timedelta(hours=3), subject)
    bot.time.moment = DAY + timedelta(hours=33)
    (answer,) = bot.world.ask(f"2026-02-18 {bot.group}", HOME)
    assert [part.heading for part in answer.headline.parts if isinstance(part, Table)] == ["team-b", "team-c"]
    assert "Tables are shown for 2 of 3 repositories" in words(answer.headline)
    (markdown, _) = answer.replies[-1].parts
    assert all(subject in markdown.text for subject in ("docs: a", "feat!: b", "fix: c"))


def test_a_day_without_commits_is_told_as_that_day(bot):
    bot.time.moment = DAY + timedelta(hours=33)
    (answer,) = bot.world.ask(f"2026-02-10 {bot.group}", HOME)
    assert "2026-02-10" in words(answer.headline)
    assert "Repositories with commits: 0 of 3." in words(answer.headline)
    (answer,) = bot.world.ask(f"report 2026-02-10 {bot.group}", HOME)
    assert "Repositories with commits: 0 of 3." in words(answer.headline)
    agents = OperatorsAgents(lambda repo: bot.world.speaking(replace(bot.world.defaults, repo=repo)), HOME, "U1")
    assert "2026-02-10" in agents.digest("2026-02-10", bot.group)


def test_an_agent_is_told_which_repositories_are_missing_in_a_report(bot, monkeypatch):
    commit(bot, "a", "one", DAY + timedelta(hours=3))
    bot.time.moment = DAY + timedelta(hours=33)
    commits = bot.world.source.commits

    def fail(repo, *rest):
        if repo.endswith("team-b"):
            raise Unavailable("slack_failed", error="b is lost")
        return commits(repo, *rest)

    monkeypatch.setattr(bot.world.source, "commits", fail)
    agents = OperatorsAgents(lambda repo: bot.world.speaking(replace(bot.world.defaults, repo=repo)), HOME, "U1")
    report = agents.digest("2026-02-18", bot.group)
    assert "fix: one" in report
    assert "b is lost" in report.splitlines()[-1]


def test_what_is_told_aloud_of_a_repository_without_news_is_told_all_the_same(bot):
    followed = follow(bot, threads=Threads.NONE, filters=Filters(paths=("src/one.py", "src/other.py")))
    commit(bot, "a", "one", DAY + timedelta(hours=3))
    sha = bot.builders["a"].finish().sha("one")
    bot.at("19T09:00")
    commit(bot, "a", "undone", DAY + timedelta(hours=40), f'Revert "fix: one"\n\nThis reverts commit {sha}.')
    commit(bot, "b", "other", DAY + timedelta(hours=40))
    bot.at("20T09:00")
    commit(bot, "a", "other", DAY + timedelta(hours=60))
    bot.at("21T09:00")
    assert [len(d.follow_ups) for d in bot.store.deliveries(followed.id)][:2] == [1, 1]
    assert sum("reverted by" in str(message) for message in bot.tops()) == 1


def test_releases_of_a_group_are_one_answer(bot):
    bot.world.repositories.rights = Rights((), (Right("T1", "", f"{bot.folder}/*"),))
    for name in ("a", "b"):
        commit(bot, name, "one", DAY - timedelta(hours=20))
        for number in range(5):
            bot.builders[name].tag(f"v1.{number}.0", "one", DAY - timedelta(hours=19 - number))
        bot.builders[name].finish()
    bot.world.ask(f"subscribe {bot.group} at 9am daily", CHANNEL)
    (answer,) = bot.world.ask("releases", CHANNEL)
    said = words(answer.headline)
    assert said.index("team-a") < said.index("v1.4.0") < said.index("team-b")
    assert "v1.1.0" not in said
    assert "team-c" not in said
    assert "v1.0.0" in bot.world.said(f"releases {bot.folder}/team-a", CHANNEL)


def test_who_knows_a_path_of_a_group_is_one_answer(bot, monkeypatch):
    bot.world.repositories.rights = Rights((), (Right("T1", "", f"{bot.folder}/*"),))
    for name in ("a", "b", "c"):
        commit(bot, name, "one", DAY - timedelta(hours=20))
    bot.world.ask(f"subscribe {bot.group} at 9am daily", CHANNEL)
    monkeypatch.setattr(ask, "_REPOSITORIES", 2)
    (answer,) = bot.world.ask("who knows src/one.py?", CHANNEL)
    said = words(answer.headline)
    assert said.index("team-a") < said.index("team-b") < said.index("1 more")


def test_a_group_is_asked_listed_and_ended_as_any_other(bot):
    bot.world.repositories.rights = Rights((), (Right("T1", "", f"{bot.folder}/*"),))
    (begun,) = bot.world.ask(f"subscribe {bot.group} at 9am daily", CHANNEL)
    assert "3 (team-a, team-b, team-c)" in words(begun.headline)
    commit(bot, "a", "one", DAY - timedelta(hours=20), "fix: one (#7)")
    (shown,) = bot.world.ask("2026-02-17", CHANNEL)
    assert "Repositories with commits: 1 of 3." in words(shown.headline)
    assert "fix: one" in bot.world.said("#7", CHANNEL)
    assert "Nothing found" in bot.world.said("#8", CHANNEL)
    assert "fix: one" in bot.world.said("search one", CHANNEL)
    assert "fix: one" in bot.world.said(f"latest {bot.group}", CHANNEL)
    assert "team-*" in bot.world.said("list", CHANNEL)
    assert bot.world.ask("report 2026-02-17", CHANNEL)[0].headline.key == "report"
    assert "own default branch" in bot.world.said(f"subscribe {bot.group} branch main", CHANNEL)
    bot.world.ask(f"unsubscribe {bot.group}", CHANNEL)
    assert bot.store.subscriptions(CHANNEL) == ()


@pytest.mark.parametrize(("kind", "language"), [("normal", "en"), ("normal", "zh"), ("hostile", "en")])
def test_a_headline_of_twenty_repositories_is_taken_by_every_chat(kind, language):
    one, texts = samples.digest(kind, language), Texts(language)
    many = tuple(
        replace(one, repository=replace(one.repository, name=f"team/app-{n}", title=f"team/app-{n}")) for n in range(22)
    )
    failed = tuple((f"team/gone-{n} <!channel>", "@everyone") for n in range(7))
    whole = group.Group("team/*", one.period, 30, many, ("team/new",), failed, "team/*")
    post = group.group_post(whole, texts, report.gathered("team/*", many, texts))
    for message in (post.headline, *post.replies):
        for page in blocks.render(message).pages:
            slack_checks.check_message(
                {"text": page.text, "blocks": list(page.blocks), "unfurl_links": False, "unfurl_media": False}
            )
        for card in cards.render(message).pages:
            feishu_checks.check_card(card, body_bytes=len(json.dumps(card, ensure_ascii=False).encode()))
            assert feishu_checks.unwanted(card) == []


# --- Its parts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("owner/*", True),
        ("owner/team-*", True),
        ("/srv/git/*", True),
        ("./team-*", True),
        ("owner/app", False),
        ("*", False),
        ("owner/*/x", False),
        ("*/app", False),
        ("a*/b*", False),
        ("https://git.example.com/team/*", False),
        ("git@example.com:team/*", False),
    ],
)
def test_a_group_ends_in_a_star(name, group):
    assert is_group(name) is group


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("team/app-*", "team/app-*"),
        ("https://github.com/team/*", "team/*"),
        ("GitHub.com/team/app-*", "team/app-*"),
        ("https://gitlab.com/team/*", ""),
        ("git@github.com:team/*", ""),
        ("te*m/app*", ""),
    ],
)
def test_a_group_goes_by_its_name_or_address(tmp_path, time, typed, meant):
    world = World(tmp_path, time)
    naming = world.interpreter.context(Request("", CHANNEL, "U1")).naming
    if meant:
        assert naming.spelled(typed) == meant
    else:
        with pytest.raises(UsageError) as refused:
            naming.spelled(typed)
        assert refused.value.key == "group_unclear"
    world.close()


def test_the_folders_of_a_group_are_repositories_that_lie_there(tmp_path):
    for name in ("team-a", "team-b.git", "other"):
        build = Builder(tmp_path / name)
        build.commit("one", DAY, {"a.py": "b = 1\n"})
        build.finish()
    (tmp_path / "team-plain").mkdir()
    (tmp_path / "team-file").write_text("no")
    (tmp_path / "team-link").symlink_to(tmp_path / "other")
    source = GitSource(tmp_path / "clones")
    found = source.group(f"{tmp_path}/team-*")
    assert [each.name for each in found] == [f"{tmp_path}/team-a", f"{tmp_path}/team-b.git"]
    assert all(each.private for each in found)
    assert source.group(f"{tmp_path}/none-*") == ()
    with pytest.raises(NotFound):
        source.group(f"{tmp_path}/nowhere/*")


def test_an_organisation_is_listed_whole_and_a_person_has_public_repositories(tmp_path, monkeypatch):
    monkeypatch.setattr("github.Requester.time", SimpleNamespace(sleep=lambda _: None))
    build = Builder(tmp_path / "app")
    build.commit("one", DAY, {"a.py": "b = 1\n"})
    path = build.finish().path
    many = [f"Team/app-{n:03}" for n in range(150)]
    names = [*many, "Team/old", "Team/secret", "ann/tool", "ann/diary"]
    private = ["Team/secret", "ann/diary"]
    with GitHubServer(dict.fromkeys(names, path), private=private, people=["ann"], archived=["Team/old"]) as server:
        known, nobody = github(server, TOKEN), github(server, "")
        assert [r.name for r in known.group("team/app-*")] == many
        assert [r.name for r in known.group("team/*")] == [*many, "Team/secret"]
        assert known.group("team/*")[-1].private
        assert [r.name for r in nobody.group("team/*")] == many
        assert [r.name for r in known.group("ann/*")] == ["ann/tool"]
        with pytest.raises(NotFound):
            known.group("nobody/*")


def test_of_an_organisation_a_channel_sees_what_is_public_and_what_it_has_a_right_to(tmp_path, monkeypatch, time):
    monkeypatch.setattr("github.Requester.time", SimpleNamespace(sleep=lambda _: None))
    paths = {}
    for name in ("app", "lib", "secret"):
        build = Builder(tmp_path / name)
        build.commit("one", DAY + timedelta(hours=3), {f"{name}.py": lines(1, 9)}, message=f"fix: in {name}")
        paths[f"Team/{name}"] = build.finish().path
    time.moment = DAY + timedelta(hours=33)
    world = World(tmp_path, time, rights=[Right("T1", "C2", "team/secret")])
    with GitHubServer(paths, private=["Team/secret"]) as server:
        source = github(server, TOKEN)
        world.sources = lambda _: source
        (begun,) = world.ask("subscribe team/* at 9am daily", CHANNEL)
        assert "2 (Team/app, Team/lib)" in words(begun.headline)
        assert world.store.subscriptions(CHANNEL)[0].repo == "Team/*"
        (open_to_all,) = world.ask("2026-02-18 team/*", CHANNEL)
        (with_right,) = world.ask("2026-02-18 team/*", OTHER)
    world.close()
    said = [words(m) for m in (open_to_all.headline, *open_to_all.replies)]
    assert "Repositories with commits: 2 of 2." in said[0]
    assert "secret" not in "".join(said)
    assert "Repositories with commits: 3 of 3." in words(with_right.headline)
    assert "fix: in secret" in words(with_right.headline)


def test_a_group_is_bounded_by_what_may_be_followed():
    rights = Rights(("team/app-*",), (Right("T1", "C1", "/srv/git/a*"),))
    who, other = Who(Place("slack", "T1/C1")), Who(Place("slack", "T2/C1"))
    assert [rights.may_hold(name, who) for name in ("team/*", "team/app-x*", "team/lib*", "other/*")] == [
        True,
        True,
        False,
        False,
    ]
    assert [rights.may_hold("/srv/git/*", each) for each in (who, other)] == [True, False]


def test_who_may_see_nothing_of_a_group_is_told_the_same_whether_or_not_it_is_there(tmp_path, time):
    world = World(tmp_path, time, rights=[])
    for name in ("/nowhere/*", f"{tmp_path}/*"):
        with pytest.raises(NoRight) as refused:
            world.run(f"subscribe {name}", CHANNEL)
        assert refused.value.key == "repo_not_allowed"
    world.close()
