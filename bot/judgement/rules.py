"""Describes commits without a model: only what their messages, paths, sizes and patches show. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from bot.commits.files import ROOT, component, generated, kind
from bot.commits.interfaces import DEFINED
from bot.commits.patch import Hunk, hunks
from bot.judgement.triage import Judgement
from bot.texts import Texts
from bot.values import (
    Analysis,
    Aspect,
    Commit,
    Component,
    Evidence,
    FileChange,
    FilePatch,
    Grade,
    Impact,
    Importance,
    Insight,
    Note,
    NoteLevel,
    Repository,
    Rollup,
    Suggestion,
    one_line,
)

_MOST_COMPONENTS, _MOST_PATHS, _MOST_NAMES, _WHERE = 5, 3, 4, 2
_BODY_LIMIT = 600
_WORDS = 120
"""Characters of a commit's own words in a reason."""

_SECTION = re.compile(DEFINED)
_LINE = re.compile(rf"\n[ +-]{DEFINED}")
_REMOVED = re.compile(rf"\n-({DEFINED}.*)")
_LEFT = re.compile(r"^[+ ].*", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_]\w{2,}")
_FENCED = re.compile(r"^\s{0,3}(```|~~~).*?(?:^\s{0,3}\1|\Z)", re.MULTILINE | re.DOTALL)
_NO_WORDS = re.compile(r"!\[|<|\||https?://\S+$")  # images, markup, tables, bare addresses
_MARKS = re.compile(r"^(?:[-*+]|\d+[.)])\s+|\*\*|__(?=\S)|(?<=\S)__")  # Markdown's list marks and emphasis
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")


# --- Grades ----------------------------------------------------------------------------------


def grade(commit: Commit, judgement: Judgement, texts: Texts) -> Grade:
    """The rules' grade in the reader's language."""
    return Grade(
        importance=judgement.importance,
        types=commit.reading.types,
        reason=reason(commit, judgement, texts),
        sentence=sentence(commit, texts, judgement.features.note),
        score=judgement.score,
    )


def reason(commit: Commit, judgement: Judgement, texts: Texts) -> str:
    """The reason, in a few words, with the commit's own unless its sentence contains them already."""
    known = texts(f"reason.{judgement.reason}") if judgement.reason else ""
    words = one_line(judgement.words, _WORDS).rstrip(".。")
    if not words or words.casefold() in commit.reading.title.casefold():
        return known
    return texts("reason.said", reason=known, words=words)


def sentence(commit: Commit, texts: Texts, note: Note | None = None) -> str:
    """What the commit does, in one sentence: what it tells users, else its own title, and where it lands."""
    note_text = whole_sentences(note.text, 300) if note and note.level is not NoteLevel.INTERNAL else ""
    what = one_line(note_text or commit.reading.title, 300).rstrip(".。") or commit.short
    where = [texts("rules.root") if name == ROOT else name for name, _ in _components(commit)]
    if not where:
        return texts("rules.sentence_nowhere", what=what)
    return texts("rules.sentence", what=what, where=texts.some(where, _WHERE))


def _components(commit: Commit) -> list[tuple[str, list[FileChange]]]:
    """Components with their files, most changed source lines first; generated files only if all are."""
    files = [f for f in commit.files if not generated(f.path)] or list(commit.files)
    groups: dict[str, list[FileChange]] = {}
    for file in files:
        groups.setdefault(component(file.path), []).append(file)
    return sorted(groups.items(), key=lambda g: (-_lines(g[1], "source"), -_lines(g[1]), g[0]))


def _lines(files: Sequence[FileChange], only: str = "") -> int:
    """Changed lines of files, or of those of one kind."""
    return sum(f.added + f.removed for f in files if not only or kind(f.path) == only)


# --- Analyses --------------------------------------------------------------------------------


def analysis(
    commit: Commit,
    first: str,
    importance: Importance,
    patch: Sequence[FilePatch],
    texts: Texts,
    *,
    notes: Sequence[Note] = (),
) -> Analysis:
    """The rules' analysis, as deep as the importance (high or medium) asks for; nothing in it is guessed.

    `first` is the sentence of the commit's grade, with which the summary begins; `notes` is what it tells users, whose
    words are quoted with their line, and end with what users must do, if they say so.
    """
    found = Analysis(
        summary=_summary(commit, first, texts),
        impact=_impact(commit, patch, texts),
        insights=_noted_insights(notes),
        suggestions=_asked(notes, texts),
    )
    if importance is Importance.MEDIUM:
        return found
    removed = _removed_definitions(patch)
    return replace(
        found,
        insights=(*found.insights, *_insights(removed, texts)),
        suggestions=(*found.suggestions, *_suggestions(removed, texts)),
    )


_ASPECTS = {
    NoteLevel.BREAKING: Aspect.COMPATIBILITY,
    NoteLevel.DEPRECATION: Aspect.COMPATIBILITY,
    NoteLevel.SECURITY: Aspect.SECURITY,
}


def _noted_insights(notes: Sequence[Note]) -> tuple[Insight, ...]:
    """What a commit tells users about breakage, deprecations and vulnerabilities, each with its place."""
    return tuple(
        Insight(_ASPECTS[note.level], note.text, Evidence(note.path, note.path, note.line))
        for note in notes[:_MOST_NAMES]
        if note.level in _ASPECTS and note.text and note.path
    )


def _asked(notes: Sequence[Note], texts: Texts) -> tuple[Suggestion, ...]:
    """What a commit asks of users, in its own words."""
    asked = dict.fromkeys(note.action for note in notes if note.action)
    return tuple(Suggestion(texts("rules.users"), action) for action in list(asked)[:_MOST_NAMES])


def _summary(commit: Commit, first: str, texts: Texts) -> str:
    """The sentence, then the first paragraph of the message's body as its author wrote it, in whole sentences."""
    said = _first_paragraph(commit.reading.said)
    return texts.sentences(first, texts("rules.author_says", text=said)) if said else first


def _first_paragraph(said: str) -> str:
    """The first paragraph in words, in whole sentences: no code, no table, no list of links."""
    for paragraph in re.split(r"\n\s*\n", _FENCED.sub("", said)):
        lines = [_MARKS.sub("", line.strip()) for line in paragraph.splitlines() if not _NO_WORDS.match(line.strip())]
        text = one_line(" ".join(lines))
        if len(text) > 20:
            return whole_sentences(text, _BODY_LIMIT)
    return ""


def whole_sentences(text: str, limit: int) -> str:
    """As many whole sentences as fit into `limit` characters; empty if not even one does."""
    kept = ""
    for part in _SENTENCE_END.split(text):
        joined = f"{kept} {part}" if kept and kept[-1] in ".!?" else kept + part
        if len(joined) > limit:
            break
        kept = joined
    return kept


def _impact(commit: Commit, patch: Sequence[FilePatch], texts: Texts) -> tuple[Impact, ...]:
    names = _touched(patch)
    groups = _components(commit)
    found = [_component_impact(name, files, names, texts) for name, files in groups[:_MOST_COMPONENTS]]
    if len(groups) > _MOST_COMPONENTS:
        rest = texts("rules.more_components", n=len(groups) - _MOST_COMPONENTS)
        files = sum(len(files) for _, files in groups[_MOST_COMPONENTS:])
        found.append(Impact(rest, (), texts.count("files", files)))
    return tuple(found)


def _component_impact(name: str, files: Sequence[FileChange], names: dict[str, list[str]], texts: Texts) -> Impact:
    by_size = sorted(files, key=lambda f: (-(f.added + f.removed), f.path))
    lines = texts(
        "digest.lines", added=f"{sum(f.added for f in files):,}", removed=f"{sum(f.removed for f in files):,}"
    )
    effect = texts("rules.size", files=texts.count("files", len(files)), lines=lines)
    touched = list(dict.fromkeys(n for f in by_size for n in names.get(f.path, [])))[:_MOST_NAMES]
    if touched:
        effect = texts("rules.touches", size=effect, names=texts("rules.comma").join(touched))
    shown = tuple(f.path for f in by_size[:_MOST_PATHS])
    return Impact(texts("rules.root") if name == ROOT else name, shown, effect)


def _touched(patch: Sequence[FilePatch]) -> dict[str, list[str]]:
    """The functions and types that each source file's changed lines define or are in."""
    found: dict[str, list[str]] = {}
    for file in patch:
        if kind(file.path) != "source":
            continue
        found[file.path] = list(dict.fromkeys(name for hunk in hunks(file.text) for name in _around(hunk)))
    return found


def _around(hunk: Hunk) -> Iterator[str]:
    """The definition that each changed line of a hunk is in, if the hunk shows it.

    Git's section is the last definition above the hunk, which need not be the last one above a line of it.
    """
    start = _SECTION.match(hunk.section)
    name, depth, at = (start[1] if start else ""), 0, 0
    for defined in _LINE.finditer(hunk.body):
        if name and _deeper(depth).search(hunk.body, at, defined.start()):
            yield name
        line = defined[0][1:]
        name, depth, at = ("" if line[0] == "-" else defined[1]), len(line[1:]) - len(line[1:].lstrip()), defined.end()
        if line[0] == "+":
            yield name
    if name and _deeper(depth).search(hunk.body, at):
        yield name


@lru_cache
def _deeper(depth: int) -> re.Pattern[str]:
    """A changed line that is indented deeper than `depth`."""
    return re.compile(rf"\n[+-][ \t]{{{depth + 1},}}\S")


def _removed_definitions(patch: Sequence[FilePatch]) -> list[tuple[str, Evidence]]:
    """Public definitions that the patch removes and whose name is in no remaining line, with the removed line.

    None if a part of the patch was not read: the name may be there.
    """
    if not all(file.complete for file in patch):
        return []
    removed: dict[str, Evidence] = {}
    for file in (f for f in patch if kind(f.path) == "source"):
        for line, name in _REMOVED.findall(file.text):
            if not name.startswith("_"):
                removed.setdefault(name, Evidence(file.path, one_line(line, 100)))
    left = (
        {name for file in patch for line in _LEFT.findall(file.text) for name in _NAME.findall(line)}
        if removed
        else set()
    )
    return [(name, evidence) for name, evidence in removed.items() if name not in left]


def _insights(removed: Sequence[tuple[str, Evidence]], texts: Texts) -> tuple[Insight, ...]:
    return tuple(
        Insight(Aspect.COMPATIBILITY, texts("rules.removes", name=name), evidence)
        for name, evidence in removed[:_MOST_NAMES]
    )


def _suggestions(removed: Sequence[tuple[str, Evidence]], texts: Texts) -> tuple[Suggestion, ...]:
    if not removed:
        return ()
    names = texts("rules.comma").join(name for name, _ in removed[:_MOST_NAMES])
    return (Suggestion(texts("rules.callers"), texts("rules.search", names=names)),)


_READ = 6
"""The most commits that an overview names."""


def overview(repository: Repository, high: Sequence[Commit], total: int, texts: Texts) -> str:
    """The overview if no model writes one: how many, and which to read."""
    count = texts.count("commits", total)
    if not high:
        return texts("rules.overview_quiet", count=count)
    listed = texts("rules.comma").join(repository.named(c) for c in high[:_READ])
    key = "rules.overview_more" if len(high) > _READ else "rules.overview"
    return texts(key, count=count, high=len(high), names=listed)


def rollup_overview(rollup: Rollup, total: int, texts: Texts) -> str:
    """The overview of a week or longer if no model writes one: where most of it happened, and what was undone.

    The commits to read come right below it.
    """
    busiest = [_busy(c, texts) for c in rollup.components[:3]]
    said = texts("rules.overview_quiet", count=texts.count("commits", total))
    if busiest:
        said = texts("rules.overview_where", names=texts("rules.comma").join(busiest))
    if not rollup.undone:
        return said
    return texts("rules.overview_undone", said=said, count=texts.count("commits", len(rollup.undone)))


def _busy(component: Component, texts: Texts) -> str:
    name = texts("rules.root") if component.name == ROOT else one_line(component.name, 60)
    return texts("rules.busy", name=name, count=texts.count("commits", len(component.shas)))
