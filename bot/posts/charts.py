"""The report's charts, as SVG in its HTML. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta

from bot.commits.files import ROOT, component, generated
from bot.posts.chapter import Chapter
from bot.posts.rollup import component_name, people
from bot.posts.tags import Html, tag, text
from bot.values import one_line

_WIDTH = 400
"""The width of a chart in its own units, about as wide as it is drawn, so that its text keeps its size."""


_COMPONENTS, _PLACES = 6, 8
"""The most components with a bar of their own, in a day and in a rollup, where this also limits people."""


DRAWN = ("components", "people")
"""The sections of a rollup that are charts."""


def charts(chapter: Chapter) -> list[Html]:
    """A bar of the importances, columns of when commits landed, and bars of the components that changed most.

    A rollup has bars of the components with the most commits, and of the people who wrote the most.
    """
    bars = {"components": _changed(chapter)}
    if rollup := chapter.digest.rollup:
        places = [(component_name(c, chapter.texts), len(c.shas)) for c in rollup.components[:_PLACES]]
        bars = {"places": places, "people": people(chapter.digest)[:_PLACES]}
    drawn = [_bar_chart(chapter, name, values) for name, values in bars.items() if values]
    return [_importance_chart(chapter), _time_chart(chapter), *drawn]


def _figure(
    chapter: Chapter, name: str, values: Iterable[tuple[str, int]], height: int, shapes: Iterable[Html]
) -> Html:
    """A chart with its title, and a description with all its values for screen readers."""
    texts, anchor = chapter.texts, f"{chapter.anchor}-{name}"
    said = texts("report.chart_separator").join(
        texts("report.chart_value", name=value, n=f"{number:,}") for value, number in values
    )
    title = text(texts(f"report.chart_{name}"))
    drawing = tag(
        "svg",
        tag("title", title, id=f"{anchor}-title"),
        tag("desc", text(said), id=f"{anchor}-desc"),
        *shapes,
        viewBox=f"0 0 {_WIDTH} {height}",
        role="img",
        aria_labelledby=f"{anchor}-title",
        aria_describedby=f"{anchor}-desc",
    )
    return tag("figure", tag("figcaption", title), drawing, class_=name)


def _rect(x: float, y: float, width: float, height: float, class_: str) -> Html:
    return tag("rect", x=f"{x:.1f}", y=f"{y:.1f}", width=f"{width:.1f}", height=f"{height:.1f}", rx="2", class_=class_)


def _label(x: float, y: float, words: str, class_: str = "") -> Html:
    return tag("text", text(words), x=f"{x:.1f}", y=f"{y:.1f}", **({"class_": class_} if class_ else {}))


def _importance_chart(chapter: Chapter) -> Html:
    """One divided bar, with a name and a number for each importance below it."""
    counts = {i: len(found) for i, found in chapter.lasting.by_importance.items()}
    names = {i: chapter.texts(f"importance.{i}") for i in counts}
    scale, x = (_WIDTH - 4) / max(sum(counts.values()), 1), 0.0
    shapes = []
    for column, (importance, count) in enumerate(counts.items()):
        if count:
            shapes.append(_rect(x, 2, count * scale - 2, 18, f"fill-{importance}"))
        x += count * scale
        shapes.append(_rect(column * 132, 34, 10, 10, f"fill-{importance}"))
        shapes.append(_label(column * 132 + 16, 43.5, f"{names[importance]} {count}"))
    return _figure(chapter, "importance", [(names[i], n) for i, n in counts.items()], 52, shapes)


def _time_chart(chapter: Chapter) -> Html:
    """Commits by hour of the day, or by day if the period is longer."""
    first, last = (moment.date() for moment in chapter.digest.period.days)
    landed = [chapter.landed(entry) for entry in chapter.lasting.entries]
    if first == last:
        hours = Counter(moment.hour for moment in landed)
        return _columns(chapter, "hours", [(f"{hour:02}", hours[hour]) for hour in range(24)], 6)
    dates = Counter(moment.date() for moment in landed)
    span = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return _columns(chapter, "days", [(f"{date:%m-%d}", dates[date]) for date in span], -(-len(span) // 7))


def _columns(chapter: Chapter, name: str, values: Sequence[tuple[str, int]], step: int) -> Html:
    """Columns with their numbers above; every `step`th has its name below it."""
    height, most, width = 84, max(number for _, number in values) or 1, _WIDTH / len(values)
    shapes = [_rect(0, height + 20, _WIDTH, 1, "axis")]
    for column, (label, number) in enumerate(values):
        size, middle = number / most * height, (column + 0.5) * width
        if number:
            shapes.append(_rect(column * width + 1, height + 18 - size, max(width - 2, 1), size, "fill"))
            shapes += [_label(middle, height + 13 - size, f"{number}", "middle")] if len(values) <= 31 else []
        shapes += [_label(middle, height + 36, label, "middle muted")] if column % step == 0 else []
    return _figure(chapter, name, [value for value in values if value[1]], height + 42, shapes)


def _changed(chapter: Chapter) -> list[tuple[str, int]]:
    """Changed lines of the components that changed most, and of all others together, without generated files."""
    lines: Counter[str] = Counter()
    for entry in chapter.entries:
        for file in entry.commit.files:
            if not generated(file.path) and file.added + file.removed:
                lines[component(file.path)] += file.added + file.removed
    ranked = sorted(lines.items(), key=lambda item: (-item[1], item[0]))
    named = [(chapter.texts("rules.root") if name == ROOT else one_line(name, 44), n) for name, n in ranked]
    rest = sum(number for _, number in named[_COMPONENTS:])
    return [*named[:_COMPONENTS], *([(chapter.texts("report.other"), rest)] if rest else [])]


def _bar_chart(chapter: Chapter, name: str, values: Sequence[tuple[str, int]]) -> Html:
    """A bar for each value, with its name above it and its number to the right."""
    most = max(number for _, number in values)
    shapes = []
    for row, (value, number) in enumerate(values):
        y = row * 37
        shapes += [_label(0, y + 12, one_line(value, 44)), _label(_WIDTH, y + 12, f"{number:,}", "end")]
        shapes.append(_rect(0, y + 17, max(number / most * _WIDTH, 2), 6, "fill"))
    return _figure(chapter, name, values, len(values) * 37 - 8, shapes)
