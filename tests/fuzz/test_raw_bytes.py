"""Bytes on a connection that are nearly HTTP: each answer is a whole one, and the server goes on."""

import re
import socket
from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server import RunningService

PIECES = [
    b"GET /health HTTP/1.1\r\n",
    b"POST /api/v1/images HTTP/1.1\r\n",
    b"GET http://x/health HTTP/1.1\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n",
    b"GET /health HTTP/9.9\r\n",
    b"Host: x\r\n",
    b"X-User-ID: alice\r\n",
    b"Content-Type: image/png\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Connection: close\r\n",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n",
    b"\r\n",
    b"\n",
    b"\0",
    b"5\r\nabcde\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffffff\r\n",
    b"abcde",
]
near_http = st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=12).map(b"".join)


def exchange(server: RunningService, data: bytes) -> bytes:
    """All that comes back when nothing more is sent."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection, suppress(ConnectionError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65536):
            answer += piece
    return answer


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=near_http)
def test_whatever_comes_is_answered_or_dropped_and_others_are_served(server: RunningService, data: bytes) -> None:
    answer = exchange(server, data)
    assert answer == b"" or re.match(rb"HTTP/1\.[01] [1-5][0-9][0-9] ", answer), answer
    statuses = [int(status) for status in re.findall(rb"^HTTP/1\.[01] ([0-9]{3}) ", answer, re.MULTILINE)]
    assert not [status for status in statuses if status == 500 or status > 501], (data, answer)
    assert exchange(server, b"GET /health HTTP/1.0\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.0 200 OK")
