"""gunicorn's threaded worker: threads for whole requests only, limits to its patience, all failures in one format."""

import errno
import io
import logging
import re
import selectors
import socket
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn.http.errors import InvalidHeader, LimitRequestHeaders, NoMoreData
from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import ThreadWorker

from app import logs
from app.entrypoints.patience import PatientSocket
from app.problem_details import DEFAULT_HEADERS, MEDIA_TYPE, problem_details

log = logging.getLogger(__name__)

_HEAD_SECONDS = 10
_STOPPING_SECONDS = 2  # for requests that are just being sent when the worker stops
_CLOSING_SECONDS = 2  # for a client to close after the last answer
_END_OF_HEAD = re.compile(rb"\n\r?\n")  # as lenient as anybody reads it; the parser decides
_HEAD_BYTES = 64 * 1024  # as much as common load balancers let through, so that a field is refused by its name instead


class ProblemWorker(ThreadWorker):
    """Gives a thread to a request when all of its head is there; until then its connection costs none.

    Requests that gunicorn itself refuses never reach the app; they get problem+json (RFC 9457) here.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadlines: dict[Any, float] = {}
        """Until when connections may wait for the rest of a head, or for its beginning."""
        self._unserved: dict[Any, None] = {}
        """Connections with a request that no thread serves yet."""

    def init_process(self) -> None:
        self.log.error_log.addFilter(unrepeated)
        super().init_process()

    def enqueue_req(self, conn: Any) -> None:
        """Take what has come, in gunicorn's main thread, and wait there for the rest.

        gunicorn itself would let a thread wait: 5 seconds for the first byte, and for ever for the last.
        """
        if conn.parser is None:  # gunicorn makes one where none is there; we have neither TLS nor HTTP/2 in it
            conn.sock = PatientSocket.adopted(conn.sock, is_pressed=self._is_pressed)
            conn.parser = HeadParser(self.cfg, conn.sock, conn.client, seconds=_HEAD_SECONDS, max_bytes=_HEAD_BYTES)
        conn.sock.setblocking(False)
        if conn.parser.has_head():
            self._serve(conn)
        else:
            self._wait(conn, _HEAD_SECONDS if conn.parser.has_begun() else self.cfg.keepalive, self._on_more)

    def _wait(self, conn: Any, seconds: float, on_more: Callable[[Any, socket.socket], None]) -> None:
        self._deadlines[conn] = time.monotonic() + seconds
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(on_more, conn))

    def _wait_no_more(self, conn: Any) -> None:
        del self._deadlines[conn]
        self.poller.unregister(conn.sock)

    def _on_more(self, conn: Any, _: socket.socket) -> None:
        had_begun = conn.parser.has_begun()
        if conn.parser.has_head():
            self._wait_no_more(conn)
            self._serve(conn)
        elif not had_begun:
            self._deadlines[conn] = time.monotonic() + _HEAD_SECONDS

    def _serve(self, conn: Any) -> None:
        conn.data_ready = True
        conn.sock.begin()
        self._unserved[conn] = None
        super().enqueue_req(conn)

    def _is_pressed(self) -> bool:
        """Whether a request waits for a thread."""
        return bool(self._unserved)

    def handle(self, conn: Any) -> Any:
        """Called in the thread that serves the request."""
        del self._unserved[conn]
        return super().handle(conn)

    def murder_pending(self) -> None:
        """Close the connections whose time is over."""
        super().murder_pending()
        now = time.monotonic()
        for conn in [conn for conn, deadline in self._deadlines.items() if deadline <= now]:
            self._close(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """The worker stops: whoever has not begun by then is not waited for."""
        super()._cap_keepalive(deadline)
        capped = time.monotonic() + _STOPPING_SECONDS
        self._deadlines = {conn: min(until, capped) for conn, until in self._deadlines.items()}

    def _close(self, conn: Any) -> None:
        self._wait_no_more(conn)
        self.nr_conns -= 1
        conn.close()

    def finish_request(self, conn: Any, fs: "Future[Any]") -> None:
        """After the last answer of a connection, let the client close first (RFC 9112 section 9.6).

        gunicorn itself would wait for that up to 2 seconds in its main thread, and serve nobody meanwhile.
        """
        if fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
            return
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
        except OSError:  # it is closed already
            self.nr_conns -= 1
            conn.close()
        else:
            self._wait(conn, _CLOSING_SECONDS, self._on_rest)

    def _on_rest(self, conn: Any, connection: socket.socket) -> None:
        """Take in what the client was still sending, so that it gets to read the answer."""
        try:
            is_over = connection.recv(_HEAD_BYTES) == b""
        except OSError:
            is_over = True
        if is_over:
            self._close(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Serve a request, unless its client takes too long to send it or to read the answer."""
        try:
            return super().handle_request(req, conn)
        except TimeoutError as error:
            _hang_up(conn.sock)
            raise ConnectionResetError(errno.ECONNRESET, "the client is too slow") from error  # no error of ours

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Let gunicorn decide on the status, and say it in our words: its own repeat the client's bytes."""
        refusal = _Refusal()
        request_id = uuid.uuid4().hex
        earlier = logs.request_id.set(request_id)
        try:
            super().handle_error(req, refusal, addr, exc)
            client.settimeout(1)
            client.sendall(_problem(refusal.status(), request_id))
        except OSError as error:
            log.debug("refused client is gone", extra={"cause": str(error)})
        finally:
            logs.request_id.reset(earlier)


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

    def has_begun(self) -> bool:
        """Whether anything of a request is here."""
        return bool(self.unreader.buf.getbuffer().nbytes)

    def has_head(self) -> bool:
        """Whether reading a head will not wait: it is here, or too large, or the client is gone. Never waits itself."""
        try:
            data = self.unreader.sock.recv(max(self._max_bytes - self.unreader.buf.getbuffer().nbytes, 0))
        except BlockingIOError:
            data = None
        except OSError:
            return True
        if data == b"":
            return True
        self.unreader.buf.seek(0, io.SEEK_END)
        self.unreader.buf.write(data or b"")
        received = self.unreader.buf.getvalue().lstrip(b"\r\n")  # as RFC 9112 section 2.2 allows
        return len(received) >= self._max_bytes or _END_OF_HEAD.search(received) is not None

    def __next__(self) -> Any:
        connection = self.unreader.sock
        bytes_left = self._max_bytes - self.unreader.buf.getbuffer().nbytes
        self.unreader.sock = _Limited(connection, time.monotonic() + self._seconds, bytes_left)
        try:
            request = super().__next__()
            if request.version >= (1, 1) and "HOST" not in dict(request.headers):
                raise InvalidHeader("Host is missing")  # RFC 9112 section 3.2
            return request
        except TimeoutError as error:
            _hang_up(connection)
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


def _hang_up(connection: socket.socket) -> None:
    """Else gunicorn's main thread would wait for the client to close."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


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


def _problem(status: HTTPStatus, request_id: str) -> bytes:
    code = "invalid_request" if status < 500 else "internal_error"
    detail = "The request is not valid HTTP, or larger than this server accepts."
    body = problem_details(status, code, detail, request_id=request_id)
    headers = {
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "X-Request-ID": request_id,
        **DEFAULT_HEADERS,
        "Connection": "close",
    }
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
