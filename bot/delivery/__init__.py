"""When a digest is due, and how it gets to its channel exactly once.

schedule   when: days, periods, slots; pure
ledger     what the row of a delivery says, and what it says next; pure
followups  what a place is told of commits that it was told of before; pure
job        a delivery in the hands of this process
leases     the leases of this process
resting    subscriptions that rest while nothing can be posted in their channel
planning   what has become due gets a row, unless the clock is wrong
restoring  what was posted that the ledger has forgotten, found out after a restore
building   from a delivery to its digest
early      what a model takes its time for, built before it is due
sending    from a digest to the messages in its channel, each sent once
worker     the hands: looks what is due, builds and sends it, and keeps what goes wrong

What is in a digest is decided in `bot.judgement` and `bot.app`, how it looks in `bot.posts`.
"""
