"""Stores: each keeps what the bot must remember.

archive, commits, subscriptions, ledger, meter, leases, memory, keeping
           what both decide, with the SQL that both understand: a class for each port of `bot.ports` that remembers
due        when each subscription is to be looked at
part       what those stand on: sessions, transactions, rows that are read
moving     from one database into another
rows       values to what a database keeps, and back
words      words for the full-text index
twin       a number beside the database
sqlite, postgres
           each database's own: how it is opened, its tables, its index, and what only it can do
"""
