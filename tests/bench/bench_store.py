"""How fast the SQLite store keeps and finds; `BENCH_COMMITS` says among how many commits (a million)."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice
from pathlib import Path

from adapters.stores.sqlite import SqliteStore
from bot.commits import reading
from bot.commits.people import Signature
from bot.commits.reading import Written
from bot.values import Commit, FileChange

COMMITS = int(os.environ.get("BENCH_COMMITS", "1000000"))
REPOSITORIES = [f"team/repo{n}" for n in range(20)]
LOOK_UPS = 200
CALL = 1_000  # commits kept at once, about a large repository's week
COMMON, RARE, CHINESE = "fix", "quokka", "登录"

_PLAIN = "fix add update remove test docs support handle parser config client server error type release"
_SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe qi ro su ta ve wi zu con pro re trans inter mod par ser lin tok"
_HAN = "登录修复超时的问题增加支持配置文件解析错误更新文档测试用户界面性能优化接口数据库连接缓存日志权限安全"
_START = datetime(2020, 1, 1, tzinfo=UTC)


def run() -> list[dict[str, object]]:
    """The measurements: seconds to keep all, then milliseconds of look-ups and searches (p50 and p99 of 200)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digest.db"
        with closing(SqliteStore(path)) as store:
            rows = [*_fill(store), *_found(store)]
        rows.append(_row("open a store and close it", _seconds(lambda: SqliteStore(path).close()) * 1000, 100, "ms"))
    return rows


def _fill(store: SqliteStore) -> Iterator[dict[str, object]]:
    commits, kept = _commits(), 0.0
    while batch := list(islice(commits, CALL)):
        last, kept = batch, kept + _seconds(lambda: store.keep_commits(batch))
    yield _row(f"keep {COMMITS:,} commits, {CALL:,} a call", kept, 300, "s")
    yield _row(f"keep {CALL:,} known commits again", _seconds(lambda: store.keep_commits(last)) * 1000, 1000, "ms")
    yield _row("size of the database", store.counts()["bytes"] / 1e6, 2000, "MB")


def _found(store: SqliteStore) -> Iterator[dict[str, object]]:
    dice = random.Random(2)
    numbers = [dice.randrange(COMMITS) for _ in range(LOOK_UPS)]
    words = [" ".join(dice.sample(_PLAIN.split(), 2)) for _ in range(LOOK_UPS)]
    home = REPOSITORIES[3]
    yield from _times("by pull request and SHA", 20, lambda n: _both(store, numbers[n]))
    for what, text, repos in (
        ("a rare word", RARE, REPOSITORIES),
        ("a common word", COMMON, REPOSITORIES),
        ("two Chinese characters", CHINESE, REPOSITORIES),
        ("one Chinese character", CHINESE[0], REPOSITORIES),
        ("a common and a rare word", f"{COMMON} {RARE}", REPOSITORIES),
        ("a common word in one repository", COMMON, [home]),
        ("a rare word in one repository", RARE, [home]),
    ):
        yield from _times(f"search {what}", 50, lambda _, text=text, repos=repos: store.search(text, repos, 20))
    yield from _times("search two words", 50, lambda n: store.search(words[n], REPOSITORIES, 20))
    yield from _times("search two words in one repository", 50, lambda n: store.search(words[n], [home], 20))


def _both(store: SqliteStore, number: int) -> None:
    repo = REPOSITORIES[number % len(REPOSITORIES)]
    found = store.commits_by_pull(repo, number)
    assert found == store.commits_by_sha(repo, found[0].sha[:7])[:1]


def _times(what: str, bar: float, call: Callable[[int], object]) -> Iterator[dict[str, object]]:
    taken = sorted(_seconds(lambda: call(n)) * 1000 for n in range(LOOK_UPS))  # noqa: B023  # called at once
    yield _row(f"{what}, p50", taken[LOOK_UPS // 2], bar, "ms")
    yield _row(f"{what}, p99", taken[LOOK_UPS * 99 // 100], bar, "ms")


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _row(what: str, measured: float, bar: float, unit: str) -> dict[str, object]:
    return {"what": what, "measured": round(measured, 2), "bar": bar, "unit": unit}


# --- Commits ---------------------------------------------------------------------------------


def _commits() -> Iterator[Commit]:
    """Commits with a vocabulary after Zipf's law, every fifth partly in Chinese, one in ten thousand with `RARE`."""
    dice, syllables = random.Random(1), _SYLLABLES.split()
    made = ("".join(dice.choices(syllables, k=dice.choice((2, 3, 3, 4, 4)))) for _ in range(30_000))
    vocabulary = [*_PLAIN.split(), *dict.fromkeys(made)]
    weights = list(accumulate(1 / (rank + 2) for rank in range(len(vocabulary))))
    for number in range(COMMITS):
        words = dice.choices(vocabulary, cum_weights=weights, k=dice.randint(9, 18))
        yield _commit(number, dice, words)


def _commit(number: int, dice: random.Random, words: list[str]) -> Commit:
    chinese = "".join(dice.choices(_HAN, k=12)) if number % 5 == 0 else ""
    rare = RARE if number % 10_000 == 0 else ""
    message = f"{' '.join(words[6:])} {rare}{chinese} (#{number})"
    return reading.commit(
        REPOSITORIES[number % len(REPOSITORIES)],
        Written(f"{dice.getrandbits(160):040x}", message, Signature(f"dev-{number % 50}")),
        committed=_START + timedelta(minutes=number),
        parents=("a" * 40,),
        changes=tuple(FileChange(f"src/{a}/{b}.py", added=3) for a, b in zip(words[:6:2], words[1:6:2], strict=True)),
    )


if __name__ == "__main__":
    for row in run():
        print(f"{row['what']:<50} {row['measured']:>10} {row['unit']:<3} (bar {row['bar']})")
