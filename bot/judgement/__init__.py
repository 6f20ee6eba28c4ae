"""How important a commit is, and what is said about it: grades, analyses, the overview, and the questions to a model.

triage      the rules: features of a commit, points, and the reader's budget; pure
rules       what can be said without a model; pure
questions   what a model is asked, shapes what fits into its answers, replies how they are read and checked; pure
asker       a model within its limits, and what it took
history     what came before: earlier commits, grades and digests; links what became of those
brief       what everybody shares who works on one digest
grading     how much each commit matters
analysing   what is said of those that matter
build       a digest, or one commit, out of both

What a commit says and touches is known to `bot.commits`; how it looks to a reader is decided in `bot.posts`.
"""
