"""The core of Commit Digest: it knows and decides, and touches nothing outside itself."""

__version__ = "0.2.0"

DOCUMENTATION = "https://github.com/commit-digest/commit-digest/blob/main/docs"
"""Where the pages of docs/ are read by who has installed the program, and not its checkout."""
