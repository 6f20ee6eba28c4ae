"""Registers the slash command that Feishu offers when people type `/`.

Source: open.feishu.cn/document/mcp_open_tools/agent-best-practices/agent-supports-slash-commands; the body as
larksuite/cli has it (shortcuts/application). It is only a convenience: typed commands work without it.
"""

import logging

from adapters.chats.feishu.calls import Answer, Api, Json
from bot import DOCUMENTATION
from bot.errors import DigestError

_log = logging.getLogger("digest.feishu")

NAMES = ("digest", "日报")
_COMMANDS = "/open-apis/application/v7/app_slash_commands"


def register(api: Api, description: str) -> None:
    """Register the application's commands with this description; if that is refused, it is logged."""
    try:
        refused = _refused(api, description)
    except DigestError as error:
        _log.info("the slash command could not be registered: %s", error.key)
        return
    if refused:
        _log.info("Feishu did not register the slash command (%s): see %s/feishu.md", refused.code, DOCUMENTATION)


def _refused(api: Api, description: str) -> Answer | None:
    """Feishu's refusal, if any; commands that are already correct are left alone."""
    listed = api.ask("GET", _COMMANDS)
    if listed.code:
        return listed
    known = {str(each.get("command")): each for each in listed.data.get("items") or () if isinstance(each, dict)}
    answers = [_registered(api, name, known.get(name), {"default_value": description}) for name in NAMES]
    return next((answer for answer in answers if answer and answer.code), None)


def _registered(api: Api, name: str, known: Json | None, described: Json) -> Answer | None:
    """Feishu's answer to one command; None if nothing is to be done."""
    if known is None:
        return api.ask("POST", _COMMANDS, body={"command": name, "description": described})
    if (known.get("description") or {}).get("default_value") == described["default_value"]:
        return None
    return api.ask("PATCH", f"{_COMMANDS}/{known.get('command_id')}", body={"description": described})
