"""Draw the README's first picture, an analysis of a commit of this repository: `python docs/analysis_picture.py`.

A model's answers were recorded once, in `docs/analysis.json`, by the language and the prompt they answer; a server on
loopback gives them again. All else is what the program does with them now: what it asks and looks up, which evidence it
finds in the patch and drops otherwise, what it sends to Slack. Nothing is fetched. For another commit, or where the
prompts ask for something else, ask a model once more and keep its answers there.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
# The server is the tests'; the project may not be installed.
sys.path[:0] = [path for path in (str(ROOT), str(ROOT / "tests")) if path not in sys.path]

from model_server import ModelServer  # noqa: E402
from slack_picture import html, make_pictures  # noqa: E402

from adapters.chats.slack.blocks import render  # noqa: E402
from adapters.chats.terminal import HOME  # noqa: E402
from bot import parts  # noqa: E402
from bot.languages import LANGUAGES  # noqa: E402
from bot.values import Message, Request  # noqa: E402

ANSWERS = ROOT / "docs" / "analysis.json"
ORIGIN = "https://github.com/commit-digest/commit-digest"
NAME = "recorded-model"


def document(recorded: Mapping[str, Any], language: str) -> str:
    """The analysis as Slack shows it."""
    messages = analysed(recorded, language)
    drawn = html([page for message in messages for page in render(message).pages], language=language)
    return drawn.replace(_author(recorded["commit"]), "maintainers")  # whose account that was is nobody's matter


def analysed(recorded: Mapping[str, Any], language: str) -> tuple[Message, ...]:
    """What `digest SHA` answers in a language, with the recorded answers of a model.

    Raises SystemExit where other questions are asked than those that have answers, as after a change of the prompts.
    """
    answers = recorded[language]
    with (
        TemporaryDirectory() as folder,
        ModelServer(partial(_answer, answers), model=NAME) as server,
        patch.dict(os.environ, _settings(folder, language, server)),
        parts.program() as program,
    ):
        interpreter = program.in_terminal(str(_cloned(Path(folder) / "commit-digest.git")))
        posts = tuple(interpreter.run(interpreter.context(Request(recorded["commit"], HOME, "you"))))
    if server.statuses != [200] * len(answers):
        raise SystemExit(f"{ANSWERS.name} does not fit what is asked: {server.statuses} instead of {list(answers)}")
    return tuple(message for post in posts for message in (post.headline, *post.replies))


def _settings(folder: str, language: str, server: ModelServer) -> dict[str, str]:
    return {
        "DIGEST_DATABASE": f"{folder}/digest.db",
        "DIGEST_LANGUAGE": language,
        "DIGEST_ZONE": "UTC",
        "OPENAI_BASE_URL": server.url,
        "OPENAI_API_KEY": server.key,
        "OPENAI_MODEL": NAME,
        "OPENAI_DEPTH": "normal",
    }


def _answer(recorded: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    """The recorded answer to a request, by the name of its prompt without the version."""
    name = body["response_format"]["json_schema"]["name"]
    return json.dumps(recorded[name.partition("_")[0]], ensure_ascii=False)


def _author(sha: str) -> str:
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%an", sha]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _cloned(folder: Path) -> Path:
    """This repository as it is on its host: what is linked leads there."""
    subprocess.run(["git", "clone", "--quiet", "--bare", str(ROOT), str(folder)], check=True)
    subprocess.run(["git", "remote", "set-url", "origin", ORIGIN], cwd=folder, check=True)
    return folder


if __name__ == "__main__":
    kept = json.loads(ANSWERS.read_text(encoding="utf-8"))
    for made in make_pictures({f"analysis-{language}": document(kept, language) for language in LANGUAGES}):
        print(f"{made.relative_to(ROOT)} {made.stat().st_size:,}")
