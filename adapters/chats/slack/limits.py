"""What Slack takes, and what is sent: each limit once, with the number Slack refuses beyond, ours, and the source."""

from __future__ import annotations

from typing import NamedTuple


class Limit(NamedTuple):
    """`slack` is the largest value that is taken, `ours` the largest that is sent."""

    slack: int
    ours: int
    source: str


BLOCKS = Limit(50, 45, "docs.slack.dev/reference/block-kit/blocks: blocks of a message")
RENDERED = Limit(13_000, 9_500, "slackapi/bolt-js#2509, #2867: 11,341 refused, 9,597 taken; a header counts 100 more")
JSON = Limit(15_561, 15_000, "slackapi/bolt-js#2867: 17,694 characters refused, 15,561 accepted")
FALLBACK = Limit(40_000, 1_000, "docs.slack.dev/reference/methods/chat.postMessage: text, truncated beyond")
HEADER = Limit(150, 150, "docs.slack.dev/reference/block-kit/blocks/header-block")
TABLES = Limit(1, 1, "docs.slack.dev/reference/block-kit/blocks/table-block: only_one_table_allowed")
TABLE_ROWS = Limit(100, 100, "docs.slack.dev/reference/block-kit/blocks/table-block: with the header row")
TABLE_CELLS = Limit(20, 20, "docs.slack.dev/reference/block-kit/blocks/table-block: cells of a row")
TABLE_TEXT = Limit(10_000, 9_000, "docs.slack.dev/reference/block-kit/blocks/table-block: characters a message")
ACTIONS = Limit(25, 5, "docs.slack.dev/reference/block-kit/blocks/actions-block")
CONTEXT = Limit(10, 1, "docs.slack.dev/reference/block-kit/blocks/context-block")
BUTTON_TEXT = Limit(75, 75, "docs.slack.dev/reference/block-kit/block-elements/button-element")
BUTTON_VALUE = Limit(2_000, 2_000, "docs.slack.dev/reference/block-kit/block-elements/button-element")
URL = Limit(3_000, 3_000, "docs.slack.dev/reference/block-kit/block-elements/button-element")
METADATA = Limit(1_024, 512, "no size is published (metadata_too_large); a few short ids")
HISTORY = Limit(15, 15, "docs.slack.dev/changelog/2025/05/29: messages a page for apps outside the Marketplace")
PACE = 1.0
"""Seconds between two messages of a channel (docs.slack.dev/apis/web-api/rate-limits: chat.postMessage)."""
