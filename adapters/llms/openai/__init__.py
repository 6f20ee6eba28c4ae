"""Any language model behind an OpenAI-compatible endpoint, hosted or local.

model       `OpenAIModel`, the methods of `bot.ports.LanguageModel`
forms       which way of asking a server takes, found by what it refuses; `dialect` knows the ways
complaints  what an error body says
reading     what an answer says, and what it took
gate        the pauses that a server asks for
endpoint    the address, and the SDK's client for it
settings    which model, where, and what it may take
"""
