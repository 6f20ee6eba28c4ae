"""The checks of `digest doctor slack`: tokens, scopes, the connection, a channel, and a message that is not posted."""

import json
from collections.abc import Callable, Iterator

from slack_sdk.errors import SlackApiError
from slack_sdk.web import WebClient

from adapters.chats.slack.blocks import render
from adapters.chats.slack.calls import Gate, translated
from adapters.chats.slack.settings import SlackSettings
from adapters.chats.slack.workspaces import SCOPES, web_client
from bot.errors import DigestError, Unavailable
from bot.ports import Finding, Verdict
from bot.values import Message


def examine(settings: SlackSettings, channel: str, sample: Message) -> Iterator[Finding]:
    """Run the checks in order; those that depend on a failed one are skipped.

    `channel` is the ID of a channel to check, empty for none; `sample` is a message that Slack validates without
    posting it.
    """
    token = settings.slack_bot_token.get_secret_value()
    if not token:
        named = bool(settings.slack_client_id)
        yield Finding("slack_token", Verdict.SKIPPED if named else Verdict.FAILED, "oauth" if named else "none")
        if named:
            closed = bool(settings.slack_token_key.get_secret_value())
            yield Finding("slack_key", Verdict.FINE if closed else Verdict.WARNING, "fine" if closed else "none")
    else:
        client = web_client(token, settings.slack_url)
        yield (known := _token(client, token))
        if known.verdict is Verdict.FAILED:
            return
        yield _scopes(client)
        if channel:
            yield _channel(client, channel)
    yield _connection(settings)
    yield _dry_run(web_client(None, settings.slack_url), sample)


def _finding(name: str, method: str, look: Callable[[], Finding]) -> Finding:
    """The finding of `look`; an error of Slack is a finding too."""
    try:
        return look()
    except SlackApiError as error:
        return Finding(name, Verdict.FAILED, "error", error=translated(error, Gate(method, "")))
    except DigestError as error:
        return Finding(name, Verdict.FAILED, "error", error=error)
    except OSError:
        return Finding(name, Verdict.FAILED, "error", error=Unavailable("slack_failed", error="connection"))


def _token(client: WebClient, token: str) -> Finding:
    """Check that Slack accepts the bot token, and show its workspace."""
    if not token.startswith("xoxb-"):
        return Finding("slack_token", Verdict.FAILED, "kind", {"kind": token.partition("-")[0][:5]})

    def look() -> Finding:
        response = client.auth_test()
        return Finding("slack_token", Verdict.FINE, "fine", {"team": response["team"], "user": response["user"]})

    return _finding("slack_token", "auth.test", look)


def _scopes(client: WebClient) -> Finding:
    """Check the scopes of the token, which are in each answer (docs.slack.dev, "x-oauth-scopes")."""

    def look() -> Finding:
        header = client.auth_test().headers.get("x-oauth-scopes", "")
        missing = [scope for scope in SCOPES if scope not in {part.strip() for part in str(header).split(",")}]
        return Finding(
            "slack_scopes",
            Verdict.FAILED if missing else Verdict.FINE,
            "missing" if missing else "fine",
            {"scopes": tuple(missing), "n": len(SCOPES)},
        )

    return _finding("slack_scopes", "auth.test", look)


def _channel(client: WebClient, channel: str) -> Finding:
    """Check that the bot is in a channel and can post there."""

    def look() -> Finding:
        found = client.conversations_info(channel=channel)["channel"]
        named = {"channel": f"#{found.get('name', channel)}"}
        if found.get("is_archived"):
            return Finding("slack_channel", Verdict.FAILED, "archived", named)
        member = bool(found.get("is_member") or found.get("is_im"))
        return Finding("slack_channel", Verdict.FINE if member else Verdict.FAILED, "fine" if member else "out", named)

    return _finding("slack_channel", "conversations.info", look)


def _connection(settings: SlackSettings) -> Finding:
    """Check Socket Mode: whether a connection can be opened; or HTTP: whether there is a secret to verify requests."""
    if settings.slack_mode == "http":
        known = bool(settings.slack_signing_secret.get_secret_value())
        shown = {"address": f"{settings.slack_host}:{settings.slack_port}"}
        return Finding(
            "slack_way_in", Verdict.FINE if known else Verdict.FAILED, "http" if known else "no_secret", shown
        )
    token = settings.slack_app_token.get_secret_value()
    if not token:
        return Finding("slack_way_in", Verdict.WARNING, "no_app_token")

    def look() -> Finding:
        web_client(None, settings.slack_url).apps_connections_open(app_token=token)
        return Finding("slack_way_in", Verdict.FINE, "socket")

    return _finding("slack_way_in", "apps.connections.open", look)


def _dry_run(client: WebClient, sample: Message) -> Finding:
    """Check that Slack accepts a message, without posting it (docs.slack.dev, blocks.validate: no token)."""

    def look() -> Finding:
        for page in render(sample).pages:
            message = {"text": page.text, "blocks": list(page.blocks)}
            client.api_call("blocks.validate", params={"message": json.dumps(message, ensure_ascii=False)})
        return Finding("slack_message", Verdict.FINE, "fine")

    return _finding("slack_message", "blocks.validate", look)
