"""Stores: each stores what the bot must remember.

archive, commits, subscriptions, ledger, meter, leases, memory, keeping
           what both decide, with the SQL that both understand: a class for each port of `bot.ports` that remembers
due        when each subscription is to be looked at
part       the basis of those: sessions, transactions, reading rows
moving     from one database into another
rows       values to database rows, and back
words      words for the full-text index
twin       a number outside the database
sqlite, postgres
           each database's own: how it is opened, its tables, its index, and what only it can do
"""
