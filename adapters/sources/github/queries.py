"""The GraphQL queries (docs.github.com, GraphQL reference: Query, Repository, Commit, PullRequest)."""

from __future__ import annotations

_HISTORY = """
fragment History on Commit {
  oid
  history(first: 100, since: $since, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { id oid committedDate parents(first: 100) { nodes { oid } } }
  }
}
"""

DEFAULT = (
    """
query($owner: String!, $name: String!, $since: GitTimestamp!, $after: String) {
  repository(owner: $owner, name: $name) {
    nameWithOwner
    mailmap: object(expression: "HEAD:.mailmap") { ... on Blob { text } }
    tip: defaultBranchRef { target { ...History } }
  }
}
"""
    + _HISTORY
)
"""The default branch's history."""

BRANCH = (
    """
query($owner: String!, $name: String!, $ref: String!, $since: GitTimestamp!, $after: String) {
  repository(owner: $owner, name: $name) {
    nameWithOwner
    mailmap: object(expression: "HEAD:.mailmap") { ... on Blob { text } }
    tip: ref(qualifiedName: $ref) { target { ...History } }
  }
}
"""
    + _HISTORY
)
"""A branch's history."""

NEXT = (
    """
query($owner: String!, $name: String!, $tip: GitObjectID!, $since: GitTimestamp!, $after: String) {
  repository(owner: $owner, name: $name) {
    tip: object(oid: $tip) { ...History }
  }
}
"""
    + _HISTORY
)
"""A later page of the same history, whatever was pushed meanwhile."""

DETAILS = """
query($ids: [ID!]!) {
  nodes(ids: $ids) {
    ... on Commit {
      oid message additions deletions changedFilesIfAvailable
      author { name email user { login } }
      associatedPullRequests(first: 1) {
        nodes {
          number merged mergeCommit { oid }
          commits(first: 1) { totalCount }
          files(first: 100) { totalCount nodes { path additions deletions changeType } }
        }
      }
    }
  }
}
"""
"""Commits with what can be known of them at once."""
