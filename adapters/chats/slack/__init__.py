"""Slack.

chat        `SlackChat`, a `bot.ports.Chat`: sends messages
inbound     turns commands, mentions, buttons, forms and the Home into lines of the grammar
surfaces    shows forms and the Home
people      people, their channels, and what is shown to only one of them
blocks      renders a neutral message as pages of Block Kit
views       renders forms and the Home as Slack's views
calls       calls Slack: its rates and retries; translates its errors
transports  Socket Mode and HTTP
workspaces  tokens: one, or those of all workspaces that installed the app
settings    the settings
doctor      the checks of `digest doctor slack`
limits      Slack's limits, each with its source
"""
