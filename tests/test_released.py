"""Releases as events: told on their day and once, digests of a release and of a range, and where one commit is."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from repositories import Builder, git, lines
from samples import digest as sample
from test_worker import CHANNEL, DAY, Bot, Time, opened
from world import HOME, World, words

from bot.commits.releases import main_line
from bot.conversation import operator
from bot.conversation.grammar import is_release, is_repository
from bot.delivery.tagged import LATE, MOST, news
from bot.errors import NotFound, Unavailable, UsageError
from bot.posts.post import post
from bot.posts.report import FORMATS
from bot.texts import Texts
from bot.values import EPOCH, Buttons, Delivery, Filters, MessageKind, Release, Released

NOTES = """v0.21.0rc1

## Breaking changes

- The port option is gone. Use `--listen` instead (#12).

## Features

- A faster start.
"""


def at(day: float, hour: float = 0) -> datetime:
    return DAY + timedelta(days=day, hours=hour)


def product(path):
    """A repository with v0.20.0 on main, and on the 18th v0.20.1 of a release branch and v0.21.0rc1 of main."""
    build = Builder(path)
    build.commit("root", at(-30), {"app.py": lines(1, 9), "src/port.py": lines(1, 9)})
    build.commit("one", at(-20), {"app.py": lines(1, 10)}, message="feat: the first (#1)")
    build.ref("refs/tags/v0.20.0", "one")
    build.ref("refs/tags/latest", "one")
    build.commit("two", at(-10), {"src/port.py": lines(1, 5)}, message="feat(api)!: the port option is gone (#12)")
    build.commit("fix", at(-5), {"app.py": lines(1, 12)}, message="fix: a wrong total (#13)")
    build.commit("port", at(0, 2), {"app.py": lines(1, 10) + "line 11\nline 12\n"},
                 message="[v0.20] fix: a wrong total (#31)", branch="releases/v0.20", parents=["one"])  # fmt: skip
    build.commit("own", at(0, 3), {"app.py": lines(1, 14)}, message="fix: only here (#32)", branch="releases/v0.20")
    build.tag("v0.20.1", "own", at(0, 4))
    build.commit("five", at(0, 5), {"src/new.py": lines(1, 20)}, message="feat: something new (#14)")
    build.tag("v0.21.0rc1", "five", at(0, 6), NOTES)
    build.ref("refs/tags/nightly-2026-02-18", "five")
    build.commit("six", at(1, 5), {"src/new.py": lines(1, 30)}, message="fix: what was new (#15)")
    return build.finish()


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    return product(tmp_path_factory.mktemp("product") / "app")


@pytest.fixture
def world(tmp_path, clock, history):
    made = World(tmp_path, clock, str(history.path))
    yield made
    made.close()


# --- A day ------------------------------------------------------------------------------------


def test_the_releases_of_a_day_lead_its_headline(world):
    (said,) = world.ask("/digest 2026-02-18")
    text = words(said.headline)
    first = text.index("v0.21.0rc1  · 06:00 · 3 commits since v0.20.1")
    second = text.index("v0.20.1  · 04:00 · 2 commits")
    assert text.index("Releases") < first < second < text.index("1 commit | ")
    assert "breaking:  The port option is gone. Use `--listen` instead" in text
    assert "all of them only on the release branch" in text
    assert "nightly" not in text
    assert "latest" not in text


def test_commits_of_a_release_branch_are_listed_beneath_and_are_no_rows(world):
    (said,) = world.ask("/digest 2026-02-18")
    beneath = next(m for m in said.replies if m.key == "release:v0.20.1")
    assert "v0.20.1: only on the release branch" in words(beneath)
    assert "fix: only here" in words(beneath)
    assert "a wrong total" in words(beneath)
    assert "only here" not in words(said.headline)
    assert "something new" in words(said.headline)


def test_a_day_without_a_release_says_nothing_of_them(world):
    (said,) = world.ask("/digest 2026-02-19")
    assert "Releases" not in words(said.headline)
    assert not any(m.key.startswith("release:") for m in said.replies)


def test_what_breaks_is_told_from_commits_where_no_notes_say_it(tmp_path, clock):
    build = Builder(tmp_path / "app")
    build.commit("root", at(-9), {"a.py": "1\n"})
    build.ref("refs/tags/v1.0.0", "root")
    build.commit("bang", at(-1), {"a.py": "2\n"}, message="feat!: the old names are gone (#4)")
    note = "---\nupgrade:\n  - |\n    The option ``depth`` must now be set by every operator.\n"
    build.commit("note", at(-1), {"releasenotes/notes/x-1.yaml": note}, message="Depth is explicit (#5)")
    build.commit("tidy", at(0, 1), {"a.py": "3\n"}, message="chore: tidy (#6)")
    build.ref("refs/tags/v2.0.0", "tidy")
    made = World(tmp_path, clock, str(build.finish().path))
    (said,) = made.ask("/digest 2026-02-18")
    text = words(said.headline)
    assert "the old names are gone" in text
    assert "The option `depth` must now be set by every operator." in text
    made.close()


def test_packages_that_were_released_together_share_one_line(tmp_path, clock):
    build = Builder(tmp_path / "kit")
    build.commit("root", at(-9), {"a.py": "1\n"})
    build.ref("refs/tags/@team/cli@1.0.0", "root")
    build.commit("bump", at(0, 1), {"a.py": "2\n"})
    for number in range(20):
        build.ref(f"refs/tags/@team/p{number:02}@1.1.0", "bump")
    made = World(tmp_path, clock, str(build.finish().path))
    (said,) = made.ask("/digest 2026-02-18")
    (released,) = [part for part in said.headline.parts if getattr(part, "heading", "") == "Releases"]
    assert len(released.lines) == 1
    text = "".join(span.text for span in released.lines[0])
    assert text.startswith("@team/p19@1.1.0, @team/p18@1.1.0, ")
    assert text.endswith(", 7 more · 01:00 · 1 commit since @team/cli@1.0.0")
    made.close()


def test_a_digest_kept_before_opens_as_before():
    kept = sample()
    assert kept.releases is None
    assert "Releases" not in words(post(kept, Texts("en")).headline)
    for form in FORMATS.values():
        assert form.write((kept,), Texts("en")) == form.write((replace(kept, releases=()),), Texts("en"))


def test_every_form_of_the_report_has_the_releases_with_what_they_break(world):
    (post_,) = world.ask("/digest report 2026-02-18")
    for file in post_.headline.parts:
        assert "v0.21.0rc1" in file.text
        assert "Use" in file.text
        assert "fix: only here" in file.text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_a_release_says_is_inert(language):
    hostile = "<!channel> [x](https://evil.example) \x1b[31m @everyone `code` | a"
    release = Release("v1.0.0", "a" * 40, DAY)
    told = Released(release, "v0.9.0", 3, breaks=(replace(_broken(), text=hostile),) * 3)
    kept = sample("normal", language, releases=(told,))
    said = post(kept, Texts(language))
    links = {s.url for part in said.headline.parts for line in getattr(part, "lines", ()) for s in line if s.url}
    assert not any("evil" in url for url in links)
    assert "\x1b" not in words(said.headline)
    assert "](https://evil.example)" not in FORMATS["md"].write((kept,), Texts(language))


def _broken():
    from bot.values import Broken

    return Broken("")


# --- Exactly once -----------------------------------------------------------------------------


@pytest.fixture
def time():
    return Time(DAY - timedelta(hours=12))


@pytest.fixture
def bot(tmp_path, time):
    with opened(tmp_path, time) as made:
        yield made


def tag(bot: Bot, name: str, commit: str, at: datetime | None = None) -> None:
    """Tag a commit by the start of its message, with a time of its own or without."""
    sha = git(bot.folder / "repo", "log", "--all", "-1", "--format=%H", f"--grep={commit}")
    if at is None:
        git(bot.folder / "repo", "tag", "-f", name, sha)
        return
    text = f"object {sha}\ntype commit\ntag {name}\ntagger T <t@x.org> {int(at.timestamp())} +0000\n\n{name}\n"
    made = git(bot.folder / "repo", "hash-object", "-t", "tag", "-w", "--stdin", stdin=text.encode())
    git(bot.folder / "repo", "update-ref", f"refs/tags/{name}", made)


def released_in(bot: Bot, followed) -> list[list[str]]:
    """The releases that each delivery told of, the oldest first."""
    digests = [bot.store.digest(delivery.digest) for delivery in reversed(bot.store.deliveries(followed.id))]
    return [[told.release.name for told in digest.releases] for digest in digests]


def test_a_tag_is_told_once_whatever_its_date(bot):
    bot.commit("old", DAY - timedelta(days=20))
    tag(bot, "v1.0.0", "fix: old")
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    tag(bot, "v1.1.0", "fix: one")
    bot.at("19T09:00")
    # One without a time of its own, of a commit that was told yesterday; one that was made before it was pushed.
    tag(bot, "v1.1.1", "fix: old")
    tag(bot, "v1.2.0", "fix: one", DAY + timedelta(hours=5))
    bot.commit("two", DAY + timedelta(days=1, hours=3))
    bot.at("20T09:00")
    bot.commit("three", DAY + timedelta(days=2, hours=3))
    bot.at("21T09:00")
    assert released_in(bot, followed) == [["v1.1.0"], ["v1.2.0", "v1.1.1"], []]
    assert [str(top).count("Releases") for top in bot.tops()] == [1, 1, 0]


def test_what_is_tagged_after_the_period_waits_and_a_moved_tag_is_said_and_not_told_again(bot):
    bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    tag(bot, "v1.1.0", "fix: one", DAY + timedelta(days=1, hours=8))
    bot.at("19T09:00")
    assert "Releases" not in str(bot.tops()[0])
    bot.commit("two", DAY + timedelta(days=1, hours=3))
    bot.at("20T09:00")
    assert "v1.1.0" in str(bot.tops()[1])
    tag(bot, "v1.1.0", "fix: two", DAY + timedelta(days=2, hours=8))
    bot.commit("three", DAY + timedelta(days=2, hours=3))
    bot.at("21T09:00")
    tag(bot, "v1.1.0", "fix: one", DAY + timedelta(days=2, hours=9))
    bot.commit("four", DAY + timedelta(days=3, hours=3))
    bot.at("22T09:00")
    assert all("Releases" not in str(top) for top in bot.tops()[2:])
    assert "The tag v1.1.0 moved from" in str(bot.tops()[3])


def test_a_release_alone_is_worth_a_digest(bot):
    bot.follow()
    bot.commit("one", DAY - timedelta(days=5))
    tag(bot, "v1.0.0", "fix: one", DAY + timedelta(hours=3))
    bot.at("19T09:00")
    (headline,) = bot.tops()
    assert "v1.0.0" in str(headline)
    assert "nothing landed" in str(headline)


def test_a_day_that_an_earlier_version_delivered_is_told_again_as_it_was(bot, monkeypatch):
    followed = bot.follow()
    bot.commit("one", DAY + timedelta(hours=3))
    tag(bot, "v1.0.0", "fix: one")
    bot.at("19T09:00")
    delivery = bot.store.deliveries(followed.id)[0]
    made = bot.store.digest(delivery.digest)
    bot.store.keep_digest(delivery.digest, replace(made, degraded=True), bot.time.moment)
    earlier = {"earlier": replace(made, releases=None)}
    monkeypatch.setattr(type(bot.store), "delivered_digests", lambda *_: earlier)
    (said,) = bot.world.ask("/digest 2026-02-18", CHANNEL)
    assert "fix: one" in words(said.headline)
    assert "Releases" not in words(said.headline)


def test_on_release_only_releases_are_told_and_each_once(bot):
    bot.world.run("subscribe " + bot.repo + " at 09:00 on release", CHANNEL)
    (followed,) = bot.store.subscriptions()
    assert (followed.schedule, followed.filters.releases) == ("0 9 * * *", True)
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("19T09:00")
    assert bot.tops() == []
    tag(bot, "v1.0.0", "fix: one", DAY + timedelta(days=1, hours=3))
    bot.commit("two", DAY + timedelta(days=1, hours=4))
    for day in ("20", "21", "22"):
        bot.at(f"{day}T09:00")
    (headline,) = bot.tops()
    assert "v1.0.0" in str(headline)
    assert "fix: two" not in str(bot.said())
    assert bot.states(followed) == ["quiet", "done", "quiet", "quiet"]


def test_who_wants_commits_again_is_told_from_then_on(bot):
    bot.follow(filters=Filters(releases=True))
    bot.commit("one", DAY + timedelta(hours=3))
    bot.at("19T09:00")
    bot.follow(created=DAY - timedelta(hours=12))
    bot.commit("two", DAY + timedelta(days=1, hours=4))
    bot.at("20T09:00")
    (headline,) = bot.tops()
    assert "fix: two" in str(headline)
    assert "fix: one" not in str(headline)


def test_a_source_that_cannot_tell_its_releases_costs_no_digest_and_they_come_later(bot, monkeypatch):
    bot.follow()
    bot.commit("zero", DAY - timedelta(hours=3))
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(hours=3))
    tag(bot, "v1.0.0", "fix: one")

    def fail(*_):
        raise NotFound("history_too_short", repo="r", reaches="today")

    with monkeypatch.context() as patch:
        patch.setattr(bot.world.source, "releases", fail)
        bot.at("19T09:00")
    assert "fix: one" in str(bot.tops()[-1])
    bot.commit("two", DAY + timedelta(days=1, hours=3))
    bot.at("20T09:00")
    assert "v1.0.0" in str(bot.tops()[-1])


def test_what_could_not_be_read_at_first_is_told_later(bot, monkeypatch):
    bot.follow()

    def fail(*_):
        raise Unavailable("github_unavailable")

    bot.commit("one", DAY - timedelta(hours=3))
    tag(bot, "v1.0.0", "fix: one")
    with monkeypatch.context() as patch:
        patch.setattr(bot.world.source, "releases", fail)
        bot.at("18T09:00")
    bot.commit("two", DAY + timedelta(hours=3))
    bot.at("19T09:00")
    assert "v1.0.0" in str(bot.tops()[-1])


def test_what_a_release_has_and_took_back_breaks_nothing_and_where_no_earlier_one_can_be_read_it_is_not_the_first(
    bot, monkeypatch
):
    tag(bot, "v1.0.0", "", at(-20))
    bot.follow()
    bot.at("18T09:00")
    bot.commit("one", at(0, 3), "feat(api)!: the port option is gone (#1)")
    bot.commit("two", at(0, 9), 'Revert "feat(api)!: the port option is gone (#1)" (#2)')
    tag(bot, "v1.1.0", "Revert", at(0, 11))
    releases = bot.world.source.releases

    def recent(repo, since=EPOCH):
        if since == EPOCH:
            raise Unavailable("github_unavailable")
        return releases(repo, since)

    with monkeypatch.context() as patch:
        patch.setattr(bot.world.source, "releases", recent)
        bot.at("19T09:00")
    (headline,) = bot.tops()
    assert "v1.1.0" in str(headline)
    assert "first release" not in str(headline)
    (said,) = bot.world.ask("v1.1.0", CHANNEL)
    assert "breaking: " not in str(said)


def test_of_twenty_thousand_tags_the_newest_are_remembered_and_told_once():
    line = [
        Release(f"v1.{n}.0", f"{n:040x}", DAY - timedelta(days=30) + timedelta(minutes=2 * n)) for n in range(20_000)
    ]
    due = Delivery(1, DAY, *[DAY - timedelta(days=1)] * 2, DAY, DAY, DAY)
    first = news(line, None, due, DAY + timedelta(hours=9))
    assert len(first.known) <= MOST
    assert all(due.since <= release.made < due.until for release in first.releases)
    again = news(line, first.known, due, DAY + timedelta(hours=9))
    assert (again.releases, again.known, again.moved) == ((), first.known, ())


def test_what_is_dated_in_a_time_that_was_given_up_is_known_and_what_is_too_old_is_not_told():
    start, until = DAY - timedelta(days=9), DAY
    due = Delivery(1, DAY, start, DAY - timedelta(days=7), until, DAY, DAY)
    line = [
        Release("v0.9.0", "0" * 40, DAY - LATE - timedelta(days=1)),
        Release("v1.0.0", "1" * 40, DAY - timedelta(days=8)),
        Release("v1.1.0", "2" * 40, DAY - timedelta(days=6)),
    ]
    found = news(line, (), due, DAY + timedelta(hours=9))
    assert [release.name for release in found.releases] == ["v1.1.0"]
    assert [name for name, _ in found.known] == ["v1.0.0", "v1.1.0"]


def v1(sha, day, hour=0):
    return Release("v1.0", sha * 40, at(day, hour))


CLIENT, SERVER = (
    [Release(f"{name}-1.{n}", f"{name[0]}{n}" * 20, at(2 * n + off)) for n in range(4)]
    for name, off in (("client", 0.25), ("server", 1.25))
)


@pytest.mark.parametrize(
    ("lines_", "told", "moved"),
    [
        ([[v1("a", 0, 12)], [v1("b", 2, 8)], [v1("b", 2, 8)]], ["v1.0", "", ""], ["", "", "v1.0"]),
        ([[v1("a", 3, 5)]] * 4, ["v1.0", "", "", ""], ["", "", "", ""]),
        ([[v1("a", 0, 12)], [v1("a", 2, 1)], [v1("a", 2, 1)]], ["v1.0", "", ""], ["", "", ""]),
    ],
    ids=["moved this morning", "dated ahead", "published later"],
)
def test_a_tag_is_told_once_whatever_becomes_of_its_date(lines_, told, moved):
    known, found = (), []
    for day, line in enumerate(lines_, 1):
        due = Delivery(1, at(day), *[at(day - 1)] * 2, at(day), at(day + 1), at(day))
        made = news(line, known, due, at(day, 9))
        known = made.known
        found.append((" ".join(r.name for r in made.releases), " ".join(r.name for r, _ in made.moved)))
    assert found == list(zip(told, moved, strict=True))


def test_components_that_are_tagged_in_turn_are_each_told_once_whoever_has_most():
    tags, known, told = sorted([*CLIENT, *SERVER], key=lambda tag: tag.made), (), []
    for day in range(1, len(tags) + 1):
        due = Delivery(1, at(day), *[at(day - 1)] * 2, at(day), at(day + 1), at(day))
        made = news(main_line(tags[:day], "team/mono"), known, due, at(day, 9))
        told, known = [*told, *made.releases], made.known
    assert sorted(told, key=lambda tag: tag.made) == tags


# --- A subscription to releases ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "schedule"),
    [
        ("on release", "0 9 * * *"),
        ("on releases", "0 9 * * *"),
        ("on 发布", "0 9 * * *"),
        ("on release at 17:30", "30 17 * * *"),
        ("on mon-fri release", "0 9 * * mon-fri"),
        ("on release,mon,wed", "0 9 * * mon,wed"),
    ],
)
def test_on_release_is_understood_with_days_or_without(world, history, typed, schedule):
    world.run(f"subscribe {history.path} {typed}")
    (kept,) = world.store.subscriptions()
    assert (kept.schedule, kept.filters.releases) == (schedule, True)
    assert "releases only" in world.said("list")
    form = world.interpreter.form(world.interpreter.context(_request(f"settings {history.path}")))
    assert next(i.value for i in form.inputs if i.name == "on").split(",")[-1] == "release"
    again = {i.name: i.value for i in form.inputs} | dict(form.fixed)
    from bot.conversation import forms

    world.run(forms.line(again))
    assert world.store.subscriptions() == (kept,)
    world.run(f"subscribe {history.path} on mon-fri")
    assert not world.store.subscriptions()[0].filters.releases


def _request(text):
    from bot.values import Request

    return Request(text, HOME, "U1")


def test_a_subscription_to_releases_goes_through_a_file_and_back(world, history, clock):
    world.run(f"subscribe {history.path} on release")
    subscriptions = world.store.subscriptions()
    records = operator.exported(subscriptions)
    assert records[0]["releases"] is True
    (again,) = operator.imported(records, clock())
    assert again.filters == subscriptions[0].filters


def test_what_is_posted_on_a_release_leads_to_its_digest(world, history):
    world.run(f"subscribe {history.path} on release")
    (said,) = world.ask("/digest")
    assert said.headline.kind is MessageKind.HEADLINE
    assert "No releases in this period." in words(said.headline)
    (only,) = world.ask("/digest 2026-02-18")
    assert "something new" in words(only.headline)  # who asks for a day wants its commits


# --- Digests of a release and of a range ------------------------------------------------------


def test_the_digest_of_a_release_is_all_since_the_one_before_it(world):
    (said,) = world.ask("/digest v0.21.0rc1")
    text = words(said.headline)
    assert "app · v0.21.0rc1, since v0.20.1  2026-02-08 00:00 to 2026-02-18 06:00" in text
    assert "3 commits | " in text
    assert all(f"#{number}" in text for number in (12, 13, 14))
    assert "#15" not in text
    assert "The port option is gone" in text
    button = next(part for part in said.headline.parts if isinstance(part, Buttons)).items[0]
    assert button.command == "report v0.20.1..v0.21.0rc1"
    (report,) = world.ask(button.command)
    assert [file.name for file in report.headline.parts] == ["app-v0.21.0rc1.md", "app-v0.21.0rc1.html"]


@pytest.mark.parametrize(
    ("line", "title", "commits"),
    [
        ("v0.20.0..v0.21.0rc1", "v0.21.0rc1, since v0.20.0", 3),
        ("v0.21.0rc1...v0.20.0", "v0.21.0rc1, since v0.20.0", 3),
        ("v0.20.0…v0.20.1", "v0.20.1, since v0.20.0", 2),
        ("0.20.1", "v0.20.1, since v0.20.0", 2),
        ("V0.20.0", "v0.20.0", 2),
        ("2026-02-08..2026-02-18", "2026-02-08 to 2026-02-18", 3),
        ("2026-02-18..2026-02-08", "2026-02-08 to 2026-02-18", 3),
    ],
)
def test_ranges_of_releases_and_of_days(world, history, line, title, commits):
    for typed in (f"/digest {line}", f"/digest {line} {history.path}"):
        (said,) = world.ask(typed)
        assert title in words(said.headline)
        assert f"{commits} commit" in words(said.headline)


def test_the_digest_of_a_release_is_kept_and_is_not_the_last_one(world, monkeypatch):
    world.ask("/digest 2026-02-18")
    (first,) = world.ask("/digest v0.21.0rc1")
    monkeypatch.setattr(world.app, "_made", None)  # nothing is made anew
    assert world.ask("/digest v0.21.0rc1") == (first,)
    (last,) = world.ask("/digest")
    assert "2026-02-18" in words(last.headline)
    assert "since v0.20.0" not in words(last.headline).partition("·")[2][:40]


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("what's in v0.20.1?", "v0.20.1"),
        ("what changed in v0.20.1", "v0.20.1"),
        ("release v0.20.1", "v0.20.1"),
        ("v0.20.1 有什么", "v0.20.1"),
        ("版本 v0.20.1", "v0.20.1"),
        ("what changed between v0.20.0 and v0.21.0rc1?", "v0.20.0..v0.21.0rc1"),
        ("v0.20.0 到 v0.21.0rc1", "v0.20.0..v0.21.0rc1"),
    ],
)
def test_a_sentence_names_a_release_or_two(world, line, meant):
    assert world.ask(line) == world.ask(meant)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("v0.20.1 -x", "command_unknown"),
        ("v9.9.9", "release_unknown"),
        ("v0.20.0..v9.9.9", "release_unknown"),
        ("nightly-2026-02-18", "command_unknown"),
        ("2026-02-01..2026-02-31", "date_invalid"),
        ("2026-02-01..2026-03-31", "date_future"),
        ("-x", "command_unknown"),
        ("..v0.20.0", "command_unknown"),
    ],
)
def test_what_is_no_release_is_told_with_what_there_is(world, line, key):
    with pytest.raises((NotFound, UsageError)) as caught:
        world.run(line)
    assert caught.value.key == key
    if key == "release_unknown":
        assert caught.value.fields["known"] == ("v0.21.0rc1", "v0.20.1", "v0.20.0")


@pytest.mark.parametrize(
    ("word", "release", "repository"),
    [
        ("v0.21.0", True, False),
        ("0.21", True, False),
        ("release/1.2.0", True, False),
        ("@team/tool@1.2.0", True, False),
        ("cli@1.2.0", True, False),
        ("v1..v2", True, False),
        ("team/app", False, True),
        ("team/app2.0", False, True),
        ("../v1.0", False, True),
        ("/srv/v1.0..v2.0", False, True),
        ("6344", False, False),
        ("9a93eb7", False, False),
        ("team/app@9a93eb7", False, True),
        ("2026-02-18", False, False),
        ("2026-02-01..2026-02-18", False, False),
        ("subscribe2", False, False),
        ("-1.0.0", False, False),
    ],
)
def test_a_word_means_a_release_or_a_repository(word, release, repository):
    assert (is_release(word), is_repository(word)) == (release, repository)


def test_a_release_with_too_many_commits_says_so(world, monkeypatch):
    monkeypatch.setattr("bot.commits.line.MOST", 1)
    monkeypatch.setattr("adapters.sources.git.source.PAGE", 1)
    with pytest.raises(UsageError) as caught:
        world.run("v0.21.0rc1")
    assert caught.value.key == "release_large"


# --- One commit -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("one", "first released in v0.20.0"),
        ("two", "first released in v0.21.0rc1"),
        ("own", "first released in v0.20.1"),
        ("six", "not released yet"),
    ],
)
def test_one_commit_says_in_which_release_it_is_first(world, history, name, expected):
    assert expected in world.said(history.sha(name)).replace("  ", " ")


def test_the_same_change_on_another_branch_is_found_by_its_patch(world, history):
    ported, fix = history.sha("port"), history.sha("fix")
    assert f"Same change {ported[:7]} (branch releases/v0.20)" in world.said(fix).replace("  ", " ")
    assert f"Same change {fix[:7]} (branch main)" in world.said(ported).replace("  ", " ")
    assert "Same change" not in world.said(history.sha("two"))


def test_a_commit_that_came_back_on_its_own_branch_is_no_twin(tmp_path, clock):
    build = Builder(tmp_path / "app")
    build.commit("root", at(-9), {"a.py": "1\n"})
    build.commit("do", at(-8), {"a.py": "2\n"})
    build.commit("undo", at(-7), {"a.py": "1\n"})
    build.commit("again", at(-6), {"a.py": "2\n"})
    history = build.finish()
    made = World(tmp_path, clock, str(history.path))
    said = made.said(history.sha("do"))
    assert "Same change" not in said
    assert "released yet" not in said  # there are none
    made.close()


# --- Bad input --------------------------------------------------------------------------------


def test_a_tag_called_as_a_branch_means_the_tag_and_a_name_that_looks_like_an_option_nothing(tmp_path, clock):
    build = Builder(tmp_path / "app")
    build.commit("root", at(-9), {"a.py": "1\n"})
    build.ref("refs/tags/v1.0.0", "root")
    build.commit("one", at(0, 1), {"a.py": "2\n"}, message="fix: one (#1)")
    build.commit("two", at(0, 2), {"a.py": "3\n"}, message="fix: two (#2)")
    build.ref("refs/tags/v1.1.0", "one")
    build.ref("refs/heads/v1.1.0", "two")
    for name in ("-x", "-1.0.0", "main"):
        build.ref(f"refs/tags/{name}", "two")
    made = World(tmp_path, clock, str(build.finish().path))
    text = words(made.ask("/digest 2026-02-18")[0].headline)
    assert "v1.1.0  · 01:00 · 1 commit since v1.0.0" in text
    assert "-1.0.0" not in text
    assert "1 commit | " in words(made.ask("/digest v1.1.0")[0].headline)
    made.close()


def test_notes_of_five_megabytes_are_read_to_a_bound(tmp_path, clock):
    build = Builder(tmp_path / "app")
    build.commit("root", at(-9), {"a.py": "1\n"})
    build.ref("refs/tags/v1.0.0", "root")
    build.commit("one", at(0, 1), {"a.py": "2\n"})
    text = "v1.1.0\n\n## Breaking changes\n\n- `old` is gone.\n" + "- x\x1b[31m <!channel> @everyone\n" * 160_000
    build.tag("v1.1.0", "one", at(0, 2), text)
    made = World(tmp_path, clock, str(build.finish().path))
    (said,) = made.source.notes(made.defaults.repo, ["v1.1.0"]).values()
    assert len(said) <= 120_000
    text = words(made.ask("/digest 2026-02-18")[0].headline)
    assert "`old` is gone." in text
    assert "\x1b" not in text
    made.close()


def test_a_shallow_clone_tells_its_releases_without_their_size(tmp_path, clock, history):
    git(tmp_path, "clone", "-q", "--depth=1", "--no-single-branch", "--bare", f"file://{history.path}", "app.git")
    made = World(tmp_path, clock, str(tmp_path / "app.git"))
    found = made.source.releases(str(tmp_path / "app.git"))
    assert {release.name for release in found} == {"v0.20.0", "v0.20.1", "v0.21.0rc1"}
    repository = made.source.repository(str(tmp_path / "app.git"))
    told = made.app.releasing.released(repository, found[-1:], "main")
    assert [(one.release.name, one.before, one.count) for one in told] == [("v0.21.0rc1", "v0.20.1", None)]
    with pytest.raises(NotFound) as caught:
        made.run("v0.21.0rc1")
    assert caught.value.key == "history_too_short"
    made.close()
