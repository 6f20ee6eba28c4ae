"""Parses the URLs of repositories."""

import re
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, unquote, urlsplit

from bot import addresses
from bot.commits.hosts import Address, Hosts
from bot.errors import UsageError

_WEB = {"http", "https"}
_PLAIN = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_PATH = re.compile(r"[\w.~+%-]+(?:/[\w.~+%-]+)*", re.ASCII)
_SHORT = re.compile(r"(?P<user>\w[\w.-]*)@(?P<host>[\w.-]+):(?!:)(?P<path>.+)")


@dataclass(frozen=True)
class Remote:
    """A repository's URL without credentials; the credentials; its path; and its web address.

    `address` is None if the host serves no web pages that we know of.
    """

    url: str
    credentials: str = ""
    path: str = ""
    address: Address | None = None

    @property
    def title(self) -> str | None:
        """Its title, if it has a web address."""
        return self.address.title if self.address else None

    @property
    def private(self) -> bool:
        """Whether it needs authentication: everything except https without credentials."""
        return bool(self.credentials) or not self.url.startswith("https://")


def parse(url: str, hosts: Hosts) -> Remote | None:
    """Parse `https://…`, `http://…`, `ssh://…` or `user@host:path`; None for anything else.

    `hosts` finds its web address.
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
        raise UsageError("repository_url_refused")  # without the URL, which may contain a password
    return repo
