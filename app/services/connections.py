"""HTTP/1.1 over kept connections, with no more than AWS's own answers need.

urllib3, which is under boto3, takes as long for an exchange as Flask does for a request. Messages are
taken apart by llhttp, the parser of Node.js (httptools); what is here is which connection they go
over. Failures are raised as botocore names them.
"""

import socket
import ssl
import weakref
from collections import deque
from typing import IO
from urllib.parse import urlsplit

from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from httptools import HttpParserError, HttpResponseParser
from urllib3.util.wait import wait_for_read

_RECEIVED_AT_ONCE = 256 * 1024
_SENT_AT_ONCE = 256 * 1024


class Connections:
    """Kept connections to one origin, such as `https://dynamodb.eu-west-1.amazonaws.com`. Threads may share it.

    A connection that was idle is used again only while nothing lies unread on it, neither bytes
    nor the word that the other side has closed it.
    """

    def __init__(
        self,
        origin: str,
        *,
        connect_seconds: float,
        read_seconds: float,
        kept: int,
        tls: ssl.SSLContext | None,
    ) -> None:
        """`tls` says whose certificates to trust; None is for origins that begin with http://."""
        where = urlsplit(origin)
        self.origin = origin
        self.host = where.netloc
        self._hostname = where.hostname or ""
        assert (tls is None) == (where.scheme == "http")  # nothing goes out in the clear by mistake
        self._tls = tls
        self._port = where.port or (443 if self._tls else 80)
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._kept = kept
        self._idle: deque[socket.socket] = deque()
        weakref.finalize(self, _close_all, self._idle)

    def exchange(self, head: bytes, body: bytes | IO[bytes] = b"", *, stream: bool = False) -> "Answer":
        """Send a request; its whole answer. With `stream`, of a success as far as the end of its head: then
        close it, or read it to its end.

        Raises ConnectTimeoutError, EndpointConnectionError, SSLError, ReadTimeoutError or ConnectionClosedError.
        """
        connection = self._taken() or self._connected()
        answer = Answer(self, connection)
        try:
            _send(connection, head, body)
            answer.receive(stream=stream)
        except TimeoutError as error:
            answer.close()
            raise ReadTimeoutError(endpoint_url=self.origin, error=error) from error
        except (OSError, EOFError, HttpParserError) as error:
            answer.close()
            raise ConnectionClosedError(endpoint_url=self.origin, error=error) from error
        except BaseException:
            answer.close()
            raise
        return answer

    def give_back(self, connection: socket.socket) -> None:
        """Keep a connection on which an answer was read to its end."""
        if len(self._idle) >= self._kept:
            connection.close()
        else:
            self._idle.append(connection)

    def close(self) -> None:
        """End the connections that are not in use."""
        _close_all(self._idle)

    def _taken(self) -> socket.socket | None:
        """The connection that was used last, since it is the least likely to be closed by the other side."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was quicker
                return None
            if _is_quiet(connection):
                return connection
            connection.close()
        return None

    def _connected(self) -> socket.socket:
        try:
            stream = socket.create_connection((self._hostname, self._port), self._connect_seconds)
            try:
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                if self._tls is not None:
                    stream = self._tls.wrap_socket(stream, server_hostname=self._hostname)
                stream.settimeout(self._read_seconds)
            except BaseException:
                stream.close()
                raise
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self.origin, error=error) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=self.origin, error=error) from error
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=self.origin, error=error) from error
        return stream


def _is_quiet(connection: socket.socket) -> bool:
    """Whether nothing lies unread on it, be it bytes or its end."""
    return not (wait_for_read(connection, 0) or (isinstance(connection, ssl.SSLSocket) and connection.pending()))


def _close_all(idle: deque[socket.socket]) -> None:
    while idle:
        idle.pop().close()


def _send(connection: socket.socket, head: bytes, body: bytes | IO[bytes]) -> None:
    if isinstance(body, bytes):
        connection.sendall(head + body)
        return
    connection.sendall(head + body.read(_SENT_AT_ONCE))
    while piece := body.read(_SENT_AT_ONCE):
        connection.sendall(piece)


class Answer:
    """The answer to one request: status and headers, and its content as it comes."""

    def __init__(self, connections: Connections, connection: socket.socket) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        """By names in lower case. Latin-1, as HTTP has it (RFC 9110 section 5.5)."""
        self._connections = connections
        self._connection: socket.socket | None = connection
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._is_complete = self._is_kept = False
        self._received = 0
        self._pieces: deque[bytes] = deque()

    def receive(self, *, stream: bool) -> None:
        """Receive all of the answer, or the head of a success. Raises OSError, EOFError or HttpParserError."""
        while not self.status:
            self._receive()
        if self.status < 200:
            raise HttpParserError("an interim answer that nobody asked for")
        while not (self._is_complete or (stream and self.status < 300)):
            self._receive()

    def read(self, size: int | None = None) -> bytes:
        """All of the content that is left; with a `size`, whatever it is, the next piece as it came, empty at the end.

        No piece is larger than 256 KiB. Keeping to the size would cost a copy, and nobody asks for less.
        Raises ReadTimeoutError, or ResponseStreamingError or IncompleteReadError where the rest did not come.
        """
        if size is None:
            return b"".join(iter(lambda: self.read(_RECEIVED_AT_ONCE), b""))
        while not self._pieces and not self._is_complete:
            try:
                self._receive()
            except TimeoutError as error:
                self.close()
                raise ReadTimeoutError(endpoint_url=self._connections.origin, error=error) from error
            except (OSError, HttpParserError) as error:
                self.close()
                raise ResponseStreamingError(error=error) from error
            except EOFError as error:
                self.close()
                expected = int(self.headers.get("content-length", "0"))
                raise IncompleteReadError(actual_bytes=self._received, expected_bytes=expected) from error
        return self._pieces.popleft() if self._pieces else b""

    def close(self) -> None:
        """End the connection, unless the answer was read to its end: what is unread must not become another's."""
        self._parser = None  # which knows this object, and would keep it
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _receive(self) -> None:
        if self._connection is None or self._parser is None:
            raise EOFError("the answer was closed")
        received = self._connection.recv(_RECEIVED_AT_ONCE)
        if not received:
            raise EOFError("the connection was closed within an answer")
        try:
            self._parser.feed_data(received)
        except HttpParserError:
            if not self._is_complete:
                raise
            self._is_kept = False
        if self._is_complete:
            if self._is_kept:
                self._connections.give_back(self._connection)
                self._connection = None
            self.close()

    # What the parser calls, for each part of a message that it has found. What looks like a second message
    # was not asked for: it is ignored, and its connection with it.

    def on_message_begin(self) -> None:
        self._is_kept = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_complete:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self.status = self.status or self._parser.get_status_code()

    def on_body(self, piece: bytes) -> None:
        if not self._is_complete:
            self._received += len(piece)
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        assert self._parser is not None
        if not self._is_complete:
            self._is_complete = True
            self._is_kept = self._parser.should_keep_alive()
