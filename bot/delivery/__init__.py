"""When a digest is due, and how it gets to its channel exactly once.

What is in a digest is decided in `bot.judgement` and `bot.app`, how it looks in `bot.posts`.
"""
