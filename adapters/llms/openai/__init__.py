"""Any language model behind an OpenAI-compatible endpoint, hosted or local.

model       `OpenAIModel`, the methods of `bot.ports.LanguageModel`
forms       finds the form of requests that a server accepts; `dialect` has the forms
complaints  interprets error bodies
reading     parses answers and their usage
gate        the pauses that a server asks for
endpoint    the address, and the SDK's client for it
settings    the model, its address, and limits
"""
