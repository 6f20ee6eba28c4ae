"""Slack.

chat        `SlackChat`, the methods of `bot.ports.Chat`: messages out
inbound     what people do, as lines of the grammar: commands, mentions, buttons, forms, the Home
surfaces    what is shown beside messages: forms and the Home
people      who and where people are, and what is shown to one of them alone
blocks      a neutral message as pages of Block Kit
views       forms and the Home as Slack's views
calls       calling Slack: its pace, its patience, its errors in our own terms
transports  Socket Mode and HTTP
workspaces  tokens: one, or those of everybody who installed the app
settings    how it is reached
doctor      what `digest doctor slack` looks at
limits      what Slack takes, each with its source
"""
