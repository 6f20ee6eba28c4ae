"""Stores: each keeps what the bot must remember."""
