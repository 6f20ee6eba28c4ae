"""The part of GitHub's GraphQL API that a test server has: a parser, and the fields of its schema that are known here.

Source: GitHub's public schema (docs.github.com, GraphQL reference). Anything else in a query is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from github_repository import Tag, stamp

_TOKEN = re.compile(r'\s*(?:(\.\.\.|[{}()\[\]:!$=@,])|([A-Za-z_]\w*)|(-?\d+)|"((?:[^"\\\n]|\\.)*)")')
NODE_LIMIT = 500_000


class QueryError(Exception):
    """A query that GitHub would refuse."""


@dataclass
class Selection:
    """A field with its alias, arguments and what is asked for of it; or a fragment with its type."""

    name: str
    alias: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    selections: list[Selection] = field(default_factory=list)
    on: str = ""
    spread: bool = False


@dataclass(frozen=True)
class Variable:
    """A use of a variable."""

    name: str


class Parser:
    """Recursive descent over the executable part of the GraphQL specification that queries of clients need."""

    def __init__(self, text: str) -> None:
        self._tokens = self._split(text)
        self._at = 0
        self.variables: dict[str, str] = {}
        self.fragments: dict[str, Selection] = {}
        self.query: list[Selection] = []
        while self._at < len(self._tokens):
            self._definition()

    @staticmethod
    def _split(text: str) -> list[str]:
        tokens, at = [], 0
        text = text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found:
                raise QueryError(f"syntax error at {text[at : at + 20]!r}")
            tokens.append(f'"{found[4]}"' if found[4] is not None else found[0].strip())
            at = found.end()
        return [token for token in tokens if token != ","]

    def _next(self, expected: str = "") -> str:
        token = self._tokens[self._at] if self._at < len(self._tokens) else ""
        if not token or (expected and token != expected):
            raise QueryError(f"expected {expected or 'more'}, found {token!r}")
        self._at += 1
        return token

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _definition(self) -> None:
        kind = self._next()
        if kind == "fragment":
            name, _, on = self._next(), self._next("on"), self._next()
            self.fragments[name] = Selection(name, on=on, selections=self._selections())
        elif kind == "query" and not self.query:
            if self._peek() not in {"(", "{"}:
                self._next()
            if self._peek() == "(":
                self._declarations()
            self.query = self._selections()
        else:
            raise QueryError(f"unexpected {kind}")

    def _declarations(self) -> None:
        self._next("(")
        while self._peek() != ")":
            self._next("$")
            name = self._next()
            self._next(":")
            kind = ""
            while self._peek() not in {")", "$"}:
                kind += self._next()
            self.variables[name] = kind
        self._next(")")

    def _selections(self) -> list[Selection]:
        self._next("{")
        found = []
        while self._peek() != "}":
            found.append(self._selection())
        self._next("}")
        if not found:
            raise QueryError("an empty selection")
        return found

    def _selection(self) -> Selection:
        if self._peek() == "...":
            self._next()
            if self._peek() == "on":
                self._next()
                return Selection("", on=self._next(), spread=True, selections=self._selections())
            return Selection(self._next(), spread=True)
        name, alias = self._next(), ""
        if self._peek() == ":":
            self._next()
            name, alias = self._next(), name
        arguments = self._arguments() if self._peek() == "(" else {}
        return Selection(name, alias or name, arguments, self._selections() if self._peek() == "{" else [])

    def _arguments(self) -> dict[str, Any]:
        self._next("(")
        found = {}
        while self._peek() != ")":
            name = self._next()
            self._next(":")
            found[name] = self._value()
        self._next(")")
        return found

    def _value(self) -> Any:
        token = self._next()
        if token == "$":
            return Variable(self._next())
        if token.startswith('"'):
            return token[1:-1]
        if token.lstrip("-").isdigit():
            return int(token)
        if token == "{":
            return self._object()
        if token.isidentifier():
            return Enum(token)
        raise QueryError(f"no value: {token}")

    def _object(self) -> dict[str, Any]:
        found = {}
        while self._peek() != "}":
            name = self._next()
            self._next(":")
            found[name] = self._value()
        self._next("}")
        return found


class Enum(str):
    """A value of an enumeration, which is written without quotes."""


@dataclass(frozen=True)
class Ref:
    """A branch or tag: its repository's Reader, its prefix, its name and the object that it points at."""

    reader: Any
    prefix: str
    name: str
    target: str


@dataclass(frozen=True)
class _Named:
    """A repository of which no more than its name is known here."""

    name: str


@dataclass(frozen=True)
class Field:
    """A field of a type: what it is (empty for a scalar), and the types of its arguments."""

    type: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    connection: bool = False


_PAGE = {"first": "Int", "after": "String"}
_SCALAR = Field()
SCHEMA: dict[str, dict[str, Field]] = {
    "Query": {
        "repository": Field("Repository", {"owner": "String!", "name": "String!"}),
        "nodes": Field("Node", {"ids": "[ID!]!"}),
    },
    "Repository": {
        "nameWithOwner": _SCALAR,
        "defaultBranchRef": Field("Ref"),
        "ref": Field("Ref", {"qualifiedName": "String!"}),
        "refs": Field("RefConnection", {**_PAGE, "refPrefix": "String!", "orderBy": "RefOrder"}, True),
        "object": Field("GitObject", {"oid": "GitObjectID", "expression": "String"}),
        "releases": Field("ReleaseConnection", {**_PAGE, "orderBy": "ReleaseOrder"}, True),
        "release": Field("Release", {"tagName": "String!"}),
    },
    "Release": {
        "tagName": _SCALAR,
        "isDraft": _SCALAR,
        "isPrerelease": _SCALAR,
        "publishedAt": _SCALAR,
        "description": _SCALAR,
        "url": _SCALAR,
        "tagCommit": Field("Commit"),
    },
    "Ref": {
        "name": _SCALAR,
        "prefix": _SCALAR,
        "target": Field("GitObject"),
        "compare": Field("Comparison", {"headRef": "String!"}),
    },
    "Comparison": {"status": _SCALAR, "aheadBy": _SCALAR, "behindBy": _SCALAR},
    "Tag": {"oid": _SCALAR, "name": _SCALAR, "tagger": Field("GitActor"), "target": Field("GitObject")},
    "GitObject": {"oid": _SCALAR},
    "Node": {"id": _SCALAR},
    "Blob": {"text": _SCALAR},
    "Commit": {
        "id": _SCALAR,
        "oid": _SCALAR,
        "message": _SCALAR,
        "committedDate": _SCALAR,
        "authoredDate": _SCALAR,
        "messageHeadline": _SCALAR,
        "additions": _SCALAR,
        "deletions": _SCALAR,
        "changedFilesIfAvailable": _SCALAR,
        "author": Field("GitActor"),
        "tree": Field("Tree"),
        "parents": Field("CommitConnection", _PAGE, True),
        "history": Field(
            "CommitConnection", {**_PAGE, "since": "GitTimestamp", "until": "GitTimestamp", "path": "String"}, True
        ),
        "associatedPullRequests": Field("PullRequestConnection", _PAGE, True),
    },
    "Tree": {"oid": _SCALAR},
    "GitActor": {"name": _SCALAR, "email": _SCALAR, "date": _SCALAR, "user": Field("User")},
    "User": {"login": _SCALAR},
    "PullRequest": {
        "number": _SCALAR,
        "merged": _SCALAR,
        "title": _SCALAR,
        "body": _SCALAR,
        "repository": Field("Repository"),
        "closingIssuesReferences": Field("IssueConnection", _PAGE, True),
        "mergeCommit": Field("Commit"),
        "commits": Field("PullRequestCommitConnection", _PAGE, True),
        "labels": Field("LabelConnection", _PAGE, True),
        "files": Field("PullRequestChangedFileConnection", _PAGE, True),
    },
    "PullRequestChangedFile": {"path": _SCALAR, "additions": _SCALAR, "deletions": _SCALAR, "changeType": _SCALAR},
    "Label": {"name": _SCALAR},
    "Issue": {"number": _SCALAR, "title": _SCALAR, "repository": Field("Repository")},
    "PullRequestCommit": {"commit": Field("Commit")},
    "PageInfo": {"hasNextPage": _SCALAR, "endCursor": _SCALAR},
    **{
        f"{name}Connection": {"totalCount": _SCALAR, "pageInfo": Field("PageInfo"), "nodes": Field(name)}
        for name in (
            *("Commit", "Ref", "PullRequest", "PullRequestCommit", "PullRequestChangedFile", "Label", "Issue"),
            "Release",
        )
    },
}
INTERFACES = {"GitObject", "Node"}
CHANGE = {"removed": "DELETED"}


def execute(text: str, variables: Mapping[str, Any], server: Any) -> tuple[Any, list[dict[str, Any]]]:
    """The data and the errors of a query. Raises QueryError for one that does not fit the schema."""
    parsed = Parser(text)
    for name, kind in parsed.variables.items():
        if kind.endswith("!") and variables.get(name) is None:
            raise QueryError(f"Variable ${name} of type {kind} was provided invalid value")
    if unknown := variables.keys() - parsed.variables.keys():
        raise QueryError(f"undeclared: {unknown}")
    run = _Run(parsed, variables, server)
    run.check(parsed.query, "Query", 1)
    if run.used != parsed.variables.keys():
        raise QueryError(f"Variable ${parsed.variables.keys() - run.used} is declared but not used")
    if run.nodes > NODE_LIMIT:
        raise QueryError(f"{run.nodes} nodes")
    return run.resolve(parsed.query, "Query", None), run.errors


class _Run:
    """One query being checked and answered."""

    def __init__(self, parsed: Parser, variables: Mapping[str, Any], server: Any) -> None:
        self._parsed = parsed
        self._variables = variables
        self._server = server
        self.used: set[str] = set()
        self.nodes = 0
        self.errors: list[dict[str, Any]] = []

    def check(self, selections: list[Selection], kind: str, times: int) -> None:
        """Whether every field and argument is in the schema, and how many nodes may come of it."""
        for selection in selections:
            if selection.spread:
                fragment = self._fragment(selection)
                if fragment.on != kind and kind not in INTERFACES:
                    raise QueryError(f"Fragment on {fragment.on} can't be spread inside {kind}")
                self.check(fragment.selections, fragment.on, times)
                continue
            known = SCHEMA[kind].get(selection.name)
            if known is None:
                raise QueryError(f"Field '{selection.name}' doesn't exist on type '{kind}'")
            if bool(known.type) != bool(selection.selections):
                raise QueryError(f"Selections of '{selection.name}'")
            self._check_arguments(selection, known)
            below = times * self._size(selection, known)
            self.nodes += below if known.connection else 0
            if known.type:
                self.check(selection.selections, known.type, below)

    def _check_arguments(self, selection: Selection, known: Field) -> None:
        for name, value in selection.arguments.items():
            if name not in known.arguments:
                raise QueryError(f"Field '{selection.name}' doesn't accept argument '{name}'")
            if isinstance(value, Variable):
                self.used.add(value.name)
                declared = self._parsed.variables.get(value.name, "")
                if declared.rstrip("!") != known.arguments[name].rstrip("!"):
                    raise QueryError(f"Type mismatch on variable ${value.name} and argument {name}")
        for name, kind in known.arguments.items():
            if kind.endswith("!") and name not in selection.arguments:
                raise QueryError(f"Field '{selection.name}' is missing required argument '{name}'")

    def _size(self, selection: Selection, known: Field) -> int:
        if selection.name == "nodes" and "ids" in selection.arguments:
            ids = self._value(selection.arguments["ids"])
            if len(ids) > 100:
                raise QueryError("ids: more than 100")
            return len(ids)
        if not known.connection:
            return 1
        first = self._value(selection.arguments.get("first"))
        if first is None or not 1 <= first <= 100:
            raise QueryError(f"You must provide a `first` or `last` value between 1 and 100 on '{selection.name}'")
        return int(first)

    def _fragment(self, selection: Selection) -> Selection:
        if selection.on:
            return selection
        if selection.name not in self._parsed.fragments:
            raise QueryError(f"Fragment {selection.name} was used, but not defined")
        return self._parsed.fragments[selection.name]

    def _value(self, value: Any) -> Any:
        return self._variables.get(value.name) if isinstance(value, Variable) else value

    def resolve(self, selections: list[Selection], kind: str, value: Any) -> Any:
        """The fields asked for of `value`."""
        found: dict[str, Any] = {}
        for selection in selections:
            if selection.spread:
                fragment = self._fragment(selection)
                if fragment.on == kind or (kind in INTERFACES and _is_a(fragment.on, value)):
                    found |= self.resolve(fragment.selections, fragment.on, value)
                continue
            arguments = {name: self._value(given) for name, given in selection.arguments.items()}
            got = self._field(kind, selection.name, value, arguments)
            known = SCHEMA[kind][selection.name]
            if isinstance(got, list):
                found[selection.alias] = [self._one(selection, known, item) for item in got]
            else:
                found[selection.alias] = self._one(selection, known, got)
        return found

    def _one(self, selection: Selection, known: Field, value: Any) -> Any:
        return self.resolve(selection.selections, known.type, value) if known.type and value is not None else value

    def _field(self, kind: str, name: str, value: Any, arguments: dict[str, Any]) -> Any:
        if isinstance(value, dict):
            return value[name]
        method: Callable[..., Any] = getattr(self, f"_{kind}_{name}")
        return method(value, **arguments)

    # --- values: a repository is its Reader, a commit is (Reader, SHA), a pull request (Reader, Pull), a tag a Tag ---

    def _Query_repository(self, _: None, owner: str, name: str) -> Any:
        known = f"{owner}/{name}".lower()
        reader = self._server.repos.get(self._server.moved.get(known, known))
        if reader is None:
            text = f"Could not resolve to a Repository with the name '{owner}/{name}'."
            self.errors.append({"type": "NOT_FOUND", "path": ["repository"], "message": text})
        return reader

    def _Query_nodes(self, _: None, ids: list[str]) -> Any:
        from github_server import node_of

        found = []
        for node in ids:
            repo, sha = node_of(node)
            found.append((self._server.repos[repo.lower()], sha))
        return found

    def _Repository_nameWithOwner(self, reader: Any) -> str:
        return reader.name

    def _Repository_defaultBranchRef(self, reader: Any) -> Any:
        return self._Repository_ref(reader, f"refs/heads/{reader.default_branch}")

    def _Repository_ref(self, reader: Any, qualifiedName: str) -> Any:
        for prefix, refs in (("refs/heads/", reader.branches), ("refs/tags/", reader.tags)):
            if qualifiedName.startswith(prefix) and (sha := refs.get(qualifiedName.removeprefix(prefix))):
                return Ref(reader, prefix, qualifiedName.removeprefix(prefix), sha)
        return None

    def _Repository_refs(
        self, reader: Any, refPrefix: str, first: int, orderBy: dict[str, str] | None = None, after: str = ""
    ) -> dict[str, Any]:
        """The tags by the dates of their commits, as `TAG_COMMIT_DATE` says; those of no commit come last.

        Or the branches by name.
        """
        if refPrefix == "refs/heads/" and orderBy is None:
            branches = [Ref(reader, refPrefix, name, sha) for name, sha in sorted(reader.branches.items())]
            return _connection(branches, first, after)
        orderBy = orderBy or {}
        enums = all(isinstance(value, Enum) for value in orderBy.values())
        if refPrefix != "refs/tags/" or orderBy != {"field": "TAG_COMMIT_DATE", "direction": "DESC"} or not enums:
            raise QueryError(f"refs: {refPrefix} {orderBy}")
        found = [Ref(reader, refPrefix, name, sha) for name, sha in sorted(reader.tags.items())]
        dated = sorted(found, key=lambda ref: reader.tag_date(ref.target), reverse=True)
        return _connection(dated, first, after)

    def _releases(self, reader: Any) -> list[Any]:
        """The releases that are shown, by the dates of their commits, which is when they were "created"."""
        known = self._server.releases.get(reader.name.lower(), [])
        shown = [(reader, one) for one in known if one.at or self._server.pushes]
        return sorted(shown, key=lambda each: reader.tag_date(reader.tags.get(each[1].tag, "")), reverse=True)

    def _Repository_releases(
        self, reader: Any, first: int, orderBy: dict[str, str] | None = None, after: str = ""
    ) -> dict[str, Any]:
        enums = all(isinstance(value, Enum) for value in (orderBy or {}).values())
        if orderBy != {"field": "CREATED_AT", "direction": "DESC"} or not enums:
            raise QueryError(f"releases: {orderBy}")
        return _connection(self._releases(reader), first, after)

    def _Repository_release(self, reader: Any, tagName: str) -> Any:
        return next((each for each in self._releases(reader) if each[1].tag == tagName), None)

    def _Release_tagName(self, release: Any) -> str:
        return release[1].tag

    def _Release_isDraft(self, release: Any) -> bool:
        return release[1].at is None

    def _Release_publishedAt(self, release: Any) -> str | None:
        return stamp(release[1].at) if release[1].at else None

    def _Release_description(self, release: Any) -> str:
        return release[1].body

    def _Release_tagCommit(self, release: Any) -> Any:
        reader, one = release
        sha = reader.peeled(reader.tags[one.tag]) if one.tag in reader.tags else ""
        return (reader, sha) if sha else None

    def _Ref_name(self, ref: Ref) -> str:
        return ref.name

    def _Ref_prefix(self, ref: Ref) -> str:
        return ref.prefix

    def _Ref_target(self, ref: Ref) -> Any:
        return ref.reader.object(ref.target)

    def _Ref_compare(self, ref: Ref, headRef: str) -> Any:
        """A comparison; null where one side is no commit, or nothing is common to both."""
        base, head = ref.reader.peeled(ref.target), ref.reader.resolve(headRef)
        counted = ref.reader.ahead_behind(base, head) if base and head else None
        if counted is None:
            self.errors.append({"type": "NOT_FOUND", "message": f"Could not compare {ref.name} with {headRef}"})
            return None
        ahead, behind = counted
        status = {
            (False, False): "IDENTICAL",
            (True, False): "AHEAD",
            (False, True): "BEHIND",
            (True, True): "DIVERGED",
        }
        return {"status": status[bool(ahead), bool(behind)], "aheadBy": ahead, "behindBy": behind}

    def _Tag_oid(self, tag: Any) -> str:
        return tag.sha

    def _Tag_name(self, tag: Any) -> str:
        return tag.name

    def _Tag_tagger(self, tag: Any) -> Any:
        return {"name": "", "email": "", "date": tag.date, "user": None} if tag.date else None

    def _Tag_target(self, tag: Any) -> Any:
        return tag.reader.object(tag.target)

    def _Repository_object(self, reader: Any, oid: str = "", expression: str = "") -> Any:
        if expression:
            ref, _, path = expression.partition(":")
            text = reader.file(reader.default_branch if ref == "HEAD" else ref, path)
            return None if text is None else {"text": text.decode(errors="replace")}
        return (reader, oid) if oid in reader.commits else None

    def _Commit_id(self, commit: Any) -> str:
        from github_server import node_id

        return node_id(commit[0].name, commit[1])

    def _Commit_oid(self, commit: Any) -> str:
        return commit[1]

    def _Commit_message(self, commit: Any) -> str:
        return commit[0].commits[commit[1]].message

    def _Commit_committedDate(self, commit: Any) -> str:
        return commit[0].commits[commit[1]].committed

    def _Commit_authoredDate(self, commit: Any) -> str:
        return commit[0].commits[commit[1]].authored

    def _Commit_messageHeadline(self, commit: Any) -> str:
        return commit[0].commits[commit[1]].message.partition("\n")[0]

    def _Commit_tree(self, commit: Any) -> dict[str, str]:
        return {"oid": commit[0].commits[commit[1]].tree}

    def _Commit_additions(self, commit: Any) -> int:
        return sum(file.additions for file in commit[0].files(commit[1]))

    def _Commit_deletions(self, commit: Any) -> int:
        return sum(file.deletions for file in commit[0].files(commit[1]))

    def _Commit_changedFilesIfAvailable(self, commit: Any) -> int:
        return len(commit[0].files(commit[1]))

    def _Commit_author(self, commit: Any) -> dict[str, Any]:
        meta = commit[0].commits[commit[1]]
        login = self._server.login(meta.email)
        return {"name": meta.author, "email": meta.email, "user": {"login": login} if login else None}

    def _Commit_parents(self, commit: Any, first: int, after: str = "") -> dict[str, Any]:
        reader, sha = commit
        return _connection([(reader, parent) for parent in reader.commits[sha].parents], first, after)

    def _Commit_history(
        self,
        commit: Any,
        first: int,
        since: str | None = None,
        after: str = "",
        until: str | None = None,
        path: str | None = None,
    ) -> dict[str, Any]:
        reader, sha = commit
        for moment in filter(None, (since, until)):
            if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment):
                raise QueryError(f"since, until: {moment}")
        touching = frozenset(reader.touching(sha, path)) if path is not None else None
        listed = reader.history(sha, since or "", until or "")
        found = [(reader, one) for one in listed if touching is None or one in touching]
        return _connection(found, first, after, f"{sha} ")

    def _Commit_associatedPullRequests(self, commit: Any, first: int, after: str = "") -> dict[str, Any]:
        reader, sha = commit
        found = [(reader, pull) for pull in self._server.pulls_of(reader).values() if pull.landed == sha]
        return _connection(found, first, after)

    def _PullRequest_number(self, pull: Any) -> int:
        return pull[1].number

    def _PullRequest_merged(self, pull: Any) -> bool:
        return bool(pull[1].landed)

    def _PullRequest_title(self, pull: Any) -> str:
        return self._server.title_of(*pull)

    def _PullRequest_body(self, pull: Any) -> str:
        return pull[1].body

    def _PullRequest_repository(self, pull: Any) -> Any:
        return pull[0]

    def _PullRequest_closingIssuesReferences(self, pull: Any, first: int, after: str = "") -> Any:
        """Issues as (number, title, repository); null for one that a token may not read, or for all of them."""
        found = pull[1].issues
        if found is None or None in found:
            text = "Resource not accessible by personal access token"
            self.errors.append({"type": "FORBIDDEN", "message": text})
        names = ("number", "title", "repository")
        made = [issue and dict(zip(names, (*issue[:2], _Named(issue[2])), strict=True)) for issue in found or ()]
        return None if found is None else _connection(made, first, after)

    def _PullRequest_mergeCommit(self, pull: Any) -> Any:
        return (pull[0], pull[1].landed) if pull[1].landed else None

    def _PullRequest_commits(self, pull: Any, first: int, after: str = "") -> dict[str, Any]:
        return {"totalCount": pull[1].commits, "nodes": [], "pageInfo": {}}

    def _PullRequest_labels(self, pull: Any, first: int, after: str = "") -> dict[str, Any]:
        return _connection([{"name": name} for name in pull[1].labels], first, after)

    def _PullRequest_files(self, pull: Any, first: int, after: str = "") -> dict[str, Any]:
        reader, one = pull
        files = [
            {
                "path": file.path,
                "additions": file.additions,
                "deletions": file.deletions,
                "changeType": CHANGE.get(file.status, file.status.upper()),
            }
            for file in reader.files(one.landed, one.base)
        ]
        return _connection(files, first, after)


def _is_a(kind: str, value: Any) -> bool:
    """Whether a value of an interface is of a type."""
    known = {tuple: "Commit", dict: "Blob", Tag: "Tag"}
    return known.get(type(value)) == kind


def _connection(items: list[Any], first: int, after: str | None, cursor: str = "") -> dict[str, Any]:
    """A page of `items`; a cursor names the last of the page before."""
    start = int(after.removeprefix(cursor)) + 1 if after else 0
    page = items[start : start + first]
    more = start + first < len(items)
    end = f"{cursor}{start + len(page) - 1}" if page else None
    return {"totalCount": len(items), "nodes": page, "pageInfo": {"hasNextPage": more, "endCursor": end}}
