"""What every store must do. A subclass supplies the fixtures `store` and `reopen`.

store     an empty store, closed by the fixture
reopen    a callable that closes `store` and returns another one on the same data
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import make
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain import is_packed, unpack_all

from bot.errors import BudgetSpent, LeaseLost, NotFound
from bot.ports import Store
from bot.values import (
    EPOCH,
    GATHERED,
    SCHEDULED,
    Account,
    Analysis,
    AnalysisKey,
    Aside,
    Aspect,
    Bump,
    ChangeRequest,
    ChangeType,
    Commit,
    DeliveredCommit,
    Delivery,
    DeliveryState,
    Digest,
    Entry,
    Evidence,
    Failure,
    FileChange,
    FileStatus,
    Filters,
    FollowUp,
    Grade,
    Impact,
    Importance,
    InnerCommit,
    Insight,
    Link,
    Mark,
    Member,
    Named,
    Period,
    Person,
    Place,
    Reading,
    Reference,
    Repository,
    Reservation,
    Risk,
    Search,
    Series,
    Spending,
    Step,
    StepState,
    Subscription,
    Suggestion,
    Taken,
    Theme,
    Turn,
    Usage,
)

START = datetime(2026, 2, 18, tzinfo=UTC)
ANNA = Account("slack", "T1/C1", "U1")
REPO = "team/service"
OTHER = "team/other"


def commit(number: int, **changes: object) -> Commit:
    """The commit that landed in minute `number`, with a SHA made of it."""
    plain = make.commit(
        f"Change number {number}",
        repo=REPO,
        sha=f"{number:07x}" + "c" * 33,
        committed=START + timedelta(minutes=number),
        parents=("a" * 40,),
        changes=(),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


FULL = commit(
    7,
    subject="Merge pull request #6344 from dev-two/fix",
    body="第一行\n\nSecond line",
    login="dev-one",
    parents=("a" * 40, "b" * 40),
    pull=6344,
    files=(
        FileChange("src/新/parser.py", FileStatus.RENAMED, 12, 3, previous="src/old.py"),
        FileChange("logo.png", FileStatus.ADDED, binary=True),
    ),
    inner=(InnerCommit("d" * 40, "Inner step", "dev-two"),),
)
ANALYSIS = Analysis(
    summary="Sessions expire.",
    impact=(Impact("Login", ("src/login.py",), "Tokens are checked."),),
    insights=(Insight(Aspect.SECURITY, "Replay is refused.", Evidence("src/login.py", "if used:", 3)),),
    risks=(Risk("Clock skew.", Evidence("src/login.py", "now()"), "Allow a minute."),),
    suggestions=(Suggestion("Operators", "Watch the error rate."),),
    by="model-a",
    coverage=0.1 + 0.2,
    dropped=2,
    note="shortened",
)
GRADE = Grade(
    Importance.HIGH, (ChangeType.FIX, ChangeType.SECURITY), "security", "Sessions expire.", 0.75, "login", "m"
)
PLACE = Place("slack", "C1", "1700.1")
DAILY = Subscription(PLACE, REPO, "0 9 * * mon-fri", "Asia/Shanghai", "zh")


def digest(*commits: Commit, day: int = 0, analysis: Analysis = ANALYSIS, **changes: object) -> Digest:
    """The English digest of one day of the main branch."""
    since = START + timedelta(days=day)
    plain = Digest(
        repository=Repository(REPO, "Service", "main", "https://example.org/team/service", private=True),
        branch="main",
        period=Period(since, since + timedelta(days=1), "Europe/Berlin"),
        language="en",
        filters=Filters(("-bot",), ("src/",), bots=False),
        entries=tuple(Entry(each, GRADE, analysis) for each in commits),
        overview="A quiet day.",
        rows=tuple((each.sha,) for each in commits),
        themes=(Theme("login", tuple(each.sha for each in commits)),),
        usual=4,
        notices=("Something is missing.",),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def link(earlier: int, later: int, **changes: object) -> Link:
    """That the commit of one minute was reverted by that of another."""
    named = [Named(commit(n).sha, n, f"Change number {n}") for n in (earlier, later)]
    return replace(Link("reverts", *named, START + timedelta(minutes=later)), **changes)  # type: ignore[arg-type]


def shas(commits: tuple[Commit, ...]) -> list[str]:
    return [each.sha for each in commits]


# Any text that both SQLite and PostgreSQL can hold: emoji, right-to-left marks, quotes, everything but NUL (which a
# source has replaced) and lone surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
COUNT = st.integers(0, 2**62)
TIME = st.datetimes(timezones=st.just(UTC))
SECOND = TIME.map(lambda time: time.replace(microsecond=0))
FILES = st.builds(FileChange, TEXT, st.sampled_from(FileStatus), COUNT, COUNT, st.none() | TEXT, st.booleans())
PEOPLE = st.lists(st.builds(Person, TEXT, st.none() | TEXT), max_size=2).map(tuple)
READINGS = st.builds(
    Reading,
    subject=TEXT,
    title=TEXT,
    summary=TEXT,
    said=TEXT,
    tags=st.lists(TEXT, max_size=2).map(tuple),
    types=st.lists(st.sampled_from(ChangeType), min_size=1, max_size=2).map(tuple),
    prefix=st.none() | st.sampled_from(ChangeType),
    people=PEOPLE,
    bot=st.booleans(),
    breaking=TEXT,
    bumps=st.lists(st.builds(Bump, TEXT, TEXT, TEXT), max_size=2).map(tuple),
    references=st.lists(st.builds(Reference, st.just("reverts"), TEXT, st.none() | COUNT, TEXT), max_size=2).map(tuple),
    series=st.none() | st.builds(Series, TEXT, TEXT, st.lists(TEXT, max_size=2).map(tuple)),
    request=st.none() | st.builds(ChangeRequest, TEXT, TEXT, st.lists(TEXT, max_size=2).map(tuple)),
)
COMMITS = st.builds(
    Commit,
    repo=TEXT,
    sha=st.text("0123456789abcdef", min_size=40, max_size=64),
    subject=TEXT,
    body=TEXT,
    author=TEXT,
    login=st.none() | TEXT,
    committed=SECOND,
    parents=st.lists(TEXT, max_size=2).map(tuple),
    pull=st.none() | COUNT,
    files=st.lists(FILES, max_size=3).map(tuple),
    inner=st.lists(st.builds(InnerCommit, TEXT, TEXT, TEXT), max_size=2).map(tuple),
    reading=READINGS,
)
SEARCHES = st.builds(Search, COUNT, COUNT, st.lists(TEXT, max_size=2).map(tuple))
EVIDENCE = st.builds(
    Evidence,
    TEXT,
    TEXT,
    st.none() | COUNT,
    request=st.booleans(),
    last=st.none() | COUNT,
    search=st.none() | SEARCHES,
)
ANALYSES = st.builds(
    Analysis,
    summary=TEXT,
    impact=st.lists(st.builds(Impact, TEXT, st.lists(TEXT, max_size=2).map(tuple), TEXT), max_size=2).map(tuple),
    insights=st.lists(st.builds(Insight, st.sampled_from(Aspect), TEXT, EVIDENCE), max_size=2).map(tuple),
    risks=st.lists(st.builds(Risk, TEXT, EVIDENCE, TEXT), max_size=2).map(tuple),
    suggestions=st.lists(st.builds(Suggestion, TEXT, TEXT), max_size=2).map(tuple),
    coverage=st.floats(0, 1),
    note=TEXT,
)
SUBSCRIPTIONS = st.builds(
    Subscription,
    place=st.builds(Place, TEXT, TEXT, st.none() | TEXT),
    repo=TEXT,
    schedule=TEXT,
    zone=TEXT,
    language=TEXT,
    branch=TEXT,
    filters=st.builds(
        Filters,
        *[st.lists(TEXT, max_size=2).map(tuple)] * 2,
        labels=st.lists(TEXT, max_size=2).map(tuple),
        owners=st.lists(TEXT, max_size=2).map(tuple),
    ),
    holidays=TEXT,
    quiet=st.booleans(),
    paused=TEXT,
    created=st.datetimes(timezones=st.just(UTC)),
)
examples = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[
        HealthCheck.differing_executors,  # every store inherits these tests
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],
)


def delivery(subscription: int, **fields: Any) -> Delivery:
    """A delivery of the day after START."""
    day = timedelta(days=1)
    known = {"slot": START + day, "cursor": START, "since": START, "until": START + day}
    known |= {"deadline": START + 2 * day, "retry": START + day}
    return Delivery(subscription, **(known | fields))


def planned(store: Store, subscription: int, last: int = 0, **fields: Any) -> Delivery:
    """The same, kept."""
    made = store.plan(delivery(subscription, **fields), last)
    assert made is not None
    return made


def looked_at(store: Store, now: datetime, ahead: datetime = START + timedelta(days=99)) -> list[int]:
    """The numbers of the subscriptions that are to be looked at."""
    return [each.subscription.id for each in store.candidates(now, ahead)]


class StoreContract:
    """The tests; each begins with an empty store."""

    # --- Commits ---

    def test_a_commit_comes_back_as_it_was(self, store: Store) -> None:
        store.keep_commits([FULL])
        assert store.commits_by_sha(REPO, FULL.sha) == (FULL,)
        assert store.commits_by_sha(REPO, FULL.sha)[0].committed.utcoffset() == timedelta(0)

    @given(kept=COMMITS)
    @examples
    def test_any_commit_comes_back_as_it_was(self, store: Store, kept: Commit) -> None:
        store.keep_commits([kept])
        assert store.commits_by_sha(kept.repo, kept.sha) == (kept,)

    def test_no_commits_are_no_error(self, store: Store) -> None:
        store.keep_commits([])
        assert store.counts()["commits"] == 0

    def test_any_iterable_of_commits_is_kept(self, store: Store) -> None:
        store.keep_commits(commit(n) for n in range(3))
        assert store.counts()["commits"] == 3

    def test_a_known_commit_is_replaced(self, store: Store) -> None:
        store.keep_commits([commit(1), commit(2)])
        changed = commit(1, subject="Said otherwise", pull=5, files=(FileChange("new.py"),))
        store.keep_commits([changed])
        assert store.commits_by_sha(REPO, changed.sha) == (changed,)
        assert store.counts()["commits"] == 2

    def test_the_last_of_two_versions_in_one_call_is_kept(self, store: Store) -> None:
        store.keep_commits([commit(1, subject="First said"), commit(1, subject="Then said")])
        assert [c.subject for c in store.commits_by_sha(REPO, "0000001")] == ["Then said"]
        assert store.search("first", [REPO], 5) == ()

    def test_the_same_sha_in_two_repositories_is_two_commits(self, store: Store) -> None:
        here, there = commit(1), commit(1, repo=OTHER, subject="There")
        store.keep_commits([here, there])
        assert store.commits_by_sha(REPO, here.sha) == (here,)
        assert store.commits_by_sha(OTHER, here.sha) == (there,)

    def test_a_commit_that_a_merge_brought_is_found_by_that_where_it_is_asked_for(self, store: Store) -> None:
        one = replace(commit(1), inner=(InnerCommit(commit(7).sha, "Inner", "dev-one"),))
        store.keep_commits([one, commit(2)])
        store.keep_commits([one])
        assert store.commits_by_sha(REPO, "0000007") == store.commits_by_sha(OTHER, "0000007", aliases=True) == ()
        assert store.commits_by_sha(REPO, "0000007", aliases=True) == (one,)
        assert store.commits_by_sha(REPO, "0000002", aliases=True) == (commit(2),)
        store.keep_renamed(REPO, {commit(8).sha: commit(2).sha, commit(2).sha: commit(2).sha})
        store.keep_renamed(REPO, {commit(8).sha: commit(2).sha})
        assert store.commits_by_sha(REPO, "0000008", aliases=True) == (commit(2),)
        store.forget_repository(REPO)
        assert store.counts()["aliases"] == 0

    def test_a_sha_prefix_finds_all_that_start_with_it_newest_first(self, store: Store) -> None:
        found = [commit(n, sha="ab12" + f"{15 - n:x}" + "f" * 35) for n in range(3)]
        near = [commit(9, sha="ab11" + "f" * 36), commit(9, sha="ab13" + "0" * 36)]
        store.keep_commits([found[1], *near, found[0], found[2]])
        assert store.commits_by_sha(REPO, "ab12") == tuple(reversed(found))
        assert store.commits_by_sha(REPO, "ab12f") == (found[0],)

    @pytest.mark.parametrize("prefix", ["0", "", "zz", "%", "_", "'", "\0", "😀", "\udc80", "f" * 100])
    def test_a_prefix_that_no_sha_has_or_that_is_none_is_no_error(self, store: Store, prefix: str) -> None:
        store.keep_commits([commit(1)])
        assert set(store.commits_by_sha(REPO, prefix)) <= {commit(1)}

    def test_look_ups_return_ten_at_most_the_newest(self, store: Store) -> None:
        store.keep_commits(commit(n, pull=3) for n in range(12))
        newest = tuple(commit(n, pull=3) for n in reversed(range(2, 12)))
        assert store.commits_by_pull(REPO, 3) == newest
        assert store.commits_by_sha(REPO, "00000") == newest

    def test_a_pull_request_finds_its_commits_in_its_repository_newest_first(self, store: Store) -> None:
        mine = [commit(1, pull=5), commit(2, pull=5)]
        store.keep_commits([*mine, commit(3, pull=55), commit(4), commit(5, repo=OTHER, pull=5)])
        assert store.commits_by_pull(REPO, 5) == (mine[1], mine[0])

    @pytest.mark.parametrize("number", [0, -1, 6, 2**63, -(2**63) - 1, 10**30])
    def test_an_unknown_pull_request_has_no_commits(self, store: Store, number: int) -> None:
        store.keep_commits([commit(1, pull=5), commit(2)])
        assert store.commits_by_pull(REPO, number) == ()

    def test_an_unknown_repository_has_no_commits(self, store: Store) -> None:
        assert store.commits_by_sha("no/where", "a") == store.commits_by_pull("no/where", 1) == ()

    def test_a_message_of_a_mebibyte_is_kept_and_found(self, store: Store) -> None:
        long = commit(1, body="word 登录 " * 100_000 + "finis")
        store.keep_commits([long])
        assert store.search("finis", [REPO], 1) == (long,)

    def test_text_that_is_not_unicode_is_no_error(self, store: Store) -> None:
        odd = commit(1, subject="bad \udc80 byte", files=(FileChange("src/\ud800.py"),))
        store.keep_commits([odd])
        store.keep_digest("k", digest(odd), START)
        assert shas(store.commits_by_sha(REPO, odd.sha)) == [odd.sha]
        assert shas(store.search("bad byte", [REPO], 1)) == [odd.sha]
        assert store.digest("k") is not None

    # --- Search ---

    @pytest.mark.parametrize(
        ("text", "query"),
        [
            ("Fix the parser", "fix"),
            ("Fix the parser", "PARS"),
            ("Fix the parser", "parser fix"),
            ("Call parse_endpoint twice", "endpoint"),
            ("Call parse_endpoint twice", "parse_endpoint"),
            ("Call parse_endpoint twice", "parse_end"),
            ("Use http.cancel_token", "token"),
            ("Use http.cancel_token", "http.cancel"),
            ("Add CancellationToken", "CancellationToken"),
            ("Add CancellationToken", "cancel"),
            ("Add CancellationToken", "token"),
            ("Add CancellationToken", "cancellation token"),
            ("Read HTTPServer", "server"),
            ("Let toJSON fail", "json"),
            ("Retry (#6344)", "#6344"),
            ("Retry (#6344)", "6344"),
            ("Bump to 2.11.0", "2.11.0"),
            ("Café au lait", "cafe"),
            ("Cafe au lait", "café"),
            ("ＦＵＬＬ width", "full"),
            ("Straße", "strasse"),
            ("修复登录超时的问题", "修"),
            ("修复登录超时的问题", "题"),
            ("修复登录超时的问题", "登录"),
            ("修复登录超时的问题", "登录超时"),
            ("修复登录超时的问题", "修复登录超时的问题"),
            ("修复登录超时的问题", "问题 修复"),
            ("修复parser的bug", "parser"),
            ("修复parser的bug", "修复parser"),
            ("修复parser的bug", "的"),
            ("Le mot 登", "登"),
            ("𠮷野家を追加", "𠮷野"),
            ("ログインを直す", "グイン"),
            ("Исправить ошибку", "ошиб"),
            ("로그인 오류 수정", "오류"),
            ("NOT AND OR NEAR", "near not"),
        ],
    )
    def test_a_word_finds_what_holds_it(self, store: Store, text: str, query: str) -> None:
        store.keep_commits([commit(1, subject=text), commit(2, subject="Unrelated 另一件")])
        assert shas(store.search(query, [REPO], 9)) == [commit(1).sha]

    @pytest.mark.parametrize(
        ("text", "query"),
        [
            ("Fix the parser", "arser"),
            ("Fix the parser", "fix nothing"),
            ("Fix the parser", "parsers"),
            ("修复登录超时", "录时"),
            ("修复登录超时", "登超"),
            ("登录。超时", "录超"),
            ("登录 复登超", "登录超"),
            ("cancel the http", "http.cancel"),
            ("Bump to 2.1", "1.2"),
        ],
    )
    def test_a_word_does_not_find_what_lacks_it(self, store: Store, text: str, query: str) -> None:
        store.keep_commits([commit(1, subject=text)])
        assert store.search(query, [REPO], 9) == ()

    def test_paths_old_paths_and_inner_messages_are_searched(self, store: Store) -> None:
        store.keep_commits([FULL, commit(1)])
        for query in ("parser.py", "新", "old.py", "src/新/pars", "logo", "inner step", "第一行", "parser second"):
            assert shas(store.search(query, [REPO], 9)) == [FULL.sha], query

    def test_a_search_stays_in_its_repositories(self, store: Store) -> None:
        store.keep_commits(commit(n, repo=f"team/r{n}") for n in range(12))
        assert shas(store.search("change", ["team/r1"], 99)) == [commit(1).sha]
        assert shas(store.search("change", ["team/r10", "team/r2", "no/where"], 99)) == [commit(10).sha, commit(2).sha]
        assert store.search("change", ["no/where"], 99) == store.search("change", [], 99) == ()

    def test_a_search_returns_the_newest_first_and_no_more_than_the_limit(self, store: Store) -> None:
        store.keep_commits(commit(n) for n in (3, 1, 2, 0))
        assert shas(store.search("change", [REPO], 3)) == shas((commit(3), commit(2), commit(1)))
        assert store.search("change", [REPO], 0) == store.search("change", [REPO], -1) == ()

    def test_a_replaced_commit_is_found_by_its_new_words_only(self, store: Store) -> None:
        store.keep_commits([commit(1, subject="Alpha 登录", files=(FileChange("x/beta.py"),))])
        store.keep_commits([commit(1, subject="Gamma")])
        for query in ("alpha", "登录", "登", "beta", "change"):
            assert store.search(query, [REPO], 9) == (), query
        assert shas(store.search("gamma", [REPO], 9)) == [commit(1).sha]

    @pytest.mark.parametrize(
        "query",
        [
            *("", " ", "\0", "'", '"', '""', "*", "a*", "^a", "-a", "(", ")", "a AND", "OR", "NEAR(a b, 2)", "text:a"),
            *("{a b}", "+", "😀", "\u202e\u200b", "\udc80", "§9", "--", ";DROP TABLE commits", "a\0b", "\ufffd"),
            *("x " * 5_000, "登" * 5_000, "a." * 5_000, '"' * 5_000, "é" * 5_000, "(" * 5_000),
        ],
        ids=lambda query: repr(query[:12]),
    )
    def test_any_text_is_a_valid_query(self, store: Store, query: str) -> None:
        store.keep_commits([commit(1)])
        assert store.search(query, [REPO], 9) == ()

    @given(query=st.text(max_size=30))
    @examples
    def test_a_query_never_fails(self, store: Store, query: str) -> None:
        store.keep_commits([commit(1, subject=query)])
        assert len(store.search(query, [REPO], 9)) <= 1

    @given(text=st.text("登录超时修复 aB_.é", min_size=1, max_size=12), data=st.data())
    @examples
    def test_chinese_is_found_wherever_it_stands(self, store: Store, text: str, data: st.DataObject) -> None:
        first = data.draw(st.integers(0, len(text) - 1))
        part = text[first : data.draw(st.integers(first + 1, len(text)))]
        store.keep_commits([commit(1, subject=text)])
        if all("\u4e00" <= character <= "\u9fff" for character in part):
            assert shas(store.search(part, [REPO], 9)) == [commit(1).sha]

    # --- Analyses ---

    def test_an_analysis_comes_back_as_it_was_under_its_key_only(self, store: Store) -> None:
        store.keep_commits([commit(1)])
        key = AnalysisKey(REPO, commit(1).sha, "analysis-1", "model-a", "en")
        store.keep_analysis(key, ANALYSIS)
        assert store.analysis(key) == ANALYSIS
        for other in ("repo", "sha", "prompt", "model", "language"):
            assert store.analysis(replace(key, **{other: "x"})) is None, other

    @given(analysis=ANALYSES)
    @examples
    def test_any_analysis_comes_back_as_it_was(self, store: Store, analysis: Analysis) -> None:
        store.keep_commits([commit(1)])
        key = AnalysisKey(REPO, commit(1).sha, "p", "m", "zh")
        store.keep_analysis(key, analysis)
        assert store.analysis(key) == analysis

    def test_an_analysis_under_the_same_key_is_replaced(self, store: Store) -> None:
        store.keep_commits([commit(1)])
        key = AnalysisKey(REPO, commit(1).sha, "p", "m", "en")
        store.keep_analysis(key, Analysis("Alpha"))
        store.keep_analysis(key, Analysis("Gamma"))
        assert store.analysis(key) == Analysis("Gamma")
        assert store.search("alpha", [REPO], 9) == ()
        assert shas(store.search("gamma", [REPO], 9)) == [commit(1).sha]

    @pytest.mark.parametrize(
        "query", ["sessions", "login", "tokens", "replay", "skew", "minute", "operators", "watch", "change replay"]
    )
    def test_a_commit_is_found_by_its_analysis(self, store: Store, query: str) -> None:
        store.keep_commits([commit(1), commit(2)])
        store.keep_analysis(AnalysisKey(REPO, commit(1).sha, "p", "m", "en"), ANALYSIS)
        assert shas(store.search(query, [REPO], 9)) == [commit(1).sha]

    def test_analyses_in_two_languages_are_both_found(self, store: Store) -> None:
        store.keep_commits([commit(1)])
        store.keep_analysis(AnalysisKey(REPO, commit(1).sha, "p", "m", "en"), Analysis("Sessions expire"))
        store.keep_analysis(AnalysisKey(REPO, commit(1).sha, "p", "m", "zh"), Analysis("会话会过期"))
        assert shas(store.search("sessions 过期 change", [REPO], 9)) == [commit(1).sha]

    def test_a_replaced_commit_is_still_found_by_its_analysis(self, store: Store) -> None:
        store.keep_commits([commit(1)])
        store.keep_analysis(AnalysisKey(REPO, commit(1).sha, "p", "m", "en"), Analysis("Sessions expire"))
        store.keep_commits([commit(1, subject="Gamma")])
        assert shas(store.search("gamma sessions", [REPO], 9)) == [commit(1).sha]
        assert store.search("change", [REPO], 9) == ()

    # --- Digests ---

    def test_a_digest_comes_back_equal(self, store: Store) -> None:
        kept = digest(FULL, commit(1))
        store.keep_digest("k", kept, START)
        assert store.digest("k") == kept
        assert store.digest("other") is None

    def test_a_digest_whose_cached_values_were_used_comes_back_equal(self, store: Store) -> None:
        kept = digest(FULL)
        by_importance = kept.by_importance
        store.keep_digest("k", kept, START)
        again = store.digest("k")
        assert again == kept
        assert again is not None
        assert again.by_importance == by_importance

    @given(commits=st.lists(COMMITS, max_size=3), analysis=ANALYSES, text=TEXT, since=TIME)
    @examples
    def test_any_digest_comes_back_equal(
        self, store: Store, commits: list[Commit], analysis: Analysis, text: str, since: datetime
    ) -> None:
        kept = digest(*commits, analysis=analysis, overview=text, period=Period(since, since, text), notices=(text,))
        store.keep_digest(text, kept, START)
        assert store.digest(text) == kept

    def test_a_digest_under_the_same_key_is_replaced(self, store: Store) -> None:
        store.keep_digest("k", digest(commit(1)), START)
        store.keep_digest("k", digest(commit(2), day=1), START)
        assert store.digest("k") == digest(commit(2), day=1)
        assert store.counts()["digests"] == 1
        assert store.recent_digests(REPO, "main", "en", 9) == (digest(commit(2), day=1),)

    def test_a_digests_commits_and_analyses_are_found(self, store: Store) -> None:
        store.keep_commits([commit(1)])
        store.keep_digest("k", digest(commit(1), commit(2)), START)
        assert shas(store.search("replay change", [REPO], 9)) == [commit(2).sha, commit(1).sha]
        assert store.commits_by_sha(REPO, "0000002") == (commit(2),)
        assert store.counts()["commits"] == 2

    def test_a_later_digest_replaces_what_an_earlier_one_said_of_a_commit(self, store: Store) -> None:
        store.keep_digest("k1", digest(commit(1), analysis=Analysis("Alpha")), START)
        store.keep_digest("k2", digest(commit(1), analysis=Analysis("Gamma")), START)
        store.keep_digest("k3", digest(commit(1), analysis=Analysis("德语"), language="zh"), START)
        assert store.search("alpha", [REPO], 9) == ()
        assert shas(store.search("gamma 德语", [REPO], 9)) == [commit(1).sha]

    def test_recent_digests_are_those_of_the_branch_and_language_the_latest_period_first(self, store: Store) -> None:
        for day in (2, 0, 3, 1):
            store.keep_digest(f"k{day}", digest(day=day), START)
        store.keep_digest("zh", digest(day=9, language="zh"), START)
        store.keep_digest("branch", digest(day=9, branch="next"), START)
        store.keep_digest("repo", digest(day=9, repository=Repository(OTHER, "", "main", None, False)), START)
        assert store.recent_digests(REPO, "main", "en", 3) == tuple(digest(day=day) for day in (3, 2, 1))
        assert store.recent_digests(REPO, "main", "en", 0) == store.recent_digests(REPO, "main", "en", -1) == ()
        assert store.recent_digests(REPO, "gone", "en", 3) == ()

    def test_of_one_period_what_was_kept_last_comes_first(self, store: Store) -> None:
        for minute in (2, 0, 3, 1):
            made = digest(overview=f"At {minute}.")
            store.keep_digest(f"k{minute}", made, START + timedelta(days=1, minutes=minute))
        said = [each.overview for each in store.recent_digests(REPO, "main", "en", 3)]
        assert said == ["At 3.", "At 2.", "At 1."]

    def test_what_an_earlier_version_kept_as_plain_text_is_found_as_it_was_and_packed(self, store: Store) -> None:
        key = AnalysisKey(REPO, commit(1).sha, "p", "m", "en")
        store.keep_digest("k", digest(FULL, commit(1)), START)
        store.keep_analysis(key, Analysis("Gamma"))

        def answers() -> list[object]:
            found = [store.search(words, [REPO], 9) for words in ("第一行 replay", "gamma", "parser.py", "change")]
            return [found, store.digest("k"), store.analysis(key), store.commits_by_sha(REPO, FULL.sha)]

        known = answers()
        for _ in range(2):
            unpack_all(store)
            assert answers() == known
            store.compact()
            assert is_packed(store)
            assert answers() == known
        unpack_all(store)
        store.keep_commits([replace(FULL, subject="Said otherwise")])
        store.keep_analysis(key, Analysis("Delta"))
        assert shas(store.search("otherwise 第一行", [REPO], 9)) == [FULL.sha]
        assert store.search("gamma", [REPO], 9) == ()
        assert shas(store.search("delta change", [REPO], 9)) == [commit(1).sha]

    # --- Subscriptions ---

    def test_a_subscription_comes_back_with_an_id(self, store: Store) -> None:
        full = replace(DAILY, branch="next", filters=Filters(("-bot",), ("src/",), False), quiet=True, paused="gone")
        kept = store.subscribe(full)
        assert kept == replace(full, id=kept.id)
        assert kept.id > 0
        assert store.subscriptions() == (kept,)

    @given(subscription=SUBSCRIPTIONS)
    @examples
    def test_any_subscription_comes_back_as_it_was(self, store: Store, subscription: Subscription) -> None:
        kept = store.subscribe(subscription)
        assert kept == replace(subscription, id=kept.id)
        assert store.subscriptions(subscription.place) == (kept,)
        store.unsubscribe(kept.id)

    def test_the_same_place_repository_and_branch_is_replaced_and_keeps_its_id(self, store: Store) -> None:
        first = store.subscribe(DAILY)
        slot = planned(store, first.id)
        second = store.subscribe(replace(DAILY, schedule="0 8 * * *", language="en"))
        assert second == replace(DAILY, schedule="0 8 * * *", language="en", id=first.id)
        assert store.subscriptions() == (second,)
        assert store.deliveries(first.id) == (slot,)

    def test_another_place_repository_or_branch_is_another_subscription(self, store: Store) -> None:
        kept = [
            store.subscribe(each)
            for each in (
                DAILY,
                replace(DAILY, repo=OTHER),
                replace(DAILY, branch="next"),
                replace(DAILY, place=replace(PLACE, thread=None)),
                replace(DAILY, place=replace(PLACE, channel="C2")),
                replace(DAILY, place=replace(PLACE, chat="feishu")),
            )
        ]
        assert len({each.id for each in kept}) == len(kept)
        assert store.subscriptions() == tuple(kept)
        assert store.subscriptions(PLACE) == tuple(kept[:3])
        assert store.subscriptions(replace(PLACE, thread=None)) == (kept[3],)
        assert store.subscriptions(Place("slack", "nowhere")) == ()

    def test_unsubscribing_removes_the_deliveries_too(self, store: Store) -> None:
        kept, other = store.subscribe(DAILY), store.subscribe(replace(DAILY, repo=OTHER))
        for each in (kept, other):
            planned(store, each.id)
        store.unsubscribe(kept.id)
        assert store.subscriptions() == (other,)
        assert store.deliveries(kept.id) == ()
        assert len(store.deliveries(other.id)) == 1

    def test_an_id_is_not_given_again(self, store: Store) -> None:
        kept = store.subscribe(DAILY)
        store.unsubscribe(kept.id)
        assert store.subscribe(DAILY).id > kept.id

    @pytest.mark.parametrize("number", [0, 1, -1, 2**63, 10**30])
    def test_unsubscribing_what_is_not_there_is_no_error(self, store: Store, number: int) -> None:
        store.unsubscribe(number)
        assert store.deliveries(number) == ()

    # --- Deliveries ---

    def test_a_planned_delivery_comes_back_with_its_steps_in_order(self, store: Store) -> None:
        made = planned(store, store.subscribe(DAILY).id)
        steps = (
            Step("z", StepState.DONE, START, "1700.5"),
            Step("a", StepState.DONE, START),
            Step("m", StepState.INTENDED, START + timedelta(microseconds=1)),
        )
        later = replace(
            made,
            steps=steps,
            attempts=1,
            digest="k",
            failure=Failure("slack_busy", (("n", "1"), ("reset", Aside("09:31", "UTC")))),
        )
        store.keep_delivery(later)
        assert store.delivery(made.id) == later
        assert store.deliveries(made.subscription) == (later,)

    def test_up_to_where_a_delivery_told_comes_back_with_the_releases_that_were_there(self, store: Store) -> None:
        followed = store.subscribe(replace(DAILY, filters=Filters(releases=True)))
        marks = Mark("main", None, (("v1.0.0", "a" * 12),)), Mark("main", "b" * 40)
        made = planned(store, followed.id, before=marks[0], mark=marks[1])
        assert (store.delivery(made.id).before, store.delivery(made.id).mark) == marks
        assert store.subscriptions()[0].filters.releases

    def test_a_delivery_is_planned_once_whoever_comes_first(self, store: Store) -> None:
        number = store.subscribe(DAILY).id
        first = delivery(number)
        made = store.plan(first, 0)
        assert made == replace(first, id=made.id)
        assert made.id > 0
        assert store.plan(replace(first, until=START + timedelta(days=9)), 0) is None
        next_one = replace(first, until=START + timedelta(days=2))
        assert store.plan(next_one, made.id) is None  # the last one is still due
        store.keep_delivery(made := replace(made, state=DeliveryState.DONE))
        second = store.plan(next_one, made.id)
        assert second is not None
        assert store.deliveries(number) == (second, made)

    def test_of_many_who_plan_at_once_one_is_first(self, store: Store) -> None:
        number = store.subscribe(DAILY).id
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda n: store.plan(delivery(number, until=START + timedelta(days=n)), 0), range(8)))
        assert len([each for each in made if each]) == len(store.deliveries(number)) == 1

    def test_a_delivery_of_a_removed_subscription_is_refused(self, store: Store) -> None:
        made = planned(store, store.subscribe(DAILY).id)
        store.unsubscribe(made.subscription)
        assert store.plan(delivery(made.subscription), 0) is None
        for refused in (lambda: store.keep_delivery(made), lambda: store.delivery(made.id)):
            with pytest.raises(NotFound) as said:
                refused()
            assert (said.value.key, said.value.fields) == ("delivery_unknown", {"id": made.id})
        assert store.deliveries() == store.latest_deliveries() == store.due_deliveries(START) == ()

    def test_who_was_overtaken_keeps_nothing(self, store: Store) -> None:
        made = planned(store, store.subscribe(DAILY).id)
        mine, others = replace(made, attempts=1), replace(made, attempts=2)
        store.keep_delivery(mine)
        store.keep_delivery(others)
        with pytest.raises(LeaseLost):
            store.keep_delivery(mine)
        store.keep_delivery(replace(others, state=DeliveryState.DONE))
        with pytest.raises(LeaseLost):
            store.keep_delivery(replace(others, attempts=3))
        assert store.delivery(made.id) == replace(others, state=DeliveryState.DONE)

    def test_what_is_due_is_hastened_and_nothing_else_of_it_changes(self, store: Store) -> None:
        number, day = store.subscribe(DAILY).id, timedelta(days=1)
        made = planned(store, number)
        store.keep_delivery(made := replace(made, attempts=2, steps=(Step("a", StepState.INTENDED, START),)))
        store.retry_soon(number, START, START + day)
        made = replace(made, retry=START)
        assert store.delivery(made.id) == made
        store.retry_soon(number, START, START + 9 * day)
        made = replace(made, deadline=START + 9 * day)
        assert store.delivery(made.id) == made
        assert store.due_deliveries(START) == (made,)
        store.keep_delivery(done := replace(made, state=DeliveryState.DONE))
        store.retry_soon(number, START + day, START + day)
        store.retry_soon(99, START, START)
        assert store.delivery(made.id) == done

    def test_only_what_was_given_up_is_opened_again(self, store: Store) -> None:
        made = planned(store, store.subscribe(DAILY).id)
        again = replace(made, attempts=2)
        assert not store.reopen(again)
        store.keep_delivery(replace(made, state=DeliveryState.FAILED, attempts=1))
        assert not store.reopen(replace(again, attempts=1))
        assert store.reopen(again)
        assert not store.reopen(replace(again, attempts=3))
        assert store.delivery(made.id) == again
        assert not store.reopen(replace(again, id=99))
        store.keep_delivery(replace(again, state=DeliveryState.FAILED, attempts=3))
        planned(store, made.subscription, made.id, until=START + timedelta(days=2))
        assert not store.reopen(replace(again, attempts=4)), "its commits are another's by now"
        posted = (Step("headline", StepState.DONE, START, "t"),)
        assert store.reopen(replace(again, attempts=4, steps=posted))

    def test_deliveries_are_found_by_state_the_latest_first_and_the_due_by_when_they_wait(self, store: Store) -> None:
        one, two = store.subscribe(DAILY).id, store.subscribe(replace(DAILY, repo=OTHER)).id
        hour = timedelta(hours=1)
        done = planned(store, one)
        store.keep_delivery(done := replace(done, state=DeliveryState.DONE))
        waiting = planned(store, one, done.id, until=START + timedelta(days=2), retry=START + hour)
        failed = planned(store, two)
        store.keep_delivery(failed := replace(failed, state=DeliveryState.FAILED))
        early = planned(store, two, failed.id, until=START + timedelta(days=2), retry=START)
        assert store.deliveries() == (early, failed, waiting, done)
        assert store.deliveries(limit=1) == (early,)
        assert store.deliveries(one) == (waiting, done)
        assert store.deliveries(state=DeliveryState.FAILED) == (failed,)
        assert store.deliveries(one, DeliveryState.FAILED) == ()
        assert set(store.latest_deliveries()) == {waiting, early}
        assert store.due_deliveries(START) == (early,)
        assert store.due_deliveries(START + hour) == (early, waiting)
        assert store.delivery_states() == {
            DeliveryState.DUE: 2,
            DeliveryState.DONE: 1,
            DeliveryState.QUIET: 0,
            DeliveryState.FAILED: 1,
            DeliveryState.RESTORED: 0,
        }

    # --- What is to be looked at ---

    def test_what_is_new_or_whose_moment_has_come_is_looked_at(self, store: Store) -> None:
        one, two = store.subscribe(DAILY), store.subscribe(replace(DAILY, repo=OTHER))
        made = planned(store, one.id)
        first, second = store.candidates(START, START)
        assert (first.subscription, first.last, second.subscription, second.last) == (one, made, two, None)
        store.look_at([(first, START + timedelta(hours=2)), (second, None)], START)
        assert looked_at(store, START + timedelta(hours=2) - timedelta(microseconds=1)) == []
        assert looked_at(store, START + timedelta(hours=2)) == [one.id]
        assert [c.subscription for c in store.candidates_after(-1, 9)] == [one, two]
        assert [c.subscription for c in store.candidates_after(one.id, 1)] == [two]
        assert store.candidates_after(two.id, 9) == ()
        assert store.numbered({two.id, 99}) == (two,)
        assert store.numbered(()) == ()

    def test_whatever_changes_one_lets_it_be_looked_at(self, store: Store, tmp_path: Path) -> None:
        store.count_in(tmp_path / "counts")
        number, failed = store.subscribe(DAILY).id, DeliveryState.FAILED
        made = planned(store, number)
        changes: list[Callable[[], object]] = [
            lambda: store.subscribe(replace(DAILY, schedule="0 8 * * *")),
            lambda: store.pause(number, "left"),
            lambda: store.keep_delivery(replace(made, state=failed, attempts=1)),
            lambda: store.reopen(replace(made, attempts=2)),
            lambda: store.mark_delivered(replace(made, state=failed, attempts=2), []),
        ]
        for change in changes:
            (before,) = store.candidates(START, START)
            store.look_at([(before, None)], START)
            assert looked_at(store, START + 99 * timedelta(days=1)) == []
            change()
            assert looked_at(store, START) == [number]
            store.look_at([(before, None)], START)
            assert looked_at(store, START) == [number], "who looked before the change knows nothing of it"
        store.look_at([(c, None) for c in store.candidates(START, START)], START)
        (counts,) = [each for each in (tmp_path / "counts").iterdir() if not each.suffix]
        counts.write_text("99\n")
        store.begin(START)
        store.settle(DAILY.place, [delivery(number, until=START + timedelta(days=3), state=DeliveryState.RESTORED)])
        assert looked_at(store, START) == [number]

    def test_what_a_clock_named_or_put_off_that_was_ahead_is_looked_at(self, store: Store) -> None:
        hour = timedelta(hours=1)
        one, two = store.subscribe(DAILY).id, store.subscribe(replace(DAILY, repo=OTHER)).id
        made = planned(store, one)
        store.look_at([(c, None) for c in store.candidates(START, START)], START + hour)
        store.keep_delivery(replace(made, retry=START + 2 * hour))
        assert looked_at(store, START, START + 2 * hour) == []
        assert looked_at(store, START, START + hour) == [one]
        assert looked_at(store, START, START + hour - timedelta(microseconds=1)) == [one, two]
        store.look_at([(c, None) for c in store.candidates(START, START)], START)
        assert looked_at(store, START, START + 2 * hour) == []

    # --- Whether something was forgotten ---

    def test_a_database_that_is_behind_its_number_has_forgotten_something(self, store: Store, tmp_path: Path) -> None:
        store.count_in(tmp_path / "counts")
        store.subscribe(DAILY)
        assert not store.begin(START)
        (number,) = [each for each in (tmp_path / "counts").iterdir() if not each.suffix]
        planned(store, 1)
        assert not store.begin(START)
        number.write_text(f"{int(number.read_text()) + 1}\n")
        assert store.begin(START)
        assert store.unsettled() == {DAILY.place: START}
        assert not store.begin(START + timedelta(days=1))
        assert store.unsettled() == {DAILY.place: START}

    def test_a_number_that_cannot_be_read_or_written_stops_nobody(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "counts").write_text("a file")
        store.count_in(tmp_path / "counts")
        store.subscribe(DAILY)
        assert not store.begin(START)
        planned(store, 1)

    def test_what_was_found_out_of_a_place_is_kept_in_one_and_once(self, store: Store, tmp_path: Path) -> None:
        store.count_in(tmp_path / "counts")
        subscription = store.subscribe(DAILY).id
        due = planned(store, subscription)
        (number,) = [each for each in (tmp_path / "counts").iterdir() if not each.suffix]
        number.write_text("99\n")
        assert store.begin(START)
        known = replace(due, state=DeliveryState.RESTORED)
        found = delivery(subscription, until=START + timedelta(days=2), state=DeliveryState.RESTORED)
        strange = delivery(99, state=DeliveryState.RESTORED)
        store.settle(DAILY.place, (known, found, strange))
        assert store.unsettled() == {}
        second, first = store.deliveries()
        assert (first, second) == (replace(known, attempts=due.attempts + 1), replace(found, id=second.id))
        with pytest.raises(LeaseLost):
            store.keep_delivery(due)
        store.settle(DAILY.place, (replace(found, state=DeliveryState.DUE),))  # somebody stood still meanwhile
        assert store.deliveries() == (second, first)

    def test_what_was_settled_after_a_restore_can_be_posted_all_the_same(self, store: Store) -> None:
        made = planned(store, store.subscribe(DAILY).id)
        store.keep_delivery(replace(made, state=DeliveryState.RESTORED))
        planned(store, made.subscription, made.id, until=START + timedelta(days=2))
        assert store.reopen(replace(made, attempts=1))

    def test_what_was_told_is_known_to_later_deliveries_of_the_same_subscription(self, store: Store) -> None:
        one, two = store.subscribe(DAILY).id, store.subscribe(replace(DAILY, repo=OTHER)).id
        first = planned(store, one)
        store.mark_delivered(replace(first, digest="k"), [commit(1), commit(2)])
        assert store.delivery(first.id).digest == "k"
        assert store.delivered_shas(one, but=0) == {commit(1).sha, commit(2).sha}
        assert store.delivered_shas(one, but=first.id) == store.delivered_shas(two, but=0) == frozenset()
        store.keep_delivery(replace(first, digest="k", state=DeliveryState.DONE))
        second = planned(store, one, first.id, until=START + timedelta(days=2))
        store.mark_delivered(second, [commit(2), commit(3)])
        assert store.delivered_shas(one, but=second.id) == {commit(1).sha, commit(2).sha}
        assert store.delivered_shas(one, but=0) == {commit(1).sha, commit(2).sha, commit(3).sha}

    def test_what_is_given_up_unposted_has_told_nothing(self, store: Store) -> None:
        number = store.subscribe(DAILY).id
        first = planned(store, number)
        store.mark_delivered(first, [commit(1)])
        store.keep_delivery(replace(first, state=DeliveryState.FAILED, attempts=1))
        assert store.delivered_shas(number, but=0) == frozenset()
        second = planned(store, number, first.id, until=START + timedelta(days=2))
        store.mark_delivered(second, [commit(2)])
        step = Step("headline", StepState.DONE, START, "t")
        store.keep_delivery(replace(second, state=DeliveryState.FAILED, attempts=1, steps=(step,)))
        assert store.delivered_shas(number, but=0) == {commit(2).sha}

    # --- Usage ---

    def test_what_was_learned_last_is_kept_for_a_while(self, store: Store, reopen: Callable[[], Store]) -> None:
        assert store.learned("server", START) == ""
        store.learn("server", "one", START)
        store.learn("server", "两", START + timedelta(hours=1))
        again = reopen()
        assert again.learned("server", START + timedelta(hours=1)) == "两"
        assert again.learned("server", START + timedelta(hours=1, microseconds=1)) == ""
        assert again.learned("other", START) == ""

    def test_usage_is_summed_per_model_and_purpose_within_the_half_open_time(self, store: Store) -> None:
        day = timedelta(days=1)
        make.spend(store, Usage("b", 1, 2, 1), "triage", START)
        make.spend(store, Usage("b", 10, 20, 1, cached=8), "analysis", START + day - timedelta(microseconds=1))
        make.spend(store, Usage("b", 0, 0, 0, cached=1), "analysis", START)
        make.spend(store, Usage("a", 5, 5, 2), "analysis", START)
        make.spend(store, Usage("a", 99, 99, 9), "analysis", START + day)
        make.spend(store, Usage("a", 99, 99, 9), "analysis", START - timedelta(microseconds=1))
        store.add_checks("b", "analysis", 7, 2, START)
        store.add_checks("b", "analysis", 3, 1, START)
        assert store.usage(START, START + day) == (
            Spending("a", "analysis", 5, 5, 2),
            Spending("b", "analysis", 10, 20, 1, 10, 3, 9),
            Spending("b", "triage", 1, 2, 1),
        )
        assert store.usage(START + day * 9, START + day * 10) == ()

    def test_what_is_reserved_counts_until_it_is_charged(self, store: Store) -> None:
        day, seen = (START, START + timedelta(days=1)), []
        wanted = Reservation(ANNA, "m", "p", 100, START)
        first = store.reserve(wanted, *day, seen.append)
        other = store.reserve(replace(wanted, account=SCHEDULED), *day, seen.append)
        assert seen == [Taken(), Taken(100, 100)]
        assert store.taken(ANNA, *day) == Taken(200, 100, 100, 100)
        assert store.usage(*day) == ()
        store.charge(first, Usage("n", 7, 3, 1, cached=2))
        store.charge(other, None)
        for gone in (first, other, ""):
            store.charge(gone, Usage("m", 9, 9, 9))
        assert store.taken(ANNA, *day) == Taken(10, 10, 10, 10)
        assert store.taken(replace(ANNA, chat="feishu"), *day) == store.taken(Account("slack"), *day) == Taken(10, 10)
        assert store.usage(*day) == (Spending("n", "p", 7, 3, 1, cached=2, asked=10),)
        assert store.taken(ANNA, *(each + timedelta(days=1) for each in day)) == Taken()

    def test_what_is_refused_is_not_reserved_and_nobody_reserves_between_the_look_and_the_row(
        self, store: Store
    ) -> None:
        day = (START, START + timedelta(days=1))

        def allow(taken: Taken) -> None:
            if taken.person + 100 > 500:
                raise BudgetSpent("model_budget_person")

        def ask(_: int) -> bool:
            try:
                store.reserve(Reservation(ANNA, "m", "p", 100, START), *day, allow)
            except BudgetSpent:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(ask, range(24))) == 5
        assert store.taken(ANNA, *day).total == 500

    def test_who_asked_is_kept_for_the_day_or_until_it_is_forgotten_and_the_sum_for_good(self, store: Store) -> None:
        hour, day = timedelta(hours=1), (START, START + timedelta(days=2))
        alone = Account("slack", "T1/U1")
        for number, account in enumerate((ANNA, replace(ANNA, person="U2"), alone, replace(ANNA, chat="feishu"))):
            make.spend(store, Usage("m", 10**number), "p", START + hour, account)
        assert store.forget_person("slack:") == 0
        assert store.forget_person("slack:T1/U1") == 2
        assert store.forget_person("slack:T1/U1") == 0
        assert store.taken(ANNA, *day) == Taken(1111, 1111, 10, 0)
        assert store.taken(alone, *day).channel == 0
        assert store.taken(replace(ANNA, chat="feishu"), *day).person == 1000
        late = Reservation(SCHEDULED, "m", "p", 0, START + 3 * hour)
        store.reserve(late, START + 2 * hour, day[1], lambda _: None)
        for account in (replace(ANNA, person="U2"), replace(ANNA, chat="feishu")):
            assert store.taken(account, *day) == Taken(1111, 1111)

    # --- Leases ---

    def test_a_lease_is_taken_once(self, store: Store) -> None:
        hour = timedelta(hours=1)
        assert store.claim("k", "one", START, START + hour)
        assert not store.claim("k", "two", START, START + hour)
        assert store.claim("other", "two", START, START + hour)

    def test_ones_own_lease_is_prolonged(self, store: Store) -> None:
        hour = timedelta(hours=1)
        store.claim("k", "one", START, START + hour)
        assert store.claim("k", "one", START, START + 2 * hour)
        assert not store.claim("k", "two", START + hour, START + 3 * hour)

    def test_a_lease_is_taken_over_from_the_moment_it_ends(self, store: Store) -> None:
        hour = timedelta(hours=1)
        store.claim("k", "one", START, START + hour)
        assert not store.claim("k", "two", START + hour - timedelta(microseconds=1), START + 2 * hour)
        assert store.claim("k", "two", START + hour, START + 2 * hour)
        assert not store.claim("k", "one", START + hour, START + 2 * hour)

    def test_who_sends_holds_the_lease_and_the_delivery_as_it_is_known(self, store: Store) -> None:
        made = planned(store, store.subscribe(DAILY).id)
        now, soon, later = (START + timedelta(minutes=n) for n in (0, 1, 2))
        assert store.still_due(made, "a", "one", now, soon)
        assert not store.claim("a", "two", now, soon), "it is taken by asking"
        assert not store.still_due(made, "a", "two", now, soon)
        assert store.still_due(made, "a", "one", now, later)
        assert not store.claim("a", "two", soon, later), "it was prolonged"
        store.keep_delivery(again := replace(made, attempts=1))
        assert not store.still_due(made, "a", "one", now, soon), "it was attempted again since"
        assert store.still_due(again, "a", "one", now, soon)
        store.keep_delivery(replace(again, state=DeliveryState.DONE))
        assert not store.still_due(again, "a", "one", now, soon)
        store.unsubscribe(made.subscription)
        assert not store.still_due(again, "a", "one", now, soon)

    def test_a_lease_is_given_back_by_its_holder_only(self, store: Store) -> None:
        hour = timedelta(hours=1)
        store.claim("k", "one", START, START + hour)
        store.release("k", "two")
        assert not store.claim("k", "two", START, START + hour)
        store.release("k", "one")
        store.release("k", "one")
        assert store.claim("k", "two", START, START + hour)

    def test_one_of_many_threads_gets_the_lease_each_round(self, store: Store) -> None:
        threads, rounds = 4, 25
        barrier = threading.Barrier(threads)

        def race(name: str) -> list[bool]:
            barrier.wait()
            return [
                store.claim("slot", name, START + timedelta(hours=n), START + timedelta(hours=n + 1))
                for n in range(rounds)
            ]

        with ThreadPoolExecutor(threads) as pool:
            results = list(pool.map(race, map(str, range(threads))))
        assert [sum(taken) for taken in zip(*results, strict=True)] == [1] * rounds

    def test_leases_of_one_holder_are_prolonged_together_unless_they_ran_out(self, store: Store) -> None:
        minute = timedelta(minutes=1)
        store.claim("a", "one", START, START + minute)
        store.claim("b", "one", START, START + 3 * minute)
        store.claim("c", "two", START, START + 3 * minute)
        store.renew(("a", "b", "c", "d"), "one", START + 2 * minute, START + 9 * minute)
        assert store.claim("a", "other", START + 2 * minute, START + 5 * minute)
        assert not store.claim("b", "other", START + 8 * minute, START + 9 * minute)
        assert store.claim("c", "other", START + 3 * minute, START + 9 * minute)

    def test_all_leases_of_one_holder_are_given_back_together(self, store: Store) -> None:
        hour = timedelta(hours=1)
        for key, holder in (("a", "one"), ("b", "one"), ("c", "two")):
            store.claim(key, holder, START, START + hour)
        store.release_all("one")
        assert [store.claim(key, "other", START, START + hour) for key in "abc"] == [True, True, False]

    def test_a_subscription_rests_and_goes_on_and_nothing_else_of_it_changes(self, store: Store) -> None:
        kept = store.subscribe(DAILY)
        store.pause(kept.id, "left")
        assert store.subscriptions() == (replace(kept, paused="left"),)
        store.pause(kept.id, "")
        assert store.subscriptions() == (kept,)
        store.pause(99, "left")

    # --- The store itself ---

    def test_threads_write_and_read_at_the_same_time(self, store: Store) -> None:
        def work(worker: int) -> None:
            for n in range(10):
                mine = commit(worker * 100 + n, pull=worker)
                store.keep_commits([mine])
                make.spend(store, Usage("m", 1, 1, 1), "p", START)
                assert mine in store.commits_by_pull(REPO, worker)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert store.counts()["commits"] == 40
        assert store.usage(START, START + timedelta(days=1)) == (Spending("m", "p", 40, 40, 40),)
        assert len(store.search("change", [REPO], 99)) == 40

    def test_everything_is_still_there_when_opened_again(self, store: Store, reopen: Callable[[], Store]) -> None:
        number = store.subscribe(DAILY).id
        delivery = planned(store, number)
        key = AnalysisKey(REPO, commit(1).sha, "p", "m", "en")
        store.keep_digest("k", digest(commit(1)), START)
        store.keep_analysis(key, ANALYSIS)
        make.spend(store, Usage("m", 1, 1, 1), "p", START)
        store.claim("k", "one", START, START + timedelta(hours=1))
        again = reopen()
        assert again.digest("k") == digest(commit(1))
        assert again.analysis(key) == ANALYSIS
        assert again.search("replay", [REPO], 1) == (commit(1),)
        assert again.subscriptions() == (replace(DAILY, id=number),)
        assert again.deliveries(number) == (delivery,)
        assert again.usage(START, START + timedelta(days=1)) == (Spending("m", "p", 1, 1, 1),)
        assert not again.claim("k", "two", START, START + timedelta(hours=1))

    def test_what_a_posted_digest_told_of_outlives_its_subscription(self, store: Store, reopen) -> None:
        number = store.subscribe(DAILY).id
        store.keep_digest("k", digest(commit(1), commit(2)), START)
        begun = planned(store, number)
        assert store.delivered_to(REPO, commit(1).sha) == ()
        step = Step("headline", StepState.DONE, START, "t1")
        store.keep_delivery(replace(begun, digest="k", steps=(step,)))
        assert [each.followed for each in store.delivered_to(REPO, commit(1).sha)] == [True]
        store.unsubscribe(number)
        store = reopen()
        assert store.delivered_to(REPO, commit(1).sha) == (
            DeliveredCommit(commit(1).sha, GRADE, replace(DAILY.place, thread="t1"), START, followed=False),
        )
        assert store.delivered_grades(REPO, [commit(1).sha, commit(3).sha]) == {commit(1).sha: GRADE}
        period = digest(commit(1)).period
        assert list(store.delivered_digests(REPO, digest(commit(1)).branch, "en", period)) == ["k"]
        assert store.delivered_digests(REPO, digest(commit(1)).branch, "zh", period) == {}

    def test_a_posted_delivery_of_a_group_told_of_each_of_its_repositories(self, store: Store) -> None:
        number, other = store.subscribe(DAILY).id, digest(commit(2))
        other = replace(other, repository=replace(other.repository, name="team/other"))
        for key, each in (("k", digest(commit(1))), ("l", other)):
            store.keep_digest(key, each, START)
        members = (Member(REPO, START, digest="k"), Member("team/other", START, digest="l"), Member("team/x", START))
        begun = replace(planned(store, number), members=members)
        step = Step("headline", StepState.DONE, START, "t1")
        store.keep_delivery(replace(begun, digest=GATHERED, steps=(step,)))
        (kept,) = store.deliveries(number)
        assert (kept.members, kept.digests) == (members, ("k", "l"))
        assert [each.place.thread for each in store.delivered_to("team/other", commit(2).sha)] == ["t1"]
        assert store.delivered_grades(REPO, [commit(1).sha, commit(2).sha]) == {commit(1).sha: GRADE}
        assert list(store.delivered_digests("team/other", other.branch, "en", other.period)) == ["l"]

    def test_a_digest_that_was_not_posted_told_nothing(self, store: Store) -> None:
        number = store.subscribe(DAILY).id
        store.keep_digest("k", digest(commit(1)), START)
        step = Step("headline", StepState.INTENDED, START)
        store.keep_delivery(replace(planned(store, number), digest="k", steps=(step,)))
        assert store.delivered_grades(REPO, [commit(1).sha]) == {}
        assert store.delivered_digests(REPO, digest(commit(1)).branch, "en", digest(commit(1)).period) == {}

    def test_what_became_of_a_commit_is_known_from_both_ends(self, store: Store, reopen) -> None:
        likely, certain = link(1, 3, changed=3, of=4), link(2, 3)
        store.keep_links(REPO, [certain, likely])
        store.keep_links(REPO, [])
        store = reopen()
        assert store.links(REPO, [commit(1).sha]) == (likely,)
        assert set(store.links(REPO, [commit(3).sha, commit(9).sha])) == {likely, certain}
        assert store.links(OTHER, [commit(1).sha]) == store.links(REPO, []) == ()
        store.keep_links(REPO, [link(1, 3)])
        store.keep_links(REPO, [likely])
        assert store.links(REPO, [commit(1).sha]) == (link(1, 3),), "what is certain stays"
        store.keep_links(REPO, [replace(link(5, 6), earlier=Named(commit(5).sha, None, "odd \0 \udc80"))])
        assert len(store.links(REPO, [commit(5).sha])) == 1

    def test_what_a_channel_was_told_counts_from_the_moment_a_delivery_is_kept_with_it(self, store: Store) -> None:
        first, other = store.subscribe(DAILY).id, store.subscribe(replace(DAILY, branch="next")).id
        said = FollowUp(link(1, 2), START, replace(DAILY.place, thread="t1"))
        begun = replace(planned(store, first), follow_ups=(said,))
        store.mark_delivered(begun, [])
        store.keep_delivery(begun)
        store.keep_delivery(replace(planned(store, other), follow_ups=(said,)))
        known = (commit(1).sha, commit(2).sha, begun.slot)
        assert store.delivery(begun.id).follow_ups == (said,)
        assert store.followed_up(DAILY.place, begun.slot) == (known,)
        assert store.followed_up(DAILY.place, begun.slot + timedelta(seconds=1)) == ()
        assert store.followed_up(Place("slack", "C2"), EPOCH) == ()
        store.keep_delivery(replace(begun, state=DeliveryState.FAILED))
        assert store.followed_up(DAILY.place, EPOCH) == (), "what is given up unposted has said nothing"

    def test_who_follows_no_more_is_told_nothing_and_a_repository_leaves_nothing(self, store: Store) -> None:
        number = store.subscribe(DAILY).id
        said = FollowUp(link(1, 2), START, DAILY.place)
        store.keep_delivery(replace(planned(store, number), follow_ups=(said,)))
        store.keep_links(REPO, [link(1, 2)])
        store.unsubscribe(number)
        assert store.followed_up(DAILY.place, EPOCH) == ()
        assert store.forget_repository(REPO)
        assert (store.links(REPO, [commit(1).sha]), store.counts()["links"]) == ((), 0)

    def test_what_became_of_commits_goes_with_them(self, store: Store) -> None:
        store.keep_commits([commit(1)])
        store.keep_links(REPO, [link(1, 2)])
        assert store.retain(START + timedelta(days=99), []) == 1
        assert store.links(REPO, [commit(1).sha]) == ()

    def test_a_thread_is_muted_and_no_other_one(self, store: Store, reopen) -> None:
        thread = Place("slack", "C1", "t1")
        store.mute(thread, START, True)
        store.mute(replace(thread, viewer="U1"), START, True)
        store = reopen()
        assert store.is_muted(thread)
        assert not any(map(store.is_muted, (Place("slack", "C1"), Place("slack", "C1", "t2"))))
        store.mute(thread, START, False)
        assert not store.is_muted(thread)
        store.mute(Place("slack", "T1/U1", "t3"), START, True)
        store.mute(thread, START + timedelta(days=99), True)
        assert store.counts()["muted"] == 1, "old ones are forgotten"
        store.mute(Place("slack", "T1/U1", "t3"), START + timedelta(days=99), True)
        store.forget_person("slack:T1/U1")
        assert store.counts()["muted"] == 1

    def test_what_was_asked_in_a_thread_is_kept_there_for_a_while(self, store: Store, reopen) -> None:
        thread, other = Place("slack", "C1", "t1"), Place("slack", "C1", "t2")
        turns = [
            Turn(START + timedelta(hours=n), f"q{n}?", "是的。\ud800", REPO, (f"{n:040x}",), "U1") for n in range(14)
        ]
        for turn in turns:
            store.keep_turn(replace(thread, viewer="U1"), turn)
        store.keep_turn(other, turns[0])
        store.keep_turn(other, replace(turns[0], answer="again"))
        store = reopen()
        assert [turn.question for turn in store.turns(thread, START)] == [f"q{n}?" for n in range(2, 14)]
        assert store.turns(thread, turns[13].at) == (replace(turns[13], answer="是的。\ufffd"),)
        assert [turn.answer for turn in store.turns(other, START)] == ["again"]
        assert store.turns(Place("slack", "C1"), START) == ()
        store.keep_turn(Place("slack", "C2"), replace(turns[0], at=START + timedelta(days=31), person="U2"))
        assert store.turns(thread, EPOCH) == (), "old ones are forgotten"
        store.keep_turn(other, replace(turns[0], at=START + timedelta(days=32)))
        assert store.forget_person("slack:T1/U1") == 1
        assert (store.turns(other, EPOCH), store.counts()["turns"]) == ((), 1)
        store.forget_repository(REPO.upper())
        assert store.counts()["turns"] == 0

    def test_counts_are_the_rows_of_each_table_and_the_size(self, store: Store) -> None:
        empty = store.counts()
        number = store.subscribe(DAILY).id
        store.mark_delivered(planned(store, number), [commit(1), commit(2)])
        store.keep_digest("k", digest(commit(1), commit(2)), START)
        store.keep_analysis(AnalysisKey(REPO, commit(1).sha, "p", "m", "en"), ANALYSIS)
        make.spend(store, Usage("m"), "p", START)
        store.claim("k", "one", START, START)
        counts = store.counts()
        size = counts.pop("bytes")
        assert size >= empty.pop("bytes") > 0
        assert set(empty.values()) == {0}
        assert counts == {
            "repositories": 1,
            "commits": 2,
            "analyses": 1,
            "digests": 1,
            "subscriptions": 1,
            "deliveries": 1,
            "told": 2,
            "told_commits": 0,
            "aliases": 0,
            "usage": 1,
            "claims": 1,
            "links": 0,
            "follow_ups": 0,
            "muted": 0,
            "turns": 0,
        }

    def test_closing_twice_is_no_error(self, store: Store) -> None:
        store.close()
        store.close()
