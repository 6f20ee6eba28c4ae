"""The README's first picture can be drawn anew: the recorded answers fit what is asked, and their evidence is found."""

import json
import re
import subprocess
import sys

import pytest
from pictures import Read, loaded
from service import ROOT

from bot.texts import Texts

sys.path.append(str(ROOT / "docs"))
picture = loaded(ROOT / "docs" / "analysis_picture.py")
RECORDED = json.loads(picture.ANSWERS.read_text(encoding="utf-8"))


def texts(look):
    """What an analysis says, in the order in which a check numbers it."""
    yield from (look["verdict"], look["summary"])
    yield from (text for impact in look["impact"] for text in (impact["before"], impact["effect"]))
    yield from (insight["text"] for insight in look["insights"])
    yield from (text for risk in look["risks"] for text in (risk["text"], risk["mitigation"]))
    yield from (suggestion["action"] for suggestion in look["suggestions"])


def test_what_was_answered_is_shown_with_evidence_that_is_in_the_commit():
    known = ["git", "cat-file", "-e", RECORDED["commit"]]
    if subprocess.run(known, cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("this is no checkout with its history")
    shown, look = Read(picture.document(RECORDED, "en")), RECORDED["en"]["look"]
    checked = {text["number"]: text for text in RECORDED["en"]["check"]["texts"]}
    for number, text in enumerate(texts(look), 1):
        assert (checked.get(number, {}).get("becomes") or text) in shown.said
    for stated in (*look["risks"], *look["insights"], *(each for text in checked.values() for each in text["also"])):
        begins = " ".join(stated["quote"].split("\n")[0].split())[:80]
        assert begins in " ".join(shown.said.split())
        line = f"{picture.ORIGIN}/blob/{RECORDED['commit']}/{stated['path']}#L"
        assert any(link.startswith(line) for link in shown.links)
    assert Texts("en")("digest.left_out") not in shown.said


def test_both_readmes_begin_with_it_and_it_is_small():
    for language, name in (("en", "README.md"), ("zh", "README.zh.md")):
        page = (ROOT / name).read_text(encoding="utf-8")
        shown = re.findall(r"^!\[.{20,}\]\((\S+)\)$", page, re.M)[0]
        assert shown == f"docs/pictures/analysis-{language}.png"
        assert (ROOT / shown).stat().st_size < 320_000
