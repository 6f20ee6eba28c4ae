"""Code hosts: their kinds, the addresses of their pages, and parsing pasted addresses. Pure.

The only module that knows hosts. Addresses are untrusted: anything that is not a repository's address is None, never an
error, and unknown forms get no links.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import unquote, urlsplit

from bot.errors import ConfigError
from bot.settings import Settings
from bot.values import Links


class Kind(StrEnum):
    """The software of a host; the values are those of the setting `DIGEST_HOSTS`."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEE = "gitee"
    GITEA = "gitea"
    FORGEJO = "forgejo"
    BITBUCKET = "bitbucket"
    BITBUCKET_SERVER = "bitbucket-server"
    AZURE = "azure"
    GITILES = "gitiles"
    GERRIT = "gerrit"
    CGIT = "cgit"
    SOURCEHUT = "sourcehut"


# --- Where pages lie -------------------------------------------------------------------------

_GITEA = Links(
    "{web}/commit/{sha}",
    "{web}/pulls/{number}",
    "{web}/src/commit/{sha}/{path}",
    "#L{line}",
    tag="{web}/src/tag/{name}",
    lines="#L{line}-L{last}",
)
_GITILES = Links("{web}/+/{sha}", "", "{web}/+/{sha}/{path}", "#{line}", tag="{web}/+/refs/tags/{name}")
_FORMS = {
    # docs.github.com, "Getting permanent links to files"; "Autolinked references and URLs": `#26`; "Linking to
    # releases", of which every tag has a page.
    Kind.GITHUB: Links(
        "{web}/commit/{sha}",
        "{web}/pull/{number}",
        "{web}/blob/{sha}/{path}",
        "#L{line}",
        tag="{web}/releases/tag/{name}",
        lines="#L{line}-L{last}",
    ),
    # docs.gitlab.com, "GitLab Flavored Markdown", references (`!123`), "File management", permalinks, and "Tags".
    Kind.GITLAB: Links(
        "{web}/-/commit/{sha}",
        "{web}/-/merge_requests/{number}",
        "{web}/-/blob/{sha}/{path}",
        "#L{line}",
        "!",
        "{web}/-/tags/{name}",
        "#L{line}-{last}",
    ),
    # help.gitee.com, "Pull Request": pages below /pulls, written `!129` in comments and in merge commits.
    Kind.GITEE: Links(
        "{web}/commit/{sha}",
        "{web}/pulls/{number}",
        "{web}/blob/{sha}/{path}",
        "#L{line}",
        "!",
        lines="#L{line}-L{last}",
    ),
    # docs.gitea.com, "Automatically linked references", and forgejo.org, "Linked references"; routers/web/web.go of
    # both has the page of a file at a commit.
    Kind.GITEA: _GITEA,
    Kind.FORGEJO: _GITEA,
    # support.atlassian.com, Bitbucket Cloud, "Hyperlink to source code": the fragment of a line is `#lines-N`.
    Kind.BITBUCKET: Links(
        "{web}/commits/{sha}",
        "{web}/pull-requests/{number}",
        "{web}/src/{sha}/{path}",
        "#lines-{line}",
        lines="#lines-{line}:{last}",
    ),
    # confluence.atlassian.com, Bitbucket Data Center, "Linking to source code": the fragment of a line is its number.
    Kind.BITBUCKET_SERVER: Links(
        "{web}/commits/{sha}",
        "{web}/pull-requests/{number}",
        "{web}/browse/{path}?at={sha}",
        "#{line}",
        lines="#{line}-{last}",
    ),
    # learn.microsoft.com, Azure DevOps, "Use Markdown in Azure DevOps": `!` stands before a pull request. A version is
    # `GC` and a SHA; a line is shown only where its columns are named too, as the page's own "Copy link" does.
    Kind.AZURE: Links(
        "{web}/commit/{sha}",
        "{web}/pullrequest/{number}",
        "{web}?path=/{path}&version=GC{sha}",
        "&line={line}&lineEnd={line}&lineStartColumn=1&lineEndColumn=999",
        "!",
        lines="&line={line}&lineEnd={last}&lineStartColumn=1&lineEndColumn=999",
    ),
    # gerrit.googlesource.com/gitiles, "Markdown" and the pages themselves: `/+/` separates repository and revision.
    # Changes are Gerrit's: gerrit-review.googlesource.com, "User Guide": `/c/PROJECT/+/NUMBER`.
    Kind.GITILES: _GITILES,
    Kind.GERRIT: _GITILES,
    # git.zx2c4.com/cgit, cgitrc(5) and ui-shared.c: pages are folders below the repository, a line is `#nN`.
    Kind.CGIT: Links("{web}/commit/?id={sha}", "", "{web}/tree/{path}?id={sha}", "#n{line}"),
    # man.sr.ht, "git.sr.ht"; changes are letters to a mailing list and have no number.
    Kind.SOURCEHUT: Links("{web}/commit/{sha}", "", "{web}/tree/{sha}/item/{path}", "#L{line}"),
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a repository is: the `kind` of its host (None: unknown), and its `path` below the host's `root`.

    `title` is what people call it, `clone` what git clones over http(s), and `review` the address of its changes, if
    that is a Gerrit next to it.
    """

    kind: Kind | None
    root: str
    path: str
    title: str
    clone: str
    review: str = ""

    @property
    def web(self) -> str:
        """The repository's web page."""
        return f"{self.root}/{self.path}"

    @property
    def key(self) -> str:
        """A key that is the same for all forms of a repository's address."""
        return self.web.partition("://")[2].lower()

    @property
    def typed(self) -> str:
        """The address as people would type it, which `Hosts.page` parses back."""
        plain = self.web.removeprefix("https://")
        return plain if self.kind else self.web

    @property
    def links(self) -> Links:
        """The links to its pages; empty on an unknown kind of host."""
        return links(self.kind, self.web, self.review)


def links(kind: Kind | None, web: str, review: str = "") -> Links:
    """The links to the pages of the repository at `web` on a host of a `kind`; empty without a kind.

    With `review`, changes are in a Gerrit below that address.
    """
    if kind is None:
        return Links()
    form = _FORMS[kind]
    change = f"{review}/+/{{number}}" if review else form.change
    pages = (form.commit, change, form.file, form.tag)
    commit, change, file, tag = (page.replace("{web}", web) for page in pages)
    return replace(form, commit=commit, change=change, file=file, tag=tag)


# --- Which host it is ------------------------------------------------------------------------

_HOSTS = {
    "github.com": Kind.GITHUB,
    "gitlab.com": Kind.GITLAB,
    "salsa.debian.org": Kind.GITLAB,
    "framagit.org": Kind.GITLAB,
    "invent.kde.org": Kind.GITLAB,
    "code.videolan.org": Kind.GITLAB,
    "gitee.com": Kind.GITEE,
    "gitea.com": Kind.GITEA,
    "opendev.org": Kind.GITEA,
    "codeberg.org": Kind.FORGEJO,
    "code.forgejo.org": Kind.FORGEJO,
    "bitbucket.org": Kind.BITBUCKET,
    "dev.azure.com": Kind.AZURE,
    "git.kernel.org": Kind.CGIT,
    "git.sr.ht": Kind.SOURCEHUT,
}
_DOMAINS = {"visualstudio.com": Kind.AZURE, "googlesource.com": Kind.GITILES, "ghe.com": Kind.GITHUB}
"""Domains with hosts of only one kind; GHE.com is GitHub Enterprise Cloud with data residency."""
_LABELS = {
    "github": Kind.GITHUB,
    "gitlab": Kind.GITLAB,
    "gitea": Kind.GITEA,
    "forgejo": Kind.FORGEJO,
    "bitbucket": Kind.BITBUCKET_SERVER,
    "stash": Kind.BITBUCKET_SERVER,
    "cgit": Kind.CGIT,
}
"""The kind of a self-hosted host, by the first label of its name. Not Gerrit: the name does not say where its pages
are.
"""
_DOORS = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
    "ssh.dev.azure.com": "dev.azure.com",
    "gitolite.kernel.org": "git.kernel.org",
    "review.opendev.org": "opendev.org",
}
"""Hosts that git or reviewers go to, and those with the web pages: the hosts' own pages on SSH over the HTTPS port."""
_PORTS = {"http": 80, "https": 443}
_STASH_PORT = 7999
"""Bitbucket Data Center's default port (confluence.atlassian.com, "Enable SSH access to Git repositories")."""


def _known(host: str) -> Kind | None:
    """The kind of a host, by its name alone."""
    domain = ".".join(host.split(".")[-2:])
    label = host.partition(".")[0] if "." in host else ""
    return _HOSTS.get(host) or (_DOMAINS.get(domain) if host != domain else None) or _LABELS.get(label)


def _is_public(host: str) -> bool:
    """Whether a host is a well-known public one, all of which support https."""
    return host in _HOSTS or ".".join(host.split(".")[-2:]) in _DOMAINS


# --- Taking an address apart -----------------------------------------------------------------

_LONGEST = 2_000
_LAST_PORT = 65_535
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = rf"(?P<host>(?:{_LABEL}\.){{0,9}}{_LABEL})(?::(?P<port>\d{{1,5}}))?"
_TAIL = r"(?P<path>/[^\s?#\\]*)(?P<query>\?[^\s#\\]*)?(?P<mark>#\S*)?"
_FLAGS = re.IGNORECASE | re.ASCII  # without ASCII the Kelvin sign is a k, and a long s is an s
_URL = re.compile(rf"(?P<scheme>(?:git\+)?(?:https?|ssh)|git)://(?:(?P<user>[^\s/?#\\]*)@)?{_HOST}{_TAIL}", _FLAGS)
_SHORT = re.compile(rf"(?P<user>[\w.-]{{1,100}})@(?P<host>(?:{_LABEL}\.){{0,9}}{_LABEL}):(?P<path>[^\s?#:\\]+)", _FLAGS)
_BARE = re.compile(rf"(?:git@)?{_HOST}{_TAIL}", _FLAGS)
_GIT = {"http", "https", "ssh"}
"""Schemes that git supports and we allow for clones."""
_PART = re.compile(r"[\w.~+%-]{1,200}", re.ASCII)
_NAME = re.compile(r"[\w-]{1,100}/(?!\.{1,2}$)[\w.-]{1,100}", re.ASCII)
_AROUND = ".,;:!?()[]{}<>'\"`*"
"""Characters around an address in a sentence that are not part of it."""


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A parsed address; `scheme` may be empty. `plain` says that git would clone it unchanged."""

    scheme: str
    user: str
    host: str
    port: int | None
    parts: tuple[str, ...]
    query: str
    plain: bool

    @property
    def by_ssh(self) -> bool:
        """Whether it is an ssh address, so that port and user are not a web page's."""
        return self.scheme in {"ssh", "git"}


def _parsed(text: str) -> _Parsed | None:
    """The parts of what may be an address."""
    if len(text) > _LONGEST:
        return None
    found = _URL.fullmatch(text) or _SHORT.fullmatch(text) or _BARE.fullmatch(text)
    if not found:
        return None
    said = {name: value or "" for name, value in found.groupdict().items()}
    port = int(said.get("port") or 0)
    parts = tuple(filter(None, said["path"].split("/")))
    if port > _LAST_PORT or any(unquote(part) in {".", ".."} for part in parts):
        return None
    scheme = "ssh" if found.re is _SHORT else said.get("scheme", "").lower()
    query, mark = said.get("query", ""), said.get("mark", "")
    plain = scheme in _GIT and not query and not mark
    host = said["host"].lower()
    return _Parsed(scheme.removeprefix("git+"), said.get("user", ""), host, port or None, parts, query, plain)


_ALIAS = re.compile(r"^(github\.com|gitlab\.com|bitbucket\.org|gitee\.com)[-.][\w-]{1,60}$", re.ASCII)
"""An alias for a second account in ~/.ssh/config: docs.github.com, "Managing multiple accounts"."""


def _web_host(parsed: _Parsed) -> str:
    """The host of the web pages, if git or reviews have hosts of their own."""
    host = _ALIAS.sub(r"\1", parsed.host.removeprefix("www.")) if parsed.by_ssh else parsed.host.removeprefix("www.")
    if host == "vs-ssh.visualstudio.com":
        # learn.microsoft.com, Azure DevOps, "Use SSH key authentication": the organization is the user's name there.
        return "dev.azure.com" if parsed.parts[:1] == ("v3",) else f"{parsed.user.lower()}.visualstudio.com"
    if host.endswith("-review.googlesource.com"):
        return host.replace("-review.", ".")
    return _DOORS.get(host, host if host in _HOSTS else parsed.host)


# --- Where the repository ends ---------------------------------------------------------------

_OWNED = {Kind.GITHUB, Kind.GITEE, Kind.GITEA, Kind.FORGEJO, Kind.BITBUCKET, Kind.SOURCEHUT}
"""Kinds of hosts where a repository is an owner and a name."""
_NO_OWNERS = {"orgs", "groups", "settings", "topics", "marketplace", "explore"}
"""First path parts of pages that are not repositories."""
_CHANGES = ("pull", "pulls", "merge_requests", "pull-requests", "pullrequest")
_COMMITS = ("commit", "commits")
_PAGES = {*_CHANGES, *_COMMITS, "tree", "blob", "raw", "src", "blame", "browse", "issues", "branches", "tags"}
_CGIT_PAGES = {"about", "atom", "blame", "commit", "diff", "log", "patch", "plain", "refs", "snapshot", "stats", "tree"}


@dataclass(frozen=True, slots=True)
class _Cut:
    """A split path: the part before the repository, the repository's web path, and the part below it."""

    before: Sequence[str]
    repo: Sequence[str]
    rest: Sequence[str]


def _cut(kind: Kind | None, parts: Sequence[str], *, whole: bool) -> _Cut | None:
    """Split a path where the repository ends; `whole` means a remote's path, with nothing after the repository."""
    if kind is Kind.AZURE:
        return _cut_azure(parts)
    if kind is Kind.BITBUCKET_SERVER:
        return _cut_bitbucket(parts)
    if kind in {Kind.GITILES, Kind.GERRIT} or (kind in {Kind.GITEA, None} and _is_review(parts)):
        return _cut_gerrit(parts)
    if parts[:1] and parts[0] in _NO_OWNERS:
        return None
    if kind in _OWNED:
        return _Cut((), parts[:2], parts[2:])
    end = len(parts) if whole else _end(kind, parts)
    # GitLab has `-` between a project and its pages, to distinguish them from groups.
    return _Cut((), parts[:end], [part for part in parts[end:] if part != "-"])


def _end(kind: Kind | None, parts: Sequence[str]) -> int:
    """After how many parts of a path the repository ends, on a host with nested groups."""
    if kind is Kind.CGIT:
        git = (n + 1 for n, part in enumerate(parts) if part.endswith(".git"))
        return next(git, next((n for n, part in enumerate(parts) if n and part in _CGIT_PAGES), len(parts)))
    if "-" in parts:
        return parts.index("-")
    return next((n for n, part in enumerate(parts) if n > 1 and part in _PAGES), len(parts))


def _cut_azure(parts: Sequence[str]) -> _Cut | None:
    """`org/project/_git/name`; over ssh `v3/org/project/name`, or `_ssh` for `_git`."""
    if parts[:1] == ("v3",):
        return _Cut((), (*parts[1:3], "_git", *parts[3:4]), parts[4:]) if len(parts) > 3 else None
    named = ["_git" if part == "_ssh" else part for part in parts]
    end = named.index("_git") + 2 if "_git" in named[:-1] else 0
    return _Cut((), named[:end], named[end:]) if end else None


def _cut_bitbucket(parts: Sequence[str]) -> _Cut | None:
    """`projects/KEY/repos/name`, `users/name/repos/name`, or what git clones: `scm/KEY/name`, over ssh `KEY/name`."""
    if "scm" in parts[:-2]:
        start = parts.index("scm")
        before, (key, name), rest = parts[:start], parts[start + 1 : start + 3], parts[start + 3 :]
    elif _is_bitbucket(parts):
        at = parts.index("repos")
        before, name, rest = parts[: at - 2], parts[at + 1], parts[at + 2 :]
        key = f"~{parts[at - 1].lstrip('~')}" if parts[at - 2] == "users" else parts[at - 1]
    elif len(parts) == 2:
        before, (key, name), rest = (), parts, ()
    else:
        return None
    place = ("users", key[1:]) if key.startswith("~") else ("projects", key)
    return _Cut(before, (*place, "repos", name), rest)


def _is_bitbucket(parts: Sequence[str]) -> bool:
    at = parts.index("repos") if "repos" in parts[:-1] else 0
    return at > 1 and parts[at - 2] in {"projects", "users"}


def _is_review(parts: Sequence[str]) -> bool:
    """Whether a path is that of a Gerrit's change: `c/PROJECT/+/NUMBER`."""
    return "+" in parts[2:-1] and (parts[:1] == ("c",) or parts[:2] == ("r", "c"))


def _cut_gerrit(parts: Sequence[str]) -> _Cut:
    """`PROJECT/+/…`, `plugins/gitiles/PROJECT/+/…`, and a change's `c/PROJECT/+/NUMBER`.

    `/a/` asks for a password (gerrit-review.googlesource.com, "REST API", authentication). `/r/` is common for Gerrits
    that share their host with other services.
    """
    before = parts[:1] if parts[:1] == ("r",) else ()
    parts = parts[len(before) :]
    parts = parts[1:] if parts[:1] == ("a",) else parts
    changed = parts[:1] == ("c",)
    parts = parts[1:] if changed else parts[2:] if parts[:2] == ("plugins", "gitiles") else parts
    end = next((n for n, part in enumerate(parts) if part.startswith("+")), len(parts))
    below = parts[end + 1 :] if changed or len(parts) - end == 2 else ()
    return _Cut(before, parts[:end], (_CHANGES[0] if changed else _COMMITS[0], *below) if parts[end:] else ())


def _shape(parsed: _Parsed) -> Kind | None:
    """The kind of an unknown host, if an address can only be of that kind."""
    parts = parsed.parts
    if "_git" in parts[:-1]:
        return Kind.AZURE
    over_http = parts[-3:-2] == ("scm",) and not parsed.by_ssh
    over_ssh = parsed.by_ssh and parsed.port == _STASH_PORT and len(parts) == 2
    return Kind.BITBUCKET_SERVER if over_http or over_ssh or _is_bitbucket(parts) else None


# --- Making the address ----------------------------------------------------------------------


def _address(kind: Kind | None, root: str, cut: _Cut) -> Address | None:
    """The address of a repository; None if the path cannot be one on such a host."""
    *folders, last = cut.repo or [""]
    name = last.removesuffix(".git")
    least = 1 if kind in {Kind.CGIT, Kind.GITILES, Kind.GERRIT} else 2
    if len(cut.repo) < least or not name or not all(map(_PART.fullmatch, (*cut.before, *cut.repo))):
        return None
    root = "/".join((root, *cut.before))
    path = "/".join((*folders, last if kind is Kind.CGIT else name))
    return replace(_placed(kind, root, path), title=_title(kind, (*folders, name)))


def _placed(kind: Kind | None, root: str, path: str) -> Address:
    """A repository's address, with those for cloning and reviews."""
    plain = Address(kind, root, path, "", f"{root}/{path}")
    host = root.partition("://")[2]
    if kind is Kind.BITBUCKET_SERVER:
        place, key, _, name = path.split("/")
        return replace(plain, clone=f"{root}/scm/{'~' if place == 'users' else ''}{key}/{name}.git")
    if kind is Kind.GERRIT:
        return replace(plain, path=f"plugins/gitiles/{path}", review=f"{root}/c/{path}")
    if host == "opendev.org":
        return replace(plain, review=f"https://review.opendev.org/c/{path}")
    if kind is Kind.GITILES and host.endswith(".googlesource.com"):
        return replace(plain, review=f"https://{host.replace('.', '-review.', 1)}/c/{path}")
    return plain


def _title(kind: Kind | None, parts: Sequence[str]) -> str:
    """What people call a repository."""
    if kind is Kind.AZURE:
        return "/".join(part for part in parts if part not in {"_git", "DefaultCollection"})
    if kind is Kind.BITBUCKET_SERVER:
        return f"{'~' if parts[0] == 'users' else ''}{parts[1]}/{parts[3]}"
    # git.kernel.org has its repositories below this folder, which is not part of their names.
    return "/".join(parts[2:] if kind is Kind.CGIT and tuple(parts[:2]) == ("pub", "scm") and len(parts) > 3 else parts)


# --- What an address says --------------------------------------------------------------------

_NUMBER = re.compile(r"(\d{1,9})(?:\.patch|\.diff)?", _FLAGS)
_SHA = re.compile(r"([0-9a-f]{7,64})(?:\^!?|%5e%21|\.patch|\.diff)?", _FLAGS)
_ID = re.compile(r"[?&;]id=([0-9a-f]{7,64})(?![\w-])", _FLAGS)


@dataclass(frozen=True, slots=True)
class Page:
    """A parsed address of a pull request (`number`), a commit (`sha`), or only a repository.

    `plain` says that it names only a repository, in a form that git would clone.
    """

    repository: Address
    number: int | None = None
    sha: str = ""
    plain: bool = False


def _subject(rest: Sequence[str], query: str) -> tuple[int | None, str]:
    """The number or the SHA in the path of a page below a repository.

    A commit in a pull request means the pull request: that is what lands, and what a digest has an entry for.
    """
    word, what = (*rest, "", "")[:2]
    if word in _CHANGES and (number := _NUMBER.fullmatch(what)):
        return int(number[1]), ""
    # Only cgit has a commit in the query: `commit/PATH?id=SHA`.
    found = (_SHA.fullmatch(what) or _ID.search(query)) if word in _COMMITS else None
    return None, found[1].lower() if found else ""


@dataclass(frozen=True, slots=True)
class Hosts:
    """The known hosts: public ones, and those that the operator has `named` (`host`, `host:port`).

    `github` is the host whose repositories are called `owner/name`.
    """

    named: Mapping[str, Kind] = field(default_factory=dict)
    github: str = "github.com"

    def page(self, text: str) -> Page | None:
        """Parse an address in any form: with or without `https://`, as git accepts it, or of a page.

        None if it is not a repository's address. Without a scheme it must be on a known host, since it could be a path
        as well.
        """
        parsed = _parsed(text.strip(_AROUND))
        if parsed is None:
            return None
        kind, root = self._host(parsed)
        cut = _cut(kind, parsed.parts, whole=False) if parsed.scheme or (kind and "." in parsed.host) else None
        address = _address(kind, root, cut) if cut else None
        if not cut or not address:
            return None
        number, sha = _subject(cut.rest, parsed.query)
        return Page(address, number, sha, plain=parsed.plain and not cut.rest)

    def remote(self, url: str) -> Address | None:
        """The web address of the repository that git clones from `url`; None if its pages are unknown.

        An ssh port is never a web page's, an http one always is.
        """
        parsed = _parsed(url)
        if parsed is None or (parsed.by_ssh and "." not in parsed.host):
            return None  # a name without a dot is from ~/.ssh/config
        kind, root = self._host(parsed)
        cut = _cut(kind, parsed.parts, whole=True)
        return _address(kind, root, cut) if cut and not cut.rest else None

    def names(self, address: Address) -> tuple[str, ...]:
        """The names under which a source reads the repository at an address, the best one first."""
        clones = (address.clone.removesuffix(".git"), f"{address.clone.removesuffix('.git')}.git")
        clones = clones if clones[0] == address.clone else clones[::-1]
        return (address.path, *clones) if address.root.partition("://")[2] == self.github else clones

    def is_name(self, text: str) -> bool:
        """Whether a text has the form of GitHub's `owner/name`."""
        return bool(_NAME.fullmatch(text))

    def group(self, text: str) -> str:
        """GitHub's group that a text names, `owner/*` or `owner/team-*`, also by its address; empty for none."""
        rest = text.partition("://")[2] or text
        rest = rest[len(self.github) + 1 :] if rest.lower().startswith(f"{self.github}/") else text
        return rest if rest.endswith("*") and self.is_name(f"{rest[:-1]}x") else ""

    def key(self, name: str) -> str:
        """A key that is the same for all forms of a repository's address and its name; empty for a local path."""
        if self.is_name(name):
            return f"{self.github}/{name.removesuffix('.git')}".lower()
        page = self.page(name)
        return page.repository.key if page else ""

    def _host(self, parsed: _Parsed) -> tuple[Kind | None, str]:
        """The kind of a host, and the root of its web pages."""
        host = _web_host(parsed)
        port = None if parsed.port == _PORTS.get(parsed.scheme or "https") or parsed.by_ssh else parsed.port
        named = {self.github: Kind.GITHUB, **self.named}
        place = f"{host}:{port}" if port else host
        if parsed.by_ssh and place not in named:
            # The setting has the port of the web pages, which an ssh address does not have.
            place = next((each for each in named if each.partition(":")[0] == host), place)
        scheme = parsed.scheme if parsed.scheme == "http" and not _is_public(host) else "https"
        kind = named.get(place) or named.get(host) or _known(host) or _shape(parsed)
        return kind, f"{scheme}://{place}"


# --- The setting -----------------------------------------------------------------------------

_ENTRY = re.compile(rf"(?P<place>{_HOST})=(?P<kind>[\w-]{{1,40}})", _FLAGS)


def named(value: str) -> dict[str, Kind]:
    """The hosts that the setting `DIGEST_HOSTS` names: `git.example.com=gitlab, code.example.com:8443=gitea`.

    Raises ConfigError, which names the invalid entry and the kinds.
    """
    found: dict[str, Kind] = {}
    for entry in filter(None, map(str.strip, value.split(","))):
        read = _ENTRY.fullmatch("".join(entry.split()))
        kind = read and read["kind"].lower()
        if not read or kind not in set(Kind) or int(read["port"] or 0) > _LAST_PORT:
            raise ConfigError("hosts_setting", entry=entry[:100], known=tuple(Kind))
        found[read["place"].lower()] = Kind(kind)
    return found


def from_settings(settings: Settings, github_url: str) -> Hosts:
    """The hosts in the settings; `github_url`, the address of GitHub's API, says which one is GitHub.

    Raises ConfigError.
    """
    return Hosts(named(settings.digest_hosts), _github(github_url))


def _github(url: str) -> str:
    """The host of GitHub's web pages by that of its API.

    docs.github.com, "Getting started with the REST API": `api.github.com` and `api.SUBDOMAIN.ghe.com`, or
    `HOST/api/v3` of an Enterprise server.
    """
    try:
        api = urlsplit(url)
    except ValueError:
        return "github.com"
    host = api.netloc.rpartition("@")[2].lower()
    return (host if "/api/" in f"{api.path}/" else host.removeprefix("api.")) or "github.com"
