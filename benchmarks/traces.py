"""What traces cost a request: CPU of a gunicorn worker without them, with one request in ten traced, and with each.

    .venv/bin/python -m benchmarks.traces [--rounds 21]

The three take turns; what tracing adds is the median of the differences within a round. What a worker spends on
sending its spans is in the figures; the collector, in this process, is not.
"""

import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

from benchmarks.overhead import null_aws
from benchmarks.overhead.operations import OPERATIONS
from benchmarks.overhead.served import served
from tests.collector import collecting

NAMES = ("metadata", "304", "list 10", "download 100 KB", "upload 100 KB raw", "direct upload issued")
REPEATS = 200


@click.command()
@click.option("--rounds", default=21)
def main(rounds: int) -> None:
    """Measure, and print a table."""
    with ExitStack() as stack:
        url = stack.enter_context(null_aws.running(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        collector = stack.enter_context(collecting())
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}
        environments = {
            "none": {},
            "one in ten": traced | {"OTEL_TRACES_SAMPLER_ARG": "0.1"},
            "each": traced | {"OTEL_TRACES_SAMPLER_ARG": "1.0"},
        }
        running = {
            name: stack.enter_context(served("service", url, **changes)) for name, changes in environments.items()
        }
        names = list(running)
        click.echo(f"| us of CPU, traced: | {' | '.join(names)} |\n{'| --- ' * (len(names) + 1)}|")
        for operation in (it for it in OPERATIONS if it.name in NAMES):
            found: dict[str, list[float]] = {name: [] for name in names}
            for number in range(rounds):
                for name in names[number % 3 :] + names[: number % 3]:
                    found[name].append(running[name].measure(operation, REPEATS).cpu_seconds * 1e6)
            more = {
                name: statistics.median(traced - none for traced, none in zip(found[name], found["none"], strict=True))
                for name in names[1:]
            }
            cells = [f"{statistics.median(found['none']):,.0f}", *(f"{us:+,.0f}" for us in more.values())]
            click.echo(f"| {operation.name} | {' | '.join(cells)} |")
    click.echo(f"The collector got {len(collector.spans):,} spans.")


if __name__ == "__main__":
    main()
