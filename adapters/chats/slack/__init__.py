"""Slack, through the Web API."""

from adapters.chats.slack.chat import SlackChat, from_settings

__all__ = ["SlackChat", "from_settings"]
