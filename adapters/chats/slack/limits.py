"""Slack's limits: each once, with the number that Slack accepts, ours, and the source."""

from typing import NamedTuple


class Limit(NamedTuple):
    """`slack` is the largest value that Slack accepts, `ours` the largest that is sent."""

    slack: int
    ours: int
    source: str


BLOCKS = Limit(50, 45, "docs.slack.dev/reference/block-kit/blocks: blocks of a message")
RENDERED = Limit(13_000, 9_500, "slackapi/bolt-js#2509, #2867: 11,341 refused, 9,597 taken; a header counts 100 more")
JSON = Limit(15_561, 15_500, "slackapi/bolt-js#2867: 17,694 characters refused, 15,561 accepted")
WIDE = 60_000
"""Characters of JSON that a message may have if Slack counts only text, which is not documented."""
FALLBACK = Limit(40_000, 1_000, "docs.slack.dev/reference/methods/chat.postMessage: text, truncated beyond")
HEADER = Limit(150, 150, "docs.slack.dev/reference/block-kit/blocks/header-block")
TABLE_ROWS = Limit(100, 100, "docs.slack.dev/reference/block-kit/blocks/table-block: with the header row")
TABLE_TEXT = Limit(10_000, 9_000, "docs.slack.dev/reference/block-kit/blocks/table-block: characters a message")
ACTIONS = Limit(25, 5, "docs.slack.dev/reference/block-kit/blocks/actions-block")
BUTTON_TEXT = Limit(75, 75, "docs.slack.dev/reference/block-kit/block-elements/button-element")
BUTTON_VALUE = Limit(2_000, 2_000, "docs.slack.dev/reference/block-kit/block-elements/button-element")
URL = Limit(3_000, 3_000, "docs.slack.dev/reference/block-kit/block-elements/button-element")
HISTORY = Limit(15, 15, "docs.slack.dev/changelog/2025/05/29: messages a page for apps outside the Marketplace")
SECTION_TEXT = Limit(3_000, 3_000, "docs.slack.dev/reference/block-kit/composition-objects/text-object; slack_sdk")
VIEW_BLOCKS = Limit(100, 100, "docs.slack.dev/reference/views: blocks of a modal or Home; slack_sdk")
VIEW_BYTES = Limit(250_000, 200_000, "docs.slack.dev/reference/methods/views.open: view_too_large beyond 250 kB")
VIEW_TITLE = Limit(24, 24, "docs.slack.dev/reference/views: title; slack_sdk")
VIEW_SUBMIT = Limit(24, 24, "docs.slack.dev/reference/views: submit and close; slack_sdk")
PRIVATE_METADATA = Limit(3_000, 3_000, "docs.slack.dev/reference/views: private_metadata; slack_sdk")
INPUT_LABEL = Limit(2_000, 2_000, "docs.slack.dev/reference/block-kit/blocks/input-block; slack_sdk")
INPUT_HINT = Limit(2_000, 2_000, "docs.slack.dev/reference/block-kit/blocks/input-block; slack_sdk")
OPTION_TEXT = Limit(75, 75, "docs.slack.dev/reference/block-kit/composition-objects/option-object; slack_sdk")
CONFIRM_TITLE = Limit(100, 100, "docs.slack.dev/reference/block-kit/composition-objects/confirmation-dialog-object")
CONFIRM_TEXT = Limit(300, 300, "docs.slack.dev/reference/block-kit/composition-objects/confirmation-dialog-object")
CONFIRM_BUTTON = Limit(30, 30, "docs.slack.dev/reference/block-kit/composition-objects/confirmation-dialog-object")
RESPONSE_USES = Limit(5, 4, "docs.slack.dev/interactivity/handling-user-interaction: message responses")
RESPONSE_SECONDS = Limit(1_800, 1_500, "docs.slack.dev/interactivity/handling-user-interaction: message responses")
TIER_2 = Limit(20, 19, "docs.slack.dev/apis/web-api/rate-limits: calls a minute of a method in a workspace")
TIER_3 = Limit(50, 48, "docs.slack.dev/apis/web-api/rate-limits: calls a minute of a method in a workspace")
TIER_4 = Limit(100, 98, "docs.slack.dev/apis/web-api/rate-limits: calls a minute of a method in a workspace")
WORKSPACE = Limit(
    300, 280, "docs.slack.dev/apis/web-api/rate-limits: chat.postMessage, several hundred a minute of a workspace"
)
PACE = 1.0
"""Seconds between two messages of a channel (docs.slack.dev/apis/web-api/rate-limits: chat.postMessage)."""
