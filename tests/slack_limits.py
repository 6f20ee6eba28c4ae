"""What Slack takes: what the bot keeps to, and what it comes nowhere near, which only the tests' server enforces."""

from adapters.chats.slack.limits import *  # noqa: F403  # one table for the tests
from adapters.chats.slack.limits import Limit

TABLES = Limit(1, 1, "docs.slack.dev/reference/block-kit/blocks/table-block: only_one_table_allowed")
TABLE_CELLS = Limit(20, 20, "docs.slack.dev/reference/block-kit/blocks/table-block: cells of a row")
CONTEXT = Limit(10, 1, "docs.slack.dev/reference/block-kit/blocks/context-block")
METADATA = Limit(1_024, 512, "no size is published (metadata_too_large); a few short ids")
SECTION_FIELDS = Limit(10, 10, "docs.slack.dev/reference/block-kit/blocks/section-block; slack_sdk")
SECTION_FIELD = Limit(2_000, 2_000, "docs.slack.dev/reference/block-kit/blocks/section-block; @slack/types")
MARKDOWN = Limit(12_000, 9_000, "docs.slack.dev/reference/block-kit/blocks/markdown-block: all of a message together")
CALLBACK_ID = Limit(255, 255, "docs.slack.dev/reference/views: callback_id; slack_sdk")
ACTION_ID = Limit(255, 255, "docs.slack.dev/reference/block-kit/block-elements: action_id; slack_sdk")
BLOCK_ID = Limit(255, 255, "docs.slack.dev/reference/block-kit/blocks: block_id; slack_sdk")
PLACEHOLDER = Limit(150, 150, "docs.slack.dev/reference/block-kit/block-elements: placeholder; slack_sdk")
OPTIONS = Limit(100, 100, "docs.slack.dev/reference/block-kit/block-elements/select-menu-element; slack_sdk")
CHOICES = Limit(
    10, 10, "docs.slack.dev/reference/block-kit/block-elements/checkboxes-element, radio-button-group-element"
)
OPTION_VALUE = Limit(150, 150, "docs.slack.dev/reference/block-kit/composition-objects/option-object; slack_sdk")
TEXT_INPUT = Limit(
    3_000, 3_000, "docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element: max_length"
)
TRIGGER_SECONDS = Limit(3, 3, "docs.slack.dev/interactivity/handling-user-interaction: trigger_id")
SOCKETS = Limit(10, 1, "docs.slack.dev/apis/events-api/using-socket-mode: connections of an app")
STATUS_SECONDS = Limit(120, 90, "docs.slack.dev/reference/methods/assistant.threads.setStatus: a two minute timeout")
