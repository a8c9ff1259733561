"""What the service costs, in multiples of what Flask and the bare calls of the stores cost: docs/overhead.md.

    .venv/bin/python -m benchmarks.overhead [--rounds 9] [--gunicorn]

Writes docs/overhead.json and docs/overhead.png, and prints the table. The candidates take turns,
each in a process of its own, and medians count, since machines have other things to do as well.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from app.services import build_services
from app.settings import Settings
from app.times import utc_now
from benchmarks.overhead import null_aws
from benchmarks.overhead.candidates import CANDIDATES, service_environment
from benchmarks.overhead.operations import OPERATIONS, Operation
from benchmarks.overhead.report import draw, table
from benchmarks.overhead.served import Load, served

DOCS = Path(__file__).parents[2] / "docs"

Measured = dict[str, dict[str, float]]
"""By operation and candidate: microseconds of CPU for a request, or requests in a second."""


@click.command()
@click.option("--rounds", default=9)
@click.option("--gunicorn", "with_gunicorn", is_flag=True, help="also under gunicorn, with requests per second")
def main(rounds: int, with_gunicorn: bool) -> None:
    """Measure, print a table, and write the files."""
    results: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory() as home, null_aws.running(Path(home)) as url:
        results["cpu_us"] = _in_process(url, rounds)
        if with_gunicorn:
            results["gunicorn_cpu_us"], results["gunicorn_per_second"] = _under_gunicorn(url, max(rounds // 3, 1))
    results["us_of_one"] = {"presigned URL": {"service": _presigning()}, "inspection": {"service": _inspecting()}}
    (DOCS / "overhead.json").write_text(json.dumps(results, indent=1) + "\n")
    draw(results["cpu_us"], DOCS / "overhead.png")
    click.echo(table(results))


def _in_process(url: str, rounds: int) -> Measured:
    with ExitStack() as stack:
        ask = {name: stack.enter_context(_measuring_process(name, url)) for name in CANDIDATES}
        return {
            operation.name: _medians(rounds, {name: _asker(ask[name], operation) for name in ask})
            for operation in OPERATIONS
        }


def _asker(ask: Callable[[Operation, int], float], operation: Operation) -> Callable[[], float]:
    ask(operation, 3)  # warm
    return lambda: ask(operation, operation.repeats) * 1e6


def _medians(rounds: int, measure: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    found: dict[str, list[float]] = {name: [] for name in measure}
    for _ in range(rounds):
        for name, once in measure.items():
            found[name].append(once())
    return {name: round(statistics.median(values), 1) for name, values in found.items()}


@contextmanager
def _measuring_process(name: str, url: str) -> Iterator[Callable[[Operation, int], float]]:
    command = [sys.executable, "-m", "benchmarks.overhead.candidates", name, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asks, answers = process.stdin, process.stdout
        assert answers.readline() == "ready\n"

        def ask(operation: Operation, repeats: int) -> float:
            asks.write(f"{operation.name} {repeats}\n")
            return float(answers.readline())

        yield ask
        asks.close()


def _under_gunicorn(url: str, rounds: int) -> tuple[Measured, Measured]:
    cpu: Measured = {}
    per_second: Measured = {}
    with ExitStack() as stack:
        running = {name: stack.enter_context(served(name, url)) for name in CANDIDATES}
        for operation in OPERATIONS:
            loads: dict[str, list[Load]] = {name: [] for name in running}
            for _ in range(rounds):
                for name, candidate in running.items():
                    loads[name].append(candidate.measure(operation, operation.repeats))
            cpu[operation.name] = {
                name: round(statistics.median(load.cpu_seconds for load in found) * 1e6, 1)
                for name, found in loads.items()
            }
            per_second[operation.name] = {
                name: round(statistics.median(load.per_second for load in found), 1) for name, found in loads.items()
            }
    return cpu, per_second


def _presigning() -> float:
    """Microseconds for one download URL, of images that differ in key and filename."""
    services = build_services(_settings())
    images, now = null_aws.listed(100), utc_now()

    def page() -> None:
        urls = services.storage.urls(now)
        for image in images:
            urls.image(image)

    return round(min(timeit.repeat(page, number=50, repeat=7)) / 50 / len(images) * 1e6, 1)


def _inspecting() -> float:
    """Microseconds for looking into the 100 KB that the uploads send, which the floor does not do."""
    inspector = build_services(_settings()).inspector

    return round(min(timeit.repeat(lambda: inspector.inspect(null_aws.SMALL.data), number=20, repeat=7)) / 20 * 1e6, 1)


def _settings() -> Settings:
    environment = service_environment("http://127.0.0.1:1")
    return Settings.model_validate({name.lower(): value for name, value in environment.items()})


if __name__ == "__main__":
    main()
