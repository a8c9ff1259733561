import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from app.entrypoints import patience
from app.entrypoints.patience import PatientSocket

Made = Callable[[bool], tuple[socket.socket, PatientSocket]]


@pytest.fixture
def connect() -> Iterator[Made]:
    """Makes two ends: a client's, and the service's while others wait, or not."""
    opened: list[socket.socket] = []

    def make(pressed: bool) -> tuple[socket.socket, PatientSocket]:
        near, far = socket.socketpair()
        patient = PatientSocket.adopted(far, is_pressed=lambda: pressed)
        opened.extend((near, patient))
        return near, patient

    yield make
    for end in opened:
        end.close()


def test_bytes_come_and_go(connect: Made) -> None:
    near, patient = connect(True)
    near.sendall(b"ping")
    assert patient.recv(100) == b"ping"
    sent = bytes(range(256)) * 8000
    reader = threading.Thread(target=patient.sendall, args=(sent,))
    reader.start()
    received = bytearray()
    while len(received) < len(sent):
        received += near.recv(65536)
    reader.join()
    assert received == sent


def test_a_client_that_sends_nothing_goes_while_others_wait(connect: Made) -> None:
    _, patient = connect(True)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        patient.recv(1)
    assert time.monotonic() - begun < patience.PRESSED.seconds + 1


def test_a_client_that_has_stalled_is_still_answered(connect: Made) -> None:
    near, patient = connect(True)
    with pytest.raises(TimeoutError):
        patient.recv(1)
    patient.sendall(b"too late")
    assert near.recv(100) == b"too late"


def test_a_client_that_reads_nothing_goes_while_others_wait(connect: Made) -> None:
    _, patient = connect(True)
    with pytest.raises(TimeoutError):
        patient.sendall(bytes(10_000_000))


def test_a_client_in_drips_goes_while_others_wait(connect: Made) -> None:
    near, patient = connect(True)
    stopped = threading.Event()

    def drip() -> None:
        while not stopped.wait(0.1):
            near.send(b"x")

    dripping = threading.Thread(target=drip)
    dripping.start()
    with pytest.raises(TimeoutError):
        list(iter(lambda: patient.recv(1), b""))
    stopped.set()
    dripping.join()


def test_a_slow_client_may_take_its_time_where_nobody_waits(connect: Made) -> None:
    near, patient = connect(False)
    late = threading.Timer(patience.PRESSED.seconds + 0.5, near.sendall, [b"late"])
    late.start()
    assert patient.recv(100) == b"late"
    late.join()


def test_time_in_which_the_service_works_does_not_count(connect: Made) -> None:
    near, patient = connect(True)
    patient.begin()
    time.sleep(patience.PRESSED.seconds + 0.1)  # the service at work, not waiting for anything
    near.sendall(b"x")
    assert patient.recv(1) == b"x"


def test_a_timeout_counts_too_and_none_means_none(connect: Made) -> None:
    _, patient = connect(False)
    patient.settimeout(0.1)
    with pytest.raises(TimeoutError):
        patient.recv(1)
    assert patient.gettimeout() == 0.1
    patient.settimeout(0)
    with pytest.raises(BlockingIOError):
        patient.recv(1)
