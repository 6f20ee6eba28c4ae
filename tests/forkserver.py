"""Python processes that begin with their imports done: forked from one that has imported all, once for a whole run.

What a start of the program costs is its imports: a second of CPU, and a hundred tests start it. `start` and `run` are
as those of `subprocess`, and what they start is a process like any other, with memory, files, environment and signals
of its own. `make stress` starts each of them anew.
"""

from __future__ import annotations

import atexit
import faulthandler
import fcntl
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parent.parent
ANEW = bool(os.environ.get("STRESS")) or sys.platform != "linux"
PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL

LIBRARIES = ("apscheduler.triggers.cron", "github", "openai.types.chat", "openai", "pydantic_settings", "rich.console")
LIBRARIES += ("rich.table", "rich.progress", "sqlite_utils", "click.shell_completion", "tzlocal")
PROGRAM = ("bot.cli", "bot.actions", "adapters.sources.git.source", "adapters.sources.github.source", "adapters.clock")
PROGRAM += ("adapters.llms.openai", "adapters.stores.postgres", "adapters.queue", "adapters.chats.slack.chat")
PROGRAM += ("adapters.chats.webhooks", "adapters.chats.feishu.chat", "adapters.monitor", "slack_bolt", "slack_sdk")
READ_AT_THE_START = {"PYTHONIOENCODING", "PYTHONHASHSEED"}
IMPORTED = {"libraries": LIBRARIES, "program": LIBRARIES + PROGRAM}
"""What each kind of server has imported: for changed copies of the program, and for the program."""

_EVENT = struct.Struct("!ci")
_LENGTH = struct.Struct("!i")


# --- For tests ---------------------------------------------------------------------------------


class Anew(subprocess.Popen[str]):
    """A process that imports for itself."""

    def stopped(self) -> None:
        """Wait until it has stopped, after a signal, or has ended."""
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


class Forked:
    """A process of a server, with what tests use of `subprocess.Popen`."""

    def __init__(self, server: socket.socket, asked: Mapping[str, Any], streams: Sequence[Any]) -> None:
        ours, theirs = zip(*map(_stream, range(3), streams), strict=True)
        self.stdin, self.stdout, self.stderr = ours
        self.returncode: int | None = None
        self._server = server
        request = json.dumps(asked).encode()
        socket.send_fds(server, [_LENGTH.pack(len(request))], theirs)
        server.sendall(request)
        for fd, given in zip(theirs, streams, strict=True):
            if given in (PIPE, DEVNULL):
                os.close(fd)
        _, self.pid = self._event()

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream:
                stream.close()
        self.wait()

    def poll(self) -> int | None:
        while self.returncode is None and select.select([self._server], [], [], 0)[0]:
            self._event()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        until = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            left = None if until is None else max(0, until - time.monotonic())
            if not select.select([self._server], [], [], left)[0]:
                raise subprocess.TimeoutExpired("", timeout or 0)
            self._event()
        return self.returncode

    def stopped(self) -> None:
        """Wait until it has stopped, after a signal, or has ended."""
        while self.returncode is None and self._event()[0] != b"s":
            pass

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _event(self) -> tuple[bytes, int]:
        """What the server tells next: the number of the process, that it has stopped, or how it ended."""
        said = self._server.recv(_EVENT.size, socket.MSG_WAITALL)
        assert said, "the server of processes has ended"
        kind, number = _EVENT.unpack(said)
        if kind == b"e":
            self.returncode = number
            self._server.close()
        return kind, number


def _stream(number: int, given: Any) -> tuple[IO[str] | None, int]:
    """Our end of a stream, if there is one, and the one that a process gets."""
    if given is None:
        return None, number
    if given == DEVNULL:
        return None, os.open(os.devnull, os.O_RDWR)
    if given != PIPE:
        return None, given if isinstance(given, int) else given.fileno()
    reads, writes = os.pipe()
    ours, theirs = (writes, reads) if number == 0 else (reads, writes)
    return open(ours, "w" if number == 0 else "r", encoding="utf-8", errors="replace"), theirs


Process = Anew | Forked


def start(
    *arguments: str,
    kind: str = "program",
    env: Mapping[str, str],
    cwd: Path | str | None = None,
    stdin: Any = DEVNULL,
    stdout: Any = None,
    stderr: Any = None,
) -> Process:
    """Python with `-m MODULE …` or `-c CODE …`, in a session of its own; `kind` is one of `IMPORTED`, or "anew"."""
    streams, folder = (stdin, stdout, stderr), str(cwd or Path.cwd())
    if ANEW or kind == "anew" or env.keys() & READ_AT_THE_START:
        named = dict(zip(("stdin", "stdout", "stderr"), streams, strict=True))
        command = [sys.executable, *arguments]
        return Anew(command, env=env, cwd=folder, encoding="utf-8", errors="replace", start_new_session=True, **named)
    return Forked(_connected(kind), {"arguments": arguments, "env": dict(env), "cwd": folder}, streams)


def run(
    *arguments: str,
    kind: str = "program",
    env: Mapping[str, str],
    cwd: Path | str | None = None,
    input: str = "",
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """The same, until it has ended, with all that it wrote."""
    with _written(input) as asked, _written("") as said, _written("") as wrong:
        process = start(*arguments, kind=kind, env=env, cwd=cwd, stdin=asked, stdout=said, stderr=wrong)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        return subprocess.CompletedProcess(arguments, code, _read(said), _read(wrong))


def _written(text: str) -> IO[str]:
    file = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
    file.write(text)
    file.seek(0)
    return file


def _read(file: IO[str]) -> str:
    file.seek(0)
    return file.buffer.read().decode(errors="replace")  # type: ignore[attr-defined]


def _connected(kind: str) -> socket.socket:
    """A connection to the run's server of a kind, which the first who needs it starts for all processes of pytest."""
    owner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    folder = Path(tempfile.gettempdir(), f"digest-forks-{os.getuid()}-{owner}")
    folder.mkdir(0o700, exist_ok=True)
    address = str(folder / kind)
    with (folder / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(address)
        except OSError:
            _begin(kind, address, owner)
            server.connect(address)
    return server


def _begin(kind: str, address: str, owner: int) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": "" if kind == "libraries" else str(ROOT)}
    command = [sys.executable, __file__, kind, address, str(owner)]
    server = subprocess.Popen(command, env=env, cwd=ROOT, stdin=DEVNULL, stdout=PIPE, start_new_session=True)
    assert server.stdout
    assert server.stdout.readline() == b"ready\n"
    server.stdout.close()
    server.returncode = 0  # it outlives us


# --- The server --------------------------------------------------------------------------------


class Server:
    """Forks whoever is asked for, and tells how each ends; ends with the run of tests."""

    def __init__(self, address: str, owner: int) -> None:
        self._owner = owner
        self._wakes, wake = os.pipe()
        for end in (self._wakes, wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        with suppress(FileNotFoundError):
            os.unlink(address)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen(64)
        self._children: dict[int, socket.socket] = {}

    def serve(self) -> dict[str, Any] | None:
        """In a process that was asked for, what it is to do; in the server itself nothing, at the end."""
        while self._owner_lives():
            clients = {client.fileno(): pid for pid, client in self._children.items()}
            for fd in select.select([self._listener.fileno(), self._wakes, *clients], [], [], 1)[0]:
                if fd == self._wakes:
                    os.read(fd, 4096)
                    self._look()
                elif fd in clients:
                    self._forsake(clients[fd])
                elif asked := self._fork():
                    return asked
        return None

    def _owner_lives(self) -> bool:
        try:
            os.kill(self._owner, 0)
        except OSError:
            return False
        return True

    def _fork(self) -> dict[str, Any] | None:
        client, _ = self._listener.accept()
        head, streams, _, _ = socket.recv_fds(client, _LENGTH.size, 3)
        if not head:
            client.close()
            return None
        (length,) = _LENGTH.unpack(head)
        asked: dict[str, Any] = json.loads(client.recv(length, socket.MSG_WAITALL))
        pid = os.fork()
        if pid:
            for fd in streams:
                os.close(fd)
            self._children[pid] = client
            client.sendall(_EVENT.pack(b"p", pid))
            return None
        for each in (client, self._listener, *self._children.values()):
            each.close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
            os.close(fd)
        return asked

    def _look(self) -> None:
        """Tell of every process that has stopped or ended."""
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            if not pid:
                return
            with suppress(OSError):  # who asked may be gone
                if os.WIFSTOPPED(status):
                    self._children[pid].sendall(_EVENT.pack(b"s", 0))
                    continue
                self._children[pid].sendall(_EVENT.pack(b"e", os.waitstatus_to_exitcode(status)))
            if not os.WIFSTOPPED(status):
                self._children.pop(pid).close()

    def _forsake(self, pid: int) -> None:
        """End a process that nobody waits for any more."""
        if pid in self._children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            self._children.pop(pid).close()


def _become(asked: Mapping[str, Any]) -> None:
    """Be the process that was asked for."""
    os.setsid()
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    if os.environ.get("PYTHONFAULTHANDLER"):
        faulthandler.enable()
    opened = partial(os.fdopen, encoding="utf-8", closefd=False)
    sys.stdin, sys.stdout = opened(0), opened(1, "w", errors="surrogateescape")
    sys.stderr = opened(2, "w", errors="backslashreplace", buffering=1)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    sys.path[:0] = [asked["cwd"], *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    importlib.invalidate_caches()
    flag, what, *words = asked["arguments"]
    sys.argv = [flag, *words]
    if flag == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


def _ended(work: Callable[[], None]) -> int:
    """The exit code of a process whose work is done; to take down thousands of modules would take most of its time."""
    code: object = None
    try:
        work()
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads and pools, as any end does
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it, or it is closed
            stream.flush()
    return code if isinstance(code, int) else int(code is not None)


def _main(kind: str, address: str, owner: str) -> None:
    del sys.path[0]  # this folder
    for name in IMPORTED[kind]:
        importlib.import_module(name)
    if kind == "program":
        feishu = importlib.import_module("adapters.chats.feishu.sdk").sdk()
        feishu.ws.loop.close()  # as the program does with its first connection: processes must not share it
    gc.collect()
    gc.freeze()
    assert threading.active_count() == 1
    server = Server(address, int(owner))
    print("ready", flush=True)
    os.close(1)
    os.open(os.devnull, os.O_WRONLY)
    if asked := server.serve():
        os._exit(_ended(partial(_become, asked)))
    shutil.rmtree(Path(address).parent, ignore_errors=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
