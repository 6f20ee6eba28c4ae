"""What people and the operator ask, and how they are answered: the grammar, its commands, forms, and who may what.

grammar       how a line reads: words, names of commits, dates; pure
naming        which repository a word means in a place
options       the options of a subscription, each a record
forms         the form behind `subscribe`; pure
command       what a command is, and what it is given: the context, read once
commands/     the commands, in a file for what belongs together
interpreter   a line in, posts out
host          the bot as a chat sees it
operator      what the operator sees and does

How a chat hears and shows it belongs to its adapter; what is posted each morning unasked, to `bot.delivery`.
"""
