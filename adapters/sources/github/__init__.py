"""Commits from GitHub or GitHub Enterprise, read with PyGithub."""

from adapters.sources.github.source import GitHubSource, from_settings

__all__ = ["GitHubSource", "from_settings"]
