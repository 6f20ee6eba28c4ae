"""The check of an analysis by a reader who did not write it: what is shown, what may change, what may not."""

import json
from dataclasses import replace

import pytest
from answers import answer
from make import PATCH, REPOSITORY, commit, sha
from model_server import Fault
from test_analysis import SEEN, reply
from test_build import purposes
from test_looking import high, history, looking, talk

from bot.commits.lookup import LONGEST
from bot.commits.patch import EvidenceIndex, Selection
from bot.judgement import checking, questions, replies
from bot.judgement.checking import Change
from bot.judgement.proofs import Proofs
from bot.judgement.questions import Depth
from bot.values import (
    Analysis,
    Aspect,
    Evidence,
    Excerpt,
    Impact,
    Insight,
    Look,
    LookKind,
    Risk,
    Search,
    Sight,
    Suggestion,
)

__all__ = ["history", "talk"]

PARENT = sha(8)
COMMIT = replace(commit("feat: retries (#1)", sha=sha(1)), parents=(PARENT,))
RETRIES = Evidence("src/app.py", "retries=3", 12)
GUARD = Evidence("src/main.py", "if not app:", 40, sha(1))
ANALYSIS = Analysis(
    "Serving tries again.",
    verdict="Fine: it only waits longer.",
    impact=(Impact("server", ("src/app.py",), "It tries.", "It failed."), Impact("docs", ("src/app.py",), "New.")),
    insights=(Insight(Aspect.PERFORMANCE, "A start waits.", RETRIES),),
    risks=(Risk("A broken start is seen later.", GUARD, "Log each try.", (RETRIES,)), Risk("It loops.", RETRIES, "")),
    suggestions=(Suggestion("operators", "Raise the timeout."),),
)
VERDICT, SUMMARY, BEFORE, NOW, DOCS, INSIGHT, RISK, FIX, LOOP, ACTION = range(1, 11)


def test_every_text_has_a_number_and_those_with_evidence_show_it():
    found = checking.points(ANALYSIS)
    assert [point.text for point in found] == [
        "Fine: it only waits longer.",
        "Serving tries again.",
        "It failed.",
        "It tries.",
        "New.",
        "A start waits.",
        "A broken start is seen later.",
        "Log each try.",
        "It loops.",
        "Raise the timeout.",
    ]
    assert [point.proofs for point in found if point.proofs] == [(RETRIES,), (GUARD, RETRIES), (RETRIES,)]


def test_without_a_change_an_analysis_stays_as_it_is():
    assert checking.mended(ANALYSIS, {}) == ANALYSIS
    same = {n: Change(point.text) for n, point in enumerate(checking.points(ANALYSIS), 1)}
    assert checking.mended(ANALYSIS, same) == ANALYSIS


@pytest.mark.parametrize("number", range(1, 11))
def test_a_change_meets_the_text_with_its_number_and_no_other(number):
    made = checking.mended(ANALYSIS, {number: Change("Other words.")})
    before, after = ([point.text for point in checking.points(each)] for each in (ANALYSIS, made))
    assert after == [*before[: number - 1], "Other words.", *before[number:]]


def test_what_has_no_words_left_is_left_out_with_what_hangs_on_it_but_never_verdict_and_summary():
    dropped = {number: Change("") for number in (VERDICT, SUMMARY, BEFORE, DOCS, INSIGHT, RISK, ACTION)}
    made = checking.mended(ANALYSIS, dropped)
    assert (made.verdict, made.summary) == (ANALYSIS.verdict, ANALYSIS.summary)
    assert made.impact == (Impact("server", ("src/app.py",), "It tries."),)
    assert (made.insights, made.risks, made.suggestions) == ((), ANALYSIS.risks[1:], ())
    assert checking.mended(ANALYSIS, {NOW: Change(""), FIX: Change("")}).impact == ANALYSIS.impact[1:]


def test_quotes_are_added_up_to_five():
    wider = replace(RETRIES, quote="start(\n    retries=3,\n)", line=11, last=13)
    (risk, _) = checking.mended(ANALYSIS, {RISK: Change("It is seen later.", (wider,))}).risks
    assert (risk.evidence, risk.also) == (GUARD, (RETRIES, wider))
    (insight,) = checking.mended(ANALYSIS, {INSIGHT: Change("A start waits.", (GUARD, GUARD))}).insights
    assert (insight.evidence, insight.also) == (RETRIES, (GUARD,))
    many = tuple(replace(GUARD, line=n) for n in range(50, 60))
    (risk, _) = checking.mended(ANALYSIS, {RISK: Change("It is seen later.", many)}).risks
    assert len((risk.evidence, *risk.also)) == checking.MOST_PROOFS


def test_the_code_around_each_quote_is_looked_up_where_it_stands_and_near_ones_at_once():
    removed = Evidence("src/app.py", "retries=1", 9, removed=True)
    before = Evidence("src/old.py", "x", 4, PARENT)
    search = Evidence("", "retries", sha=sha(1), search=Search(1, 1, ("a.py",)))
    near = Evidence("src/app.py", "port=2", 30, last=31)
    far = Evidence("src/app.py", "y", 400)
    risks = tuple(Risk("It.", each, "") for each in (RETRIES, near, far, removed, before, search, GUARD))
    assert checking.around(replace(ANALYSIS, risks=risks), COMMIT) == (
        Look(LookKind.PLACE, path="src/app.py", line=2, until=41),
        Look(LookKind.PLACE, path="src/app.py", line=390, until=410),
        Look(LookKind.BEFORE, path="src/app.py", line=1, until=19),
        Look(LookKind.BEFORE, path="src/old.py", line=1, until=14),
        Look(LookKind.PLACE, path="src/main.py", line=30, until=50),
    )


def test_an_impact_that_says_only_what_was_so_before_stays():
    before = replace(ANALYSIS, impact=(Impact("server", ("src/app.py",), "", "It failed."),))
    assert checking.mended(before, {}) == before


def test_no_look_around_quotes_is_longer_than_is_shown():
    risks = tuple(Risk("It.", Evidence("src/new.py", "x", line), "") for line in range(10, 400, 15))
    looks = checking.around(replace(ANALYSIS, risks=risks, insights=()), COMMIT)
    assert all(look.until - look.line < LONGEST for look in looks)
    assert all(any(look.line <= line <= look.until for look in looks) for line in range(10, 400, 15))


def test_parts_whose_texts_a_check_lengthened_can_be_merged():
    long = "It waits. " * 150
    part = replace(
        ANALYSIS,
        impact=(Impact("server", ("src/app.py",), long, long),),
        risks=(Risk(long, GUARD, long, (RETRIES,) * 4),),
        suggestions=(Suggestion("operators", long),),
    )
    assert long.strip() in questions.merge_question(REPOSITORY, COMMIT, [part, part], "en").user


# --- What is asked ---------------------------------------------------------------------------

SHOWN = Sight(
    Look(LookKind.PLACE, path="src/main.py", line=39, until=41),
    (Excerpt("src/main.py", 39, ("def main():", "    if not app:", "        return"), sha(1)),),
)


def asked(seen=SEEN, analysis=ANALYSIS):
    return questions.check_question(REPOSITORY, COMMIT, seen, checking.points(analysis), (SHOWN,), "en")


def test_the_patch_is_shown_whole_or_not_at_all_and_the_code_around_the_quotes_always():
    short, long = asked().user, asked(Selection("+" * (questions.CHECKED + 1), 1.0, ("a.py",))).user
    assert SEEN.text in short
    assert "+++" not in long
    assert "a.py" not in long
    for text in (short, long):
        assert "40:     if not app:" in text
        assert "7. [risk] A broken start is seen later.\n    [src/main.py:40, in the tree at 0000001" in text
        assert "8. [its fix] Log each try." in text


def test_a_title_and_a_search_say_what_they_are():
    title = Evidence("", "revert: x", sha="abcdef1" + "0" * 33)
    search = Evidence("", "retries", sha=sha(1), search=Search(0, 0, ()))
    told = asked(analysis=replace(ANALYSIS, risks=(Risk("It.", title, "", (search,)),))).user
    assert "[the program: the title of commit abcdef1: revert: x]" in told
    assert "[a search of the whole tree at 0000001 for `retries`: 0 hits in 0 files]" in told


# --- What is answered ------------------------------------------------------------------------


def read(*texts, language="en"):
    proofs = Proofs(COMMIT, EvidenceIndex(COMMIT, [PATCH]), (), (SHOWN,))
    told = reply({"texts": list(texts)})
    return replies.read_check(told, checking.points(ANALYSIS), proofs, asked().user, language)


def said(number, becomes="", *, drop=False, also=()):
    return {"number": number, "problem": "It is wider.", "also": list(also), "becomes": becomes, "drop": drop}


def test_an_answer_corrects_adds_and_drops():
    quote = {"path": "src/main.py", "quote": "    if not app:\n        return", "line": 40}
    invented = {"path": "src/main.py", "quote": "if never:", "line": 40}
    found = read(said(RISK, also=[quote, invented]), said(INSIGHT, "A start may wait."), said(ACTION, drop=True))
    assert found[RISK].text == "A broken start is seen later."
    assert [(each.line, each.last) for each in found[RISK].also] == [(40, 41)]
    assert found[INSIGHT] == Change("A start may wait.")
    assert found[ACTION].text == ""


@pytest.mark.parametrize(
    "becomes",
    [
        "It calls retry_forever now.",
        "It waits 17 seconds.",
        "See https://example.org now.",
        "<!channel> it waits.",
        "启动现在会等待得更久一些。",
        "A start waits, and",
        "A start waits." + " It really does wait." * 20,
    ],
)
def test_a_correction_that_cannot_be_used_changes_nothing(becomes):
    assert read(said(INSIGHT, becomes))[INSIGHT] == Change("A start waits.")


def test_entries_that_cannot_be_used_cost_only_themselves():
    wrong = [{"number": "x"}, said(0, "It."), said(99, "It."), "no", said(INSIGHT, "It may wait.")]
    nothing = {**said(RISK, also=[{"path": "src/main.py", "quote": "if not app:", "line": 40}]), "becomes": None}
    assert len(read(nothing)[RISK].also) == 1
    assert read(*wrong, said(INSIGHT, "It is said twice.")) == {INSIGHT: Change("It may wait.")}
    quote = {"path": "src/main.py", "quote": "if not app:", "line": 40}
    assert read(said(ACTION, also=[quote]))[ACTION] == Change("Raise the timeout.")


# --- Over a real model server ----------------------------------------------------------------


def checking_model(*texts, otherwise=None):
    def told(body):
        if "what somebody else wrote" in body["messages"][0]["content"]:
            return otherwise or json.dumps({"texts": list(texts)})
        return looking(body)

    return told


def test_an_analysis_is_checked_with_the_code_around_its_quotes(talk, history):
    guard = {"path": "src/main.py", "quote": "def start():\n    serve(port=80)", "line": 4}
    number = [p.about for p in checking.points(high(talk(history, looking).digest()).analysis)].index("risk") + 1
    talking = talk(
        history, checking_model(said(number, also=[guard]), said(1, "Hold: no caller passes a host.")), folder="other"
    )
    entry = high(talking.digest())
    assert purposes(talking.server) == ["triage", "draft", "look", "check", "overview"]
    question = talking.server.bodies[3]["messages"][-1]["content"]
    assert "5:     serve(port=80)" in question
    assert "+def serve(host, port):" in question
    assert entry.analysis.verdict == "Hold: no caller passes a host."
    (risk,) = entry.analysis.risks
    assert [(each.line, each.last) for each in (risk.evidence, *risk.also)] == [(5, None), (4, 5)]


@pytest.mark.parametrize("failure", ["I cannot.", Fault.OVERFLOW, Fault.REFUSAL], ids=str)
def test_a_check_that_fails_leaves_the_analysis_as_it_was(talk, history, failure):
    plain = high(talk(history, looking).digest())
    talking = talk(history, checking_model(otherwise="I cannot."), folder="other")
    if isinstance(failure, Fault):
        talking.server.item = lambda body: failure if "what somebody else wrote" in str(body) else None
    digest = talking.digest()
    assert "check" in purposes(talking.server)
    assert high(digest).analysis == plain.analysis
    assert not digest.degraded


def test_a_brief_analysis_is_not_checked(talk, history):
    talking = talk(history, answer, Depth.BRIEF)
    talking.digest()
    assert "check" not in purposes(talking.server)
