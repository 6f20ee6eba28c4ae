"""Feishu's limits: each once, with the number that Feishu accepts, ours, and the source.

Lark (open.larksuite.com) has the same. Where no page gives a number, "measured" means that it was observed in a real
tenant.
"""

from typing import NamedTuple


class Limit(NamedTuple):
    """`feishu` is the largest value that Feishu accepts, `ours` the one that the bot keeps to."""

    feishu: int
    ours: int
    source: str


_DOCS = "open.feishu.cn/document"
_CREATE = f"{_DOCS}/server-docs/im-v1/message/create"
_CARD = f"{_DOCS}/feishu-cards"
_TABLE = f"{_CARD}/card-json-v2-components/content-components/table"

BODY_BYTES = Limit(30_720, 28_000, f"{_CREATE}: body of a request with a card, 230025 beyond")
UUID = Limit(50, 50, f"{_CREATE}: characters of uuid")
UUID_SECONDS = Limit(3_600, 3_000, f"{_CREATE}: how long a uuid is known again")
ELEMENTS = Limit(199, 150, f"{_CARD}/card-json-v2-structure: nested ones too; measured: 180 taken, 200 refused (11310)")
TABLES = Limit(5, 2, f"{_TABLE}: of a card, tables in Markdown counted; measured: 6 refused")
TABLE_COLUMNS = Limit(50, 6, f"{_TABLE}: columns")
TABLE_PAGE = Limit(10, 10, f"{_TABLE}: page_size, rows shown at once")
TABLE_ROWS = Limit(500, 100, "no number is published; the size of the body bounds it")
ELEMENT_ID = Limit(20, 20, f"{_CARD}/card-json-v2-structure: element_id, a letter, then letters, digits, _")
HEADER_TAGS = Limit(3, 3, f"{_CARD}/card-json-v2-components/content-components/title: text_tag_list")
BUTTON_TEXT = Limit(100, 75, f"{_CARD}/card-json-v2-components/interactive-components/button: characters")
INPUT_TEXT = Limit(1_000, 1_000, f"{_CARD}/card-json-v2-components/interactive-components/input: max_length")
PLACEHOLDER = Limit(100, 100, f"{_CARD}/card-json-v2-components/interactive-components/input: placeholder")
CHARTS = Limit(5, 1, f"{_CARD}/card-json-v2-components/content-components/chart: advised")
HISTORY = Limit(50, 50, f"{_DOCS}/server-docs/im-v1/message/list: page_size")
FILE_BYTES = Limit(30_000_000, 30_000_000, f"{_DOCS}/server-docs/im-v1/file/create: 30 MB, 234006 beyond; none empty")
GROUP_RATE = Limit(5, 4, f"{_CREATE}: messages a second of a group, shared by its bots; of a person as many")
CALLS_A_MINUTE = Limit(1_000, 900, f"{_CREATE}: calls a minute of a method by an application")
PATCH_RATE = Limit(5, 2, f"{_DOCS}/server-docs/im-v1/message-card/patch: a second of a message")
WEBHOOK_BYTES = Limit(20_480, 19_000, f"{_DOCS}/client-docs/bot-v3/add-custom-bot: body of a request")
WEBHOOK_RATE = Limit(5, 4, f"{_DOCS}/client-docs/bot-v3/add-custom-bot: a second of a bot, 11232 beyond")
WEBHOOKS_A_MINUTE = Limit(100, 90, f"{_DOCS}/client-docs/bot-v3/add-custom-bot: a minute of a bot, 11232 beyond")
CALLBACK_AGE = Limit(300, 300, "ours: a signed request whose time is further off is refused as a replay")
