"""Commits from GitHub or GitHub Enterprise, read with PyGithub."""
