"""What Feishu takes: what the bot keeps to, and what it comes nowhere near, which only the tests' server enforces."""

from adapters.chats.feishu.limits import *  # noqa: F403  # one table for the tests
from adapters.chats.feishu.limits import _CARD, _CREATE, _DOCS, Limit

TEXT_BYTES = Limit(153_600, 0, f"{_CREATE}: body of a request with a text")
NESTING = Limit(5, 3, f"{_CARD}/card-json-v2-components/containers: levels of containers")
PATCH_SECONDS = Limit(1_209_600, 1_209_600, f"{_DOCS}/server-docs/im-v1/message-card/patch: 14 days, then 230031")
CALL_RATE = Limit(50, 45, f"{_CREATE}: calls a second of a method by an application")
WEBHOOK_SIGN_SECONDS = Limit(3_600, 0, f"{_DOCS}/client-docs/bot-v3/add-custom-bot: age of a signature")
EVENT_SECONDS = Limit(3, 1, f"{_DOCS}/server-docs/event-subscription-guide: an answer within 3 s, else again")
CALLBACK_SECONDS = Limit(3, 1, f"{_CARD}/card-callback-communication: an answer within 3 s, never again")
SOCKETS = Limit(
    50, 1, f"{_DOCS}/server-docs/event-subscription-guide: connections of an application; a process has one"
)
PRIVATE_RATE = Limit(
    40, 4, f"{_DOCS}/server-docs/im-v1/message-card/send-message-cards-that-are-only-visible-to-certain-people: a group"
)
SLASH_COMMANDS = Limit(100, 2, "larksuite/cli: commands of an application")
