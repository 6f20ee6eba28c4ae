"""The core of Commit Digest: it knows and decides, and touches nothing outside itself."""
