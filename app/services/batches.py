"""Work that is wanted several times at once, done once."""

import threading
from collections.abc import Callable, Collection, Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")

Make = Callable[[Callable[[], Collection[Item]]], Mapping[Item, Result]]


@dataclass(slots=True)
class _Batch(Generic[Item, Result]):
    items: dict[Item, None]
    is_open: bool = True
    waiting: int = 0
    results: Future[Mapping[Item, Result]] = field(default_factory=Future)


class Batches(Generic[Item, Result]):
    """Threads that want items of the same key at once share the work: one makes them, the others wait.

    The first thread to ask makes them. Items that are asked for before it closes the batch are made with
    it. This holds within one process; making the same twice, in two, must do no harm.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches: dict[Hashable, list[_Batch[Item, Result]]] = {}

    def get(self, key: Hashable, item: Item, make: Make[Item, Result]) -> Result:
        """The result for the item. `make` is given a function that closes the batch and names its items.

        What `make` raises, everybody who waits for it gets.
        """
        batch, is_first = self._joined(key, item)
        if not is_first:
            return batch.results.result()[item]
        try:
            results = make(lambda: self._closed(batch))
        except BaseException as error:
            self._remove(key, batch)
            batch.results.set_exception(error)
            raise
        self._remove(key, batch)
        batch.results.set_result(results)
        return results[item]

    def waiting(self, key: Hashable) -> int:
        """How many threads wait for what another makes of this key."""
        with self._lock:
            return sum(batch.waiting for batch in self._batches.get(key, ()))

    def _joined(self, key: Hashable, item: Item) -> tuple[_Batch[Item, Result], bool]:
        with self._lock:
            batches = self._batches.setdefault(key, [])
            for batch in batches:
                if batch.is_open or item in batch.items:
                    batch.items[item] = None
                    batch.waiting += 1
                    return batch, False
            batches.append(batch := _Batch({item: None}))
            return batch, True

    def _closed(self, batch: _Batch[Item, Result]) -> Collection[Item]:
        with self._lock:
            batch.is_open = False
            return tuple(batch.items)

    def _remove(self, key: Hashable, batch: _Batch[Item, Result]) -> None:
        with self._lock:
            batch.is_open = False
            self._batches[key].remove(batch)
            if not self._batches[key]:
                del self._batches[key]
