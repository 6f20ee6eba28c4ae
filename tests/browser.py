"""A headless Chromium for tests, spoken to over its DevTools pipe: no port, no driver, no client library.

With `--remote-debugging-pipe` the browser reads commands from file descriptor 3 and answers on 4, each message a JSON
text that ends in NUL (https://chromedevtools.github.io/devtools-protocol/ names the commands).
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip
PATIENCE = 30.0
"""Seconds after which a browser that does not answer fails the test."""


def executable() -> str | None:
    """The first browser that is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One tab, at a chosen size and colour scheme."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._number, self._buffer, self._session = 0, b"", ""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.complaints: list[str] = []
        for domain in ("Page", "Log", "Runtime", "Network"):
            self._call(f"{domain}.enable")

    def open(self, file: Path, width: int = 1280, scheme: str = "light", media: str = "screen") -> None:
        """Show `file` at `width` CSS pixels; phones are narrower than 700 and get a phone's viewport."""
        self.complaints.clear()
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 700
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", media=media, features=features)
        self._call("Page.navigate", url=file.as_uri())
        deadline = time.monotonic() + PATIENCE
        while self.run("document.readyState + location.href") != "complete" + file.as_uri():
            assert time.monotonic() < deadline, f"{file} was not loaded"

    def run(self, expression: str) -> object:
        """The JSON value of a script's expression, which a page's content security policy does not forbid."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, file: Path, whole: bool = True) -> None:
        """Save a picture of the page as PNG."""
        answer = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(answer["data"]))

    def told(self) -> list[tuple[str, str, str]]:
        """The role, name and description of everything in the accessibility tree, in order."""
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        return [
            (n["role"]["value"], *(n.get(key, {}).get("value", "") for key in ("name", "description")))
            for n in nodes
            if not n["ignored"]
        ]

    def press(self, key: str) -> None:
        """Press and release a key, such as `Tab`."""
        code = {"Tab": 9, "Enter": 13}[key]
        for kind in ("rawKeyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def _call(self, method: str, **params: object) -> dict:  # type: ignore[type-arg]
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        os.write(
            self._to, json.dumps(message | ({"sessionId": self._session} if self._session else {})).encode() + b"\0"
        )
        while (answer := self._read()).get("id") != self._number:
            self._listen(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def _listen(self, event: dict) -> None:  # type: ignore[type-arg]
        """Keep what the browser complains of, and whatever the page asks the network for."""
        if event.get("method") == "Log.entryAdded":
            self.complaints.append(event["params"]["entry"]["text"])
        if event.get("method") == "Network.requestWillBeSent":
            url = event["params"]["request"]["url"]
            self.complaints += [] if url.startswith("file:") else [f"asked for {url}"]

    def _read(self) -> dict:  # type: ignore[type-arg]
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], PATIENCE)
            chunk = os.read(self._from, 1 << 20) if ready else b""
            assert chunk, "the browser does not answer"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


@contextmanager
def browser(path: str) -> Iterator[Page]:
    """A browser of its own, with one page, in a new profile; it is ended and its profile removed."""
    commands, to_browser = _pipe()
    from_browser, answers = _pipe()
    profile = tempfile.mkdtemp(prefix="browser-")
    argv = [path, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with open(os.devnull, "r+b") as silence:
        actions = [
            (os.POSIX_SPAWN_DUP2, silence.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, silence.fileno(), 2),
            (os.POSIX_SPAWN_DUP2, commands, 3),
            (os.POSIX_SPAWN_DUP2, answers, 4),
        ]
        # A group of its own, so that its helpers end with it.
        process = os.posix_spawn(path, argv, dict(os.environ), file_actions=actions, setpgroup=0)
    os.close(commands)
    os.close(answers)
    try:
        yield Page(to_browser, from_browser)
    finally:
        os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(to_browser)
        os.close(from_browser)
        shutil.rmtree(profile, ignore_errors=True)


def _pipe() -> tuple[int, int]:
    """A pipe whose ends stand clear of 3 and 4, onto which the browser's own ends are put."""
    ends = os.pipe()
    clear = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return clear[0], clear[1]
