"""Commit sources: each yields the same `Commit`s, wherever the history lives."""
