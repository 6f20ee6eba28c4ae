"""What a year leaves in the database, and how long it takes to move it into PostgreSQL and back.

`BENCH_REPOSITORIES` says of how many repositories (5; the figures in docs are of 50), each with a digest every working
day. Sizes grow with them, so the bar is for each repository.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

from bench_store import _HAN, _PLAIN, _SYLLABLES
from postgres import postgres

from adapters.stores.sqlite import SqliteStore
from bot import parts
from bot.commits import reading
from bot.commits.people import Signature
from bot.commits.reading import Written
from bot.ports import Store
from bot.values import (
    Analysis,
    AnalysisKey,
    Aspect,
    ChangeType,
    Commit,
    DeliveryState,
    Digest,
    Entry,
    Evidence,
    FileChange,
    Filters,
    Grade,
    Impact,
    Importance,
    Insight,
    Period,
    Place,
    Repository,
    Risk,
    Step,
    StepState,
    Subscription,
    Suggestion,
)

REPOSITORIES = int(os.environ.get("BENCH_REPOSITORIES", "5"))
DAYS, COMMITS = 250, 29
START = datetime(2025, 11, 24, tzinfo=UTC)
DAY = timedelta(days=1)


def run() -> list[dict[str, object]]:
    """Megabytes for each repository, and seconds for each way."""
    with tempfile.TemporaryDirectory() as name, postgres() as server:
        path, back = Path(name) / "digest.db", Path(name) / "back.db"
        with closing(SqliteStore(path)) as store:
            Year(store).live(REPOSITORIES, DAYS)
            store.compact()
            size, known = store.counts()["bytes"] / 1e6, answers(store)
        rows = [_row("a year of a repository in SQLite", size / REPOSITORIES, 35, "MB")]
        there = server.address(server.fresh()).get_secret_value()
        rows.append(_timed("move a year of a repository into PostgreSQL", str(path), there))
        rows.append(_timed("move it back", there, str(back)))
        with closing(SqliteStore(back)) as store:
            rows.append(_row("answers that differ after both", answers(store) != known, 0, ""))
    return rows


def _timed(what: str, source: str, target: str) -> dict[str, object]:
    begun = time.perf_counter()
    parts.move(source, target)
    return _row(what, (time.perf_counter() - begun) / REPOSITORIES, 20, "s")


def _row(what: str, measured: float, bar: float, unit: str) -> dict[str, object]:
    return {"what": what, "measured": round(measured, 2), "bar": bar, "unit": unit}


def answers(store: Store) -> list[object]:
    """What a store says of a year, by every query."""
    followed = store.subscriptions()
    found: list[object] = [followed, store.latest_deliveries(), store.due_deliveries(START + 999 * DAY)]
    found += [(c.subscription, c.last) for c in store.candidates(START + 999 * DAY, START)]
    found += [store.delivery_states(), store.unsettled()]
    found += [store.usage(START, START + 999 * DAY), {**store.counts(), "bytes": 0}]
    for each in followed:
        recent = store.recent_digests(each.repo, "main", "en", 9_999)
        shas = [entry.commit.sha for digest in recent for entry in digest.entries]
        found += [recent, store.deliveries(each.id), store.delivered_shas(each.id, 0)]
        found += [
            store.delivered_grades(each.repo, shas),
            store.delivered_digests(each.repo, "main", "en", recent[0].period),
        ]
        for sha in shas[:: len(shas) // 50]:
            found += [store.commits_by_sha(each.repo, sha[:7]), store.delivered_to(each.repo, sha)]
            found.append(store.analysis(AnalysisKey(each.repo, sha, "analysis-1", "model", "en")))
        found += [store.commits_by_pull(each.repo, number) for number in range(0, len(shas), len(shas) // 50)]
        for words in ("fix", "登录", "error re", "config.parse", "quokka", "测试", "handle server"):
            found.append(store.search(words, [each.repo], 100))
    return found


class Year:
    """Makes up what happens in a year, the same each time."""

    def __init__(self, store: Store) -> None:
        self._store, self._dice = store, random.Random(7)
        made = (
            "".join(self._dice.choices(_SYLLABLES.split(), k=self._dice.choice((2, 3, 3, 4)))) for _ in range(20_000)
        )
        self._vocabulary = [*_PLAIN.split(), *dict.fromkeys(made)]
        self._weights = list(accumulate(1 / (rank + 2) for rank in range(len(self._vocabulary))))
        self._number = 0

    def live(self, repositories: int, days: int) -> None:
        """A digest of each repository every day, kept and delivered."""
        for repo in range(repositories):
            name, last = f"team/service{repo}", 0
            known = {"schedule": "0 9 * * mon-fri", "zone": "Europe/Berlin", "language": "en", "created": START}
            followed = self._store.subscribe(Subscription(Place("slack", f"T1/C{repo}"), name, **known))
            for day in range(days):
                last = self._day(followed, START + day * DAY, last)

    def _day(self, followed: Subscription, since: datetime, last: int) -> int:
        digest, key = self._digest(followed.repo, since), f"{followed.id:08x}{since:%Y%m%d}" * 4
        for entry in digest.entries:
            if entry.grade.importance is not Importance.LOW:
                name = AnalysisKey(followed.repo, entry.commit.sha, "analysis-1", "model", "en")
                self._store.keep_analysis(name, entry.analysis)
        self._store.keep_digest(key, digest, since + DAY)
        return _delivered(self._store, followed, digest, key, last)

    def _digest(self, repo: str, since: datetime) -> Digest:
        entries = tuple(
            self._entry(repo, since + timedelta(minutes=30 * n)) for n in range(self._dice.randint(9, 2 * COMMITS - 9))
        )
        return Digest(
            repository=Repository(repo, repo, "main", f"https://github.com/{repo}", private=False),
            branch="main",
            period=Period(since, since + DAY, "Europe/Berlin"),
            language="en",
            filters=Filters(),
            entries=entries,
            overview=self._text(40),
            rows=tuple((entry.commit.sha,) for entry in entries),
        )

    def _entry(self, repo: str, at: datetime) -> Entry:
        commit, chance = self._commit(repo, at), self._dice.random()
        importance = Importance.HIGH if chance < 1 / 8 else Importance.MEDIUM if chance < 1 / 2 else Importance.LOW
        types = (self._dice.choice(list(ChangeType)),)
        grade = Grade(importance, types, self._text(8), self._text(14), self._dice.random(), self._text(1), "model")
        return Entry(commit, grade, self._analysis(commit, importance))

    def _analysis(self, commit: Commit, importance: Importance) -> Analysis:
        if importance is Importance.LOW:
            return Analysis(self._text(14), by="model")
        impact = (Impact(self._text(2), (commit.files[0].path,), self._text(16)),)
        suggestions = (Suggestion(self._text(2), self._text(16)),)
        if importance is Importance.MEDIUM:
            return Analysis(self._text(30), impact=impact, suggestions=suggestions, by="model")
        shown = [Evidence(file.path, self._text(4), self._dice.randrange(900)) for file in commit.files]
        insights = tuple(Insight(self._dice.choice(list(Aspect)), self._text(25), each) for each in shown[:2])
        risks = tuple(Risk(self._text(20), each, self._text(14)) for each in shown[1:3])
        return Analysis(
            self._text(40),
            verdict=self._text(15),
            impact=impact * 3,
            insights=insights,
            risks=risks,
            suggestions=suggestions * 2,
            by="model",
        )

    def _commit(self, repo: str, at: datetime) -> Commit:
        self._number += 1
        message = f"{self._text(8)} (#{self._number})\n\n{self._text(self._dice.randint(0, 60))}"
        folders = [self._text(1) for _ in range(3)]
        changes = tuple(
            FileChange(f"src/{self._dice.choice(folders)}/{self._text(1)}_{self._text(1)}.py", added=3, removed=n)
            for n in range(self._dice.choice((3, 3, 4, 6, 12)))
        )
        author = Signature(f"Developer {self._number % 40}", f"dev{self._number % 40}@example.org")
        sha, parent = (f"{self._dice.getrandbits(160):040x}" for _ in range(2))
        return reading.commit(repo, Written(sha, message, author), committed=at, parents=(parent,), changes=changes)

    def _text(self, words: int) -> str:
        """So many words, here and there a Chinese one."""
        found = self._dice.choices(self._vocabulary, cum_weights=self._weights, k=words)
        if words > 7 and self._dice.random() < 0.1:
            found.append("".join(self._dice.choices(_HAN, k=12)))
        return " ".join(found)


def _delivered(store: Store, followed: Subscription, digest: Digest, key: str, last: int) -> int:
    from bot.values import Delivery

    since, until = digest.period.since, digest.period.until
    slot = until + timedelta(hours=9)
    planned = store.plan(Delivery(followed.id, slot, since, since, until, slot + DAY, slot), last)
    assert planned
    store.mark_delivered(replace(planned, digest=key), [entry.commit for entry in digest.entries])
    step = Step("headline", StepState.DONE, slot, f"{slot.timestamp():.6f}")
    told = replace(planned, digest=key, steps=(step,), attempts=1)
    store.keep_delivery(told)
    store.keep_delivery(replace(told, state=DeliveryState.DONE, attempts=2))
    return planned.id


if __name__ == "__main__":
    for row in run():
        print(f"{row['what']:<50} {row['measured']:>10} {row['unit']:<3} (bar {row['bar']})")
