"""What people and the operator ask, and the answers: the grammar, commands, forms and rights.

grammar       how a line reads: words, names of commits, dates; pure
naming        which repository a word refers to in a place
options       the options of a subscription, each a record
forms         the form behind `subscribe`; pure
command       what a command is, and the context that it gets
commands/     the commands, a file for each group of them
interpreter   turns a line into posts
host          the bot as a chat sees it
operator      what the operator sees and does

How a chat receives questions and shows answers is up to its adapter; scheduled digests are `bot.delivery`'s.
"""
