"""How important a commit is, and what is said about it: grades, analyses, the overview, and the questions to a model.

triage      the rules: features of a commit, points, and the reader's budget; pure
rules       what can be said without a model; pure
questions   what a model is asked; shapes the schemas of its answers, replies parses and checks them; pure
checking    the texts of an analysis as a second reader checks them; pure
asker       a model within its limits, and what it used
history     what came before: earlier commits, grades and digests; links what became of commits
brief       what is shared while one digest is made
grading     how important each commit is
analysing   what is said about the important ones
build       a digest, or one commit, from both

`bot.commits` parses commits; `bot.posts` decides how they look to a reader.
"""
