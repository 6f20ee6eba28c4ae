"""A morning tells what can be reached now and could not be before: on real parts, whatever dates and rewrites say."""

import sqlite3
from datetime import timedelta

import pytest
from repositories import lines
from test_worker import DAY, Time, opened

HOUR = timedelta(hours=1)


@pytest.fixture
def bot(tmp_path):
    with opened(tmp_path, Time(DAY - 12 * HOUR)) as made:
        made.follow()
        made.commit("one", DAY + 3 * HOUR)
        made.commit("two", DAY + 4 * HOUR)
        made.at("19T09:00")
        yield made


def rewrite(bot, *names, onto="root", at=DAY + 27 * HOUR):
    """The branch is written anew from `onto`: commits of the same patches, by other SHAs."""
    for name in names:
        files = {f"src/{name}.py": lines(1, 20, name)}
        bot.build.commit(f"{name} again", at, files, message=f"fix: {name}", parents=[onto])
        onto = f"{name} again"
    bot.build._tips["main"] = onto
    bot.build.ref("refs/heads/main", onto)
    bot.build.finish()


def last(bot):
    return str(bot.tops()[-1])


@pytest.mark.parametrize("ago", [timedelta(days=14), timedelta(days=4_000), -timedelta(days=60), -2 * HOUR])
def test_what_lands_with_another_date_is_told_in_the_next_digest_once_with_it(bot, ago):
    dated = DAY + 33 * HOUR - ago
    bot.commit("odd", dated)
    bot.at("20T09:00")
    assert "fix: odd" in last(bot)
    assert f"{dated:%Y-%m-%d %H:%M}" in last(bot) or DAY + 24 * HOUR <= dated < DAY + 48 * HOUR
    for day in ("21T09:00", "22T09:00"):
        bot.at(day)
    assert sum("fix: odd" in str(top) for top in bot.tops()) == 1


def test_what_is_dated_today_waits_and_what_lies_below_it_with_an_old_date_too(bot):
    bot.commit("new", DAY + 25 * HOUR)
    bot.commit("old", DAY - 400 * HOUR)
    bot.commit("today", DAY + 49 * HOUR)
    bot.at("20T09:00")
    assert "fix: new" in last(bot)
    assert "fix: old" in last(bot)
    assert "fix: today" not in last(bot)
    bot.at("21T09:00")
    assert "fix: today" in last(bot)
    assert "fix: old" not in last(bot)


def test_of_a_rewritten_branch_only_what_is_new_is_told_and_the_rest_is_counted_or_named(bot):
    rewrite(bot, "three", "one")
    old = bot.build.finish().sha("two")[:7]
    bot.at("20T09:00")
    said = last(bot)
    assert "fix: three" in said
    assert f"The branch was rewritten (it was at {old}). Already reported, so not repeated: 1 commit." in said
    assert f"Reported earlier, but no longer on it: {old} fix: two" in said
    assert "1 commit |" in said
    bot.at("21T09:00")
    assert len(bot.tops()) == 2


def test_what_was_rewritten_away_and_comes_back_days_later_is_counted_and_not_told_again(bot):
    rewrite(bot, "one")
    bot.at("20T09:00")
    assert "no longer on it" in last(bot)
    rewrite(bot, "three", onto="one again", at=DAY + 50 * HOUR)
    bot.at("21T09:00")
    rewrite(bot, "two", onto="three again", at=DAY + 75 * HOUR)
    bot.at("22T09:00")
    assert "are back. Already reported, so not repeated: 1 commit." in last(bot)
    assert "rewritten (it was" not in last(bot)
    assert "fix: two" not in last(bot)
    bot.at("23T09:00")
    assert len(bot.tops()) == 4


def test_a_rewrite_of_this_morning_is_told_at_once_and_not_again(bot):
    rewrite(bot, "one", "two", at=DAY + 50 * HOUR)
    bot.at("20T09:00")
    assert "Already reported, so not repeated: 2 commits." in last(bot)
    bot.at("21T09:00")
    assert len(bot.tops()) == 2


def test_a_hostile_title_of_what_is_gone_is_text(bot):
    bot.commit("bad", DAY + 25 * HOUR, subject="<!channel> *x* [a](javascript:1)")
    bot.at("20T09:00")
    rewrite(bot, "one", "two", at=DAY + 50 * HOUR)
    bot.at("21T09:00")
    assert "no longer on it" in last(bot)  # that nobody was pinged is looked at by the server, and at the end


def test_an_upgrade_tells_nothing_twice(bot):
    """The version before kept no tips, and looked for late dates by what it remembered of a week."""
    with sqlite3.connect(bot.folder / "digest.db") as db:
        db.execute("UPDATE deliveries SET body = json_remove(body, '$.before', '$.mark')")
        db.execute("DELETE FROM told")
    db.close()
    bot.commit("new", DAY + 25 * HOUR)
    bot.at("20T09:00")
    assert "fix: new" in last(bot)
    assert "1 commit |" in last(bot)
    bot.commit("odd", DAY - 400 * HOUR)
    bot.at("21T09:00")
    assert "fix: odd" in last(bot)


def test_after_a_restore_dates_decide_and_a_rewrite_of_the_forgotten_time_cannot_be_seen(bot):
    """What docs/backup.md says: what was dated anew is told again, once, and nothing is lost."""
    with sqlite3.connect(bot.folder / "digest.db") as db:
        forgotten = "json_set(json_remove(body, '$.before', '$.mark'), '$.state', 'restored')"
        db.execute(f"UPDATE deliveries SET state = 'restored', body = {forgotten}")
        db.execute("DELETE FROM told")
    db.close()
    rewrite(bot, "one", "three")
    bot.at("20T09:00")
    assert "rewritten" not in last(bot)
    assert "2 commits |" in last(bot)
    rewrite(bot, "two", onto="three again", at=DAY + 50 * HOUR)
    bot.at("21T09:00")
    assert "1 commit |" in last(bot)


def test_another_default_branch_begins_where_the_last_period_ended(bot):
    bot.build.commit("other", DAY + 2 * HOUR, {"other.py": "1\n"}, branch="next", message="fix: other")
    bot.build.commit("newer", DAY + 26 * HOUR, {"newer.py": "1\n"}, branch="next", message="fix: newer")
    bot.build.finish()
    (bot.folder / "repo" / "HEAD").write_text("ref: refs/heads/next\n")
    bot.at("20T09:00")
    assert "fix: newer" in last(bot)
    assert "fix: other" not in last(bot)
    assert "rewritten" not in last(bot)
