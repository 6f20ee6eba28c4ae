"""The grammar as a conversation: one line in, the whole answer out."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from repositories import Builder, git
from world import CHANNEL, DAY, HOME, World, busy_day, words

from bot.commits.hosts import Hosts, Kind
from bot.conversation import forms, operator
from bot.conversation.grammar import CommitName, reference, references
from bot.conversation.grammar import words as split
from bot.errors import NotFound, UsageError
from bot.languages import LANGUAGES
from bot.ports import Verdict
from bot.rights import Right, Rights, Who
from bot.texts import Texts
from bot.values import Buttons, Delivery, DeliveryState, Place, Repository, Subscription


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    return busy_day(tmp_path_factory.mktemp("busy") / "app")


@pytest.fixture
def world(tmp_path, clock, history):
    made = World(tmp_path, clock, str(history.path))
    yield made
    made.close()


# --- Reading a line --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("6344", CommitName(pull=6344, sha="6344")),
        ("42", CommitName(pull=42)),
        ("#6344", CommitName(pull=6344)),
        ("9a93eb7", CommitName(sha="9a93eb7")),
        ("9A93EB7", CommitName(sha="9a93eb7")),
        ("1234567", CommitName(pull=1234567, sha="1234567")),
        ("1234567890", CommitName(sha="1234567890")),
        ("team/app#12", CommitName("team/app", pull=12)),
        ("team/app@9a93eb7", CommitName("team/app", sha="9a93eb7")),
        ("/srv/git/app#12", CommitName("/srv/git/app", pull=12)),
        ("!129", CommitName(pull=129)),
        ("team/app!129", CommitName("team/app", pull=129)),
        ("https://gitlab.com/group/part/app!129", CommitName("https://gitlab.com/group/part/app", pull=129)),
        ("https://github.com/team/app/pull/12", CommitName("github.com/team/app", pull=12)),
        ("https://github.com/team/app/pull/12/files#diff", CommitName("github.com/team/app", pull=12)),
        ("https://github.com/team/app/pull/12/commits/9a93eb75cd", CommitName("github.com/team/app", pull=12)),
        ("https://github.com/team/app/commit/9a93eb75cd", CommitName("github.com/team/app", sha="9a93eb75cd")),
        ("gitlab.com/group/part/app/-/merge_requests/129", CommitName("gitlab.com/group/part/app", pull=129)),
        ("https://bitbucket.org/team/app/pull-requests/131", CommitName("bitbucket.org/team/app", pull=131)),
        ("https://git.example.com/team/app/pulls/7", CommitName("https://git.example.com/team/app", pull=7)),
        ("hello", None),
        ("team/app", None),
        ("abc", None),
    ],
)
def test_a_word_names_a_commit(word, expected):
    assert reference(word) == expected


@pytest.mark.parametrize(
    "line",
    [
        *("/digest 6344", "／digest 6344", "/日报 6344", "  /DIGEST   6344 ", "6344"),
        *("/日报6344", "／日报　6344", "日报 6344", "digest 6344", "/ digest 6344"),
    ],
)
def test_the_command_word_is_taken_off(line):
    assert split(line) == ["6344"]


def test_what_ends_a_chinese_sentence_is_no_part_of_a_word():
    assert split("日报 6344。") == ["6344"]
    assert split("搜索 缓存，失效？ 。") == ["搜索", "缓存，失效", "。"]


def test_wide_characters_of_a_chinese_keyboard_are_those_of_the_grammar():
    assert split("/日报 ＃6344") == ["#6344"]
    assert split("team／app＠9a93eb7") == ["team/app@9a93eb7"]


@pytest.mark.parametrize("line", ["digests", "digester 1", "digest-bot/app"])
def test_a_longer_word_is_not_the_command_word(line):
    assert split(line) == line.split()


def test_links_that_a_chat_wrapped_are_unwrapped():
    assert split("/digest <https://github.com/team/app/pull/12|team/app#12>") == ["https://github.com/team/app/pull/12"]


@given(st.text(max_size=3000))
def test_any_line_can_be_split_and_any_word_be_looked_at(line):
    for word in split(line):
        reference(word)


# --- Digests ---------------------------------------------------------------------------------


def test_a_date_gives_that_days_digest(world):
    (post,) = world.ask("/digest 2026-02-18")
    assert "29 commits | 🔴 6 | 🟡 12 | 🟢 11" in words(post.headline)
    assert [m.key.split(":")[0] for m in post.replies] == ["commit"] * 6 + ["rest", "report"]


@pytest.mark.parametrize(
    ("line", "commits"), [("yesterday", 0), ("today", 0), ("week", 30), ("latest", 29), ("最近", 29)]
)
def test_times_have_names(world, line, commits):
    said = world.said(line)
    assert (f"{commits} commits" in said) if commits else ("quiet period" in said)


def test_nothing_said_means_the_last_digest_again(world):
    assert "quiet period" in world.said("")  # no digest yet: yesterday's
    world.ask("2026-02-18")
    world.app.clock.pass_time(days=1)
    assert "2026-02-19" in world.said("/digest")


def test_a_report_comes_as_files(world):
    (post,) = world.ask("report 2026-02-18")
    assert [p.name for p in post.headline.parts] == ["app-2026-02-18.md", "app-2026-02-18.html"]
    assert world.said("report") == world.said("report yesterday")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("2026-02-30", "2026-02-30 is not a date"),
        ("2027-01-01", "is in the future"),
        ("0000-00-00", "is not a date"),
        ("yesterdya", "Did you mean /digest yesterday?"),
        ("subscirbe team/app", "Did you mean /digest subscribe?"),
        ("qwertyuiop", "/digest help"),
        ("2026-02-18 nonsense", "I don't know"),
        ("search", "What should I search for?"),
        ("x" * 40_000, "40,000 characters"),
        ("'\"; -- 🦊", "/digest help"),
        ("\x00\x1b[31m", "quiet period"),
    ],
)
def test_what_cannot_be_understood_is_told_kindly(world, line, told):
    said = world.said(line)
    assert told in said
    assert len(said) < 2_000 or "quiet" in said


# --- One commit ------------------------------------------------------------------------------


def test_a_pull_request_a_sha_and_a_link_mean_the_same_commit(world, history):
    sha = history.sha("high3")
    named = ["103", "#103", sha[:7], sha, f"{history.path}#103", f"{history.path}@{sha[:9]}"]
    answers = {world.said(line) for line in named}
    assert len(answers) == 1
    assert "replace endpoint 3" in answers.pop()


def test_a_low_commit_is_expanded_in_full_depth(world):
    said = world.said("#305")
    assert "Impact" in said
    assert "🟢 Low" in said


def test_a_commit_keeps_the_importance_it_had_in_its_digest(world):
    world.ask("2026-02-18")
    assert "🔴 High · breaking change" in world.said("#100")


@pytest.mark.parametrize("line", ["#9999", "9999", "deadbeef", "ffffffffffffffffffffffffffffffffffffffff"])
def test_an_unknown_commit_is_told_by_name(world, line):
    with pytest.raises(NotFound):
        world.run(line)
    assert line.strip("#") in world.said(line)


def numbered(folder):
    """A repository in which some commit's SHA starts with four digits, which are also a later pull request's number."""
    build = Builder(folder)
    for n in range(60):
        build.commit(f"c{n}", DAY, {f"{n}.py": str(n)})
    first = build.finish()
    number = next(sha[:4] for sha in first.shas.values() if sha[:4].isdigit() and sha[0] != "0")
    again = Builder(folder.with_name("numbered"))
    for n in range(60):
        again.commit(f"c{n}", DAY, {f"{n}.py": str(n)})
    again.commit("pull", DAY, {"x.py": "x"}, message=f"fix: late (#{number})")
    return again.finish(), number


def test_a_number_that_is_a_pull_request_and_a_sha_the_bot_told_of_is_asked_back(tmp_path, clock):
    history, number = numbered(tmp_path / "app")
    world = World(tmp_path, clock, str(history.path))
    assert "fix: late" in world.said(number)  # nothing is known of the SHA yet: the pull request is meant
    world.ask("2026-02-18")
    (post,) = world.ask(number)
    assert f"{number} could mean several commits" in words(post.headline)
    (buttons,) = [part.items for part in post.headline.parts if isinstance(part, Buttons)]
    assert buttons[0].command == f"{history.path}#{number}"
    assert f"@{number}" in buttons[1].command
    assert "fix: late" not in world.said(buttons[1].command)
    world.close()


def test_a_thing_in_two_followed_repositories_is_asked_back_with_buttons(tmp_path, clock):
    paths = []
    for name in ("one", "two"):
        build = Builder(tmp_path / name)
        build.commit("a", DAY, {"a.py": name}, message=f"fix: {name} (#7)")
        paths.append(str(build.finish().path))
    world = World(tmp_path, clock)
    for path in paths:
        world.ask(f"subscribe {path}")
    (post,) = world.ask("7")
    assert "could mean several commits" in words(post.headline)
    buttons = [b for part in post.headline.parts if isinstance(part, Buttons) for b in part.items]
    assert [b.command for b in buttons] == [f"{path}#7" for path in paths]
    assert "fix: two" in world.said(buttons[1].command)
    world.close()


def test_search_finds_what_digests_told(world):
    world.ask("2026-02-18")
    assert "wrong part 7" in world.said("search wrong part 7")
    assert "Nothing found for “zebra”" in world.said("搜索 zebra")


# --- Subscriptions ---------------------------------------------------------------------------


def test_following_listing_and_leaving(world, history):
    options = "at 08:30 on mon,wed zone asia/shanghai lang zh branch main paths src/,docs/ authors -bot"
    said = world.said(f"subscribe {history.path} {options}")
    assert "已订阅 app" in said
    assert "星期一、星期三 08:30（30 8 * * mon,wed，Asia/Shanghai）" in said
    assert "2026-02-23 星期一 08:30、2026-02-25 星期三 08:30、2026-03-02 星期一 08:30" in said
    (kept,) = world.store.subscriptions(HOME)
    assert (kept.filters.paths, kept.filters.authors, kept.branch) == (("src/", "docs/"), ("-bot",), "main")
    assert "在终端订阅了 1 个仓库" in world.said("list")
    assert "已退订" in world.said(f"退订 {history.path}")
    assert "Nothing is followed here" in world.said("列表")


@pytest.mark.parametrize(("chat", "here"), [("slack", "本频道"), ("feishu", "本群"), ("terminal", "终端")])
def test_a_list_names_the_channel_as_its_chat_does(anywhere, chat, here):
    place = Place(chat, "C2")
    anywhere.ask("subscribe team/app lang zh", place)
    assert f"在{here}订阅了 1 个仓库" in anywhere.said("list", place)


def test_following_again_changes_what_is_said_and_keeps_the_rest(world, history):
    world.ask(f"subscribe {history.path} at 08:30 lang zh")
    world.ask(f"subscribe {history.path} paths src/")
    (kept,) = world.store.subscriptions(HOME)
    assert (kept.schedule, kept.language, kept.filters.paths) == ("30 8 * * mon-fri", "zh", ("src/",))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("at 25:00", "25:00 is not a time of day"),
        ("on funday", "can't read “funday” as days"),
        ("zone Mars/Base", "no time zone Mars/Base"),
        ("lang fr", "lang can't be fr"),
        ("branch nowhere", "nowhere"),
        ("att 09:00", "Did you mean at?"),
        ("at", "needs a value"),
        ("quiet maybe", "yes, no"),
    ],
)
def test_a_wrong_option_changes_nothing_and_says_what_would_be_right(world, history, options, told):
    assert told in world.said(f"subscribe {history.path} {options}")
    assert world.store.subscriptions() == ()


def test_filters_of_a_subscription_hold_for_its_digests_and_are_told(world, history):
    world.ask(f"subscribe {history.path} paths docs/")
    said = world.said(f"2026-02-18 {history.path}")
    assert "11 commits |" in said
    assert "18 commits left out by this subscription's filters." in said


def test_what_is_not_followed_cannot_be_left(world):
    assert "team/none is not followed here. Followed here: nothing" in world.said("unsubscribe team/none")


def test_without_a_repository_the_way_to_one_is_told(tmp_path, clock):
    world = World(tmp_path, clock)
    assert "Which repository?" in world.said("yesterday")
    with pytest.raises(UsageError):
        world.run("6344")
    world.close()


# --- A repository in any spelling ------------------------------------------------------------

SPELLINGS = [
    "team/app",
    "team/app/",
    "team/app.git",
    "https://github.com/team/app",
    "https://github.com/team/app/",
    "https://github.com/team/app.git",
    "https://github.com/team/app.git/",
    "http://github.com/team/app",
    "https://www.github.com/team/app",
    "HTTPS://GitHub.com/team/app",
    "https://somebody:secret@github.com/team/app.git",
    "https://github.com/team/app/tree/main",
    "https://github.com/team/app/tree/feature/x/src",
    "https://github.com/team/app/blob/main/README.md#usage",
    "https://github.com/team/app?tab=readme-ov-file",
    "https://github.com/team/app?tab=readme-ov-file#usage",
    "https://github.com/team/app#readme",
    "https://github.com/team/app/commits/main",
    "https://github.com/team/app/pulls",
    "https://github.com/team/app/releases/tag/v1.0",
    "github.com/team/app",
    "github.com/team/app.git",
    "www.github.com/team/app/tree/main",
    "git@github.com:team/app.git",
    "git@github.com:team/app",
    "git@github.com:/team/app.git",
    "git@github.com/team/app.git",
    "ssh://git@github.com/team/app.git",
    "ssh://git@github.com:22/team/app.git",
    "ssh://git@ssh.github.com:443/team/app.git",
    "git://github.com/team/app.git",
    "git+ssh://git@github.com/team/app.git",
    "git+https://github.com/team/app.git",
    "<https://github.com/team/app>",
    "<http://github.com/team/app|github.com/team/app>",
    "\u201chttps://github.com/team/app\u201d",
    "https://github.com/team/app\u3002",
]


class Everything:
    """A source that knows every repository under the name that it is asked for, and remembers those names."""

    def __init__(self, names: dict[str, str] | None = None) -> None:
        self.asked: list[str] = []
        self._urls = names or {}

    def repository(self, repo: str) -> Repository:
        self.asked.append(repo)
        return Repository(repo, repo, "main", self._urls.get(repo), private=False)

    def commits(self, *_) -> tuple:
        return ()

    def releases(self, *_) -> tuple:
        return ()

    def patches(self, *_) -> Iterator:
        return iter(())


@pytest.fixture
def anywhere(tmp_path, clock):
    made = World(tmp_path, clock)
    made.source = Everything()
    yield made
    made.close()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_repository_is_understood_in_every_spelling(anywhere, spelling):
    for line in ("subscribe {} at 09:00", "yesterday {}", "report {}", "{}", "2026-02-18 {}"):
        anywhere.source.asked.clear()
        anywhere.ask(line.format(spelling), CHANNEL)
        assert set(anywhere.source.asked) == {"team/app"}, line


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_is_followed_can_be_looked_at_and_left_in_every_spelling(anywhere, spelling):
    anywhere.ask("subscribe team/app", CHANNEL)
    assert "settings team/app" in anywhere.said(f"settings {spelling}", CHANNEL)
    anywhere.ask(f"subscribe {spelling} at 10:00", CHANNEL)
    (kept,) = anywhere.store.subscriptions()
    assert kept.schedule == "0 10 * * mon-fri"
    anywhere.ask(f"unsubscribe {spelling}", CHANNEL)
    assert anywhere.store.subscriptions() == ()


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("https://github.com/team/app", "https://github.com/team/app"),
        ("https://github.com/team/app.git", "https://github.com/team/app.git"),
        ("git@github.com:team/app.git", "git@github.com:team/app.git"),
        ("https://github.com/team/app/tree/main", "team/app"),
        ("https://github.com/team/app?tab=readme-ov-file", "team/app"),
        ("github.com/team/app", "team/app"),
        ("gitlab.com/group/part/app", "https://gitlab.com/group/part/app"),
        ("https://gitlab.com/group/part/app/-/tree/main", "https://gitlab.com/group/part/app"),
        ("stash.example.com/projects/KEY/repos/app/browse", "https://stash.example.com/scm/KEY/app.git"),
        ("src/team/app", "src/team/app"),
        ("../app/", "../app/"),
    ],
)
def test_the_operator_s_address_to_clone_from_stays_one(anywhere, typed, name):
    anywhere.ask(f"yesterday {typed}", HOME)
    assert anywhere.source.asked == [name]


def test_what_is_followed_comes_before_an_address_of_another_spelling(tmp_path, clock):
    world = World(tmp_path, clock, allow=["*"])
    world.source = Everything({"/srv/git/app": "https://gitlab.com/group/app"})
    world.ask("subscribe https://codeberg.org/team/tool.git", CHANNEL)
    world.ask("subscribe /srv/git/app", CHANNEL)
    world.source.asked.clear()
    world.ask("yesterday codeberg.org/team/tool/src/branch/main", CHANNEL)
    assert set(world.source.asked) == {"https://codeberg.org/team/tool.git"}
    world.ask("subscribe https://gitlab.com/group/app/-/tree/main at 10:00", CHANNEL)
    assert "10 * * mon-fri" in world.said("settings git@gitlab.com:group/app.git", CHANNEL)
    world.ask("unsubscribe gitlab.com/group/app", CHANNEL)
    assert [s.repo for s in world.store.subscriptions()] == ["https://codeberg.org/team/tool.git"]
    world.close()


def test_an_address_that_the_operator_listed_is_cloned_in_a_channel_too(tmp_path, clock):
    world = World(tmp_path, clock, allow=["https://github.com/team/*", "https://gitlab.com/group/*"])
    world.source = Everything()
    for typed in ("https://github.com/team/app", "github.com/team/app", "https://gitlab.com/group/app/-/tree/main"):
        world.ask(f"yesterday {typed}", CHANNEL)
    assert set(world.source.asked) == {"https://github.com/team/app", "https://gitlab.com/group/app"}
    world.close()


def test_hosts_that_the_operator_named_are_understood(tmp_path, clock):
    world = World(tmp_path, clock, allow=["*"])
    hosts = Hosts({"code.example.com": Kind.GITLAB}, "ghe.example.com")
    world.interpreter = world.speaking(replace(world.defaults, hosts=hosts))
    world.source = Everything()
    world.ask("yesterday code.example.com/group/part/app/-/tree/main", CHANNEL)
    world.ask("yesterday ghe.example.com/team/app/tree/main", CHANNEL)
    assert list(dict.fromkeys(world.source.asked)) == ["https://code.example.com/group/part/app", "team/app"]
    world.close()


@pytest.mark.parametrize(
    "typed",
    ["https://github.com/team", "a/b/c", "team//app", "javascript:alert(1)/x", "https://github.com\\@evil.example/a/b"],
)
@pytest.mark.parametrize(("language", "told"), [("en", "which repository"), ("zh", "\u54ea\u4e2a\u4ed3\u5e93")])
def test_what_is_no_repository_is_not_refused_by_the_allow_list(tmp_path, clock, typed, language, told):
    world = World(tmp_path, clock, language=language)
    world.source = Everything()
    for line in ("subscribe {}", "yesterday {}", "{}"):
        said = world.said(line.format(typed), CHANNEL)
        assert told in said
        assert "DIGEST_ALLOW" not in said
    assert world.source.asked == []
    world.close()


def test_another_host_is_still_a_matter_of_the_allow_list(anywhere):
    assert "DIGEST_ALLOW" in anywhere.said("yesterday https://gitlab.com/group/app", CHANNEL)
    assert "DIGEST_ALLOW" in anywhere.said("yesterday https://github.com@evil.example/team/app", CHANNEL)
    assert anywhere.source.asked == []


def test_links_of_every_host_are_found_in_a_text():
    text = (
        "see (https://github.com/team/app/pull/12), <https://gitlab.com/g/p/app/-/merge_requests/129|!129> and "
        "bitbucket.org/team/app/pull-requests/131. Again: https://github.com/team/app/pull/12/files, no https://x.example/"
    )
    assert references(text) == (
        CommitName("github.com/team/app", pull=12),
        CommitName("gitlab.com/g/p/app", pull=129),
        CommitName("bitbucket.org/team/app", pull=131),
    )


def test_a_merge_request_is_asked_for_and_told_as_gitlab_writes_it(tmp_path, clock):
    paths = []
    for name in ("one", "two"):
        build = Builder(tmp_path / name)
        build.commit("a", DAY, {"a.py": name}, message=f"fix: {name} (#7)")
        paths.append(str(build.finish().path))
        git(paths[-1], "config", "remote.origin.url", f"git@gitlab.com:group/part/{name}.git")
    world = World(tmp_path, clock)
    for path in paths:
        world.ask(f"subscribe {path}")
    (post,) = world.ask("!7")
    assert "!7 could mean several commits" in words(post.headline)
    buttons = [b for part in post.headline.parts if isinstance(part, Buttons) for b in part.items]
    assert [b.command for b in buttons] == [f"{path}!7" for path in paths]
    for line in (
        buttons[1].command,
        "group/part/two!7",
        "https://gitlab.com/group/part/two/-/merge_requests/7/diffs#note_1",
        "gitlab.com/group/part/two/-/merge_requests/7",
    ):
        (post,) = world.ask(line)
        title = post.headline.title
        assert "fix: two" in words(post.headline)
        assert any(span.text == "!7" and span.url.endswith("/group/part/two/-/merge_requests/7") for span in title)
    world.close()


# --- Who may see what ------------------------------------------------------------------------


def test_a_channel_cannot_name_a_path_unless_it_is_allowed(tmp_path, clock, history):
    world = World(tmp_path, clock)
    for line in (f"subscribe {history.path}", f"yesterday {history.path}", f"{history.path}#100", "subscribe /etc"):
        assert "can't be followed here" in world.said(line, CHANNEL)
    world.close()
    allowed = World(tmp_path, clock, allow=[str(history.path)])
    assert "now follows app" in allowed.said(f"subscribe {history.path}", CHANNEL)
    allowed.close()


def test_the_operator_at_the_terminal_sees_what_no_list_has(tmp_path, clock, history):
    world = World(tmp_path, clock, allow=["/elsewhere/*"])
    assert "29 commits" in world.said(f"2026-02-18 {history.path}")
    assert "can't be followed here" in world.said(f"2026-02-18 {history.path}", CHANNEL)
    world.close()


def test_channels_do_not_see_each_others_subscriptions(tmp_path, clock, history):
    world = World(tmp_path, clock, allow=[str(history.path)])
    world.ask(f"subscribe {history.path}", CHANNEL)
    other = Place("slack", "C2")
    assert "Nothing is followed here" in world.said("list", other)
    assert "Which repository?" in world.said("#100", other)
    assert "Which repository?" in world.said("search endpoint", other)
    world.close()


def test_help_and_status_answer_everywhere(world):
    assert "/digest subscribe owner/repo" in world.said("help")
    assert "by rules, no language model" in world.said("status")


def test_a_digest_kept_is_not_built_again_until_its_commits_change(world, history, monkeypatch):
    first = world.ask("2026-02-18")
    monkeypatch.setattr(world.source, "patches", None)  # reading a patch again would fail
    assert world.ask("2026-02-18") == first


def test_a_repository_at_hand_that_is_out_of_reach_does_not_hide_the_one_that_is_named(tmp_path, clock, history):
    world = World(tmp_path, clock, str(tmp_path / "gone"))
    assert "29 commits" in world.said(f"2026-02-18 {history.path}")
    assert "There is no git repository at" in world.said("2026-02-18")
    world.close()


def test_a_title_names_the_clone_that_is_worked_in(tmp_path, clock):
    build = Builder(tmp_path / "app")
    build.commit("a", DAY, {"a.py": "1"}, message="fix: one (#7)")
    path = build.finish().path
    git(path, "config", "remote.origin.url", "git@github.com:team/app.git")
    world = World(tmp_path, clock, str(path))
    for line in ("team/app#7", "https://github.com/team/app/pull/7", "#7"):
        assert "fix: one" in world.said(line)
    world.close()


def test_a_day_that_still_runs_is_kept_once(tmp_path, clock, history):
    clock.now = DAY.replace(hour=12)
    world = World(tmp_path, clock, str(history.path))
    for _ in range(3):
        assert "29 commits" in world.said("today")
        clock.pass_time(minutes=10)
    assert world.store.counts()["digests"] == 1
    assert "to 2026-02-18 12:20" in world.said("today").replace("12:30", "12:20")
    world.close()


# --- Several repositories, and what goes wrong with one --------------------------------------


@pytest.fixture
def two(tmp_path, clock, history):
    """A channel that follows two repositories, of which one is gone."""
    gone = Builder(tmp_path / "gone")
    gone.commit("only", DAY, {"src/b.py": "b = 1\n"}, message="feat: another thing (#900)")
    path = gone.finish().path
    world = World(tmp_path, clock, allow=["*"])
    for repo in (path, history.path):
        world.ask(f"subscribe {repo}", HOME)
    path.rename(tmp_path / "moved")
    yield world
    world.close()


@pytest.mark.parametrize("line", ["2026-02-18", "", "search endpoint", "#103"])
def test_a_repository_that_is_gone_silences_no_other(two, line):
    two.ask("2026-02-18")
    said = two.said(line)
    assert "endpoint" in said
    if line != "#103":
        assert said.count("There is no git repository") == 1


def test_where_every_repository_is_gone_that_is_the_answer(tmp_path, clock):
    build = Builder(tmp_path / "gone")
    build.commit("only", DAY, {"a.py": "b = 1\n"})
    path = build.finish().path
    world = World(tmp_path, clock, allow=["*"])
    world.ask(f"subscribe {path}", HOME)
    path.rename(tmp_path / "moved")
    with pytest.raises(NotFound):
        world.run("yesterday")
    world.close()


def test_a_quoted_path_is_one_word():
    assert split('/digest yesterday "/srv/two words"') == ["yesterday", "/srv/two words"]
    assert split("yesterday “/srv/two words”") == ["yesterday", "/srv/two words"]
    assert split('say "this') == ["say", '"this']


@pytest.mark.parametrize("text", ["0001-01-01", "1969-12-31", "2026-13-01"])
def test_a_day_before_all_commits_is_no_date(world, text):
    assert text in world.said(text)


def test_two_dates_are_the_days_between(world):
    (post,) = world.ask("2026-02-18 2026-02-16")
    assert "2026-02-16 to 2026-02-18" in words(post.headline)
    buttons = next(part for part in post.headline.parts if isinstance(part, Buttons))
    assert buttons.items[0].command.endswith("2026-02-16 2026-02-18")
    (files,) = world.ask(buttons.items[0].command)
    assert files.headline.key == "report"


# --- Subscribing again -----------------------------------------------------------------------


def test_what_is_not_named_stays_as_it_is(world, history):
    world.ask(f"subscribe {history.path} at 18:30 on daily")
    world.ask(f"subscribe {history.path} on mon-sat")
    assert world.store.subscriptions(HOME)[0].schedule == "30 18 * * mon-sat"
    world.ask(f"subscribe {history.path} at 07:15")
    assert world.store.subscriptions(HOME)[0].schedule == "15 7 * * mon-sat"


def test_a_schedule_that_is_wrong_is_not_kept_and_breaks_no_list(tmp_path, clock, history):
    world = World(tmp_path, clock, str(history.path))
    world.interpreter = world.speaking(replace(world.defaults, schedule="0 9 * * mon-fry"))
    with pytest.raises(UsageError):
        world.run(f"subscribe {history.path}")
    assert world.store.subscriptions() == ()
    world.store.subscribe(Subscription(HOME, str(history.path), "0 9 * * mon-fry", "UTC", "en"))
    assert "mon-fry" in world.said("list")
    world.close()


MISREAD = "0 9 * * mon–fri"
"""What an earlier version kept of days with a phone's dash; it was due on Mondays only."""


def test_a_schedule_that_was_misread_goes_on_until_somebody_says_otherwise(world, history):
    world.store.subscribe(Subscription(HOME, str(history.path), MISREAD, "UTC", "en"))
    assert "Monday 2026-02-23 09:00, Monday 2026-03-02 09:00" in world.said(f"subscribe {history.path} lang en")
    assert world.store.subscriptions(HOME)[0].schedule == MISREAD
    assert "Monday 2026-02-23 10:00, Monday 2026-03-02 10:00" in world.said(f"subscribe {history.path} at 10:00")
    said = world.said(f"subscribe {history.path} on mon–fri")
    assert "Friday 2026-02-20 10:00, Monday 2026-02-23 10:00, Tuesday 2026-02-24 10:00" in said
    assert world.store.subscriptions(HOME)[0].schedule == "0 10 * * mon-fri"


def test_the_doctor_names_what_was_misread_and_changes_nothing(world, history):
    schedules = {"mon-fri": "0 9 * * mon-fri", "dash": MISREAD, "both": "0 9 1 * mon", "none": "now and then"}
    for branch, schedule in schedules.items():
        world.store.subscribe(Subscription(HOME, str(history.path), schedule, "UTC", "en", branch))
    kept = world.store.subscriptions()
    found = [f for f in operator.examine(world.app, world.store, "") if f.subject == "schedule"]
    assert [(f.verdict, f.outcome, f.fields["schedule"], f.fields["times"]) for f in found] == [
        (Verdict.WARNING, "misread", MISREAD, ("mon 2026-02-23 09:00", "mon 2026-03-02 09:00", "mon 2026-03-09 09:00")),
        (
            Verdict.WARNING,
            "misread",
            "0 9 1 * mon",
            ("mon 2026-06-01 09:00", "mon 2027-02-01 09:00", "mon 2027-03-01 09:00"),
        ),
    ]
    assert world.store.subscriptions() == kept
    for language in LANGUAGES:
        assert MISREAD in Texts(language)(f"doctor.{found[0].subject}_{found[0].outcome}", **found[0].fields)


def test_the_next_times_are_those_that_have_something_to_tell(world, history):
    """The day was told at 09:00 already: its second slot of today is none."""
    world.ask(f"subscribe {history.path} at 09:00 on daily")
    (kept,) = world.store.subscriptions(HOME)
    slot = world.app.clock() - timedelta(hours=1)
    until = slot.replace(hour=0, minute=0, second=0, microsecond=0)
    told = Delivery(kept.id, slot, until, until, until, slot + timedelta(days=1), state=DeliveryState.DONE, retry=slot)
    assert world.store.plan(told, 0)
    late = f"{world.app.clock() + timedelta(hours=1):%H:%M}"
    said = world.said(f"subscribe {history.path} at {late}")
    tomorrow = world.app.clock() + timedelta(days=1)
    assert f"{tomorrow:%A %Y-%m-%d} {late}" in said
    assert f"{world.app.clock():%Y-%m-%d} {late}" not in said


@pytest.mark.parametrize("schedule", ["0 9 1 * *", "0 9 * feb mon", "0 */2 * * *"])
def test_a_form_that_cannot_show_a_schedule_leaves_it_as_it_is(world, history, schedule):
    kept = Subscription(HOME, str(history.path), schedule, "UTC", "en")
    world.store.subscribe(kept)
    form = forms.subscribe_form(world.store.subscriptions()[0], True, Texts("en"))
    shown = {asked.name: asked for asked in form.inputs}
    assert shown["at" if "/" in schedule else "on"].optional
    assert not shown["lang"].optional
    world.ask(forms.line({**dict(form.fixed), **{a.name: a.value for a in form.inputs if a.name != "at" or a.value}}))
    (after,) = world.store.subscriptions(HOME)
    assert schedule == after.schedule


def test_unsubscribing_takes_the_names_that_subscribing_takes(world, history, monkeypatch):
    monkeypatch.chdir(history.path)
    world.ask("subscribe .")
    assert "no longer follows app" in world.said("unsubscribe .")
    assert world.store.subscriptions() == ()


def test_what_is_asked_for_by_name_comes_before_what_is_followed(world, history):
    world.ask(f"subscribe {history.path} lang en zone UTC")
    world.interpreter = world.speaking(replace(world.defaults, asked_language="zh", asked_zone="Asia/Shanghai"))
    assert "Asia/Shanghai" in world.said("2026-02-18")
    assert "星期三" in world.said("2026-02-18")


def test_the_last_digest_is_this_channels_own(tmp_path, clock, history):
    world = World(tmp_path, clock, allow=["*"])
    world.ask(f"subscribe {history.path}", HOME)
    world.ask(f"subscribe {history.path} authors -dev-one zone America/New_York", CHANNEL)
    world.ask("2026-02-18", HOME)
    world.ask("2026-02-18", CHANNEL)
    assert "29 commits" in world.said("", HOME)
    assert "America/New_York" in world.said("", CHANNEL)
    world.close()


def test_a_long_list_of_finds_says_that_there_is_more(world, monkeypatch):
    monkeypatch.setattr("bot.conversation.commands.search.FOUND_LIMIT", 5)
    world.ask("2026-02-18")
    assert "the newest 5 commits" in world.said("search src")
    assert "the newest" not in world.said("search endpoint 3")


def test_no_password_of_an_address_is_repeated(tmp_path, clock):
    world = World(tmp_path, clock, allow=["team/*"])
    said = world.said("yesterday https://bob:s3cret@example.com/o/n", CHANNEL)
    assert "example.com" in said
    assert "s3cret" not in said
    world.close()


def test_a_list_and_a_right_see_through_credentials():
    rights = Rights(("https://bot:token@example.com/o/*",), (Right("slack", "", "https://bot:token@example.com/o/*"),))
    assert rights.concerning("https://other:x@example.com/o/n", Who(CHANNEL))
    assert not rights.concerning("https://example.com/else/n", Who(CHANNEL))
    assert not rights.lists("https://example.com/else/n", Who(CHANNEL))


def test_post_is_a_word_like_others_outside_of_a_channel(world, history):
    world.run(f"subscribe {history.path} authors post")
    assert world.store.subscriptions(HOME)[0].filters.authors == ("post",)
