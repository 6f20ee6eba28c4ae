"""What people and the operator ask, and how they are answered: the grammar, its commands, forms, and who may what.

How a chat hears and shows it belongs to its adapter; what is told each morning unasked, to `bot.delivery`.
"""
