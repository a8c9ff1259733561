import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData

from app.entrypoints.gunicorn_worker import HeadParser


@pytest.fixture
def client() -> Iterator[tuple[socket.socket, HeadParser]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, HeadParser(Config(), far, ("127.0.0.1", 1), seconds=0.3)


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
