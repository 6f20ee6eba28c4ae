"""Feishu, and Lark, which is the same elsewhere.

chat        `FeishuChat`, the methods of `bot.ports.Chat`: messages out, and who the bot is
inbound     what people do, as lines of the grammar: messages, buttons, forms
cards       a neutral message as pages of card JSON 2.0
forms       forms as cards, and what was filled in
calls       calling Feishu: its token, its rates, its patience, its codes in our own terms
transports  the long connection and HTTP
webhook     a group's custom bot, which only takes messages
settings    how it is reached
doctor      what `digest doctor feishu` looks at
limits      what Feishu takes, each with its source
"""
