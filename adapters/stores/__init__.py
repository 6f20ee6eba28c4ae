"""Stores for everything that the bot must remember.

archive, commits, subscriptions, ledger, meter, leases, memory, keeping
           shared by both databases, in SQL that both understand: a class for each storing port of `bot.ports`
due        when each subscription is to be checked
part       their base class: sessions, transactions, reading rows
moving     copies one database to another
rows       converts values to database rows and back
words      words for the full-text index
twin       a number outside the database
sqlite, postgres
           specific to each database: opening it, its tables, its index, and what only it can do
"""
