"""When a digest is due, and how it gets to its channel exactly once.

schedule   when: days, periods, slots; pure
ledger     what the row of a delivery says, and what it says next; pure
followups  what became of commits that a place has already seen in a digest; pure
job        a delivery that this process works on
leases     the leases of this process
pausing    pauses subscriptions while nothing can be posted in their channel
planning   writes a row for what is due, unless the clock is wrong
restoring  finds out, after a restore, what was posted that the ledger does not know
building   from a delivery to its digest
early      builds digests before they are due, since a model is slow
sending    from a digest to the messages in its channel, each sent once
worker     runs the steps in threads: finds what is due, builds it and sends it

What is in a digest is decided in `bot.judgement` and `bot.app`, how it looks in `bot.posts`.
"""
