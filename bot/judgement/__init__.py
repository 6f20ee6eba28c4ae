"""How important a commit is, and what is said about it: grades, analyses, the overview, and the questions to a model.

triage      the rules: features of a commit, points, and the reader's budget; pure
rules       what can be said without a model; pure
questions   what a model is asked, shapes what fits into its answers, replies how they are read and checked; pure
asker       a model within its limits, and what it used
history     what came before: earlier commits, grades and digests; links what became of those
brief       what is shared while one digest is made
grading     how important each commit is
analysing   what is said about the important ones
build       a digest, or one commit, from both

What a commit says and touches is found in `bot.commits`; how it looks to a reader is decided in `bot.posts`.
"""
