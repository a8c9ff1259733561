"""Several transfers at a time: bars while they run, a line for each that is done, and a sum at the end."""

import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from app.client import ClientError, NotIdentified, QuotaExceeded, RateLimited, Unavailable
from app.client import Progress as Move
from app.entrypoints.images.output import printable, readable_bytes, say
from app.entrypoints.images.stopping import TICK_SECONDS, Interrupted, Stop

ALREADY_THERE = "already there"
FAILS_FOR_ALL = (NotIdentified, QuotaExceeded, RateLimited, Unavailable)
"""What is not about one item: with the next one it would be the same."""

_AHEAD = 4  # transfers that may be begun, for each that runs, while the oldest is not done
_LONGEST_NAME = 40  # characters, beside a bar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Bars:
    """On standard error, if that is a terminal: a bar for all transfers, and one for each that runs."""

    def __init__(self, label: str, stop: Stop, *, total: int | None = None) -> None:
        console = Console(stderr=True)
        self._stop = stop
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[amount]}"),
            console=console,
            disable=not console.is_terminal,
            # Where they are not the same terminal, what is printed meanwhile would go to the bars and not to its file.
            redirect_stdout=sys.stdout.isatty(),
            transient=True,
        )
        self._all = self._progress.add_task(label, total=total, amount="")
        self._of = f" of {total}" if total is not None else ""
        self._done = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def count(self) -> None:
        """One more is done."""
        self._done += 1
        self._progress.update(self._all, completed=self._done, amount=f"{self._done}{self._of}")

    @contextmanager
    def transfer(self, name: str, size: int) -> Iterator[Move]:
        """A bar of so many bytes, and what moves it on. That raises Interrupted when the command ends."""
        self._stop.check()
        task = self._progress.add_task(printable(name)[-_LONGEST_NAME:], total=size, amount=readable_bytes(size))

        def move(position: int) -> None:
            self._stop.check()
            self._progress.update(task, completed=position)

        try:
            yield move
        finally:
            self._progress.remove_task(task)


class Tally:
    """How many of what became of the items."""

    def __init__(self) -> None:
        self._outcomes: Counter[str] = Counter()

    def add(self, outcome: str) -> None:
        self._outcomes[outcome] += 1

    def count(self, outcome: str) -> int:
        return self._outcomes[outcome]

    def failed(self, name: str, error: Exception) -> None:
        self._outcomes["failed"] += 1
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        say(f"Failed: {name}: {reason}")

    @property
    def failures(self) -> int:
        return self._outcomes["failed"]

    def __str__(self) -> str:
        return ", ".join(f"{count} {outcome}" for outcome, count in self._outcomes.items()) or "Nothing was done"


def carry_out(
    items: Iterable[Item],
    work: Callable[[Item], Result],
    report: Callable[[Item, Result | Exception], None],
    *,
    jobs: int,
    stop: Stop,
) -> None:
    """Do the work for each item, so many at a time, and report in the items' order what became of it.

    A failure of one is reported like a result. One of FAILS_FOR_ALL ends everything, and is raised
    once what was done is reported.
    """
    begun: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for item in items:
                begun.append((item, pool.submit(work, item)))
                if len(begun) > jobs * _AHEAD:
                    _settle(*begun.popleft(), report)
                stop.check()
            while begun:
                _settle(*begun.popleft(), report)
        except Interrupted:
            _give_up(begun, report)
        except BaseException:
            stop.set()
            _give_up(begun, report)
            raise


def _settle(item: Item, future: Future[Result], report: Callable[[Item, Result | Exception], None]) -> None:
    while not future.done():
        wait([future], timeout=TICK_SECONDS)
    try:
        result = future.result()
    except FAILS_FOR_ALL:
        raise
    except (ClientError, OSError) as error:
        report(item, error)
    else:
        report(item, result)


def _give_up(begun: Iterable[tuple[Item, Future[Result]]], report: Callable[[Item, Result | Exception], None]) -> None:
    """Begin nothing more, and report what comes to its end all the same."""
    left = [(item, future) for item, future in begun if not future.cancel()]
    for item, future in left:
        with suppress(Interrupted, ClientError):  # those that end everything were raised before
            _settle(item, future, report)
