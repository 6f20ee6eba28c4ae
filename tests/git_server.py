"""A real git server over http on the loopback interface: git's own `http-backend` behind Python's http.server."""

from __future__ import annotations

import base64
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from repositories import ENVIRONMENT


class GitServer:
    """Serves the repositories in `folder`; with `password` (`user:secret`) only to who has it.

    `status`, when set, is the answer to everything; `requests` are the paths asked for. `moved` says by the beginning
    of a path where it lies now, `sends_posts` to which server every POST is sent; a `dumb` one serves files alone. One
    that `hangs` says what there is, and answers nothing to who fetches it, until it is closed. One that `speaks_old` is
    as git was before protocol 2: it gives no single objects.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.password = ""
        self.status = 0
        self.requests: list[str] = []
        self.moved: dict[str, str] = {}
        self.sends_posts = ""
        self.dumb = False
        self.hangs = False
        self.speaks_old = False
        self.ended = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> GitServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop; a second time does nothing."""
        self.ended.set()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
            self._http.server_close()

    def url(self, path: str) -> str:
        """The URL of the repository at `path`."""
        return f"http://127.0.0.1:{self._http.server_port}/{path}"


def _handler(server: GitServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requests.append(self.path)
            wanted = f"Basic {base64.b64encode(server.password.encode()).decode()}"
            if server.status:
                self.send_error(server.status)
            elif server.password and self.headers.get("Authorization") != wanted:
                self._refuse()
            elif self.command == "POST" and server.sends_posts:
                self._send_to(f"{server.sends_posts}{self.path}")
            elif old := next((old for old in server.moved if self.path.startswith(f"{old}/")), ""):
                self._send_to(f"http://{self.headers['Host']}{server.moved[old]}{self.path[len(old) :]}")
            elif server.dumb:
                self._serve_file()
            else:
                self._serve()

        do_POST = do_GET

        def log_message(self, *arguments: object) -> None:
            pass

        def _refuse(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send_to(self, address: str) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(301 if self.command == "GET" else 307)
            self.send_header("Location", address)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _serve_file(self) -> None:
            file = server.folder / self.path.partition("?")[0].lstrip("/")
            if not file.is_file():
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(file.read_bytes())

        def _serve(self) -> None:
            """Answer as CGI says (git-http-backend(1))."""
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            environment = {
                **ENVIRONMENT,
                "GIT_PROJECT_ROOT": str(server.folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type") or "",
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
                "GIT_PROTOCOL": "" if server.speaks_old else self.headers.get("Git-Protocol") or "",
            }
            if server.hangs and b"command=fetch" in body:
                server.ended.wait()
                return
            command = ["git", "-c", "safe.directory=*", "http-backend"]
            said = subprocess.run(command, env=environment, input=body, capture_output=True, check=False).stdout
            head, _, content = said.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler
