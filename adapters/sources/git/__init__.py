"""Commits from a git repository on this machine, or from a URL that git can clone."""

from adapters.sources.git.source import GitSource, from_settings

__all__ = ["GitSource", "from_settings"]
