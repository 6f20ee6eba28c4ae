"""Repositories given by URL: what a URL says, and a clone of it on this machine."""

import base64
import errno
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from adapters import network, private
from adapters.sources.git import process
from adapters.sources.git.process import Limits
from adapters.sources.git.reach import Reach
from bot import addresses
from bot.commits.hosts import Address, Hosts
from bot.errors import DigestError, Forbidden, NotFound, Unavailable, Unreachable, UsageError

_FRESH = 60.0
_WEB = {"http", "https"}
_PLAIN = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_PATH = re.compile(r"[\w.~+%-]+(?:/[\w.~+%-]+)*", re.ASCII)
_SHORT = re.compile(r"(?P<user>\w[\w.-]*)@(?P<host>[\w.-]+):(?!:)(?P<path>.+)")
_PASSED = ("SSH_AUTH_SOCK",)
_ROOTS = "roots.pem"
"""The file beside the clones with whom git trusts, where somebody is named whom the machine does not."""
_REDIRECTS = 3
"""Addresses at which a repository is asked for, one after the other."""
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

_FULL = re.compile("No space left on device|Disk quota exceeded")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class Remote:
    """A repository's URL: as git is given it, without credentials; those apart; its path; and where it lives.

    `address` is None where the host serves no web pages that we can tell of.
    """

    url: str
    credentials: str = ""
    path: str = ""
    address: Address | None = None

    @property
    def title(self) -> str | None:
        """What people call it, where it has an address."""
        return self.address.title if self.address else None

    @property
    def private(self) -> bool:
        """Whether somebody has to be let in: everything but https without credentials."""
        return bool(self.credentials) or not self.url.startswith("https://")


def parse(url: str, hosts: Hosts) -> Remote | None:
    """What `url` says: `https://…`, `http://…`, `ssh://…` or `user@host:path`; None for anything else.

    `hosts` knows where it lives.
    """
    short = _SHORT.fullmatch(url)
    if short and "://" not in url:
        same = parse(f"ssh://{short['user']}@{short['host']}/{short['path'].lstrip('/')}", hosts)
        return replace(same, url=url) if same else None  # the path may be one below the user's home: not the same URL
    if not _PLAIN.fullmatch(url) or "?" in url or "#" in url:
        return None
    try:
        split = urlsplit(url)
        port = f":{split.port}" if split.port is not None else ""
    except ValueError:
        return None
    path = split.path.strip("/")
    if split.scheme not in {*_WEB, "ssh"} or not _HOST.fullmatch(split.hostname or "") or not _PATH.fullmatch(path):
        return None
    if not addresses.is_straight(path, encoded=True):
        return None
    if split.scheme == "ssh" and not _HOST.fullmatch(split.username or "git"):
        return None
    remote = _remote(split, f"{split.hostname}", port, path)
    return replace(remote, address=hosts.remote(remote.url))


def _remote(split: SplitResult, host: str, port: str, path: str) -> Remote:
    """The parts of a valid URL put together."""
    if split.scheme == "ssh":
        user = f"{split.username}@" if split.username else ""
        return Remote(f"ssh://{user}{host}{port}/{path}", path=path)
    credentials = f"{unquote(split.username or '')}:{unquote(split.password or '')}".strip(":")
    return Remote(f"{split.scheme}://{host}{port}/{path}", credentials, path)


def locate(repo: str, hosts: Hosts) -> Remote | str:
    """The remote that `repo` names, or else a local path. Raises UsageError for a URL that is not supported."""
    if repo.startswith("file:///"):
        return unquote(repo.removeprefix("file://"))
    if remote := parse(repo, hosts):
        return remote
    if repo.startswith("-") or "://" in repo or re.match(r"[\w.+-]+::|[^/@]*@[^/]*:", repo) or not repo:
        raise UsageError("repository_url_refused")  # without the URL: it may hold a password
    return repo


class Clones:
    """Clones of remote repositories in `folder`, each fetched at most once a minute of `clock` (seconds)."""

    def __init__(self, folder: Path, clock: Callable[[], float], reach: Reach, limits: Limits = process.LIMITS) -> None:
        self._folder = folder
        self._limits = limits
        self._clock = clock
        self._reach = reach
        self._fetched: dict[str, float] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def path(self, remote: Remote, *, fresh: bool) -> Path:
        """Where the clone of `remote` is, fetched now unless it was within the minute, or need not be `fresh`.

        The first time in a process it is always fetched: the server decides whether it may still be read.
        Raises NotFound, Forbidden, Unavailable.
        """
        path = self._path(remote)
        try:
            with self._alone(remote.url, path):
                known = self._fetched.get(remote.url)
                if known is None or (fresh and self._clock() - known >= _FRESH):
                    _fetch(remote, path, self._reach, self._limits)
                    self._fetched[remote.url] = self._clock()
        except process.GitFailed as failed:
            raise _lasting(str(failed), remote) or _error(str(failed), remote.title or remote.url) from None
        except OSError as failed:
            if failed.errno in _NO_ROOM:
                raise Unavailable("clone_disk_full", repo=remote.title or remote.url) from None
            problem = failed.strerror or type(failed).__name__
            raise Unavailable("clone_failed", repo=remote.title or remote.url, problem=problem) from None
        return path

    def forget(self, remote: Remote) -> bool:
        """Remove the clone of a remote, once nobody uses it; whether there was one."""
        path = self._path(remote)
        with self._alone(remote.url, path):
            self._fetched.pop(remote.url, None)
            return _removed(path)

    def retain(self, followed: Iterable[Remote], since: float) -> int:
        """Remove the clones that nobody used since some time (seconds since 1970), but of `followed`; how many."""
        kept, gone = {self._path(remote) for remote in followed}, 0
        for path in self._folder.glob("*.git"):
            lock = path.with_suffix(".lock")
            if path not in kept and lock.exists() and lock.stat().st_mtime < since:
                with self._alone(str(path), path):
                    gone += _removed(path)
        return gone

    def size(self) -> int:
        """Bytes of all clones."""
        return sum(file.stat().st_size for file in self._folder.rglob("*") if file.is_file())

    def _path(self, remote: Remote) -> Path:
        name = re.sub(r"[^A-Za-z0-9]+", "-", remote.path.removesuffix(".git")).strip("-")[-60:]
        return self._folder / f"{name}-{hashlib.sha256(remote.url.encode()).hexdigest()[:16]}.git"

    @contextmanager
    def _alone(self, url: str, path: Path) -> Iterator[None]:
        """One thread of one process at a time for each clone."""
        with self._guard:
            lock = self._locks.setdefault(url, threading.Lock())
        with lock:
            private.folder(path.parent)
            with path.with_suffix(".lock").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield


def _removed(path: Path) -> bool:
    """Whether there was a clone, which is gone now; its lock stays, which others may hold."""
    there = path.exists()
    shutil.rmtree(path, ignore_errors=True)
    return there


def _fetch(remote: Remote, path: Path, reach: Reach, limits: Limits) -> None:
    """Bring the branches, tags and HEAD of a bare clone up to date; make it first where there is none."""
    path.mkdir(exist_ok=True, mode=0o700)
    local = {"GIT_DIR": str(path)}
    if not (path / "objects").is_dir():
        process.run(path, "init", "--quiet", "--bare", "--template=", ".", env=local)
    said, remote = _asked(remote, path, reach, limits)
    env = {**local, **_network(remote, path.parent, reach, limits)}
    refs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
    options = ["--quiet", "--prune", "--no-write-fetch-head", "--no-recurse-submodules"]
    process.run(path, "fetch", *options, "--", remote.url, *refs, seconds=limits.fetch, env=env)
    if branch := _default(said.decode(errors="replace"), path, local):
        process.run(path, "symbolic-ref", "HEAD", branch, env=local)


def _asked(remote: Remote, path: Path, reach: Reach, limits: Limits) -> tuple[bytes, Remote]:
    """What the server says of HEAD, and the remote by the address at which it says so. Raises NotFound, GitFailed.

    Git itself would follow a redirect to any host, with the credentials in hand. So it follows none, and is asked again
    at the new address where that is the same host's, as a repository that was renamed has there.
    """
    for _ in range(_REDIRECTS):
        with tempfile.TemporaryDirectory(prefix="commit-digest-") as folder:
            trace = Path(folder) / "trace"
            env = {**_network(remote, path.parent, reach, limits), "GIT_DIR": str(path), "GIT_TRACE_CURL": str(trace)}
            env |= {"GIT_TRACE_CURL_NO_DATA": "1"}
            try:
                asked = ("ls-remote", "--symref", "--", remote.url, "HEAD")
                return process.run(path, *asked, seconds=limits.answer, env=env), remote
            except process.GitFailed as failed:
                if not _MOVED.search(str(failed)):
                    raise
                remote = replace(remote, url=_moved(remote, trace.read_bytes() if trace.exists() else b""))
    raise NotFound("address_moved", repo=remote.title or remote.url)


def _moved(remote: Remote, trace: bytes) -> str:
    """The address to which the last answer in a trace of curl's redirects. Raises NotFound where it is elsewhere."""
    found = _LOCATION.findall(trace)
    location = found[-1].decode("ascii", errors="replace").partition("?")[0] if found else ""
    url = addresses.moved(f"{remote.url}{_REFS}", location) if location.endswith(_REFS) else None
    if not url:
        raise NotFound("address_moved", repo=remote.title or remote.url)
    return url.removesuffix(_REFS)


def _default(said: str, path: Path, local: dict[str, str]) -> str:
    """The default branch's ref by `ls-remote --symref`; a server that names none shows at least HEAD's SHA."""
    if named := re.search(r"^ref: (refs/heads/\S+)\tHEAD$", said, re.M):
        return named[1]
    sha = re.search(r"^([0-9a-f]{40,64})\tHEAD$", said, re.M)
    if not sha:
        return ""
    same = process.run(path, "for-each-ref", f"--points-at={sha[1]}", "--format=%(refname)", "refs/heads", env=local)
    return next(iter(sorted(same.decode(errors="replace").split(), key=_usual)), "")


def _usual(ref: str) -> tuple[bool, str]:
    """Sorts the usual names of default branches first."""
    return ref not in {"refs/heads/main", "refs/heads/master"}, ref


def _network(remote: Remote, folder: Path, reach: Reach, limits: Limits) -> dict[str, str]:
    """What git needs to reach a server, and that alone; `folder` is where the clones are.

    Credentials go into the environment: arguments can be read by other users. Raises Unavailable for a server that
    nobody may reach, ConfigError.
    """
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    proxy = _proxy(remote)
    pinned = reach.pinned(remote.url, proxied=proxy is not None)
    config = {"http.lowSpeedLimit": "1000", "http.lowSpeedTime": str(limits.stall), "gc.autoDetach": "false"}
    config |= {"http.followRedirects": "false", "http.proxy": proxy.url if proxy else "", **pinned.config}
    if roots := network.bundle():
        config["http.sslCAInfo"] = str(_kept(folder / _ROOTS, roots))
    if remote.credentials:
        pair = remote.credentials if ":" in remote.credentials else f"{remote.credentials}:"
        basic = base64.b64encode(pair.encode()).decode()
        config[f"http.{remote.url}.extraHeader"] = f"Authorization: Basic {basic}"
    pairs = {f"GIT_CONFIG_KEY_{i}": key for i, key in enumerate(config)}
    pairs |= {f"GIT_CONFIG_VALUE_{i}": value for i, value in enumerate(config.values())}
    ssh = {"GIT_SSH_COMMAND": " ".join((_SSH, *map(shlex.quote, pinned.ssh)))}  # which a shell reads
    return {**passed, **ssh, **pairs, "GIT_ALLOW_PROTOCOL": "http:https:ssh", "GIT_CONFIG_COUNT": str(len(config))}


def _proxy(remote: Remote) -> network.Proxy | None:
    """The proxy through which git reaches a server; over ssh there is none. Raises ConfigError."""
    return network.proxy_for(remote.url, socks=True) if remote.url.startswith("http") else None


def _kept(file: Path, raw: bytes) -> Path:
    """A file that holds `raw`, put in its place at once: another process may be reading it. Raises OSError."""
    if not file.is_file() or file.read_bytes() != raw:
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as made:
            made.write(raw)
        os.replace(made.name, file)
    return file


def _lasting(said: str, remote: Remote) -> DigestError | None:
    """What git's words tell of a certificate or a proxy that has to be mended first; None where they tell of none."""
    host = urlsplit(remote.url).hostname or ""
    if _UNTRUSTED.search(said):
        return Unreachable("certificate_untrusted", host=host, problem=_EXPIRED if "expired" in said else _UNKNOWN)
    if not (proxy := _proxy(remote)):
        return None
    if refused := _PROXY_SAID.search(said):
        return network.refusal(int(refused[1]), proxy, host)
    absent = _PROXY_GONE.search(said)
    return Unreachable("proxy_absent", name=proxy.variable, problem=absent[0]) if absent else None


def _error(said: str, repo: str) -> DigestError:
    """Why a fetch failed, without git's words, which may hold a password.

    A hosting service answers alike for what is private and what is not there.
    """
    if _FULL.search(said):
        return Unavailable("clone_disk_full", repo=repo)
    if _REFUSED.search(said):
        return Forbidden("repository_forbidden", repo=repo)
    if _ABSENT.search(said):
        return NotFound("address_unknown", repo=repo)
    return Unavailable("repository_unreachable", repo=repo)
