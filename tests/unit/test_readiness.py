import threading

import pytest

from app.errors import BackendUnavailable
from app.services.readiness import Readiness


class Store:
    """A store that counts its pings, and fails while it is told to."""

    def __init__(self) -> None:
        self.pings = 0
        self.fails = False
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.was_asked = threading.Event()

    def ping(self) -> None:
        self.pings += 1
        self.was_asked.set()
        assert self.may_answer.wait(20)
        if self.fails:
            raise BackendUnavailable("s3")


class Seconds:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def readiness(store: Store, seconds: Seconds) -> Readiness:
    return Readiness({"s3": store.ping}, monotonic=seconds)


def test_many_probes_ask_a_store_once(readiness: Readiness, store: Store) -> None:
    assert [readiness.failing_stores() for _ in range(100)] == [[]] * 100
    assert store.pings == 1


def test_a_store_that_fails_is_noticed_after_two_seconds(readiness: Readiness, store: Store, seconds: Seconds) -> None:
    assert readiness.failing_stores() == []
    store.fails = True
    seconds.now += 1.9
    assert readiness.failing_stores() == []
    seconds.now += 0.1
    assert readiness.failing_stores() == ["s3"]


def test_probes_do_not_wait_for_a_store_that_another_is_asking(
    readiness: Readiness, store: Store, seconds: Seconds
) -> None:
    readiness.failing_stores()
    store.may_answer.clear()
    store.was_asked.clear()
    seconds.now += 10
    asking = threading.Thread(target=readiness.failing_stores)
    asking.start()
    assert store.was_asked.wait(20)
    assert readiness.failing_stores() == []
    store.may_answer.set()
    asking.join(20)
    assert store.pings == 2
