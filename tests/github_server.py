"""A GitHub for tests: real HTTP on loopback, answering from real git repositories as docs.github.com describes it.

It is strict: what GitHub does not document (a path, a query parameter, a field of GraphQL) is answered with an error,
written down in `problems`, and raised when the server is left. Faults are queued with `fault`; requests are counted
by kind in `counts`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import jwt
from github_graphql import QueryError, execute
from github_repository import Reader, stamp

API_VERSION = "2022-11-28"
TOKEN = "ghp_test0token1of2the3contract4tests"
ARCHIVE_TOKEN = "ARCHIVE0TOKEN"


@dataclass(frozen=True)
class Fault:
    """What happens to a request instead of an answer.

    With `status` that answer is given; else the answer is `drop`ped with its connection, `cut` in the middle of its
    JSON, or `short`: fewer bytes than it says. With `hang` there is none, with `drip` a byte now and then, until the
    server ends. A `body` of bytes is sent as it is.
    """

    status: int = 0
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    how: str = ""
    body: object = None


@dataclass(frozen=True)
class Pull:
    """A pull request besides those that subjects of the default branch name.

    `landed` is the commit that it was merged as (empty: it is open), `base` what its files are compared with (empty:
    the parent of that), `commits` how many it has, `labels` are its labels. Without a `title` it has that of the
    commit, as GitHub proposes it. `issues` are those it closes, as (number, title, repository); None for one that a
    token may not read, or for all of them.
    """

    number: int
    landed: str = ""
    base: str = ""
    commits: int = 1
    labels: tuple[str, ...] = ()
    title: str = ""
    body: str = ""
    issues: tuple[tuple[int, str, str] | None, ...] | None = ()


LONGEST_NOTES = 125_000
"""Characters that a release may say: "body is too long (maximum is 125000 characters)"."""


@dataclass(frozen=True)
class Published:
    """A release of a tag, with what it says; without a time it is a draft, which only who may push is shown."""

    tag: str
    at: datetime | None = None
    body: str = ""

    def __post_init__(self) -> None:
        assert len(self.body) <= LONGEST_NOTES, "body is too long (maximum is 125000 characters)"


@dataclass(frozen=True)
class App:
    """A GitHub App: its id, the public key of its JWTs, its installation, and how many seconds its tokens live."""

    id: str
    public_key: bytes
    installation: int
    life: int = 3600


@dataclass
class Reply:
    """An answer before it is written."""

    status: int
    body: object
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A request that ends in an error."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.reply = Reply(status, {"message": message, "documentation_url": "https://docs.github.com"}, headers)


NOT_FOUND = "Not Found"
PARAMETERS = {
    "list": {"sha", "path", "author", "committer", "since", "until", "per_page", "page"},
    "commit": {"per_page", "page"},
    "compare": {"per_page", "page"},
    "branches": {"protected", "per_page", "page"},
    "contents": {"ref"},
    "orgs": {"type", "sort", "direction", "per_page", "page"},
    "users": {"type", "sort", "direction", "per_page", "page"},
    "codeload": {"token"},
}
LARGEST_CONTENT = 1024 * 1024
"""Bytes above which the contents of a file are left out (docs.github.com, Get repository content)."""
ROUTES = (
    ("repository", r""),
    ("branches", r"/branches"),
    ("branch", r"/branches/(?P<branch>[^/]+)"),
    ("list", r"/commits"),
    ("commit", r"/commits/(?P<ref>[^/]+)"),
    ("compare", r"/compare/(?P<base>[0-9a-f]{40})\.\.\.(?P<head>[0-9a-f]{40})"),
    ("contents", r"/contents(?:/(?P<path>.+))?"),
    ("pull", r"/pulls/(?P<number>[0-9]+)"),
    ("tarball", r"/tarball/(?P<ref>[^/]+)"),
)
CODELOAD = re.compile(r"/(?P<name>[^/]+/[^/]+)/legacy\.tar\.gz/(?P<ref>[0-9a-f]{40})")


class GitHubServer:
    """`with GitHubServer({"team/app": path}) as server:` serves `server.url` until the block is left.

    `token` is what requests may carry (empty: none is known); `private` repositories need it. `moved` maps former names
    to those of today. With `prefix` the API lies below it as on GitHub Enterprise (`/api/v3`). `logins` maps email
    addresses to accounts, besides the noreply ones. `codeload` is the host that archives are fetched from. `releases`
    are published ones; `pushes` says that the token may push, and is shown drafts. `people` are owners that are no
    organisation, `archived` repositories that take nothing any more.
    """

    def __init__(
        self,
        repos: Mapping[str, Path],
        *,
        token: str = TOKEN,
        app: App | None = None,
        private: Sequence[str] = (),
        moved: Mapping[str, str] | None = None,
        pulls: Mapping[str, Sequence[Pull]] | None = None,
        prefix: str = "",
        logins: Mapping[str, str] | None = None,
        codeload: str = "127.0.0.1",
        releases: Mapping[str, Sequence[Published]] | None = None,
        pushes: bool = False,
        people: Sequence[str] = (),
        archived: Sequence[str] = (),
    ) -> None:
        self.repos = {name.lower(): Reader(name, path) for name, path in repos.items()}
        self.ids = {name.lower(): str(1000 + at) for at, name in enumerate(repos)}
        self.moved = {old.lower(): new.lower() for old, new in (moved or {}).items()}
        self.private = {name.lower() for name in private}
        self.pulls = {name.lower(): {pull.number: pull for pull in given} for name, given in (pulls or {}).items()}
        self.releases = {name.lower(): list(given) for name, given in (releases or {}).items()}
        self.pushes = pushes
        self.people = {name.lower() for name in people}
        self.archived = {name.lower() for name in archived}
        self.app = app
        self.tokens = {token} if token else set()
        self.prefix = prefix
        self.logins = logins or {}
        self.codeload = codeload
        self.problems: list[str] = []
        self.counts: Counter[str] = Counter()
        self.remaining = 5000
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self._faults: dict[str, deque[Fault]] = {}
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"server_state": self}))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        """The API's address."""
        return f"http://127.0.0.1:{self._http.server_address[1]}{self.prefix}"

    @property
    def web(self) -> str:
        """The address of the pages for people."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> GitHubServer:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.ended.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        assert not self.problems or kind is not None, self.problems

    def load(self) -> None:
        """Read the repositories again."""
        for reader in self.repos.values():
            reader.load()

    def fault(self, kind: str, *faults: Fault) -> None:
        """Let the next requests of `kind` fail, each as one of `faults`."""
        self._faults.setdefault(kind, deque()).extend(faults)

    def next_fault(self, kind: str) -> Fault | None:
        """The fault for a request of `kind`, if one is queued."""
        with self.lock:
            queue = self._faults.get(kind)
            return queue.popleft() if queue else None

    def problem(self, text: str) -> None:
        """Write down what a client must not do."""
        self.problems.append(text)

    # --- requests ----------------------------------------------------------------------------

    def answer(self, verb: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[str, Reply]:
        """The kind of a request and the answer to it."""
        address = urlsplit(target)
        kind, found = self._route(verb, address.path)
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        self.counts[kind] += 1
        try:
            self._check_headers(kind, headers)
            known = self._authorized(kind, headers)
            self._check_query(kind, query)
            return kind, getattr(self, f"_{kind}")(known=known, query=query, body=body, headers=headers, **found)
        except Refused as refused:
            return kind, refused.reply
        except Exception as error:
            self.problem(f"{verb} {target}: {error!r}")
            return kind, Reply(500, {"message": "Server Error"})

    def _route(self, verb: str, path: str) -> tuple[str, dict[str, str]]:
        if verb == "POST" and path == f"{self.prefix.removesuffix('/v3')}/graphql":
            return "graphql", {}
        path = path.removeprefix(self.prefix)
        if verb == "POST" and (found := re.fullmatch(r"/app/installations/(?P<installation>\d+)/access_tokens", path)):
            return "token", found.groupdict()
        if verb == "GET" and path == "/rate_limit":
            return "limits", {}
        if verb == "GET" and (found := CODELOAD.fullmatch(path)):
            return "codeload", found.groupdict()
        if verb == "GET" and (found := re.fullmatch(r"/(?P<kind>orgs|users)/(?P<owner>[^/]+)/repos", path)):
            return found["kind"], {"owner": found["owner"]}
        for kind, pattern in ROUTES:
            form = rf"(?:/repos/(?P<name>[^/]+/[^/]+)|/repositories/(?P<number_of>\d+)){pattern}"
            if verb == "GET" and (found := re.fullmatch(form, path)):
                return kind, {key: unquote(value) for key, value in found.groupdict().items() if value is not None}
        self.problem(f"no such path: {verb} {path}")
        return "unknown", {}

    def _unknown(self, **_: object) -> Reply:
        raise Refused(404, NOT_FOUND)

    def _check_headers(self, kind: str, headers: Mapping[str, str]) -> None:
        if not headers.get("user-agent") or "python-requests" in headers["user-agent"]:
            self.problem(f"{kind}: no User-Agent of its own")
            raise Refused(403, "Request forbidden by administrative rules.")
        if kind == "codeload":
            for name in {"authorization", "cookie"} & headers.keys():
                self.problem(f"codeload: {name}")
            return
        if headers.get("x-github-api-version") != API_VERSION:
            self.problem(f"{kind}: X-GitHub-Api-Version {headers.get('x-github-api-version')}")
        if kind not in {"graphql", "token"} and headers.get("accept") != "application/vnd.github+json":
            self.problem(f"{kind}: Accept {headers.get('accept')}")

    def _authorized(self, kind: str, headers: Mapping[str, str]) -> bool:
        """Whether a request carries a known token; a wrong one is refused."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if kind == "token":
            return False
        if scheme and (scheme not in {"token", "Bearer"} or token not in self.tokens):
            raise Refused(401, "Bad credentials")
        if kind == "graphql" and not scheme:
            raise Refused(401, "This endpoint requires you to be authenticated.")
        return bool(scheme)

    def _check_query(self, kind: str, query: dict[str, str]) -> None:
        for name in query.keys() - PARAMETERS.get(kind, set()):
            self.problem(f"{kind}: unknown parameter {name}")
        for name in {"since", "until"} & query.keys():
            if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", query[name]):
                self.problem(f"{kind}: {name}={query[name]}")
        if not 1 <= int(query.get("per_page", 30)) <= 100 or int(query.get("page", 1)) < 1:
            self.problem(f"{kind}: {query}")

    def reader(self, known: bool, name: str = "", number_of: str = "", rest: str = "") -> Reader:
        """The repository asked for, by its name or its number."""
        if number_of:
            name = next((name for name, number in self.ids.items() if number == number_of), "")
        name = name.lower()
        if name in self.moved:
            where = f"{self.url}/repositories/{self.ids[self.moved[name]]}{rest}"
            raise Refused(301, "Moved Permanently", Location=where)
        if name not in self.repos or (name in self.private and not known):
            raise Refused(404, NOT_FOUND)
        return self.repos[name]

    # --- REST --------------------------------------------------------------------------------

    def _token(self, installation: str, headers: Mapping[str, str], **_: object) -> Reply:
        """docs.github.com, Create an installation access token for an app."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        assert self.app is not None
        try:
            claims = jwt.decode(token, self.app.public_key, ["RS256"], options={"require": ["iat", "exp", "iss"]})
        except jwt.InvalidTokenError:
            raise Refused(401, "A JSON web token could not be decoded") from None
        if scheme != "Bearer" or claims["iss"] != self.app.id or claims["exp"] - claims["iat"] > 660:
            raise Refused(401, "'Issuer' claim ('iss') must be an Integer")
        if int(installation) != self.app.installation:
            raise Refused(404, NOT_FOUND)
        made = f"ghs_installation{self.counts['token']}"
        self.tokens.add(made)
        expires = datetime.now(UTC) + timedelta(seconds=self.app.life)
        return Reply(201, {"token": made, "expires_at": stamp(expires), "permissions": {"contents": "read"}})

    def _limits(self, known: bool, **_: object) -> Reply:
        limit = 5_000 if known else 60
        core = {"limit": limit, "used": 7, "remaining": limit - 7, "reset": 1_771_405_200}
        return Reply(200, {"resources": {"core": core}, "rate": core})

    def _orgs(self, known: bool, query: dict[str, str], owner: str, **_: object) -> Reply:
        """docs.github.com, List organization repositories: those that the token may read."""
        if owner.lower() in self.people:
            raise Refused(404, NOT_FOUND)
        return self._owned(known, query, owner, f"/orgs/{owner}/repos")

    def _users(self, query: dict[str, str], owner: str, **_: object) -> Reply:
        """docs.github.com, List repositories for a user: the public ones."""
        return self._owned(False, query, owner, f"/users/{owner}/repos")

    def _owned(self, known: bool, query: dict[str, str], owner: str, path: str) -> Reply:
        seen = [key for key in self.repos if known or key not in self.private]
        found = [self._about(key) for key in seen if key.startswith(f"{owner.lower()}/")]
        if not any(key.startswith(f"{owner.lower()}/") for key in self.repos):
            raise Refused(404, NOT_FOUND)
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        more = f"{self.url}{path}?{urlencode({**query, 'page': page + 1})}"
        links = {"Link": f'<{more}>; rel="next"'} if page * size < len(found) else {}
        return Reply(200, found[(page - 1) * size : page * size], links)

    def _repository(self, known: bool, name: str = "", number_of: str = "", **_: object) -> Reply:
        return Reply(200, self._about(self.reader(known, name, number_of).name.lower()))

    def _about(self, key: str) -> dict[str, object]:
        """What GitHub says of a repository."""
        reader = self.repos[key]
        return {
            "id": int(self.ids[key]),
            "name": reader.name.partition("/")[2],
            "full_name": reader.name,
            "private": key in self.private,
            "html_url": f"{self.web}/{reader.name}",
            "default_branch": reader.default_branch,
            "archived": key in self.archived,
        }

    def _branches(self, known: bool, query: dict[str, str], name: str = "", number_of: str = "", **_: object) -> Reply:
        reader = self.reader(known, name, number_of, "/branches")
        found = [{"name": b, "commit": {"sha": sha}, "protected": False} for b, sha in sorted(reader.branches.items())]
        return self._paged(reader, "/branches", query, found)

    def _branch(self, known: bool, branch: str, name: str = "", number_of: str = "", **_: object) -> Reply:
        reader = self.reader(known, name, number_of, f"/branches/{branch}")
        if branch not in reader.branches:
            raise Refused(404, "Branch not found")
        return Reply(200, {"name": branch, "commit": {"sha": reader.branches[branch]}, "protected": False})

    def _list(self, known: bool, query: dict[str, str], name: str = "", number_of: str = "", **_: object) -> Reply:
        reader = self.reader(known, name, number_of, "/commits")
        if not reader.branches:
            raise Refused(409, "Git Repository is empty.")
        tip = reader.resolve(query.get("sha") or reader.default_branch)
        if not tip:
            raise Refused(404, NOT_FOUND)
        shas = reader.history(tip, query.get("since", ""), query.get("until", ""), query.get("path", ""))
        return self._paged(reader, "/commits", query, [self._rest(reader, sha) for sha in shas])

    def _commit(
        self, known: bool, ref: str, query: dict[str, str], name: str = "", number_of: str = "", **_: object
    ) -> Reply:
        reader = self.reader(known, name, number_of, f"/commits/{ref}")
        if not reader.branches:
            raise Refused(409, "Git Repository is empty.")
        sha = reader.resolve(ref)
        if not sha:
            raise Refused(422, f"No commit found for SHA: {ref}")
        files = reader.files(sha)[:3000]
        size = int(query.get("per_page", 300))
        page = self._paged(reader, f"/commits/{ref}", query, [f.rest() for f in files], size)
        total = {"additions": sum(f.additions for f in files), "deletions": sum(f.deletions for f in files)}
        stats = {**total, "total": sum(total.values())}
        return Reply(200, {**self._rest(reader, sha), "stats": stats, "files": page.body}, page.headers)

    def _compare(
        self, known: bool, base: str, head: str, query: dict[str, str], name: str = "", number_of: str = "", **_: object
    ) -> Reply:
        reader = self.reader(known, name, number_of, f"/compare/{base}...{head}")
        if not reader.resolve(base) or not reader.resolve(head):
            raise Refused(404, NOT_FOUND)
        counted = reader.ahead_behind(base, head)
        if counted is None:
            raise Refused(404, f"No common ancestor between {base} and {head}.")
        status = {(0, 0): "identical", (1, 0): "ahead", (0, 1): "behind"}.get(tuple(map(bool, counted)), "diverged")
        shas = reader.between(base, head)
        commits = [self._rest(reader, sha) for sha in shas]
        paged = query.keys() & {"page", "per_page"}
        page = self._paged(reader, f"/compare/{base}...{head}", query, commits) if paged else Reply(200, commits[-250:])
        body = {
            "status": status,
            "ahead_by": len(shas),
            "behind_by": counted[1],
            "total_commits": len(shas),
            "commits": page.body,
        }
        if int(query.get("page", 1)) == 1:
            body["files"] = [file.rest() for file in reader.files(head, base)[:300]]
        return Reply(200, body, page.headers)

    def _contents(
        self, known: bool, query: dict[str, str], path: str = "", name: str = "", number_of: str = "", **_: object
    ) -> Reply:
        """docs.github.com, Get repository content: of a folder, or of a file with its content."""
        reader = self.reader(known, name, number_of, f"/contents/{path}")
        ref = query.get("ref", reader.default_branch)
        found = reader.folder(ref, path)
        if found is None:
            held, mode = reader.file(ref, path), reader.mode(ref, path)
            if mode == "160000":
                return Reply(200, {"type": "submodule", "path": path, "sha": ""})
            if mode == "120000" and held is not None:
                target = os.path.normpath(os.path.join(os.path.dirname(path), held.decode()))
                held = reader.file(ref, target)
                if held is None:  # else GitHub answers with what the link points at
                    return Reply(200, {"type": "symlink", "path": path, "sha": "", "target": target})
            if held is None:
                raise Refused(404, NOT_FOUND)
            small = len(held) <= LARGEST_CONTENT
            content = base64.encodebytes(held).decode() if small else ""
            encoding = "base64" if small else "none"
            return Reply(200, {"type": "file", "path": path, "sha": "", "encoding": encoding, "content": content})
        return Reply(200, [{"type": "file", "path": entry, "sha": blob} for entry, blob in found[:1000]])

    def _tarball(self, known: bool, ref: str, name: str = "", number_of: str = "", **_: object) -> Reply:
        """docs.github.com, Download a repository archive: where it is; of a private one with a token of its own."""
        reader = self.reader(known, name, number_of, f"/tarball/{ref}")
        sha = reader.resolve(ref)
        if not sha:
            raise Refused(404, NOT_FOUND)
        secret = f"?token={ARCHIVE_TOKEN}" if reader.name.lower() in self.private else ""
        port = self._http.server_address[1]
        where = f"http://{self.codeload}:{port}/{reader.name}/legacy.tar.gz/{sha}{secret}"
        return Reply(302, {}, {"Location": where})

    def _codeload(self, ref: str, query: dict[str, str], name: str, **_: object) -> Reply:
        """The archive, whose paths lie in a folder named after owner, repository and commit."""
        reader = self.reader(query.get("token") == ARCHIVE_TOKEN, name)
        return Reply(200, reader.archive(ref, f"{reader.name.replace('/', '-')}-{ref[:7]}/"))

    def _pull(self, known: bool, number: str, name: str = "", number_of: str = "", **_: object) -> Reply:
        reader = self.reader(known, name, number_of, f"/pulls/{number}")
        pull = self.pulls_of(reader).get(int(number))
        if pull is None:
            raise Refused(404, NOT_FOUND)
        # An open pull request holds the SHA of a test merge here (docs.github.com, Get a pull request).
        landed = pull.landed or "f" * 40
        told = {"title": self.title_of(reader, pull), "body": pull.body or None}
        labels = [{"id": at, "name": name, "color": "ededed"} for at, name in enumerate(pull.labels)]
        merged = {"merged": bool(pull.landed), "merge_commit_sha": landed}
        return Reply(200, {"number": pull.number, **told, "labels": labels, **merged})

    @staticmethod
    def title_of(reader: Reader, pull: Pull) -> str:
        """The title of a pull request: its own, else that of the commit which it landed as."""
        lines = reader.commits[pull.landed].message.split("\n") if pull.landed else []
        told = [line for line in lines if line.strip() and not line.startswith("Merge pull request ")]
        return pull.title or (told or ["A pull request"])[0].removesuffix(f" (#{pull.number})")

    def pulls_of(self, reader: Reader) -> dict[int, Pull]:
        """The pull requests of a repository: those that subjects name, and those that were given."""
        named = {number: Pull(number, sha, commits=count) for number, (sha, count) in reader.pulls.items()}
        return named | self.pulls.get(reader.name.lower(), {})

    def login(self, email: str) -> str | None:
        """The account of an email address."""
        found = re.match(r"^\d+\+([^@]+)@users\.noreply\.", email)
        return self.logins.get(email) or (found.group(1) if found else None)

    def _rest(self, reader: Reader, sha: str) -> dict[str, Any]:
        meta = reader.commits[sha]
        login = self.login(meta.email)
        return {
            "sha": sha,
            "node_id": node_id(reader.name, sha),
            "commit": {
                "message": meta.message,
                "tree": {"sha": meta.tree},
                "author": {"name": meta.author, "email": meta.email, "date": meta.authored},
                "committer": {"name": meta.author, "email": meta.email, "date": meta.committed},
            },
            "author": {"login": login, "type": "User"} if login else None,
            "parents": [{"sha": parent} for parent in meta.parents],
        }

    def _paged(self, reader: Reader, path: str, query: dict[str, str], items: list[Any], default: int = 30) -> Reply:
        """docs.github.com, Using pagination in the REST API: `Link` headers name the repository by its number."""
        size, page = int(query.get("per_page", default)), int(query.get("page", 1))
        last = max(1, -(-len(items) // size))
        links = []
        for rel, number in (("prev", page - 1), ("next", page + 1), ("last", last)):
            if 1 <= number <= last and last > 1 and not (rel == "last" and page == last):
                address = f"{self.url}/repositories/{self.ids[reader.name.lower()]}{path}"
                links.append(f'<{address}?{urlencode({**query, "page": number})}>; rel="{rel}"')
        return Reply(200, items[(page - 1) * size : page * size], {"Link": ", ".join(links)} if links else {})

    # --- GraphQL -----------------------------------------------------------------------------

    def _graphql(self, body: bytes, **_: object) -> Reply:
        asked = json.loads(body)
        try:
            data, errors = execute(asked["query"], asked["variables"], self)
        except QueryError as error:
            self.problem(f"graphql: {error}")
            return Reply(200, {"errors": [{"message": str(error)}]})
        return Reply(200, {"data": data, **({"errors": errors} if errors else {})})


def node_id(repo: str, sha: str) -> str:
    """The id of a commit in GraphQL, opaque to clients."""
    return "C_" + base64.urlsafe_b64encode(f"{repo}:{sha}".encode()).decode()


def node_of(node: str) -> tuple[str, str]:
    """Repository and SHA of an id."""
    repo, _, sha = base64.urlsafe_b64decode(node.removeprefix("C_")).decode().partition(":")
    return repo, sha


class _Handler(BaseHTTPRequestHandler):
    """Reads requests and writes answers, with the headers that every answer of GitHub has."""

    server_state: GitHubServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._handle(b"")

    def do_POST(self) -> None:
        self._handle(self.rfile.read(int(self.headers["Content-Length"])))

    def _handle(self, body: bytes) -> None:
        state = self.server_state
        headers = {name.lower(): value for name, value in self.headers.items()}
        with state.lock:
            kind, reply = state.answer(self.command, self.path, headers, body)
        fault = state.next_fault(kind)
        if fault and fault.status:
            reply = Reply(fault.status, fault.body or {"message": fault.message}, dict(fault.headers))
        self._write(reply, headers, fault.how if fault else "")

    def _write(self, reply: Reply, headers: Mapping[str, str], how: str) -> None:
        state = self.server_state
        if how == "hang":
            state.ended.wait()
        if how in {"drop", "hang"}:
            self.close_connection = True
            return
        text = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        etag = f'W/"{hashlib.sha256(text).hexdigest()}"'
        unchanged = self.command == "GET" and reply.status == 200 and headers.get("if-none-match") == etag
        if unchanged:
            reply, text = Reply(304, None, reply.headers), b""
            state.counts["unchanged"] += 1
        if not (unchanged and "authorization" in headers) and not isinstance(reply.body, bytes):
            state.remaining -= 1
        text = text[: len(text) // 2] if how == "cut" else text
        self.send_response(reply.status)
        kind = "application/x-gzip" if isinstance(reply.body, bytes) else "application/json; charset=utf-8"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text) + (100 if how == "short" else 0)))
        if self.command == "GET" and reply.status in {200, 304}:
            self.send_header("ETag", etag)
        limits = {"Limit": "5000", "Remaining": str(state.remaining), "Reset": str(int(time.time()) + 3600)}
        for name, value in limits.items():
            if f"x-ratelimit-{name.lower()}" not in {given.lower() for given in reply.headers}:
                self.send_header(f"X-RateLimit-{name}", value)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if how == "drip":
            self._drip(text)
            return
        self.wfile.write(text)
        self.wfile.flush()
        self.close_connection = how == "short"

    def _drip(self, text: bytes) -> None:
        self.close_connection = True
        with suppress(OSError):
            for at in range(len(text) - 1):
                if self.server_state.ended.wait(0.02):
                    break
                self.wfile.write(text[at : at + 1])
                self.wfile.flush()
            self.server_state.ended.wait()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
