"""A server that answers as it is told to, and remembers what it was asked: for what a real one does seldom."""

import json
import select
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.samples import picture

IMAGE_ID = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
LIMITS = {
    "max_upload_bytes": 100_000,
    "max_direct_upload_bytes": 1_000_000,
    "max_request_bytes": None,
    "max_list_limit": 100,
    "upload_routes": ["multipart", "presigned-put"],
}


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer. `cut_after` so many bytes of the body, or before the head with -1, the connection ends.

    Where it `drips`, the body comes a byte at a time, until the client goes away.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    drips: bool = False


_PIECE_BYTES = 64 * 1024
_DRIP_SECONDS = 0.02
LOST = Reply(cut_after=-1)


def shows(document: Mapping[str, Any], status: int = 200) -> Reply:
    return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


def problem(status: int, code: str, **headers: str) -> Reply:
    body = json.dumps({"status": status, "code": code, "detail": "As the test wants it.", "request_id": "r-1"}).encode()
    return Reply(status, body, {"Content-Type": "application/problem+json"} | headers)


def resource(**members: Any) -> dict[str, Any]:
    return {
        "image_id": IMAGE_ID,
        "user_id": "alice",
        "filename": "beach.jpg",
        "title": None,
        "description": None,
        "location": None,
        "tags": [],
        "content_type": "image/jpeg",
        "file_size": len(picture()),
        "width": 64,
        "height": 48,
        "sha256": "0" * 64,
        "status": "UPLOADED",
        "created_at": "2026-01-02T03:04:05.678901Z",
        "updated_at": "2026-01-02T03:04:05.678901Z",
        "version": 1,
        "download_url": None,
    } | members


class Stub:
    """Gives its replies in order. Without one left it fails the request, and so the test."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.replies: deque[Reply | Callable[[Asked], Reply]] = deque()
        self.asked: list[Asked] = []
        self.keeps_bodies = True

    def will(self, *replies: Reply | Callable[[Asked], Reply]) -> None:
        self.replies.extend(replies)

    def reply_to(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        reply = self.replies.popleft() if self.replies else problem(418, "not_expected")
        return reply(asked) if callable(reply) else reply


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Overlook a client that did not wait for the answer: its own output is what a test reads."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def running_stub() -> Iterator[Stub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            pieces = (self.rfile.read(min(_PIECE_BYTES, size - start)) for start in range(0, size, _PIECE_BYTES))
            body = b"".join(piece for piece in pieces if stub.keeps_bodies)
            reply = stub.reply_to(Asked(self.command, self.path, self.headers, body))
            if reply.cut_after == -1:
                self.close_connection = True
                return
            self.send_response(reply.status)
            length = {} if "Transfer-Encoding" in reply.headers else {"Content-Length": str(len(reply.body))}
            for name, value in {**length, **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if reply.drips:
                self.close_connection = True
                self.drip(reply.body)
                return
            self.wfile.write(reply.body[: reply.cut_after])
            self.close_connection = reply.cut_after is not None

        def drip(self, body: bytes) -> None:
            for byte in body:
                heard, _, _ = select.select([self.connection], [], [], _DRIP_SECONDS)
                if heard:  # that it has gone away
                    return
                self.wfile.write(bytes([byte]))

        def log_message(self, format: str, *args: object) -> None:
            pass

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    with _Server(("127.0.0.1", 0), Handler) as server:
        stub = Stub(server.server_address[1])
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield stub
        finally:
            server.shutdown()
            serving.join()
