"""A model's answer of any size costs little memory: real servers, the real client in a process of its own."""

import threading
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat

import forkserver
import pytest
from service import ROOT

from adapters.llms.openai.model import _LARGEST, _LARGEST_STREAM, unpacked

MEGABYTE = 1_000_000
MOST = 96 * MEGABYTE
"""Memory that an answer may take on top, with what a parser makes of the largest one."""

ASK = """
import resource, sys
from adapters.llms.openai.model import OpenAIModel
from bot.errors import DigestError
from bot.values import Question

def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def ask():
    try:
        return model.ask(question).text[:20]
    except DigestError as error:
        return error.key

model = OpenAIModel("m", "", sys.argv[1], 20, 1, sleep=lambda seconds: None)
question = Question("triage/v1", "Judge.", "fix: x", {"type": "object", "properties": {}}, 300)
ask()
before = most()
print(ask(), most() - before)
"""

SMALL = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}]}'
START = SMALL[:-1] + b', "more": '
HUGE = 300 * MEGABYTE
Pieces = Callable[[], Iterator[bytes]]


def endless() -> Iterator[bytes]:
    """Valid JSON that is far too long, as it comes."""
    return chain([START, b'"'], repeat(b"x" * 65_536, HUGE // 65_536))


def endless_stream() -> Iterator[bytes]:
    """Chunks without an end."""
    return repeat(b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n' * 1_000, HUGE // 50_000)


def long_stream() -> Iterator[bytes]:
    """As many chunks as a stream of the largest size can hold."""
    chunk = b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n'
    return repeat(chunk * 1_000, _LARGEST_STREAM // (len(chunk) * 1_000))


def packed(pieces: Iterator[bytes], wbits: int = 31) -> Iterator[bytes]:
    """The pieces as gzip, in large writes as a bomb's."""
    stream = zlib.compressobj(9, wbits=wbits)
    yield b"".join(map(stream.compress, pieces)) + stream.flush()


@cache
def bomb() -> bytes:
    """So much in a third of a megabyte: packing takes a second, for which whoever only collects tests need not wait."""
    return b"".join(packed(endless()))


SMALL_PACKED = b"".join(packed(iter([SMALL])))
PARTS = START + b"[" + b"[]," * ((_LARGEST - 300) // 3) + b"0]}"
"""As many objects as an answer of the largest size can hold."""

ANSWERS: dict[str, tuple[int, str, Pieces, str]] = {
    "endless": (200, "", endless, "model_answer_unreadable"),
    "endless error": (400, "", endless, "model_request_refused"),
    "bomb": (200, "gzip", lambda: iter([bomb()]), "model_answer_unreadable"),
    "bomb in an error": (500, "gzip", lambda: iter([bomb()]), "model_unavailable"),
    "bomb in a bomb": (200, "gzip, gzip", lambda: packed(iter([bomb()])), "model_answer_unreadable"),
    "another coding": (200, "zstd", lambda: iter([b"\x28\xb5\x2f\xfd" * 99]), "model_answer_unreadable"),
    "no gzip": (200, "gzip", lambda: iter([SMALL]), "model_answer_unreadable"),
    "many parts": (200, "", lambda: iter([PARTS]), "ok"),
    "endless stream": (200, "", endless_stream, "model_answer_unreadable"),
    "long stream": (200, "", long_stream, "x" * 20),
    "packed": (200, "gzip", lambda: iter([SMALL_PACKED]), "ok"),
    "plain": (200, "", lambda: iter([SMALL]), "ok"),
}


@pytest.fixture
def serve() -> Iterator[Callable[[int, str, Pieces], str]]:
    """Start a server whose second and later answers are what is given; its address."""
    started: list[ThreadingHTTPServer] = []

    def start(status: int, coding: str, pieces: Pieces) -> str:
        class Handler(BaseHTTPRequestHandler):
            asked = 0

            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                Handler.asked += 1
                first = Handler.asked == 1
                self.send_response(200 if first else status)
                streamed = "stream" in pieces.__name__ and not first
                self.send_header("Content-Type", "text/event-stream" if streamed else "application/json")
                if coding and not first:
                    self.send_header("Content-Encoding", coding)
                self.end_headers()
                try:
                    for piece in [SMALL] if first else pieces():
                        self.wfile.write(piece)
                except OSError:
                    self.close_connection = True

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_of_any_size_takes_little_memory(serve, kind: str) -> None:
    status, coding, pieces, told = ANSWERS[kind]
    if kind.startswith("bomb"):
        bomb()  # before anybody waits for it
    url = serve(status, coding, pieces)
    ran = forkserver.run("-c", ASK, url, env={"PYTHONPATH": str(ROOT)})
    assert ran.returncode == 0, ran.stderr
    said, grown = ran.stdout.split()
    assert said == told
    assert int(grown) < MOST


def test_the_bomb_is_one() -> None:
    assert len(bomb()) < 0.4 * MEGABYTE


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", " GZIP "])
def test_what_is_packed_all_the_same_is_unpacked(coding: str) -> None:
    assert unpacked(iter([SMALL_PACKED[:9], SMALL_PACKED[9:]]), coding) == SMALL
    assert unpacked(packed(iter([SMALL]), wbits=15), "deflate") == SMALL


def test_the_largest_answer_is_taken_and_one_more_byte_is_not() -> None:
    whole = b"x" * _LARGEST
    assert unpacked(iter([whole]), "") == whole
    assert unpacked(packed(iter([whole])), "gzip") == whole
    assert unpacked(iter([whole, b"x"]), "") is None
    assert unpacked(packed(iter([whole, b"x"])), "gzip") is None
