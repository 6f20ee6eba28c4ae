"""What a reader sees: judged commits as neutral messages, and as the full report. Pure.

Nothing is judged or parsed here, and no chat is known: each renders these messages in its own adapter.
"""
