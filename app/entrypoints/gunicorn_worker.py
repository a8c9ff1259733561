"""gunicorn's threaded worker, with a limit to its patience, and all failures in one format."""

import json
import logging
import socket
import time
import uuid
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders, NoMoreData
from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import ThreadWorker

log = logging.getLogger(__name__)

_HEAD_SECONDS = 10
_HEAD_BYTES = 64 * 1024  # as much as common load balancers let through, so that a field is refused by its name instead


class ProblemWorker(ThreadWorker):
    """Requests that gunicorn itself refuses never reach the app; they get problem+json (RFC 9457) here."""

    def init_process(self) -> None:
        self.log.error_log.addFilter(unrepeated)
        super().init_process()

    def handle(self, conn: Any) -> Any:
        """Serve a request, if its head comes in time: gunicorn itself would keep a thread waiting for ever."""
        if conn.parser is None:  # gunicorn makes one where none is there; we have neither TLS nor HTTP/2 in it
            conn.parser = HeadParser(self.cfg, conn.sock, conn.client, seconds=_HEAD_SECONDS, max_bytes=_HEAD_BYTES)
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


def unrepeated(record: logging.LogRecord) -> bool:
    """Cuts off what gunicorn logs of a request that it refuses: the client's bytes, which may hold a token."""
    about, found, _ = record.getMessage().partition(": ")
    if found and about.startswith("Invalid request from"):
        record.msg, record.args = about, ()
    return True


class HeadParser(RequestParser):
    """Reads requests from a connection, each of whose heads must be there within some seconds of its first byte.

    A head may have so many bytes in all; gunicorn itself limits its lines one by one.
    """

    def __init__(self, *arguments: Any, seconds: float, max_bytes: int) -> None:
        super().__init__(*arguments)
        self._seconds = seconds
        self._max_bytes = max_bytes

    def __next__(self) -> Any:
        connection = self.unreader.sock
        self.unreader.sock = _Limited(connection, time.monotonic() + self._seconds, self._max_bytes)
        try:
            return super().__next__()
        except TimeoutError as error:
            with suppress(OSError):  # else gunicorn's main thread would wait for the client to close
                connection.shutdown(socket.SHUT_RDWR)
            raise NoMoreData from error
        finally:
            self.unreader.sock = connection
            connection.settimeout(None)


class _Limited:
    """Stands in for the connection while a head is read."""

    def __init__(self, connection: socket.socket, deadline: float, max_bytes: int) -> None:
        self._connection = connection
        self._deadline = deadline
        self._bytes_left = max_bytes

    def recv(self, size: int) -> bytes:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if self._bytes_left <= 0:
            raise LimitRequestHeaders("the head is too large")
        self._connection.settimeout(left)
        data = self._connection.recv(size)
        self._bytes_left -= len(data)
        return data


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
