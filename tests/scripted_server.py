"""A server that sends what a test has written down, one answer for each request, and keeps the requests."""

import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


class LastWords(bytes):
    """What is sent before the connection is closed."""


class Late(bytes):
    """What is sent after a tenth of a second, as by a store that is busy."""


@dataclass
class ScriptedServer:
    answers: list[bytes] = field(default_factory=list)
    """Sent in this order, whatever is asked."""
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    url: str = ""

    def play(self, *answers: bytes) -> None:
        """Send these from now on, and forget what was asked before."""
        self.answers[:] = answers
        self.requests.clear()

    def bodies(self) -> list[bytes]:
        return [request.partition(b"\r\n\r\n")[2] for request in self.requests]


def answer(status: str = "200 OK", body: bytes = b"", *headers: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in (f"Content-Length: {len(body)}", *headers))
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


class _Handler(socketserver.StreamRequestHandler):
    server: "_Server"

    def handle(self) -> None:
        script = self.server.script
        script.connections += 1
        while head := self._head():
            length = next(
                (int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0
            )
            if b"expect: 100-continue" in head.lower():
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            script.requests.append(head + self.rfile.read(length))
            scripted = script.answers.pop(0)
            if isinstance(scripted, Late):
                time.sleep(0.1)
            self.wfile.write(scripted)
            if isinstance(scripted, LastWords):
                return

    def _head(self) -> bytes:
        lines = []
        while line := self.rfile.readline():
            lines.append(line)
            if line == b"\r\n":
                return b"".join(lines)
        return b""


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    script: ScriptedServer
    tls: ssl.SSLContext | None = None

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True)
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are what is tested."""


@contextmanager
def scripted_server(*answers: bytes, tls: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        scheme = "https" if tls else "http"
        server.tls = tls
        server.script = ScriptedServer(list(answers), url=f"{scheme}://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.script
        finally:
            server.shutdown()
            thread.join()
