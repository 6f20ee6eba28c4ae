"""How much a commit matters, and what is said of it: grades, analyses, the overview, and the questions to a model.

What a commit says and touches is known to `bot.commits`; how it looks to a reader is decided in `bot.posts`.
"""
