"""What the service costs, in multiples of what Flask and the bare calls of the stores cost: docs/overhead.md.

    .venv/bin/python -m benchmarks.overhead [--rounds 9] [--gunicorn]

Writes docs/overhead.json and docs/overhead.png, and prints the table. The candidates take turns,
each in a process of its own, and medians count, since machines have other things to do as well.
"""

import json
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from statistics import median

import click

from app.services import build_services
from app.settings import Settings
from app.times import utc_now
from benchmarks.overhead import null_aws
from benchmarks.overhead.candidates import CANDIDATES, Load, compared, service_environment
from benchmarks.overhead.operations import OPERATIONS, Operation
from benchmarks.overhead.report import Figures, Measured, draw, table
from benchmarks.overhead.served import served

DOCS = Path(__file__).parents[2] / "docs"

Ask = Callable[[Operation, int], Load]


@click.command()
@click.option("--rounds", default=9)
@click.option("--gunicorn", "with_gunicorn", is_flag=True, help="also under gunicorn, with requests per second")
def main(rounds: int, with_gunicorn: bool) -> None:
    """Measure, print a table, and write the files."""
    measured: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory() as home, null_aws.running(Path(home)) as url:
        if with_gunicorn:
            measured["Under gunicorn, one worker, four clients"] = _measured(rounds, url, _served)
        measured["In process"] = _measured(rounds, url, _measuring_process)
    ones = {"presigned URL": _presigning(), "inspection": _inspecting()}
    (DOCS / "overhead.json").write_text(json.dumps({"measured": measured, "us_of_one": ones}, indent=1) + "\n")
    draw(measured, DOCS / "overhead.png")
    click.echo(table(measured))
    click.echo("".join(f"One {name}: {microseconds} us.\n" for name, microseconds in ones.items()))


def _measured(rounds: int, url: str, start: Callable[[str, str], AbstractContextManager[Ask]]) -> Measured:
    """Medians over the rounds. In each the candidates take turns, and the floor that counts is that of the round."""
    found: Measured = {}
    with ExitStack() as stack:
        ask = {name: stack.enter_context(start(name, url)) for name in CANDIDATES}
        for operation in OPERATIONS:
            names = compared(operation)
            for name in names:
                ask[name](operation, 4)  # warm
            loads = [{name: ask[name](operation, operation.repeats) for name in names} for _ in range(rounds)]
            found[operation.name] = {name: _median(name, loads) for name in names}
    return found


def _median(name: str, loads: Sequence[Mapping[str, Load]]) -> Figures:
    return Figures(
        us=round(median(load[name].cpu_seconds for load in loads) * 1e6, 1),
        floors=round(median(load[name].cpu_seconds / load["floor"].cpu_seconds for load in loads), 2),
        per_second=round(median(load[name].per_second for load in loads), 1),
    )


@contextmanager
def _measuring_process(name: str, url: str) -> Iterator[Ask]:
    command = [sys.executable, "-m", "benchmarks.overhead.candidates", name, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asks, answers = process.stdin, process.stdout
        assert answers.readline() == "ready\n"

        def ask(operation: Operation, repeats: int) -> Load:
            asks.write(f"{operation.name} {repeats}\n")
            return Load(*map(float, answers.readline().split()))

        yield ask
        asks.close()


@contextmanager
def _served(name: str, url: str) -> Iterator[Ask]:
    with served(name, url) as candidate:
        yield candidate.measure


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
