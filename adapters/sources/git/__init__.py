"""Commits from a git repository on this machine, or from a URL that git can clone."""
