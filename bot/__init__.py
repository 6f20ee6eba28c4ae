"""The core of Commit Digest: all knowledge and decisions, without I/O."""

__version__ = "0.2.0"

DOCUMENTATION = "https://github.com/commit-digest/commit-digest/blob/main/docs"
"""The address of docs/ for those who installed the program without a checkout."""
