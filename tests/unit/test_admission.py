import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.admission import MemoryBudget
from app.errors import Overloaded


def test_what_does_not_fit_beside_the_others_is_refused() -> None:
    budget = MemoryBudget(100, wait_seconds=0)
    with budget.admitted(60), budget.admitted(40), pytest.raises(Overloaded), budget.admitted(1):
        pass
    with budget.admitted(100):
        pass


def test_what_needs_more_than_there_is_gets_all_of_it() -> None:
    budget = MemoryBudget(100, wait_seconds=0)
    with budget.admitted(1000), pytest.raises(Overloaded), budget.admitted(1):
        pass


def test_memory_comes_back_when_decoding_fails() -> None:
    budget = MemoryBudget(100, wait_seconds=0)
    with pytest.raises(ZeroDivisionError), budget.admitted(100):
        raise ZeroDivisionError
    with budget.admitted(100):
        pass


def test_who_waits_is_let_in_when_there_is_room() -> None:
    budget = MemoryBudget(100, wait_seconds=30)
    entered = threading.Event()

    def wait_for_room() -> None:
        with budget.admitted(50):
            entered.set()

    with ThreadPoolExecutor(1) as pool:
        with budget.admitted(100):
            waiting = pool.submit(wait_for_room)
            assert not entered.is_set()
        waiting.result(30)
    assert entered.is_set()


def test_no_more_is_ever_admitted_than_the_budget() -> None:
    budget = MemoryBudget(3, wait_seconds=30)
    lock, used, most = threading.Lock(), 0, 0

    def work(needed: int) -> None:
        nonlocal used, most
        with budget.admitted(needed):
            with lock:
                used += needed
                most = max(most, used)
            with lock:
                used -= needed

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, [1, 2, 3] * 200))
    assert most <= 3
