"""The checks of `digest doctor feishu`: the application, its bot and permissions, the connection, and a group."""

from collections.abc import Callable, Iterator

from adapters.chats.feishu.calls import Answer, Api, Gate, translated
from adapters.chats.feishu.settings import FeishuSettings
from adapters.chats.feishu.transports import endpoint, refused
from bot.errors import DigestError
from bot.ports import Finding, Verdict

SCOPES = (
    ("im:message:send_as_bot", "im:message"),
    ("im:message.group_at_msg:readonly", "im:message.group_msg"),
    ("im:message.p2p_msg:readonly",),
    ("im:message.group_msg",),
    ("im:message:readonly", "im:message"),
    ("im:resource:upload", "im:resource"),
    ("im:chat:readonly", "im:chat:read", "im:chat"),
)
"""The permissions the application needs, one of each line; docs/feishu.md says what each is for.

Permission to send cards includes changing them (open.feishu.cn/document/server-docs/im-v1/message-card/patch).
"""
OPTIONAL = ("im:message.group_msg",)
"""Optional: without it, a message being sent when the bot was killed may be duplicated after more than an hour."""


def examine(settings: FeishuSettings, group: str) -> Iterator[Finding]:
    """Run the checks in order; those that depend on a failed one are skipped.

    `group` is the ID of a group to check; empty for none.
    """
    secret = settings.feishu_app_secret.get_secret_value()
    if not (settings.feishu_app_id and secret):
        yield Finding("feishu_app", Verdict.FAILED, "none")
        return
    api = Api(settings.feishu_app_id, secret, settings.feishu_url)
    yield (known := _bot(api))
    if known.verdict is Verdict.FAILED:
        return
    yield _scopes(api)
    if group:
        yield _group(api, group)
    yield _connection(settings, api)


def _finding(
    name: str,
    ask: Callable[[], Answer],
    look: Callable[[Answer], Finding],
    target: str = "",
    translate: Callable[[Answer], DigestError] | None = None,
) -> Finding:
    """The finding of `look` in an answer; an error is a finding too."""
    try:
        answer = ask()
    except DigestError as error:
        return Finding(name, Verdict.FAILED, "error", error=error)
    if answer.code:
        problem = translate(answer) if translate else translated(answer, Gate("doctor", target))
        return Finding(name, Verdict.FAILED, "error", error=problem)
    return look(answer)


def _bot(api: Api) -> Finding:
    """Check that Feishu knows the application and its bot is enabled."""

    def look(answer: Answer) -> Finding:
        bot = answer.data.get("bot") or {}
        return Finding("feishu_app", Verdict.FINE, "fine", {"name": bot.get("app_name", "?"), "app": api.app_id})

    return _finding("feishu_app", lambda: api.ask("GET", "/open-apis/bot/v3/info"), look)


def _scopes(api: Api) -> Finding:
    """The permissions that the application was granted (open.feishu.cn/document, application-v6/scope/list)."""

    def look(answer: Answer) -> Finding:
        listed = answer.data.get("scopes") or ()
        granted = {str(scope.get("scope_name")) for scope in listed if scope.get("grant_status") == 1}
        missing = [line[0] for line in SCOPES if not granted & set(line)]
        verdict = Verdict.FAILED if set(missing) - set(OPTIONAL) else Verdict.WARNING if missing else Verdict.FINE
        outcome = {Verdict.FAILED: "missing", Verdict.WARNING: "optional", Verdict.FINE: "fine"}[verdict]
        return Finding("feishu_scopes", verdict, outcome, {"scopes": tuple(missing), "n": len(SCOPES)})

    return _finding("feishu_scopes", lambda: api.ask("GET", "/open-apis/application/v6/scopes"), look)


def _group(api: Api, group: str) -> Finding:
    """Check that the bot is in a group."""

    def look(answer: Answer) -> Finding:
        named = {"group": str(answer.data.get("name") or group)}
        closed = answer.data.get("chat_status") not in (None, "normal")
        return Finding("feishu_group", Verdict.FAILED if closed else Verdict.FINE, "gone" if closed else "fine", named)

    return _finding("feishu_group", lambda: api.ask("GET", f"/open-apis/im/v1/chats/{group}"), look, group)


def _connection(settings: FeishuSettings, api: Api) -> Finding:
    """Check whether Feishu offers a persistent connection, or, over HTTP, whether there is a key to verify requests."""
    if settings.feishu_mode == "http":
        known = bool(settings.feishu_encrypt_key.get_secret_value())
        shown = {"address": f"{settings.feishu_host}:{settings.feishu_port}"}
        return Finding("feishu_way_in", Verdict.FINE if known else Verdict.FAILED, "http" if known else "no_key", shown)

    def look(_: Answer) -> Finding:
        return Finding("feishu_way_in", Verdict.FINE, "socket")

    return _finding("feishu_way_in", lambda: endpoint(api), look, translate=refused)
