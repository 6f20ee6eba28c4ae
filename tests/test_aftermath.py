"""What became of commits: found by their lines, said once where they were told, and shown when asked for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from make import change, commit, sha
from repositories import Builder, git, lines
from test_worker import CHANNEL, DAY, Time, opened
from world import World, words

from bot.commits.aftermath import shares
from bot.conversation import operator
from bot.delivery.followups import follow_ups, left_over
from bot.errors import Unavailable
from bot.posts.labels import follow_up_line, link_line
from bot.texts import Texts
from bot.values import (
    ChangeType,
    DeliveredCommit,
    Delivery,
    DeliveryState,
    FilePatch,
    FollowUp,
    Grade,
    Importance,
    Link,
    Named,
    Place,
    Repository,
    Step,
    StepState,
)

NOW = datetime(2026, 6, 10, 9, tzinfo=UTC)
REPO = Repository("team/app", "team/app", "main", "https://github.com/team/app", private=False)
GRADE = Grade(Importance.HIGH, (ChangeType.FIX,), "", "", 0.5)


# --- By the lines ------------------------------------------------------------------------------


def patch(*hunks, path="src/app.py"):
    return (FilePatch(path, "\n".join(hunks)),)


ADDED = patch("@@ -0,0 +1,6 @@", *(f"+line {word} here" for word in ("one", "two", "three", "four", "five", "six")))
FIRST = commit("feat: x (#1)", change(added=6, removed=0), sha=sha(1))


def later(number, *hunks, subject="fix: y", removed=3, path="src/app.py", previous=None, author="dev-two"):
    files = (change(path, added=removed, removed=removed, previous=previous),)
    return commit(f"{subject} (#{number})", *files, sha=sha(number), author=author), patch(*hunks, path=path)


def found(*after):
    return [(s.later.pull, s.kind, s.changed, s.of) for s in shares(FIRST, ADDED, after)]


MENDED = ("@@ -2,3 +2,3 @@", "-line two here", "-line three here", "-line four here", "+a new line", "+b", "+c")


def test_who_changes_most_of_its_lines_in_a_commits_lines_most_likely_repairs_it():
    assert found(later(2, *MENDED)) == [(2, "repairs", 3, 3)]


def test_lines_are_followed_when_others_move_them():
    above = later(2, "@@ -0,0 +1,2 @@", "+above", "+it all", subject="feat: z", removed=0)
    moved = later(3, "@@ -4,3 +4,3 @@", *MENDED[1:])
    assert found(above, moved) == [(3, "repairs", 3, 3)]
    renamed = later(4, path="src/new.py", previous="src/app.py", removed=0)
    assert found(renamed, later(5, *MENDED, path="src/new.py")) == [(5, "repairs", 3, 3)]


def test_a_line_belongs_to_whoever_changed_it_last():
    again = later(3, "@@ -2,3 +2,3 @@", "-a new line", "-b", "-c", "+line two here", "+x y z", "+line 4")
    assert found(later(2, *MENDED), again) == [(2, "repairs", 3, 3)]


@pytest.mark.parametrize(
    "after",
    [
        later(2, "@@ -2,3 +2,3 @@", *(f"-other {n} here" for n in "abc"), "+x"),  # not its lines
        later(2, "@@ -2,2 +2,0 @@", "-line two here", "-line three here", removed=2),  # too few
        later(2, *MENDED, "@@ -9,4 +9,0 @@", *(f"-other {n} here" for n in "abcd")),  # most are others'
        later(2, *MENDED, subject="feat: y"),  # somebody else goes on with it
        later(2, *MENDED, author="dependabot[bot]"),
        later(2, "@@ -2,3 +2,0 @@", "-}", "-", "-);"),
    ],
    ids=["strange", "few", "minority", "other", "bot", "empty"],
)
def test_what_says_nothing_is_no_link(after):
    assert found(after) == []


def test_a_revert_without_a_name_and_somebody_who_goes_on_are_told_from_repairs():
    assert found(later(2, *MENDED, subject="Revert the cache")) == [(2, "reverts", 3, 3)]
    assert found(later(2, *MENDED, subject="refactor: y", author="dev-one")) == [(2, "completes", 3, 3)]


def test_a_cut_patch_loses_sight_of_its_lines():
    first = (later(2, *MENDED)[0], (replace(patch(*MENDED)[0], complete=False),))
    assert found(first, later(3, "@@ -1,3 +1,0 @@", "-line one here", "-line two here", "-line three here")) == []


# --- What is said ------------------------------------------------------------------------------


def link(earlier=1, later=2, kind="reverts", at=NOW, **more):
    named = [Named(sha(n), n, f"title {n} (#{n})") for n in (earlier, later)]
    return Link(kind, *named, at, **more)


def told(*numbers, days=2, thread="1.0"):
    at = NOW - timedelta(days=days)
    return {sha(n): DeliveredCommit(sha(n), GRADE, Place("slack", "C1", thread), at) for n in numbers}


def chosen(links, known, said=(), muted=(), most=5):
    made = follow_ups(links, known, said, lambda place: place.thread in muted, now=NOW, most=most)
    return [(f.link.earlier.pull, f.link.later.pull, f.aloud) for f in made]


def test_what_is_certain_is_said_where_the_commit_was_told():
    assert chosen([link()], told(1)) == [(1, 2, False)]
    assert chosen([link()], told(3)) == []
    assert chosen([link(changed=3, of=4)], told(1)) == []
    assert chosen([link()], told(1, thread=None)) == [(1, 2, True)]


def test_it_is_said_once_and_not_after_a_month_and_not_in_a_muted_thread():
    assert chosen([link(), link()], told(1)) == [(1, 2, False)]
    assert chosen([link()], told(1), said=[(sha(1), sha(2), NOW)]) == []
    assert chosen([link()], told(1, days=31)) == []
    assert chosen([link()], told(1), muted=("1.0",)) == []


def test_a_commit_has_two_and_a_week_five_of_which_the_gravest_come_first():
    many = [link(1, n) for n in (2, 3, 4)]
    assert chosen(many, told(1)) == [(1, 2, False), (1, 3, False)]
    assert chosen(many, told(1), said=[(sha(1), sha(9), NOW - timedelta(days=9))]) == [(1, 2, False)]
    week = [(sha(n), sha(90), NOW - timedelta(days=6)) for n in (70, 71, 72, 73)]
    kinds = [link(1, 4, "completes"), link(2, 5, "repairs"), link(3, 6, "reverts")]
    assert chosen(kinds, told(1, 2, 3), said=week) == [(3, 6, False)]
    assert chosen(kinds, told(1, 2, 3), most=2) == [(3, 6, False), (2, 5, False)]
    assert chosen(kinds, told(1, 2, 3), most=0) == []


def delivery(number, *said, state=DeliveryState.DONE, steps=(), **more):
    times = dict.fromkeys(("slot", "cursor", "since", "until", "deadline", "retry"), NOW)
    steps = tuple(Step(key, step, NOW) for key, step in steps)
    return Delivery(1, **times, id=number, state=state, steps=steps, follow_ups=said, **more)


SAID = FollowUp(link(), NOW - timedelta(days=2), Place("slack", "C1", "1.0"))
POSTED, SENT = ("headline", StepState.DONE), (SAID.key, StepState.DONE)


def rest(*deliveries, muted=()):
    return left_over(deliveries, lambda place: place.thread in muted, NOW)


def test_what_was_not_said_is_said_next_and_aloud_where_its_thread_is_gone():
    aloud = replace(SAID, aloud=True)
    assert rest(delivery(2, SAID, steps=(POSTED, SENT))) == ()
    assert rest(delivery(2, SAID, state=DeliveryState.QUIET)) == (SAID,)
    assert rest(delivery(2, SAID, steps=(POSTED,), state=DeliveryState.FAILED)) == (SAID,)
    assert rest(delivery(2, replace(SAID, gone=True), steps=(POSTED, SENT))) == (aloud,)
    perhaps = ((SAID.key, StepState.INTENDED), POSTED)
    assert rest(delivery(2, SAID, steps=perhaps, state=DeliveryState.FAILED)) == (aloud,)
    assert rest(delivery(2, aloud, steps=(POSTED,))) == ()
    assert rest(
        delivery(3, aloud, state=DeliveryState.QUIET), delivery(2, replace(SAID, gone=True), steps=(POSTED, SENT))
    ) == (aloud,)
    assert rest(delivery(2, SAID, state=DeliveryState.RESTORED)) == ()
    assert rest(delivery(2, SAID, state=DeliveryState.DUE, steps=(POSTED,))) == ()
    assert rest(delivery(2, SAID, state=DeliveryState.QUIET), muted=("1.0",)) == ()
    late = replace(SAID, told=NOW - timedelta(days=31))
    assert rest(delivery(2, late, state=DeliveryState.QUIET)) == ()


def text(line):
    return "".join(span.text for span in line)


def test_it_reads_well_in_both_languages_and_holds_hostile_titles():
    en, zh = Texts("en"), Texts("zh")
    assert text(link_line(REPO, link(), en)) == "reverted by #2: title 2"
    assert text(link_line(REPO, link(), zh)) == "已被 #2 回退：title 2"
    likely = link(kind="repairs", changed=3, of=4)
    assert "of the lines that it changes or removes, 3 of 4 came from this commit" in text(link_line(REPO, likely, en))
    assert text(follow_up_line(REPO, SAID, "UTC", en)) == "#1 (reported 2026-06-08) reverted by #2: title 2"
    assert text(follow_up_line(REPO, SAID, "UTC", zh)) == "#1（2026-06-08 已推送）已被 #2 回退：title 2"
    hostile = replace(link(), later=Named(sha(2), None, "<!channel> {name} \0 [x](http://y)\nnext"))
    (first, *_), line = link_line(REPO, hostile, en), link_line(REPO, hostile, en)
    assert first.text == "reverted by "
    assert [span.url for span in line if span.url] == [f"https://github.com/team/app/commit/{sha(2)}"]


# --- In a channel ------------------------------------------------------------------------------


@pytest.fixture
def time():
    return Time(DAY - timedelta(hours=12))


@pytest.fixture
def bot(tmp_path, time):
    with opened(tmp_path, time) as made:
        yield made
        made.worker.stop(5)
        assert made.server.impatient == []


def two_mornings(bot, follow=True, between=lambda: None, subject="Revert the new default from #1 (#2)"):
    """#1 is told on the 19th, and #2, which takes it back, on the 20th."""
    followed = bot.follow() if follow else None
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(hours=3), "feat(api)!: replace one (#1)")
    bot.at("19T09:00")
    between()
    bot.commit("two", DAY + timedelta(days=1, hours=3), subject)
    bot.at("20T09:00")
    return followed


def keys(messages):
    return [m["metadata"]["event_payload"]["key"].split("/")[1] for m in messages]


def after(bot):
    """What was said of the first digest after it, and the headline of the second one with what hangs beneath."""
    first, second = bot.tops()
    beneath = bot.server.thread("C1", first["ts"])
    return [m for m in beneath if "since-" in str(m["metadata"])], second, bot.server.thread("C1", second["ts"])


def test_the_thread_in_which_a_commit_was_told_gets_a_short_reply_after_the_next_digest(bot):
    two_mornings(bot)
    (reply,), headline, beneath = after(bot)
    assert "#1" in str(reply)
    assert "reverted by" in str(reply)
    assert float(reply["ts"]) > float(headline["ts"])
    assert "reported 2026-02-19" in str(beneath)
    assert "Since then" not in str(headline)
    bot.commit("three", DAY + timedelta(days=2, hours=3))
    bot.at("21T09:00")
    assert len(bot.server.thread("C1", bot.tops()[0]["ts"])) == len(
        {*keys(bot.server.thread("C1", bot.tops()[0]["ts"]))}
    )


def test_a_thread_that_is_gone_is_said_in_the_next_headline(bot):
    def gone():
        bot.server.channels["C1"].messages.clear()

    two_mornings(bot, between=gone)
    assert len(bot.tops()) == 1
    bot.commit("three", DAY + timedelta(days=2, hours=3))
    bot.at("21T09:00")
    *_, third = bot.tops()
    assert "Since then" in str(third)
    assert "reported 2026-02-19" in str(third)
    bot.commit("four", DAY + timedelta(days=3, hours=3))
    bot.at("22T09:00")
    assert "Since then" not in str(bot.tops()[-1])


def test_a_channel_without_threads_is_told_everything_in_the_channel(bot):
    bot.server.channels["C1"].threads = False
    two_mornings(bot)
    assert "since-" not in str(keys(bot.server.messages["C1"]))
    bot.commit("three", DAY + timedelta(days=2, hours=3))
    bot.at("21T09:00")
    said = bot.server.messages["C1"]
    assert len(keys(said)) == len(said) == 3 * 2  # the words of a report stand with its files
    assert len(bot.server.files) == 3 * 2
    assert sum("Since then" in str(m) for m in said) == 1
    assert bot.states(bot.store.subscriptions()[0]) == ["quiet", "done", "done", "done"]


def test_nothing_is_said_where_nobody_wants_it(bot):
    two_mornings(bot, follow=bot.follow(follow_ups=False) and False)
    said, _, beneath = after(bot)
    assert said == []
    assert "reported 2026-02-19" in str(beneath)


def test_a_muted_thread_stays_silent(bot):
    def mute():
        assert "No more follow-ups in the thread" in bot.world.said("mute 1", CHANNEL)

    two_mornings(bot, between=mute)
    said, headline, _ = after(bot)
    assert said == []
    assert "Since then" not in str(headline)
    assert "are back on" in bot.world.said("unmute #1", CHANNEL)
    bot.follow(Place("slack", "T1/C2"))
    assert "is not in any thread here" in bot.world.said("mute 2", Place("slack", "T1/C2"))
    assert "mute 6344" in bot.world.said("mute", CHANNEL)


def test_after_an_unsubscribe_nothing_is_said(bot, monkeypatch):
    followed, post = bot.follow(), bot.chat.post

    def leave(place, message, once=None):
        thread = post(place, message, once)
        if message.key == "headline" and len(bot.tops()) == 2:
            bot.store.unsubscribe(followed.id)
        return thread

    monkeypatch.setattr(bot.chat, "post", leave)
    two_mornings(bot, follow=False)
    assert after(bot)[0] == []


def test_after_an_unsubscribe_its_threads_stay_silent_where_another_branch_is_followed(bot):
    main = bot.follow()
    bot.build.commit("rel", DAY - timedelta(days=2), {"r": "1\n"}, branch="release/1.0", parents=["root"])
    bot.build.finish()
    bot.follow(branch="release/1.0")

    def leave():
        bot.store.unsubscribe(main.id)
        port = {"src/one.py": "x\n"}
        subject = "[1.0] replace one (#5)\n\nBackport of #1"
        bot.build.commit("port", DAY + timedelta(hours=27), port, message=subject, branch="release/1.0")
        bot.build.finish()

    two_mornings(bot, follow=False, between=leave)
    assert len(bot.tops()) == 2
    assert after(bot)[0] == []
    assert "replace one (#5)" in str(bot.tops()[1])


def test_a_follow_up_that_was_perhaps_sent_is_looked_for(bot, monkeypatch):
    post = bot.chat.post

    def die(place, message, once=None):
        thread = post(place, message, once)
        if message.key.startswith("since-"):
            monkeypatch.setattr(bot.chat, "post", post)
            raise KeyboardInterrupt
        return thread

    two_mornings(bot, between=lambda: monkeypatch.setattr(bot.chat, "post", die))
    assert bot.chat.post == post, "it died"
    assert len(after(bot)[0]) == 1
    assert sum(bool(m.get("files")) for m in bot.server.channels["C1"].messages) == 2
    assert bot.states(bot.store.subscriptions()[0]) == ["quiet", "done", "done"]


def test_a_twin_on_another_branch_gets_no_reply(bot):
    bot.build.commit("rel", DAY - timedelta(days=2), {"r": "1\n"}, branch="release/1.0", parents=["root"])
    bot.build.finish()
    bot.follow()
    bot.follow(branch="release/1.0")
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(hours=3), "feat: a cache")
    bot.at("19T09:00")
    twin = {"src/one.py": lines(1, 20, "one")}
    bot.build.commit("port", DAY + timedelta(hours=27), twin, message="feat: a cache", branch="release/1.0")
    bot.build.finish()
    bot.at("20T09:00")
    bot.commit("two", DAY + timedelta(hours=51), 'Revert "feat: a cache"\n\nIt is slow.')
    bot.at("21T09:00")
    told = [m for m in bot.server.messages["C1"] if "since-" in str(m["metadata"])]
    assert [m["thread_ts"] for m in told] == [bot.tops()[0]["ts"]]


def test_who_names_a_commit_by_the_sha_that_a_rewrite_gave_it_means_what_was_told(bot):
    repo = bot.folder / "repo"

    def written(text):
        return git(repo, "hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode())

    bot.follow()
    bot.at("18T09:00")
    bot.commit("one", DAY + timedelta(hours=3), "feat(api)!: replace one (#1)")
    bot.at("19T09:00")
    head, _, message = git(repo, "cat-file", "commit", "main").partition("\n\n")
    moved = int((DAY + timedelta(hours=28)).timestamp())
    rebased = written(f"{head.rpartition('> ')[0]}> {moved} +0000\n\n{message}\n")
    tree, parent, dev = git(repo, "rev-parse", "main^^{tree}"), rebased, f"dev <dev@x.org> {moved + 60} +0000"
    fix = f"fix: a crash\n\nFixes: {rebased[:12]}\n"
    mended = written(f"tree {tree}\nparent {parent}\nauthor {dev}\ncommitter {dev}\n\n{fix}")
    git(repo, "update-ref", "refs/heads/main", mended)
    bot.at("20T09:00")
    (reply,), _, beneath = after(bot)
    assert "fixed by" in str(reply)
    assert "reported 2026-02-19" in str(beneath)


def test_a_delivery_that_is_retried_leaves_to_a_later_one_what_that_has_said(bot, monkeypatch):
    post, down = bot.chat.post, []

    def flaky(place, message, once=None):
        if down and message.key != "headline":
            raise Unavailable("slack_down")
        return post(place, message, once)

    monkeypatch.setattr(bot.chat, "post", flaky)
    followed = two_mornings(bot, between=lambda: down.append(1))
    bot.at("20T15:00")
    bot.at("21T08:30")
    bot.commit("three", DAY + timedelta(hours=51))
    bot.at("21T09:00")
    down.clear()
    bot.at("21T10:30")
    part = next(d for d in bot.store.deliveries(followed.id) if d.state is DeliveryState.FAILED)
    operator.retry(bot.store, part.id, bot.time.moment)
    bot.at("21T11:00")
    assert bot.states(followed) == ["quiet", "done", "done", "done"]
    said = [key for key in keys(bot.server.messages["C1"]) if key.startswith("since-")]
    assert len(said) == 1


def test_what_a_digest_given_up_unposted_was_to_say_aloud_is_said_once(bot, monkeypatch):
    post, down = bot.chat.post, []

    def flat(place, message, once=None):
        if down:
            raise Unavailable("slack_down")
        return replace(post(place, message, once), thread=None)

    monkeypatch.setattr(bot.chat, "post", flat)
    two_mornings(bot, between=lambda: down.append(1))
    bot.at("20T15:00")
    bot.at("21T08:30")
    bot.commit("three", DAY + timedelta(hours=51))
    bot.at("21T09:00")
    down.clear()
    bot.at("21T10:30")
    (said,) = [str(m) for m in bot.server.messages["C1"] if "Since then" in str(m)]
    assert said.count("reverted by") == 1


# --- When asked for ----------------------------------------------------------------------------


def test_a_commit_in_full_says_what_became_of_it_also_what_is_only_likely(tmp_path):
    """In a terminal, where no digest was ever made: everything is found in the repository."""
    build, noon = Builder(tmp_path / "repo"), DAY + timedelta(hours=12)
    rows = [f"line {n} of the first\n" for n in range(8)]
    build.commit("root", noon - timedelta(days=3), {"README.md": "# App\n"})
    build.commit("one", noon, {"src/app.py": "".join(rows)}, message="feat: one (#1)")
    mended = [*rows[:3], *(f"mended {n}\n" for n in range(4)), rows[7]]
    build.commit("two", noon + timedelta(days=1), {"src/app.py": "".join(mended)}, message="fix: two (#2)")
    build.commit("three", noon + timedelta(days=2), {"src/app.py": "gone\n"}, message="Revert one\n\nThis reverts #1.")
    build.finish()
    world = World(tmp_path, lambda: noon + timedelta(days=4), allow=(str(tmp_path / "*"),), repo=str(tmp_path / "repo"))
    said = world.said("#1")
    assert "Since then" in said
    assert "probably fixed by  #2 : fix: two " in said
    assert "(of the lines that it changes or removes, 4 of 4 came from this commit)" in said
    assert "reverted by" in said.split("Since then")[1]
    assert world.said("#1") == said
    (kept,) = world.store.links(str(tmp_path / "repo"), [world.source.pull(str(tmp_path / "repo"), 2).sha])
    assert (kept.kind, kept.certain, kept.earlier.pull) == ("repairs", False, 1)
    assert "Since then" not in world.said("#2").partition("Related")[0] or "reverted" in world.said("#2")
    world.close()


def test_a_day_says_of_what_landed_and_was_reverted_within_it(tmp_path):
    build = Builder(tmp_path / "repo")
    build.commit("root", DAY - timedelta(days=3), {"README.md": "# App\n"})
    build.commit("one", DAY + timedelta(hours=2), {"a.py": "1\n"}, message="feat(api)!: one (#1)")
    build.commit("two", DAY + timedelta(hours=3), {"a.py": "2\n"}, message='Revert "feat(api)!: one (#1)" (#2)')
    build.finish()
    world = World(tmp_path, lambda: DAY + timedelta(days=4), allow=(str(tmp_path / "*"),), repo=str(tmp_path / "repo"))
    (post,) = world.ask("2026-02-18")
    assert "reverted by  #2 :" in " ".join(words(m) for m in post.replies)
    world.close()
