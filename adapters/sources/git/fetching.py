"""A clone and its server: what git fetches, how it reaches the server, and its errors."""

import base64
import os
import re
import shlex
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from adapters import network
from adapters.sources.git import process
from adapters.sources.git.process import Limits
from adapters.sources.git.reach import Reach
from adapters.sources.git.remote import Remote
from bot import addresses
from bot.errors import DigestError, Forbidden, NotFound, Unavailable, Unreachable

_ORIGIN = "origin"
"""The server's name in a clone; its address is passed to each command, and stored nowhere."""
_HEADS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_QUIETLY = ("--quiet", "--no-write-fetch-head", "--no-recurse-submodules")
_PARTLY = ("--filter=blob:none",)
"""Commits and folders, but no files. Without folders (`tree:0`) a first fetch is half of that (cargo: 11 MB, 25, of
78); but each commit that lands later then costs its whole tree of folders (0.14 MB), and one more request.
"""
_PARTIAL = b"promisor"
"""A word in the configuration of a partial clone (git-config(1), `remote.<name>.promisor`)."""
_REFETCHES = (2, 36)
"""The first version of git that can fetch what a clone lacks (its release notes)."""
_NO_PART = re.compile("unadvertised object|want \\S+ not valid|did not send all necessary objects")
"""Messages if a partial fetch fails: from servers that provide no single objects (git before protocol 2, Gerrit), and
for a tag that names a file.
"""

AT_ONCE = 10_000
"""Objects in one request: beyond 1 MB git sends it in chunks, which not every proxy accepts."""

_PASSED = ("SSH_AUTH_SOCK",)
_ROOTS = "roots.pem"
"""The file next to the clones with the certificates that git trusts, if the settings add any."""
_REDIRECTS = 3
"""The most addresses to try for a repository, following redirects."""
_REFS = "/info/refs"
_MOVED = re.compile("returned error: 30[12378]")
_LOCATION = re.compile(rb"<= Recv header: location: (\S{1,2000})", re.I)
"""A redirect in the trace that git writes of curl (git(1), GIT_TRACE_CURL)."""
_SSH = "ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=15 -oServerAliveCountMax=4"

_REFUSED = re.compile(
    "Authentication failed|could not read (?:Username|Password)|Permission denied|Access denied|returned error: 40[13]"
)
_ABSENT = re.compile("not found|does not exist|does not appear to be a git repository|returned error: 4(?:04|10)", re.I)

_UNTRUSTED = re.compile("certificate (?:verification failed|problem|verify failed)|SSL peer certificate", re.I)
_EXPIRED, _UNKNOWN = "certificate has expired", "unable to get local issuer certificate"
_PROXY_SAID = re.compile(r"(?:HTTP code|tunnel failed, response) (\d{3})")
_PROXY_GONE = re.compile("Could not resolve proxy|Failed to connect|Connection refused|Can't complete SOCKS", re.I)

_GONE = re.compile("not our ref")
"""The message of a server that no longer has an object."""
_FULL = re.compile("No space left on device|Disk quota exceeded")


@dataclass(frozen=True, slots=True)
class Clone:
    """A bare clone: its repository, its folder, and how to reach its server."""

    remote: Remote
    path: Path
    reach: Reach
    limits: Limits

    @property
    def partial(self) -> bool:
        """Whether it contains only files that were needed."""
        file = self.path / "config"
        return file.is_file() and _PARTIAL in file.read_bytes()

    def fetch(self) -> "Clone":
        """Bring branches, tags and HEAD up to date, or create the clone; return it with its server's address.

        A new one has the history without files, if the server supports that. Raises NotFound, Unavailable, ConfigError,
        GitFailed.
        """
        self._begin()
        said, remote = _asked(self)
        found = replace(self, remote=remote)
        if self.partial:
            found._or_whole(("fetch", *_QUIETLY, "--prune", *_PARTLY, "--", _ORIGIN, *_HEADS))
        else:
            found._ask("fetch", *_QUIETLY, "--prune", "--", _ORIGIN, *_HEADS)
        if branch := self._default(said.decode(errors="replace")):
            self._git("symbolic-ref", "HEAD", branch)
        return found

    def bring(self, objects: Sequence[str]) -> None:
        """Fetch single objects; if the server provides none, everything, from then on. Raises GitFailed, Unavailable.

        Git requests missing objects in the same way (git's promisor-remote.c).
        """
        quiet = ("-c", "fetch.negotiationAlgorithm=noop", "fetch", *_QUIETLY, "--no-tags")
        for start in range(0, len(objects), AT_ONCE):
            asked = "".join(f"{each}\n" for each in objects[start : start + AT_ONCE])
            self._or_whole((*quiet, *_PARTLY, "--stdin", _ORIGIN), asked.encode())
            if not self.partial:
                return

    def _or_whole(self, asked: Sequence[str], stdin: bytes = b"") -> None:
        """Fetch a part, or if that fails permanently, everything, from then on."""
        try:
            self._ask(*asked, stdin=stdin)
        except process.GitFailed as failed:
            if not _NO_PART.search(str(failed)):
                raise
            self._ask("fetch", *_QUIETLY, "--prune", "--refetch", "--no-filter", "--", _ORIGIN, *_HEADS)
            for name in (
                f"remote.{_ORIGIN}.promisor",
                f"remote.{_ORIGIN}.partialCloneFilter",
                "extensions.partialClone",
            ):
                with suppress(process.GitFailed):  # it was not set
                    self._git("config", "--unset", name)

    def _begin(self) -> None:
        """Create an empty clone, if there is none."""
        if (self.path / "objects").is_dir():
            return
        self.path.mkdir(exist_ok=True, mode=0o700)
        self._git("init", "--quiet", "--bare", "--template=", ".")
        if process.version() >= _REFETCHES:
            self._git("config", f"remote.{_ORIGIN}.promisor", "true")

    def _default(self, said: str) -> str:
        """The default branch's ref by `ls-remote --symref`; a server without it shows at least HEAD's SHA."""
        if named := re.search(r"^ref: (refs/heads/\S+)\tHEAD$", said, re.M):
            return named[1]
        sha = re.search(r"^([0-9a-f]{40,64})\tHEAD$", said, re.M)
        if not sha:
            return ""
        same = self._git("for-each-ref", f"--points-at={sha[1]}", "--format=%(refname)", "refs/heads")
        return next(iter(sorted(same.decode(errors="replace").split(), key=_usual)), "")

    def _ask(self, *arguments: str, stdin: bytes = b"") -> None:
        """Run a command of git that fetches."""
        env = {**_network(self), "GIT_DIR": str(self.path)}
        process.run(self.path, *arguments, stdin=stdin, seconds=self.limits.fetch, env=env)

    def _git(self, *arguments: str) -> bytes:
        return process.run(self.path, *arguments, env={"GIT_DIR": str(self.path)})


def _usual(ref: str) -> tuple[bool, str]:
    """Sort key: the usual names of default branches first."""
    return ref not in {"refs/heads/main", "refs/heads/master"}, ref


def _asked(clone: Clone) -> tuple[bytes, Remote]:
    """The server's answer for HEAD, and the remote with the address that answered. Raises NotFound, GitFailed.

    Git itself would follow a redirect to any host, with the credentials. So it follows none, and is run again with the
    new address if that is on the same host, as for a renamed repository.
    """
    remote = clone.remote
    for _ in range(_REDIRECTS):
        with tempfile.TemporaryDirectory(prefix="commit-digest-") as folder:
            trace = Path(folder) / "trace"
            env = {**_network(replace(clone, remote=remote)), "GIT_DIR": str(clone.path)}
            env |= {"GIT_TRACE_CURL": str(trace), "GIT_TRACE_CURL_NO_DATA": "1"}
            try:
                asked = ("ls-remote", "--symref", "--", remote.url, "HEAD")
                return process.run(clone.path, *asked, seconds=clone.limits.answer, env=env), remote
            except process.GitFailed as failed:
                if not _MOVED.search(str(failed)):
                    raise
                remote = replace(remote, url=_moved(remote, trace.read_bytes() if trace.exists() else b""))
    raise NotFound("address_moved", repo=remote.title or remote.url)


def _moved(remote: Remote, trace: bytes) -> str:
    """The address of the last redirect in a trace of curl. Raises NotFound if it is on another host."""
    found = _LOCATION.findall(trace)
    location = found[-1].decode("ascii", errors="replace").partition("?")[0] if found else ""
    url = addresses.moved(f"{remote.url}{_REFS}", location) if location.endswith(_REFS) else None
    if not url:
        raise NotFound("address_moved", repo=remote.title or remote.url)
    return url.removesuffix(_REFS)


def _network(clone: Clone) -> dict[str, str]:
    """The environment that git needs to reach a server, and nothing else.

    Credentials go into the environment: arguments can be read by other users. Raises Unavailable for a server that must
    not be contacted, ConfigError.
    """
    remote = clone.remote
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    proxy = _proxy(remote)
    pinned = clone.reach.pinned(remote.url, proxied=proxy is not None)
    config = {"http.lowSpeedLimit": "1000", "http.lowSpeedTime": str(clone.limits.stall), "gc.autoDetach": "false"}
    config |= {"http.followRedirects": "false", "http.proxy": proxy.url if proxy else "", **pinned.config}
    config[f"remote.{_ORIGIN}.url"] = remote.url
    if roots := network.bundle():
        config["http.sslCAInfo"] = str(_kept(clone.path.parent / _ROOTS, roots))
    if remote.credentials:
        pair = remote.credentials if ":" in remote.credentials else f"{remote.credentials}:"
        basic = base64.b64encode(pair.encode()).decode()
        config[f"http.{remote.url}.extraHeader"] = f"Authorization: Basic {basic}"
    pairs = {f"GIT_CONFIG_KEY_{i}": key for i, key in enumerate(config)}
    pairs |= {f"GIT_CONFIG_VALUE_{i}": value for i, value in enumerate(config.values())}
    ssh = {"GIT_SSH_COMMAND": " ".join((_SSH, *map(shlex.quote, pinned.ssh)))}  # a shell parses this
    return {**passed, **ssh, **pairs, "GIT_ALLOW_PROTOCOL": "http:https:ssh", "GIT_CONFIG_COUNT": str(len(config))}


def _proxy(remote: Remote) -> network.Proxy | None:
    """The proxy for a server; None over ssh. Raises ConfigError."""
    return network.proxy_for(remote.url, socks=True) if remote.url.startswith("http") else None


def _kept(file: Path, raw: bytes) -> Path:
    """Write `raw` to a file atomically, since another process may be reading it. Raises OSError."""
    if not file.is_file() or file.read_bytes() != raw:
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as made:
            made.write(raw)
        os.replace(made.name, file)
    return file


def error(said: str, remote: Remote) -> DigestError:
    """The error for git's failed fetch, by its output, but without it, which may contain a password."""
    return _lasting(said, remote) or _refusal(said, remote.title or remote.url)


def _lasting(said: str, remote: Remote) -> DigestError | None:
    """What git's output says about a certificate or a proxy that has to be fixed first; None if nothing."""
    host = urlsplit(remote.url).hostname or ""
    if _UNTRUSTED.search(said):
        return Unreachable("certificate_untrusted", host=host, problem=_EXPIRED if "expired" in said else _UNKNOWN)
    if not (proxy := _proxy(remote)):
        return None
    if refused := _PROXY_SAID.search(said):
        return network.refusal(int(refused[1]), proxy, host)
    absent = _PROXY_GONE.search(said)
    return Unreachable("proxy_absent", name=proxy.variable, problem=absent[0]) if absent else None


def _refusal(said: str, repo: str) -> DigestError:
    """The error for a refused fetch; hosting services give the same answer for private and missing repositories."""
    if _FULL.search(said):
        return Unavailable("clone_disk_full", repo=repo)
    if _GONE.search(said):
        return NotFound("repository_incomplete", repo=repo)
    if _REFUSED.search(said):
        return Forbidden("repository_forbidden", repo=repo)
    if _ABSENT.search(said):
        return NotFound("address_unknown", repo=repo)
    return Unavailable("repository_unreachable", repo=repo)
