"""Any language model behind an OpenAI-compatible endpoint, hosted or local.

model     `OpenAIModel`, the methods of `bot.ports.LanguageModel`
settings  which model, where, and what it may take
"""
