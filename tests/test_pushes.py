"""P1 on real histories: whatever is pushed, and whatever its dates say, each commit is told of exactly once.

Days are cut into pushes of every kind: dated today, long ago or in the future, merged either way, rewritten, taken back
and brought back. A bot looks each morning, is away, fails, posts in part, or is one that was only just upgraded.
"""

import os
import random
import shutil
import subprocess
from collections import Counter
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from github import Auth
from github_server import TOKEN, GitHubServer
from repositories import ENVIRONMENT, git

from adapters.sources.git.source import GitSource
from adapters.sources.github.client import Client
from adapters.sources.github.source import GitHubSource
from bot.delivery.arrival import arrival, only_reported, said
from bot.delivery.ledger import planned_delivery, reported_up_to, undelivered
from bot.texts import Texts
from bot.values import DeliveryState, Place, Step, StepState, Subscription, Window

START = datetime(2026, 2, 16, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STRESS = bool(os.environ.get("STRESS"))


@dataclass
class Made:
    """A commit that was made: `uid` names it through every rewrite."""

    uid: str
    at: datetime
    authored: datetime
    title: str
    parents: tuple["Made", ...] = ()
    sha: str = ""

    def line(self) -> list["Made"]:
        """It and its first parents, newest first."""
        found, at = [], self
        while at:
            found.append(at)
            at = at.parents[0] if at.parents else None
        return found

    def all(self) -> list["Made"]:
        """It and all that can be reached from it."""
        found, waiting = {}, [self]
        while waiting:
            one = waiting.pop()
            if id(one) not in found:
                found[id(one)] = one
                waiting += one.parents
        return list(found.values())


@dataclass
class Pushes:
    """A repository that is pushed to at random."""

    path: Path
    chance: random.Random
    head: Made = None
    count: int = 0
    made: dict[str, Made] = field(default_factory=dict)
    heads: list[Made] = field(default_factory=list)

    def __post_init__(self) -> None:
        git(self.path.parent, "init", "-q", "--bare", "--initial-branch=main", str(self.path))

    def new(self, at: datetime, *parents: Made) -> Made:
        self.count += 1
        return Made(f"c{self.count}", at, at, f"c{self.count} does something", parents)

    def some(self, base: Made, times: list[datetime]) -> Made:
        for at in times:
            base = self.new(at, base)
        return base

    def push(self, head: Made) -> None:
        """Write what is not there yet, and let the branch point at it, in one go."""
        missing, waiting = [], [head]
        while waiting:
            one = waiting.pop()
            if not one.sha and one not in missing:
                missing.append(one)
                waiting += one.parents
        stream, marks = [], {id(one): f":{n}" for n, one in enumerate(missing, 1)}
        for one in sorted(missing, key=_depth):
            text = one.title.encode()
            stream += [b"commit refs/made\nmark %s\n" % marks[id(one)].encode()]
            stream += [b"author A <a@x.org> %d +0000\n" % one.authored.timestamp()]
            stream += [b"committer C <c@x.org> %d +0000\ndata %d\n%s\n" % (one.at.timestamp(), len(text), text)]
            for word, parent in zip((b"from", b"merge"), one.parents, strict=False):
                stream += [b"%s %s\n" % (word, (parent.sha or marks[id(parent)]).encode())]
            stream += [b"M 100644 inline %s.txt\ndata %d\n%s\n" % (one.uid.encode(), len(one.uid), one.uid.encode())]
        stream += [b"reset refs/heads/main\nfrom %s\n\n" % (head.sha or marks[id(head)]).encode()]
        exported = self.path / "marks"
        command = ["git", "-C", str(self.path), "fast-import", "--quiet", "--force", f"--export-marks={exported}"]
        subprocess.run(command, input=b"".join(stream), env=ENVIRONMENT, check=True)
        shas = dict(row.split() for row in exported.read_text().splitlines())
        for one in missing:
            one.sha = shas[marks[id(one)]]
            self.made[one.sha] = one
        self.head = head
        self.heads.append(head)

    # --- Kinds of pushes ---

    def dated(self, now: datetime, least: int, most: int) -> None:
        """Commits that were dated so many hours from now."""
        times = [now + timedelta(hours=self.chance.uniform(least, most)) for _ in range(self.chance.randint(1, 3))]
        self.push(self.some(self.head, times))

    def merged(self, now: datetime, *, other_way: bool) -> None:
        """A branch of its own, with dates of any kind, merged into this one, or this one into it."""
        fork = self.chance.choice(self.head.line()[:4])
        times = [now - timedelta(hours=self.chance.uniform(-99, 400)) for _ in range(self.chance.randint(1, 3))]
        side = self.some(fork, times)
        self.push(self.new(now, *((side, self.head) if other_way else (self.head, side))))

    def rewritten(self, now: datetime) -> None:
        """The last few commits anew: some are left out, some in another order, some by another name or time."""
        line = [one for one in self.head.line()[: self.chance.randint(2, 6)] if len(one.parents) == 1]
        if not line or any(a.parents[0] is not b for a, b in pairwise(line)):
            return
        base = line[-1].parents[0]
        kept = [one for one in line[::-1] if self.chance.random() > 0.2]
        if self.chance.random() < 0.3:
            self.chance.shuffle(kept)
        if self.chance.random() < 0.5:
            base = self.some(base, [now - timedelta(hours=self.chance.uniform(0, 99))])
        for one in kept:
            title = f"{one.uid} by another name" if self.chance.random() < 0.2 else one.title
            at = one.at if self.chance.random() < 0.2 else now
            authored = now if self.chance.random() < 0.2 else one.authored
            base = Made(one.uid, at, authored, title, (base,))
        self.push(base)

    def flattened(self, now: datetime) -> None:
        """What was merged among the last few commits laid out one after the other, some above one of another kind."""
        line = self.head.line()
        base = line[min(self.chance.randint(1, 6), len(line) - 1)]
        below = {id(one) for one in base.all()}
        above = [one for one in self.head.all() if id(one) not in below]
        new = self.new(now - HOUR, base) if self.chance.random() < 0.5 else base
        for one in sorted(above, key=_age):
            if len(one.parents) == 1:
                new = Made(one.uid, now, one.authored, one.title, (new,))
        if new is not base:
            self.push(new)

    def brought_back(self, now: datetime) -> None:
        """Some of what was rewritten away or taken back before, by new names, one day some by other titles."""
        there = {one.uid for one in self.head.all()}
        gone = {o.uid: o for h in self.heads[-9:] for o in h.line() if len(o.parents) == 1 and o.uid not in there}
        base = self.some(self.head, [now - HOUR] * self.chance.randint(0, 1))
        for one in self.chance.sample(sorted(gone.values(), key=lambda o: o.uid), min(len(gone), 2)):
            title = f"{one.uid} by another name" if self.chance.random() < 0.2 else one.title
            authored = now if self.chance.random() < 0.5 else one.authored
            base = Made(one.uid, now, authored, title, (base,))
        if base is not self.head:
            self.push(base)

    def another(self, now: datetime) -> None:
        """A push of any kind."""
        kinds = [
            lambda: self.dated(now, -2, 0),
            lambda: self.dated(now, -2, 0),
            lambda: self.dated(now, -24 * 400, -24),
            lambda: self.dated(now, 0.1, 24 * 40),
            lambda: self.merged(now, other_way=False),
            lambda: self.merged(now, other_way=True),
            lambda: self.rewritten(now),
            lambda: self.flattened(now),
            lambda: self.brought_back(now),
            lambda: self.push(self.chance.choice(self.head.line()[1:4] or [self.head])),
            lambda: self.push(self.chance.choice(self.heads[-5:])),
        ]
        back = (
            self.heads[-2] if len(self.heads) > 1 and self.head in self.heads[-2].line()[1:] else None
        )  # it was taken back just now
        if back and self.chance.random() < 0.4:
            self.push(back)
        else:
            self.chance.choice(kinds)()


def _age(one: Made) -> int:
    return 1 + max(map(_age, one.parents), default=0)


def _depth(one: Made) -> int:
    return 1 + max(map(_depth, one.parents), default=0) if not one.sha else 0


class Follower:
    """A subscription, and what it was told: the decisions of a delivery, on what a real source says."""

    def __init__(self, pushes: Pushes, source, repo: str, holidays: str = "") -> None:
        self.pushes, self.source, self.repo = pushes, source, repo
        known = {"created": START, "holidays": holidays}
        self.subscription = Subscription(Place("slack", "C1"), repo, "0 9 * * *", "UTC", "en", **known)
        self.last = None
        self.told: Counter[str] = Counter()
        self.gone: Counter[str] = Counter()
        self.delivered: set[str] = set()
        self.inner: set[str] = set()
        self.notices: list[str] = []
        self.settled: set[str] = set()
        self.below: set[str] | None = None
        self.inner_told: set[str] = set()

    def morning(self, now: datetime, outcome: str) -> None:
        """A digest, if one is due: it is posted (`d`), posted in part (`p`), given up (`f`), or an older version's."""
        due = planned_delivery(self.subscription, self.last, now)
        if due is None:
            return
        mark, new, back, gone, notices = None, self._by_dates(due), (), (), ()
        if outcome != "o":
            tip, told = (due.before.tip, ()) if due.before else (None, self.delivered)
            landing = self.source.landed(self.repo, "main", tip, Window(due.cursor, due.until, now, frozenset(told)))
            come = arrival("main", due.before, landing, lambda some: self.source.patches(self.repo, some))
            notices = said(only_reported(come, self.delivered, bool), Texts("en"))
            mark, back, gone = come.mark, come.back, come.gone
            new = undelivered(due, come.commits, self.delivered)
        state = DeliveryState.FAILED if outcome in "fp" else DeliveryState.DONE
        steps = () if outcome == "f" else (Step("headline", StepState.DONE, now, "t"),)
        self.last = replace(due, mark=mark, state=state, steps=steps, id=self.last.id + 1 if self.last else 1)
        if outcome != "f":
            self._tell(new, back, notices)
            self.gone.update(self.pushes.made[c.sha].uid for c in gone)

    def _tell(self, new, back, notices) -> None:
        known = self.pushes.made
        uids = [known[c.sha].uid for c in new]
        self.told.update(uids)
        self.inner_told |= self.inner.intersection(uids)
        self.delivered |= {c.sha for c in (*new, *back)}
        self.notices += notices
        if not self.settled:  # what was there before the first digest is not told as new
            self.settled = {one.uid for one in known.values()}
        if self.last.mark and self.last.mark.tip:
            tip = known[self.last.mark.tip]
            reached = git(self.pushes.path, "rev-list", tip.sha).split()
            self.inner |= {known[sha].uid for sha in reached} - {one.uid for one in tip.line()}
            if self.below is None:
                self.below = {known[sha].uid for sha in reached} - self.told.keys()

    def _by_dates(self, due):
        """What the version before told: of what is dated since a week before the period what was not told yet."""
        line = self.pushes.head.line()
        late = set() if not self.settled else {o.sha for o in line if due.since - 7 * DAY <= o.at < due.cursor}
        return [o for o in line if due.since <= o.at < due.until or (o.sha in late and o.sha not in self.delivered)]


@contextmanager
def _git(pushes: Pushes, folder: Path):
    yield GitSource(folder / "clones"), str(pushes.path), nullcontext()


@contextmanager
def _github(pushes: Pushes, token: str):
    with GitHubServer({"team/app": pushes.path}) as server:

        class Reloaded:
            def __enter__(self):
                server.repos["team/app"].load()

            def __exit__(self, *_):
                pass

        auth = Auth.Token(token) if token else None
        yield GitHubSource(Client(auth, server.url, sleep=lambda _: None)), "team/app", Reloaded()


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr("github.Requester.time", SimpleNamespace(sleep=lambda _: None))


def told_of(seed: int, folder: Path, kind: str, holidays: str) -> Follower:
    """Ten days of pushes, and what was told of them on those that are no holidays."""
    chance = random.Random(seed)
    pushes = Pushes(folder / "repo.git", chance)
    base = pushes.new(START - 30 * DAY)
    pushes.push(pushes.some(base, [START - 20 * DAY, START - 400 * DAY, START - 9 * DAY, START - 2 * DAY]))
    opened = _git(pushes, folder) if kind == "git" else _github(pushes, TOKEN if kind == "github" else "")
    upgraded = chance.choice((0, 0, 3))
    with opened as (source, repo, fresh):
        follower = Follower(pushes, source, repo, holidays)
        for day in range(1, 11):
            for hour in sorted(chance.uniform(-20, -0.1) for _ in range(chance.randint(0, 3))):
                now = START + day * DAY - 3 * HOUR + hour * HOUR
                if not upgraded or (day > upgraded and reported_up_to(follower.last)):
                    pushes.another(now)
                else:  # a branch that is rewritten just then leaves no trace
                    kinds = ((-2, 0), (-240, -2), (-9_000, -240), (0.1, 900)) if day > upgraded else ((-2, 0),)
                    pushes.dated(now, *chance.choice(kinds))
            outcome = "o" if day <= upgraded else chance.choice("dddddfp-") if day < 10 else "d"
            if outcome != "-":
                with fresh:
                    follower.morning(START + day * DAY - 2 * HOUR, outcome)
        with fresh:
            follower.morning(START + 12 * DAY, "d")
    return follower


def check(seed: int, follower: Follower) -> None:
    """Nothing is told twice, also where it was gone and comes back days later, and nothing on the branch is lost.

    What lay below the first digest is never news, nor what a merge brought that was told.
    """
    twice = {uid: count for uid, count in follower.told.items() if count > 1}
    assert not twice, f"seed {seed}"
    on_the_branch = {one.uid for one in follower.pushes.head.line()}
    lost = on_the_branch - follower.told.keys() - follower.settled - follower.inner
    assert not lost, f"seed {seed}"
    assert not (follower.below or set()) & follower.told.keys(), f"seed {seed}"
    assert not follower.inner_told, f"seed {seed}"


KINDS = [("git", 4, ""), ("github", 2, ""), ("github-without-token", 1, ""), ("git", 2, "JP")]
"""In Japan the 23rd is free, the Emperor's birthday."""


@pytest.mark.parametrize(("kind", "seeds", "holidays"), KINDS)
def test_each_commit_that_lands_is_told_once_whatever_its_date(tmp_path, monkeypatch, kind, seeds, holidays):
    said, seeds = Counter(), 1_000 if STRESS else seeds
    for seed in range(seeds):
        folder = tmp_path / str(seed)
        folder.mkdir()
        # Small pages in every other, so that lines are longer than one.
        monkeypatch.setattr("adapters.sources.git.source.PAGE", 1_000 if seed % 2 else 3)
        follower = told_of(seed, folder, kind, holidays)
        check(seed, follower)
        said.update(
            word for notice in follower.notices for word in ("Already reported", "no longer on it") if word in notice
        )
        said["told"] += sum(follower.told.values())
        shutil.rmtree(folder)
    assert said["told"] > 8 * seeds
    assert min(said["Already reported"], said["no longer on it"]) * 4 > seeds


@pytest.mark.parametrize("kind", ["git", "github"])
def test_what_a_merge_the_other_way_took_off_the_line_is_known_again_after_a_rewrite(tmp_path, kind):
    """`git pull` onto one's own work makes the branch's commits a merge's second parent; a rebase lays them flat."""
    pushes = Pushes(tmp_path / "repo.git", random.Random(0))
    base = pushes.new(START - 30 * DAY)
    pushes.push(pushes.some(base, [START - 20 * DAY]))
    opened = _git(pushes, tmp_path) if kind == "git" else _github(pushes, TOKEN)
    fork = pushes.head
    told = pushes.some(fork, [START + HOUR, START + 2 * HOUR])
    own = pushes.some(fork, [START + 20 * HOUR])
    pulled = pushes.new(START + DAY + HOUR, own, told)
    flat = own
    for one in told.line()[1::-1]:
        flat = Made(one.uid, START + 2 * DAY, START + 2 * DAY, one.title, (flat,))
    flat = pushes.new(START + 2 * DAY + HOUR, flat)
    with opened as (source, repo, fresh):
        follower = Follower(pushes, source, repo)
        for day, head in enumerate([fork, told, pulled, flat], 1):
            pushes.push(head)
            with fresh:
                follower.morning(START + day * DAY, "d")
    # The pulled merge itself, the work of one's own, and what is new in the end.
    assert follower.told == Counter({one.uid: 1 for one in (*told.line()[:2], own, pulled, flat)})
    assert any("2 commits" in notice for notice in follower.notices), follower.notices
