"""Finds out who reads in a place in Feishu: external groups have people from other organisations."""

from collections.abc import Callable

from adapters.chats.feishu.calls import Api, Caller, Gate, Json
from adapters.chats.remembered import Remembered
from bot.errors import ConfigError, DigestError, NotFound, Unavailable
from bot.ports import Readers
from bot.values import Place


class Audience:
    """Finds the readers of chats. Safe to call from several threads; `clock` is monotonic seconds.

    Feishu says whether a chat is external, but not whether anybody in it is a guest.
    """

    def __init__(self, api: Api, call: Caller, clock: Callable[[], float]) -> None:
        self._api = api
        self._call = call
        self._known = Remembered[Json](clock)

    def readers(self, place: Place) -> Readers:
        """Who reads in a place; where Feishu does not say, the worst is assumed. Raises ConfigError, Unavailable.

        Source: open.feishu.cn/document/server-docs/group/chat/get-2 (`external`, `chat_mode`).
        """
        found = self._chat(place.channel)
        return Readers(alone=found.get("chat_mode") == "p2p", shared=found.get("external") is not False)

    def is_plain_group(self, place: Place) -> bool:
        """Whether it is a group other than a topic group. Raises ConfigError, Unavailable."""
        found = self._chat(place.channel)
        return found.get("chat_mode") == "group" and found.get("group_message_type") != "thread"

    def check(self, place: Place) -> None:
        """Check that the bot is in a chat. Raises NotFound, ConfigError, Unavailable."""
        if not self._chat(place.channel):
            raise NotFound("feishu_invite")

    def _chat(self, name: str) -> Json:
        """Feishu's information on a chat; empty if there is none."""

        def read() -> Json:
            try:
                return self._call(Gate("chat"), lambda: self._api.ask("GET", f"/open-apis/im/v1/chats/{name}")).data
            except (ConfigError, Unavailable):
                raise
            except DigestError:
                return {}

        return self._known.get(name, read)
