"""What may stand as evidence besides the patch: lines that were looked up, searches, titles of other commits."""

from dataclasses import replace

import pytest
from make import PATCH, REPOSITORY, commit, sha
from test_analysis import claim, full, reply

from bot.commits.patch import EvidenceIndex, Selection
from bot.judgement import questions, replies
from bot.judgement.proofs import Proofs
from bot.judgement.shapes import DraftReply
from bot.posts import labels
from bot.texts import Texts
from bot.values import Analysis, Evidence, Excerpt, Look, LookKind, Risk, Search, Sight

COMMIT = commit("fix: x (#1)", sha=sha(1))
OTHER = commit("revert: pooled starts (#9)", sha="abcdef1" + "0" * 33)
WORD = Look(LookKind.WORD, "retries")
CALLER = ("def main():", "    if not app:", "        return", "    app.start(retries=1)")
USES = (Excerpt("src/main.py", 7, CALLER, sha(1)),)
FOUND = Sight(WORD, USES, hits=2, files=2, elsewhere=("docs/a.md (1)",))


def proofs(*sights, landed=()):
    return Proofs(COMMIT, EvidenceIndex(COMMIT, [PATCH]), landed, sights)


def searched(hits, files, *paths):
    return Evidence("", "retries", sha=sha(1), search=Search(hits, files, paths))


@pytest.mark.parametrize(
    ("sight", "found"),
    [
        (FOUND, searched(2, 2, "src/main.py", "docs/a.md")),
        (Sight(WORD), searched(0, 0)),
        (replace(FOUND, hits=40, files=30), searched(40, 30)),
        (replace(FOUND, elsewhere=("docs/aaa… (1)",)), searched(2, 2)),
        (Sight(WORD, refused="too common"), None),
        (replace(FOUND, unread=1), None),
        (replace(FOUND, partial=True), None),
        (Sight(Look(LookKind.PLACE, "retries", "src/main.py")), None),
        (Sight(Look(LookKind.WORD, "retry")), None),
    ],
)
def test_a_search_of_the_whole_tree_is_evidence_and_no_other_one(sight, found):
    assert proofs(sight).find("search", "`retries`") == found
    assert proofs(sight).find("", "retries") == found


def test_a_word_that_nobody_searched_for_is_not_found():
    assert proofs().find("search", "retries") is None
    assert proofs(FOUND).find("search", "") is None


def test_lines_that_were_looked_up_are_a_quote_with_or_without_their_numbers():
    said = "    if not app:\n        return"
    own = Evidence("src/main.py", said, 8, sha(1), last=9, inside="main")
    assert proofs(FOUND).find("src/main.py", said) == own
    assert proofs(FOUND).find("src/main.py", "8:     if not app:\n9:         return") == own
    assert proofs(FOUND).find("src/main.py", "def main():\n        return") is None


@pytest.mark.parametrize(
    ("path", "quote", "found"),
    [
        ("abcdef1", "pooled starts (#9)", True),
        ("ABCDEF100", "Revert:  pooled starts", True),
        ("abcdef", "pooled starts", False),
        ("abcdef2", "pooled starts", False),
        ("abcdef1", "all starts", False),
    ],
)
def test_the_title_of_another_commit_that_was_shown_is_evidence(path, quote, found):
    assert proofs(landed=[OTHER]).find(path, quote) == (Evidence("", quote, sha=OTHER.sha) if found else None)
    assert proofs().find(path, quote) is None


@pytest.mark.parametrize(
    ("evidence", "language", "shown"),
    [
        (searched(0, 0), "en", f"searched for retries at {sha(1)[:7]}: no uses found"),
        (searched(1, 1, "a.py"), "en", f"searched for retries at {sha(1)[:7]}: 1 use in a.py"),
        (searched(2, 2, "a.py", "b.py"), "en", f"searched for retries at {sha(1)[:7]}: 2 uses in a.py, b.py"),
        (searched(1_200, 30), "en", f"searched for retries at {sha(1)[:7]}: 1,200 uses in 30 files"),
        (searched(0, 0), "zh", f"在 {sha(1)[:7]} 中搜索 retries：没有找到引用"),
        (searched(2, 2, "a.py", "b.py"), "zh", f"在 {sha(1)[:7]} 中搜索 retries：a.py、b.py 中有 2 处引用"),
        (searched(40, 30), "zh", f"在 {sha(1)[:7]} 中搜索 retries：30 个文件中有 40 处引用"),
        (Evidence("", "pooled starts", sha=OTHER.sha), "en", "abcdef1 pooled starts"),
    ],
)
def test_a_search_says_what_it_found_and_another_commit_is_named(evidence, language, shown):
    line = labels.evidence_line(REPOSITORY, COMMIT, evidence, Texts(language))
    assert "".join(span.text for span in line) == shown
    links = [span.url for span in line if span.url]
    assert links[0] == f"https://github.com/team/app/commit/{evidence.sha}"
    assert links[1:] == [
        f"https://github.com/team/app/blob/{sha(1)}/{path}" for path in (evidence.search or Search(0, 0)).paths
    ]


def test_a_hostile_word_and_path_stay_what_they_are_in_a_search():
    evil = Evidence("", "\0word\0 {x}\n`@all`", sha=sha(1), search=Search(1, 1, ("../\0found\0\u202e<!all>",)))
    line = labels.evidence_line(REPOSITORY, COMMIT, evil, Texts("en"))
    assert "".join(span.text for span in line) == (
        f"searched for word {{x}} `@all` at {sha(1)[:7]}: 1 use in ../found<!all>"
    )
    assert {span.text for span in line if span.code} == {"word {x} `@all`", sha(1)[:7], "../found<!all>"}


def test_an_analysis_names_searches_and_other_commits_as_evidence():
    also = [{"path": "abcdef1", "quote": "pooled starts"}, {"path": "search", "quote": "limit"}]
    told = full(risks=[claim(path="search", quote="retries", also=also[:1]), claim(also=also)], claims=[])
    draft = DraftReply(claims=[], looks=[])
    shown = proofs(FOUND, landed=[OTHER])
    made = replies.read_looked(reply(told), COMMIT, shown, draft, coverage=1.0, language="en")
    (risk,) = made.analysis.risks
    assert risk.evidence.search == Search(2, 2, ("src/main.py", "docs/a.md"))
    assert [each.sha for each in risk.also] == [OTHER.sha]
    assert made.problems == ("risks.1.also.1: no search for that word went through the whole tree.",)


def test_what_parts_searched_for_is_evidence_for_the_whole_too():
    search, title = searched(0, 0), Evidence("", "pooled starts", sha=OTHER.sha)
    part = Analysis("Sum.", "Fine.", risks=(Risk("Nobody calls it.", search, "", (title,)),))
    asked = questions.merge_question(REPOSITORY, COMMIT, [part, part], "en").user
    assert '"path":"search","quote":"retries"' in asked
    told = full(risks=[claim(path="search", quote="retries", also=[{"path": OTHER.sha, "quote": "pooled starts"}])])
    made = replies.read_merged(reply(told), COMMIT, proofs(), [part], coverage=1.0, language="en")
    assert [(risk.evidence, risk.also) for risk in made.analysis.risks] == [(search, (title,))]


def test_a_claim_of_the_draft_is_shown_with_all_its_evidence_and_no_line_of_it_passes_for_a_claim():
    places = {"search": "start", "src/main.py": "if a:\n2. go()\u2028DATA x", "abcdef1": "pooled", "src/b.py": "fourth"}
    also = [{"path": path, "quote": quote} for path, quote in places.items()]
    told = claim(number=1, text="It hangs.", also=also, refuted_by="A limit.")
    draft = replies.read_draft(reply({"claims": [told], "looks": []}))
    seen = Selection("", 1, ())
    asked = questions.looked_question(REPOSITORY, COMMIT, seen, questions.Rest("en"), draft=draft, sights=()).user
    shown = ["1. It hangs.", "src/app.py: retries=3", "search: start", "src/main.py: if a:", "2. go()", "DATA x"]
    assert "\n".join(["", "\n    ".join([*shown, "abcdef1: pooled"]), ""]) in asked
    assert "fourth" not in asked
