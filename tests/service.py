"""The real program as a process: where it runs, what it is told, and when its day is quiet."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from feishu_server import APP_ID, APP_SECRET
from slack_server import APP_TOKEN, TOKEN

ROOT = Path(__file__).parent.parent


def quiet_zone(now: datetime) -> str:
    """A zone in which it is about noon, so that no day ends while a test runs. Signs are those of POSIX."""
    offset = (12 - now.hour) % 24
    return f"Etc/GMT{-offset:+d}" if offset <= 12 else f"Etc/GMT{24 - offset:+d}"


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """What a process is told: nothing of the user's settings, and a home and a database of its own."""
    ours = ("DIGEST_", "SLACK_", "FEISHU_", "OPENAI_", "GITHUB_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "HOME": str(folder),
        "DIGEST_DATABASE": str(folder / "digest.db"),
        **settings,
    }


def slack_settings(url: str) -> dict[str, str]:
    """What lets a process post in the tests' Slack."""
    return {"SLACK_BOT_TOKEN": TOKEN, "SLACK_APP_TOKEN": APP_TOKEN, "SLACK_URL": url}


def feishu_settings(root: str) -> dict[str, str]:
    """What lets a process post in the tests' Feishu."""
    return {"FEISHU_APP_ID": APP_ID, "FEISHU_APP_SECRET": APP_SECRET, "FEISHU_URL": root}
