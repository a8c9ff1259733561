import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import LimitRequestHeaders, NoMoreData

from app.entrypoints.gunicorn_worker import HeadParser, unrepeated


@pytest.fixture
def client() -> Iterator[tuple[socket.socket, HeadParser]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, HeadParser(Config(), far, ("127.0.0.1", 1), seconds=0.3, max_bytes=20_000)


def test_a_head_that_comes_in_time_is_read_and_its_body_may_take_longer(
    client: tuple[socket.socket, HeadParser],
) -> None:
    near, parser = client
    near.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n")
    request = next(parser)
    assert request.path == "/x"
    late = threading.Timer(0.6, near.sendall, [b"ok"])
    late.start()
    assert request.body.read(2) == b"ok"
    late.join()


@pytest.mark.parametrize("part", [b"", b"GE", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_does_not_come_is_given_up(client: tuple[socket.socket, HeadParser], part: bytes) -> None:
    near, parser = client
    near.sendall(part)
    with pytest.raises(NoMoreData):
        next(parser)
    assert near.recv(1) == b""


def test_a_head_in_drips_has_no_more_time(client: tuple[socket.socket, HeadParser]) -> None:
    near, parser = client
    stopped = threading.Event()

    def drip() -> None:
        with suppress(OSError):  # given up
            while not stopped.wait(0.05):
                near.sendall(b"G")

    dripping = threading.Thread(target=drip)
    dripping.start()
    with pytest.raises(NoMoreData):
        next(parser)
    stopped.set()
    dripping.join()


def test_a_head_may_have_long_lines_but_only_so_many_bytes_in_all(client: tuple[socket.socket, HeadParser]) -> None:
    near, parser = client
    parser.cfg.set("limit_request_line", 0)
    near.sendall(b"GET /?" + b"a" * 15_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(next(parser).query) == 15_000
    near.sendall(b"GET /?" + b"a" * 30_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises(LimitRequestHeaders):
        next(parser)


def test_the_bytes_of_a_refused_request_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("gunicorn.error")
    caplog.handler.addFilter(unrepeated)
    logger.warning("Invalid request from ip=127.0.0.1: Invalid HTTP Header: 'Authorization Bearer canary'")
    logger.warning("Worker: canary is alive")
    assert caplog.messages == ["Invalid request from ip=127.0.0.1", "Worker: canary is alive"]
