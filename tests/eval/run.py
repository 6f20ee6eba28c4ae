"""`make eval`: how good the grades are against those of maintainers, and what a model makes of a real day.

Prints tables and writes one JSON file, so that two models or two prompts can be compared (`--compare`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from graded import GRADES, Graded, Unreadable, read
from metrics import NAMES, PAGE, Page, intervals, mean, measure
from recorded import Recorded
from rich.console import Console
from rich.table import Table

from adapters.llms.openai import model as openai
from adapters.llms.openai.settings import OpenAISettings
from adapters.sources.git.source import GitSource
from adapters.stores.sqlite import SqliteStore
from bot.app import App
from bot.delivery import schedule
from bot.errors import DigestError
from bot.judgement import questions
from bot.judgement.asker import Asker, Bill, Limits
from bot.judgement.brief import Brief
from bot.judgement.grading import Grader
from bot.ports import LanguageModel, Progress, Readers
from bot.repositories import OPERATOR, Repositories
from bot.rights import Rights
from bot.settings import load
from bot.texts import Texts
from bot.values import RULES, Commit, Digest, Grade, Importance, Repository, Scope, Spending

HERE = Path(__file__).parent
ALL = Limits()


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments ask for; 0 when it could be done."""
    asked = _arguments().parse_args(arguments)
    console = Console(width=110)
    try:
        if asked.compare:
            return _compare(console, *asked.compare)
        if not asked.graded and not asked.repo:
            console.print(
                "Name graded commits (GRADED=file.jsonl.gz), a repository (REPO=path DATE=2026-01-26), or both."
            )
            return 2
        made = _evaluate(asked, console)
    except Unreadable as error:
        console.print(str(error), style="red")
        return 2
    except DigestError as error:
        console.print(Texts("en").error(error), style="red")
        return 1
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    console.print(f"Written to {asked.out}")
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graded", type=Path, help="commits that maintainers graded")
    parser.add_argument("--pages", type=int, default=0, help="pages of a repository, evenly spread, 0 for all")
    parser.add_argument("--rounds", type=int, default=200, help="draws for the intervals")
    parser.add_argument("--repo", help="a git repository to make a digest of")
    parser.add_argument("--date", type=date.fromisoformat, help="the day of it")
    parser.add_argument("--zone", default="UTC", help="the zone of that day")
    parser.add_argument("--lang", default="en", choices=["en", "zh"])
    parser.add_argument("--model", choices=["rules", "live", "recorded"], default="rules")
    parser.add_argument("--record", type=Path, help="where a model's answers are kept and read")
    parser.add_argument("--price-in", type=float, default=0, help="price of a million prompt tokens")
    parser.add_argument("--price-out", type=float, default=0, help="price of a million answered tokens")
    parser.add_argument("--out", type=Path, default=Path("build/eval.json"))
    parser.add_argument("--compare", nargs=2, type=Path, metavar="JSON", help="two files written before")
    return parser


def _evaluate(asked: argparse.Namespace, console: Console) -> dict[str, Any]:
    model = _model(asked)
    version = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False
    )
    made: dict[str, Any] = {
        "program": version.stdout.strip(),
        "model": model.name if model else RULES,
        "prompts": list(questions.PROMPTS) if model else [],
    }
    limits = Limits(prompt_price=asked.price_in, completion_price=asked.price_out)
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "eval.db")
        try:
            if asked.graded:
                made["triage"] = _triage(asked, model, store)
                _print_triage(console, made["triage"])
            if asked.repo:
                made["day"] = _day(asked, model, store, limits, Path(folder) / "clones")
                _print_day(console, made["day"])
        finally:
            store.close()
    return made


def _model(asked: argparse.Namespace) -> LanguageModel | None:
    if asked.model == "rules":
        return None
    settings = load(OpenAISettings)
    if asked.model == "recorded" and not asked.record:
        raise Unreadable("A recorded model needs its answers: RECORD=answers.jsonl.")
    live = openai.from_settings(settings) if asked.model == "live" else None
    return Recorded(asked.record, settings.openai_model, live) if asked.record else live


# --- Grades ----------------------------------------------------------------------------------


def _triage(asked: argparse.Namespace, model: LanguageModel | None, store: SqliteStore) -> dict[str, Any]:
    with ThreadPoolExecutor(load(OpenAISettings).openai_concurrency) as pool:
        asked_for = {
            name: [pool.submit(_page, name, page, asked.lang, model, store) for page in _pages(graded, asked.pages)]
            for name, graded in read(asked.graded).items()
        }
    repositories = {name: [page.result() for page in pages] for name, pages in asked_for.items()}
    per = {name: measure(pages) for name, pages in repositories.items()}
    return {
        "commits": sum(len(page.truth) for pages in repositories.values() for page in pages),
        "mean": mean(list(per.values())),
        "intervals": intervals(list(repositories.values()), asked.rounds) if asked.rounds else {},
        "repositories": per,
    }


def _pages(graded: Sequence[Graded], most: int) -> list[Sequence[Graded]]:
    """The pages of a repository, or some of them from all of its time: highs come in clusters."""
    starts = list(range(0, len(graded), PAGE))
    apart = max(1, len(starts) // most) if most else 1
    return [graded[start : start + PAGE] for start in starts[::apart][: most or None]]


def _page(name: str, graded: Sequence[Graded], language: str, model: LanguageModel | None, store: SqliteStore) -> Page:
    """A page as the product grades it: as if it were a day. A graded file holds no patches."""
    grades = _grades(name, [g.commit for g in graded], language, model, store)
    return Page(
        tuple(g.grade for g in graded),
        tuple(GRADES[g.importance] for g in grades),
        tuple(g.score for g in grades),
        graded[0].levels,
    )


def _grades(
    name: str, commits: Sequence[Commit], language: str, model: LanguageModel | None, store: SqliteStore
) -> list[Grade]:
    model_ = Asker(model, Bill(store, ALL, _now)).conversation() if model else None
    repository = Repository(name, name, "main", None, private=False)
    return Grader(Brief(repository, "main", Texts(language), _NoPatches(), store, model_, 8)).grades(commits, (), ())


def _now() -> datetime:
    return datetime.now(UTC)


class _NoPatches:
    """A source that has no patch of any commit."""

    def patches(self, _: str, commits: Sequence[Commit], paths: Collection[str] = ()) -> Iterator[tuple[str, tuple]]:
        return ((commit.sha, ()) for commit in commits)


# --- A real day ------------------------------------------------------------------------------


def _day(
    asked: argparse.Namespace, model: LanguageModel | None, store: SqliteStore, limits: Limits, clones: Path
) -> dict[str, Any]:
    source = GitSource(clones)
    repositories = Repositories(
        lambda _: source,
        store,
        Rights(),
        _now,
        readers=lambda *_: Readers(),
    )
    app = App(
        repositories=repositories,
        archive=store,
        aftermath=store,
        model=Asker(model, Bill(store, limits, _now)) if model else None,
        clock=_now,
        concurrency=load(OpenAISettings).openai_concurrency,
        progress=Progress(),
    )
    repository = repositories.find(asked.repo, OPERATOR)
    day = asked.date or repositories.latest(repository, asked.zone)
    before = store.usage(datetime.min.replace(tzinfo=UTC), datetime.now(UTC))
    digest = app.digest(repository, Scope(repository.name, schedule.day(day, asked.zone), asked.lang))
    after = store.usage(datetime.min.replace(tzinfo=UTC), datetime.now(UTC))
    return {"date": day.isoformat(), **_told(digest), **_spent(before, after, limits, len(digest.entries))}


def _told(digest: Digest) -> dict[str, Any]:
    counts = {str(i): len(digest.by_importance[i]) for i in Importance}
    deep = [e for i in (Importance.HIGH, Importance.MEDIUM) for e in digest.by_importance[i]]
    by_model = [e for e in deep if e.analysis.by != RULES]
    high = [e.analysis.coverage for e in digest.by_importance[Importance.HIGH] if e.analysis.by != RULES]
    return {
        "commits": len(digest.entries),
        **counts,
        "graded_by_model": sum(e.grade.by != RULES for e in digest.entries),
        "complete": len(by_model) / len(deep) if deep else None,
        "coverage_high": sum(high) / len(high) if high else None,
        "notices": list(digest.notices),
    }


def _spent(before: Iterable[Spending], after: Iterable[Spending], limits: Limits, commits: int) -> dict[str, Any]:
    """What the day took: sums after it less sums before it."""

    def total(spent: Iterable[Spending], name: str) -> int:
        return sum(getattr(s, name) for s in spent)

    first, then = list(before), list(after)
    names = ("requests", "prompt", "completion", "stated", "dropped")
    took = {name: total(then, name) - total(first, name) for name in names}
    cost = limits.cost([Spending("", "", took["prompt"], took["completion"])])
    tokens = took["prompt"] + took["completion"]
    return {
        **took,
        "evidence_rate": 1 - took["dropped"] / took["stated"] if took["stated"] else None,
        "tokens_a_commit": tokens / commits if commits else 0,
        "cost": cost,
        "cost_a_commit": cost / commits if cost is not None and commits else None,
    }


# --- Telling ---------------------------------------------------------------------------------


def _print_triage(console: Console, made: dict[str, Any]) -> None:
    repositories = list(made["repositories"])
    table = Table("", "mean", "95 %", *(name.split("/")[-1] for name in repositories))
    for name in NAMES:
        if name not in made["mean"]:
            continue
        low, high = made["intervals"].get(name, (None, None))
        between = f"{low:.3f} to {high:.3f}" if low is not None else ""
        table.add_row(
            name,
            f"{made['mean'][name]:.3f}",
            between,
            *(_shown(made["repositories"][r].get(name)) for r in repositories),
        )
    console.print(f"{made['commits']:,} graded commits, pages of {PAGE}")
    console.print(table)


def _print_day(console: Console, made: dict[str, Any]) -> None:
    table = Table("the day", "")
    for name, value in made.items():
        table.add_row(name, "; ".join(value) if isinstance(value, list) else _shown(value))
    console.print(table)


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _compare(console: Console, first: Path, second: Path) -> int:
    """Both sides of every figure that either file has, and the difference."""
    one, two = (_flat(_loaded(path)) for path in (first, second))
    table = Table("", first.stem, second.stem, "difference")
    for name in dict.fromkeys([*one, *two]):
        a, b = one.get(name), two.get(name)
        numbers = isinstance(a, int | float) and isinstance(b, int | float)
        table.add_row(name, _shown(a), _shown(b), f"{b - a:+.3f}" if numbers else "")
    console.print(table)
    return 0


def _loaded(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path} cannot be read: {error}.") from None
    return found


def _flat(made: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in made.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        elif not isinstance(value, list):
            flat[prefix + name] = value
    return flat


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
