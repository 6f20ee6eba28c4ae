"""What a digest with a model takes: characters sent, time against its longest chain of answers, and CPU of our own.

`BENCH_REPO` names a repository whose three newest busy days are digested; without it a day is made with the patch sizes
of real ones in a tree of 7,000 files.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from answers import answer
from bench_git import newest
from bench_look import FILES, tree, used
from model_server import ModelServer
from repositories import DAY, Builder, git
from test_build import purposes
from world import HOME, World

from adapters.llms.openai.model import OpenAIModel
from bot.delivery import schedule
from bot.judgement.questions import Depth
from bot.rights import Who
from bot.values import Digest, Importance, Scope

Rows = list[dict[str, object]]

DAYS, BUSY = 3, 8
"""Days of a real repository that are digested, and commits that one of them has at least."""
QUESTION = 8_000
"""Characters of a question that are not the patch: instructions, message, findings."""
ANSWER, AT_ONCE = 1.0, 8
"""Seconds that an answer takes, and answers at once."""
# Characters of the patches of a day, as they were in the quantiles of busy repositories: 350,000 together.
_HIGHS = (4_000, 9_000, 18_000, 30_000, 60_000, 90_000)
_MEDIUMS = (300, 1_000, 2_000, 2_900, 3_800, 5_800, 7_200, 11_000, 15_000, 20_000, 30_000, 40_000)
_LOWS = 11


def run() -> Rows:
    """Rows for `brief` and for `normal`."""
    with tempfile.TemporaryDirectory() as folder:
        repo = os.environ.get("BENCH_REPO") or str(_made(Path(folder) / "day"))
        return [row for depth in (Depth.BRIEF, Depth.NORMAL) for row in _rows(repo, depth, Path(folder) / depth)]


def _rows(repo: str, depth: Depth, folder: Path) -> Rows:
    folder.mkdir()
    server = ModelServer(answer=answer, delay=ANSWER, limit=AT_ONCE)
    with server:
        model = OpenAIModel("test-model", server.key, server.url, timeout=60, concurrency=AT_ONCE)
        world = World(folder, _clock, repo, model=model, depth=depth)
        repository = world.repositories.find(repo, Who(HOME))
        days = list(_days(world, repo))
        seconds, cpu, digests = 0.0, 0.0, []
        for day in days:
            with _measured() as taken:
                digests.append(world.app.digest(repository, Scope(repository.name, schedule.day(day, "UTC"), "en")))
            seconds, cpu = seconds + taken[0], cpu + taken[1]
        patches = sum(_patch_characters(world, repo, digest) for digest in digests)
        world.close()
    assert not any(digest.degraded for digest in digests), [digest.notices for digest in digests]
    allowed = (2.5 * patches + QUESTION * len(server.bodies)) * (1 if depth.looks else 0.5)
    chain = len(days) * (5 if depth.looks else 3) * ANSWER
    least = max(chain, len(server.bodies) * ANSWER / AT_ONCE + 2 * len(days) * ANSWER)
    what = f"{depth}, {len(days)} days, {patches:,} characters of patch, {len(server.bodies)} questions:"
    rows = [
        (f"{what} characters sent / allowed", server.prompt_characters / allowed, 1, "×"),
        ("… wall time / longest chain or throughput of answers", seconds / least, 1.25, "×"),
        ("… CPU of bot and stand-in, a high or medium commit", cpu / _analysed(digests), 0.5, "s"),
    ]
    if depth.looks:
        rows.append(("… second questions that do not begin as a first one", _unlike(server), 0, ""))
    return [dict(zip(("what", "measured", "bar", "unit"), row, strict=True)) for row in rows]


def _clock() -> datetime:
    return datetime(2027, 1, 1, tzinfo=UTC)


def _days(world: World, repo: str) -> Iterator[date]:
    """The newest days of a real repository that are busy, or the one that was made."""
    if "BENCH_REPO" not in os.environ:
        yield DAY.date()
        return
    found = world.source.commits(repo, "", *newest(world.source, repo))
    busy = [day for day, of in groupby(found, lambda c: c.committed.date()) if len(list(of)) >= BUSY]
    yield from busy[:DAYS]


@contextmanager
def _measured() -> Iterator[list[float]]:
    """Wall and CPU seconds of what is done meanwhile, by every process."""
    taken: list[float] = []
    began, before = time.perf_counter(), used()
    yield taken
    taken += [time.perf_counter() - began, used() - before]


def _read(digest: Digest) -> list:
    return [e.commit for e in digest.entries if e.grade.importance is not Importance.LOW]


def _analysed(digests: list[Digest]) -> int:
    return sum(len(_read(digest)) for digest in digests)


def _patch_characters(world: World, repo: str, digest: Digest) -> int:
    read = world.source.patches(repo, _read(digest))
    return sum(len(file.text) for _, files in read for file in files)


def _unlike(server: ModelServer) -> int:
    """Questions with what was looked up whose beginning, up to the end of the commit, is not that of a draft."""
    texts = [body["messages"][-1]["content"] for body in server.bodies]
    kinds = purposes(server)
    drafts = {_data(text) for text, kind in zip(texts, kinds, strict=True) if kind == "draft"}
    return sum(_data(text) not in drafts for text, kind in zip(texts, kinds, strict=True) if kind == "look")


def _data(text: str) -> str:
    """A question up to the end of its first block of data."""
    mark = text.split("DATA ", 2)[1].split("\n", 1)[0]
    return text.rsplit(f"DATA {mark}", 1)[0]


def _made(path: Path) -> Path:
    """A day of such commits upon a tree of 7,000 files."""
    build = Builder(path)
    build.commit("base", DAY - timedelta(days=3), tree())
    sized = [
        *((f"feat(api)!: replace endpoint {n} (#{100 + n})", "api", n, size) for n, size in enumerate(_HIGHS)),
        *((f"fix: wrong part {n} (#{200 + n})", "part", n, size) for n, size in enumerate(_MEDIUMS)),
        *((f"docs: page {n} (#{300 + n})", "docs", n, 200) for n in range(_LOWS)),
    ]
    for number, (message, folder, n, size) in enumerate(sized):
        files = _files(folder, n, size)
        build.commit(f"c{number}", DAY + timedelta(minutes=10 * number), files, message=message)
    built = build.finish().path
    git(built, "repack", "-adq")
    assert len(tree()) == FILES
    return built


def _files(folder: str, number: int, size: int) -> dict[str, str]:
    """New files of 6,000 characters, and what is left over of `size`."""
    kind = "md" if folder == "docs" else "py"
    line = f"    result_{number} = task_{number}_3(value, option=setting_{number})\n"
    sizes = [6_000] * (size // 6_000) + [size % 6_000] * bool(size % 6_000)
    return {f"{folder}/{folder}{number}_{m}.{kind}": line * (part // len(line) + 1) for m, part in enumerate(sizes)}
