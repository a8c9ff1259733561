"""Which of gunicorn's workers serve best, and how many of them: requests in a second, and CPU of each.

    .venv/bin/python -m benchmarks.workers [--rounds 5] [--clients 16] [--delay-ms 8]

Behind the service stands the stand-in of benchmarks.overhead, which keeps each answer back as stores do.
The candidates take turns, and medians are shown.
"""

import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from statistics import median

import click

from benchmarks.overhead import null_aws
from benchmarks.overhead.candidates import Load
from benchmarks.overhead.operations import OPERATIONS
from benchmarks.overhead.served import Served, served

_REPEATS = {"304": 400, "list 10": 240, "download 100 KB": 320, "upload 100 KB raw": 160}
_SETUPS = [
    ("sync", 2, 1),
    ("sync", 8, 1),
    ("threads", 1, 1),
    ("threads", 1, 4),
    ("threads", 1, 8),
    ("threads", 1, 16),
    ("threads", 2, 4),
    ("threads", 2, 8),
    ("threads", 2, 16),
    ("threads", 4, 4),
]
"""Kind of worker, processes, threads of each."""


@click.command()
@click.option("--rounds", default=5)
@click.option("--clients", default=16)
@click.option("--delay-ms", default=8.0, help="How long a store takes to answer.")
def main(rounds: int, clients: int, delay_ms: float) -> None:
    """Measure, and print a table."""
    wanted = [operation for operation in OPERATIONS if operation.name in _REPEATS]
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(null_aws.running(home, delay_seconds=delay_ms / 1000))
        services = [stack.enter_context(_started(*setup, url)) for setup in _SETUPS]
        loads: dict[str, list[list[Load]]] = {}
        for operation in wanted:
            for service in services:
                service.measure(operation, clients, clients=clients)  # warm
            loads[operation.name] = [
                [service.measure(operation, _REPEATS[operation.name], clients=clients) for service in services]
                for _ in range(rounds)
            ]
    click.echo(f"| worker, processes x threads | {' | '.join(loads)} |\n{'| --- ' * (len(loads) + 1)}|")
    for number, (kind, processes, threads) in enumerate(_SETUPS):
        cells = " | ".join(_cell([turn[number] for turn in turns]) for turns in loads.values())
        click.echo(f"| {kind}, {processes} x {threads} | {cells} |")


def _started(kind: str, processes: int, threads: int, url: str) -> AbstractContextManager[Served]:
    arguments = "--worker-class sync" if kind == "sync" else ""
    return served("service", url, WEB_WORKERS=str(processes), WEB_THREADS=str(threads), GUNICORN_CMD_ARGS=arguments)


def _cell(turns: Sequence[Load]) -> str:
    cpu = median(load.cpu_seconds for load in turns) * 1e6
    return f"{median(load.per_second for load in turns):,.0f}/s, {cpu:,.0f} us"


if __name__ == "__main__":
    main()
