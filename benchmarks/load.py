"""Mixed traffic from several clients at once against the running service: latency, errors, and memory over time.

    .venv/bin/python -m benchmarks.load [--seconds 60] [--clients 16]

Starts the service as ./startup.sh does, on the embedded emulator, or on AWS_ENDPOINT_URL where that is
set. Every client is a user with images of its own and does what people do, in the shares of `_MIX`. Prints
a table and writes docs/load.png. The emulator is in Python too and takes most of the machine: the figures
show that nothing fails, leaks or grows under load, not how fast the service is (benchmarks/overhead does).
"""

import random
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import click
import httpx
import matplotlib as mpl

from benchmarks.uploads_at_once import gunicorn_memory
from tests.samples import picture_of_bytes
from tests.server import RunningService

mpl.use("Agg")

IMAGES = "/api/v1/images"
PLOT = Path(__file__).parents[1] / "docs" / "load.png"
_MIX = {"list": 30, "metadata": 20, "download": 20, "not modified": 10, "upload": 10, "edit": 5, "delete": 5}
_UPLOAD_BYTES = 100_000


@dataclass
class Recorded:
    """What happened: seconds that each request took, by operation; failures; memory in MB by second."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)


class _Client:
    """One user, who knows a few images of its own."""

    def __init__(self, service: RunningService, number: int, recorded: Recorded) -> None:
        self._api = service.client(f"load-{number}")
        self._random = random.Random(number)
        self._recorded = recorded
        self._ids: list[str] = []

    def run(self, until: float) -> None:
        with self._api:
            while time.monotonic() < until:
                operation = self._random.choices(list(_MIX), list(_MIX.values()))[0]
                self._time("upload" if not self._ids else operation)

    def _time(self, operation: str) -> None:
        do: dict[str, Callable[[str], httpx.Response]] = {
            "list": lambda _: self._api.get(IMAGES),
            "metadata": lambda chosen: self._api.get(f"{IMAGES}/{chosen}/metadata"),
            "download": lambda chosen: self._api.get(f"{IMAGES}/{chosen}"),
            "not modified": lambda chosen: self._api.get(f"{IMAGES}/{chosen}", headers={"If-Modified-Since": _FAR}),
            "upload": lambda _: self._upload(),
            "edit": lambda chosen: self._api.patch(f"{IMAGES}/{chosen}", json={"title": f"Title {time.time()}"}),
            "delete": self._delete,
        }
        chosen = self._random.choice(self._ids) if self._ids else ""
        began = time.perf_counter()
        try:
            answer = do[operation](chosen)
        except httpx.HTTPError as error:
            self._recorded.failures.append(f"{operation}: {type(error).__name__}")
            return
        self._recorded.seconds[operation].append(time.perf_counter() - began)
        if answer.status_code >= 400:
            self._recorded.failures.append(f"{operation}: {answer.status_code}")

    def _upload(self) -> httpx.Response:
        data = picture_of_bytes(_UPLOAD_BYTES, self._random.getrandbits(32))
        answer = self._api.post(IMAGES, content=data, headers={"Content-Type": "image/png"})
        if answer.status_code == 201:
            self._ids.append(answer.json()["image_id"])
        return answer

    def _delete(self, chosen: str) -> httpx.Response:
        self._ids.remove(chosen)
        return self._api.delete(f"{IMAGES}/{chosen}")


_FAR = "Fri, 01 Jan 2100 00:00:00 GMT"


@click.command()
@click.option("--seconds", default=60)
@click.option("--clients", default=16)
def main(seconds: int, clients: int) -> None:
    """Make traffic, and tell what became of it."""
    recorded = Recorded()
    with tempfile.TemporaryDirectory() as home:
        service = RunningService(Path(home)).start()
        try:
            _make_traffic(service, recorded, seconds, clients)
        finally:
            service.stop()
    total = sum(map(len, recorded.seconds.values()))
    click.echo(f"{total} requests in {seconds} s from {clients} clients, {len(recorded.failures)} failures")
    click.echo("\n| operation | requests | p50 ms | p95 ms | p99 ms |\n| --- | --- | --- | --- | --- |")
    for operation in _MIX:
        found = sorted(recorded.seconds[operation])
        cells = [f"{_percentile(found, share) * 1000:.0f}" for share in (0.5, 0.95, 0.99)]
        click.echo(f"| {operation} | {len(found)} | {' | '.join(cells)} |")
    click.echo(
        f"\nMemory of gunicorn: {recorded.memory[0][1]:.0f} MB at first, {recorded.memory[-1][1]:.0f} MB at last"
    )
    for failure in sorted(set(recorded.failures)):
        click.echo(f"{recorded.failures.count(failure)} times {failure}")
    _draw(recorded)


def _make_traffic(service: RunningService, recorded: Recorded, seconds: int, clients: int) -> None:
    began = time.monotonic()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(1):
            recorded.memory.append((time.monotonic() - began, gunicorn_memory(service, "VmRSS") / 1024))

    with ThreadPoolExecutor(clients + 1) as pool:
        watching = pool.submit(watch)
        users = [pool.submit(_Client(service, number, recorded).run, began + seconds) for number in range(clients)]
        for user in users:
            user.result()
        done.set()
        watching.result()


def _percentile(ascending: list[float], share: float) -> float:
    return ascending[min(int(len(ascending) * share), len(ascending) - 1)] if ascending else 0.0


def _draw(recorded: Recorded) -> None:
    from matplotlib import pyplot  # noqa: PLC0415 - only once the backend is chosen

    figure, (latency, memory) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for operation in _MIX:
        found = sorted(recorded.seconds[operation])
        shares = [100 * number / len(found) for number in range(len(found))]
        latency.plot([value * 1000 for value in found], shares, label=operation)
    latency.set_xscale("log")
    latency.set_xlabel("ms")
    latency.set_ylabel("% of requests are faster")
    latency.legend(fontsize=8)
    memory.plot(*zip(*recorded.memory, strict=True))
    memory.set_ylim(bottom=0)
    memory.set_xlabel("s")
    memory.set_ylabel("MB of gunicorn's processes")
    figure.savefig(PLOT, dpi=110)


if __name__ == "__main__":
    main()
