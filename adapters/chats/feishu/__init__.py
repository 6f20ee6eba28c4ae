"""Feishu, and Lark, its international version.

chat        `FeishuChat`, a `bot.ports.Chat`: sends messages
inbound     turns messages, buttons and forms into lines of the grammar
cards       renders a neutral message as pages of card JSON 2.0
forms       renders forms as cards, and parses the answers
calls       calls Feishu: its token, rates and retries; translates its error codes
transports  the persistent connection and HTTP
webhook     a group's custom bot, which only receives messages
settings    the settings
doctor      the checks of `digest doctor feishu`
limits      Feishu's limits, each with its source
"""
