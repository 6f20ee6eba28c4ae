"""The GraphQL queries (docs.github.com, GraphQL reference: Query, Repository, Commit, PullRequest)."""

from collections.abc import Sequence

_HISTORY = """
fragment History on Commit {
  oid
  history(first: 100, since: $since, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes {
      id oid committedDate authoredDate messageHeadline author { name email } parents(first: 100) { nodes { oid } }
      tree { oid }
    }
  }
}
"""

DEFAULT = (
    """
query($owner: String!, $name: String!, $since: GitTimestamp, $after: String) {
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
query($owner: String!, $name: String!, $ref: String!, $since: GitTimestamp, $after: String) {
  repository(owner: $owner, name: $name) {
    nameWithOwner
    mailmap: object(expression: "HEAD:.mailmap") { ... on Blob { text } }
    tip: ref(qualifiedName: $ref) { target { ...History } }
  }
}
"""
    + _HISTORY
)
"""A branch's history, or without `since` its newest page."""

NEXT = (
    """
query($owner: String!, $name: String!, $tip: GitObjectID!, $since: GitTimestamp, $after: String) {
  repository(owner: $owner, name: $name) {
    tip: object(oid: $tip) { ...History }
  }
}
"""
    + _HISTORY
)
"""The history that ends in a commit, or a later page of it, whatever was pushed meanwhile."""

DETAILS = """
query($ids: [ID!]!) {
  nodes(ids: $ids) {
    ... on Commit {
      oid message additions deletions changedFilesIfAvailable
      author { name email user { login } }
      associatedPullRequests(first: 1) {
        nodes {
          number merged title body mergeCommit { oid }
          repository { nameWithOwner }
          closingIssuesReferences(first: 5) { nodes { title repository { nameWithOwner } } }
          commits(first: 1) { totalCount }
          labels(first: 20) { nodes { name } }
          files(first: 100) { totalCount nodes { path additions deletions changeType } }
        }
      }
    }
  }
}
"""
"""Commits with everything that one query can get.

Of 50 commits these are at most 50 + 50 + 50 × (5 + 1 + 20 + 100) = 6,400 nodes of the 500,000 that one call may ask
for, and 3 points of the 5,000 of an hour: one for each 100 of 1 + 50 + 50 × 4 lists (docs.github.com, Rate limits and
query limits for the GraphQL API).
"""

TAGS = """
query($owner: String!, $name: String!, $after: String) {
  repository(owner: $owner, name: $name) {
    nameWithOwner
    refs(refPrefix: "refs/tags/", first: 100, after: $after, orderBy: {field: TAG_COMMIT_DATE, direction: DESC}) {
      pageInfo { hasNextPage endCursor }
      nodes {
        name
        target { ...Commit ... on Tag { tagger { date } target { ...Commit ... on Tag { target { ...Commit } } } } }
      }
    }
  }
}
fragment Commit on Commit { oid committedDate }
"""
"""A page of the tags, those of the newest commits first, each followed over at most one tag of a tag."""


PUBLISHED = """
query($owner: String!, $name: String!) {
  repository(owner: $owner, name: $name) {
    releases(first: 100, orderBy: {field: CREATED_AT, direction: DESC}) {
      nodes { tagName isDraft publishedAt tagCommit { oid committedDate } }
    }
  }
}
"""
"""The published releases of the newest commits, without their notes.

A release's creation date is that of its commit (docs.github.com, Get the latest release).
"""


def notes(names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A query for the notes published with tags, `n0` for the first, and its variables."""
    asked = " ".join(f"n{n}: release(tagName: $n{n}) {{ isDraft description }}" for n in range(len(names)))
    declared = ", ".join(f"$n{n}: String!" for n in range(len(names)))
    return _repository(declared, asked), {f"n{n}": name for n, name in enumerate(names)}


BRANCHES = """
query($owner: String!, $name: String!, $after: String) {
  repository(owner: $owner, name: $name) {
    refs(refPrefix: "refs/heads/", first: 100, after: $after) { pageInfo { hasNextPage endCursor } nodes { name } }
  }
}
"""
"""A page of the branches' names."""


def touching(branches: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A query for the commits of branches that touch a file in a period, `b0` for the first, and its variables.

    Of ten branches these are 300 commits with their parents: 2 points of an hour's 5,000.
    """
    history = "history(first: 30, since: $since, until: $until, path: $path)"
    fields = "id oid committedDate authoredDate messageHeadline additions deletions parents(first: 2) { nodes { oid } }"
    asked = " ".join(
        f"b{n}: ref(qualifiedName: $b{n}) {{ target {{ ... on Commit {{ {history} {{ nodes {{ {fields} }} }} }} }} }}"
        for n in range(len(branches))
    )
    declared = ", ".join(f"$b{n}: String!" for n in range(len(branches)))
    variables = {f"b{n}": f"refs/heads/{name}" for n, name in enumerate(branches)}
    return _repository(f"{declared}, $since: GitTimestamp, $until: GitTimestamp, $path: String", asked), variables


def commits(shas: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A query for the places of commits, `c0` for the first, and its variables."""
    fields = (
        "id oid committedDate authoredDate messageHeadline author { name email } parents(first: 100) { nodes { oid } }"
    )
    asked = " ".join(f"c{n}: object(oid: $c{n}) {{ ... on Commit {{ {fields} }} }}" for n in range(len(shas)))
    declared = ", ".join(f"$c{n}: GitObjectID!" for n in range(len(shas)))
    return _repository(declared, asked), {f"c{n}": sha for n, sha in enumerate(shas)}


def dates(shas: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A query for the committer dates of commits, `c0` for the first, and its variables."""
    asked = " ".join(f"c{n}: object(oid: $c{n}) {{ ... on Commit {{ committedDate }} }}" for n in range(len(shas)))
    declared = ", ".join(f"$c{n}: GitObjectID!" for n in range(len(shas)))
    return _repository(declared, asked), {f"c{n}": sha for n, sha in enumerate(shas)}


def comparisons(pairs: Sequence[tuple[str, str]]) -> tuple[str, dict[str, str]]:
    """A query for how commits relate to tags, `p0` for the first pair of tag and SHA, and its variables.

    `headRef` takes a SHA as well (docs.github.com, GraphQL changelog, 18 October 2022).
    """
    asked = " ".join(
        f"p{n}: ref(qualifiedName: $t{n}) {{ compare(headRef: $c{n}) {{ status }} }}" for n in range(len(pairs))
    )
    declared = ", ".join(f"$t{n}: String!, $c{n}: String!" for n in range(len(pairs)))
    tags = {f"t{n}": f"refs/tags/{tag}" for n, (tag, _) in enumerate(pairs)}
    return _repository(declared, asked), tags | {f"c{n}": sha for n, (_, sha) in enumerate(pairs)}


def _repository(declared: str, asked: str) -> str:
    """A query for parts of a repository; its text only has numbered names, everything else is in variables."""
    return (
        f"query($owner: String!, $name: String!, {declared}) {{ repository(owner: $owner, name: $name) {{ {asked} }} }}"
    )
