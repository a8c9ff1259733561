import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from app.services.batches import Batches


class Kitchen:
    """Makes what it is asked for, and waits for the test in between."""

    def __init__(self) -> None:
        self.started, self.may_look, self.looked, self.may_finish = (threading.Event() for _ in range(4))
        self.made: list[tuple[str, ...]] = []

    def __call__(self, close: Callable[[], Collection[str]]) -> dict[str, str]:
        self.started.set()
        assert self.may_look.wait(10)
        wanted = tuple(close())
        self.made.append(wanted)
        self.looked.set()
        assert self.may_finish.wait(10)
        return {item: item.upper() for item in wanted}


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def never(close: Callable[[], Collection[str]]) -> dict[str, str]:
    raise AssertionError("somebody makes it already")


def test_what_is_wanted_before_anybody_looks_is_made_together() -> None:
    batches = Batches[str, str]()
    made: list[Collection[str]] = []
    with ThreadPoolExecutor(2) as pool:
        others: list[Future[str]] = []

        def make(close: Callable[[], Collection[str]]) -> dict[str, str]:
            others.extend(pool.submit(batches.get, "image", item, never) for item in ("a", "b"))
            until(lambda: batches.waiting("image") == 2)
            made.append(close())
            return {item: item.upper() for item in made[0]}

        assert batches.get("image", "a", make) == "A"
        assert [one.result(10) for one in others] == ["A", "B"]
    assert made == [("a", "b")]
    assert batches.waiting("image") == 0


def test_what_is_being_made_is_waited_for_and_what_is_not_begins_anew() -> None:
    batches, kitchen, second = Batches[str, str](), Kitchen(), Kitchen()
    for event in (kitchen.may_look, second.may_look, second.may_finish):
        event.set()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(batches.get, "image", "a", kitchen)
        assert kitchen.looked.wait(10)
        assert batches.get("image", "b", second) == "B"
        same = pool.submit(batches.get, "image", "a", never)
        until(lambda: batches.waiting("image") == 1)
        kitchen.may_finish.set()
        assert [first.result(10), same.result(10)] == ["A", "A"]


def test_keys_do_not_wait_for_each_other() -> None:
    batches, kitchen = Batches[str, str](), Kitchen()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(batches.get, "one", "a", kitchen)
        assert kitchen.started.wait(10)
        assert batches.get("other", "a", lambda close: dict.fromkeys(close(), "done")) == "done"
        kitchen.may_look.set()
        kitchen.may_finish.set()
        assert first.result(10) == "A"


def test_a_failure_is_everybodys_and_is_not_kept() -> None:
    batches = Batches[str, str]()

    def fail(close: Callable[[], Collection[str]]) -> dict[str, str]:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        batches.get("image", "a", fail)
    assert batches.get("image", "a", lambda close: dict.fromkeys(close(), "fine")) == "fine"
