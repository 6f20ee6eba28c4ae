"""What a day's questions used, and roughly what they would have used at another depth. Pure.

Only what is asked about one commit depends on the depth. It is measured at the depth in use, and estimated from
that for the others: a direct question contains what the question for a draft does, and is answered like the look; the
look contains that question again, and what was found; a check costs the same for every commit. If nothing was asked
yet, it is estimated from lines of commits.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from bot.commits import files
from bot.judgement import questions
from bot.judgement.questions import ANALYSIS, BATCH, CHECK, DRAFT, EARLIER, LOOK, Depth
from bot.values import Commit, Entry, Importance, Spending

Costs = Mapping[Depth, Spending]
"""What the same questions use at each depth."""

_ABOUT_ONE = (ANALYSIS, DRAFT, LOOK)
_FOUND = tuple(characters // 3 for characters in questions.FOUND)
_LINE = 20
"""Tokens of patch for a changed line: 18.6 to 26.2 measured over 60 commits each of click, axum, luigi, vllm-ascend."""
_AROUND = 1_000
"""Tokens of a question besides the patch: the instructions and the commit's message."""
_LISTED = (150, 110)
"""Tokens of one commit in the list of a day, and of its grade."""
_SUMMARY = 300
_CHECKED = (9_500, 1_200)
"""Tokens of a question that checks an analysis, and of its answer: the mean of 12 measured."""
_TYPICAL = 200
"""Changed lines of a commit that is analysed by itself, if unknown: the mean of those measured has 4,200 tokens of
patch.
"""


def of_day(spent: Iterable[Spending], at: Depth) -> Costs | None:
    """What a day's questions use at each depth; `at` is the one in use that day.

    None if no commit was analysed, or some were with prompts of an earlier version, which read little. A commit that
    was looked into and then asked about directly, since its answer was unusable, counts as two.
    """
    by = {purpose: list(found) for purpose, found in _grouped(spent).items()}
    if not by.keys() & {*_ABOUT_ONE, BATCH} or by.keys() & {*EARLIER}:
        return None
    alone, draft, look = (_total(by.get(purpose, ())) for purpose in _ABOUT_ONE)
    checked = _total(by.get(CHECK, ()))
    shared = _total(s for purpose, found in by.items() if purpose not in {*_ABOUT_ONE, CHECK} for s in found)
    third = _share(look, max(look.requests - draft.requests, 0)) if at is Depth.DEEP else None
    look = _share(look, draft.requests) if third else look
    seen = max(look.prompt - draft.prompt, 0)
    found = seen // 2 if at is Depth.DEEP else seen
    more, more_found = _looked(alone, (draft, found) if draft.requests else None)
    once = _total((shared, alone, replace(draft, completion=look.completion)))
    beyond = replace(look, prompt=look.prompt - seen + found, completion=draft.completion)
    looked = _total((beyond, more))
    unchecked = max(alone.requests + draft.requests - checked.requests, 0)
    more = _total((looked, checked, _checks(unchecked)))
    if third:
        third = replace(third, prompt=third.prompt + seen - found)
    return _at_each(once, more, third or _third(looked, found + more_found))


def of_commits(entries: Iterable[Entry]) -> Costs:
    """About what commits use at each depth, by their grades and sizes."""
    listed, alone = [], []
    for entry in entries:
        listed.append(Spending("", "", *_LISTED))
        importance, size = entry.grade.importance, _size(entry.commit)
        if importance is Importance.MEDIUM and size <= questions.SMALL_TOKENS:
            listed.append(Spending("", "", size, _SUMMARY))
        elif importance is not Importance.LOW:
            alone.append(_alone(size))
    return _estimated(_total(listed), _total(alone))


def of_one() -> Costs:
    """About what a commit uses that is analysed by itself: a rule of thumb."""
    return _estimated(Spending("", ""), _alone(_TYPICAL * _LINE))


def about(tokens: int) -> int:
    """A number rounded to two digits, as an estimate."""
    unit: int = 10 ** max(len(str(tokens)) - 2, 0)
    return round(tokens / unit) * unit


def total(spent: Iterable[Spending], purpose: str) -> Spending:
    """The sum over all models and purposes, with a purpose of its own."""
    return replace(_total(spent), purpose=purpose)


def _estimated(shared: Spending, alone: Spending) -> Costs:
    more, found = _looked(alone, None)
    return _at_each(_total((shared, alone)), _total((more, _checks(alone.requests))), _third(more, found))


def _at_each(once: Spending, more: Spending, third: Spending) -> Costs:
    """Costs at each depth: `normal` takes more than a question at once, and `deep` a third question beyond that."""
    normal = _total((once, more))
    return dict(zip(Depth, (once, normal, _total((normal, third))), strict=True))


def _checks(number: int) -> Spending:
    """About what it takes to check so many analyses."""
    prompt, answer = _CHECKED
    return Spending("", "", number * prompt, number * answer, number)


def _third(more: Spending, found: int) -> Spending:
    """The most that the third question uses, if a commit needs it: as the second one, with as much found again."""
    return Spending("", "", more.prompt + 2 * found, more.requests * questions.ANSWER[0], more.requests)


def _share(spent: Spending, requests: int) -> Spending:
    """What `requests` of the requests used, on average."""
    part = {name: getattr(spent, name) * requests // (spent.requests or 1) for name in _COUNTED}
    return replace(spent, **part)


def _looked(alone: Spending, measured: tuple[Spending, int] | None) -> tuple[Spending, int]:
    """What a look-up uses beyond direct questions, and the part that was found: as measured, else as expected.

    The commit is shown twice, the second time with the draft and the results.
    """
    if measured:
        drafts, seen = measured
        found, draft = (alone.requests * part // drafts.requests for part in (seen, drafts.completion))
    else:
        each = alone.prompt // alone.requests if alone.requests else 0
        found = alone.requests * min(max(each // 2, _FOUND[0]), _FOUND[1])
        draft = alone.requests * questions.DRAFTED[0]
    return Spending("", "", alone.prompt + found, draft, alone.requests), found


def _alone(size: int) -> Spending:
    """The usage of a commit with a patch of `size` tokens, if asked directly."""
    pages = min(-(-size // questions.QUESTION_TOKENS), questions.PARTS)
    prompt = min(size, pages * questions.QUESTION_TOKENS) + pages * _AROUND
    return Spending("", "", prompt, pages * questions.ANSWER[0], pages)


def _size(commit: Commit) -> int:
    """About how many tokens a patch has, without generated files."""
    return _LINE * max(sum(f.added + f.removed for f in commit.files if not files.generated(f.path)), 1)


def _grouped(spent: Iterable[Spending]) -> dict[str, list[Spending]]:
    by: dict[str, list[Spending]] = {}
    for each in spent:
        by.setdefault(each.purpose, []).append(each)
    return by


_COUNTED = ("prompt", "completion", "requests", "stated", "dropped", "cached")


def _total(spent: Iterable[Spending]) -> Spending:
    found = list(spent)
    return Spending("", "", **{name: sum(getattr(s, name) for s in found) for name in _COUNTED})
