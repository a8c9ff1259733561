"""gunicorn's threaded worker, with a limit to its patience, and all failures in one format."""

import json
import logging
import socket
import time
import uuid
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gunicorn.http.errors import NoMoreData
from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import ThreadWorker

log = logging.getLogger(__name__)

_HEAD_SECONDS = 10


class ProblemWorker(ThreadWorker):
    """Requests that gunicorn itself refuses never reach the app; they get problem+json (RFC 9457) here."""

    def handle(self, conn: Any) -> Any:
        """Serve a request, if its head comes in time: gunicorn itself would keep a thread waiting for ever."""
        if conn.parser is None:  # gunicorn makes one where none is there; we have neither TLS nor HTTP/2 in it
            conn.parser = HeadParser(self.cfg, conn.sock, conn.client, seconds=_HEAD_SECONDS)
        return super().handle(conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Let gunicorn decide on the status, and say it in our words: its own repeat the client's bytes."""
        refusal = _Refusal()
        super().handle_error(req, refusal, addr, exc)
        try:
            client.settimeout(1)
            client.sendall(_problem(refusal.status()))
        except OSError as error:
            log.debug("refused client is gone", extra={"cause": str(error)})


class HeadParser(RequestParser):
    """Reads requests from a connection, each of whose heads must be there within some seconds of its first byte."""

    def __init__(self, *arguments: Any, seconds: float) -> None:
        super().__init__(*arguments)
        self._seconds = seconds

    def __next__(self) -> Any:
        connection = self.unreader.sock
        self.unreader.sock = _UntilDeadline(connection, time.monotonic() + self._seconds)
        try:
            return super().__next__()
        except TimeoutError as error:
            with suppress(OSError):  # else gunicorn's main thread would wait for the client to close
                connection.shutdown(socket.SHUT_RDWR)
            raise NoMoreData from error
        finally:
            self.unreader.sock = connection
            connection.settimeout(None)


class _UntilDeadline:
    """Stands in for the connection while a head is read."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def recv(self, size: int) -> bytes:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv(size)


class _Refusal:
    """Stands in for the connection while gunicorn writes its answer."""

    def __init__(self) -> None:
        self._written = b""

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, data: bytes) -> None:
        self._written += data

    def status(self) -> HTTPStatus:
        """The status of the answer: what follows the version in its first line."""
        return HTTPStatus(int(self._written.split(b" ", 2)[1]))


def _problem(status: HTTPStatus) -> bytes:
    code = "invalid_request" if status < 500 else "internal_error"
    request_id = uuid.uuid4().hex
    body = json.dumps(
        {
            "type": f"urn:image-storage:problem:{code}",
            "title": status.phrase,
            "status": status.value,
            "detail": "The request is not valid HTTP, or larger than this server reads.",
            "code": code,
            "request_id": request_id,
        }
    )
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Content-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"X-Request-ID: {request_id}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
        "Cache-Control: private, no-store\r\n"
        "Connection: close\r\n\r\n"
        f"{body}"
    ).encode()
