"""Commit sources: all of them return the same kind of `Commit`, wherever the history is."""
