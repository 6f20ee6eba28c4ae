"""The real program as a process: where it runs, what it is told, and when its day is quiet."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from slack_server import APP_TOKEN, TOKEN

ROOT = Path(__file__).parent.parent


def quiet_zone(now: datetime) -> str:
    """A zone in which it is about noon, so that no day ends while a test runs. Signs are those of POSIX."""
    offset = (12 - now.hour) % 24
    return f"Etc/GMT{-offset:+d}" if offset <= 12 else f"Etc/GMT{24 - offset:+d}"


def environment(folder: Path, slack_url: str, **settings: str) -> dict[str, str]:
    """What a process is told that posts in a Slack: nothing of the user's settings, and a home of its own."""
    ours = ("DIGEST_", "SLACK_", "OPENAI_", "GITHUB_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "HOME": str(folder),
        "DIGEST_DATABASE": str(folder / "digest.db"),
        "SLACK_BOT_TOKEN": TOKEN,
        "SLACK_APP_TOKEN": APP_TOKEN,
        "SLACK_URL": slack_url,
        **settings,
    }
