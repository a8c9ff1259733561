"""What traces cost a request: CPU of a gunicorn worker without them, with one request in ten traced, and with each.

    .venv/bin/python -m benchmarks.traces [--rounds 9]

The three take turns in one run, and medians count. What a worker spends on sending its spans is in the figures;
the collector, in this process, is not.
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


@click.command()
@click.option("--rounds", default=9)
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
        click.echo(f"| us of CPU, traced: | {' | '.join(running)} |\n{'| --- ' * (len(running) + 1)}|")
        for operation in (it for it in OPERATIONS if it.name in NAMES):
            found: dict[str, list[float]] = {name: [] for name in running}
            for _ in range(rounds):
                for name, service in running.items():
                    found[name].append(service.measure(operation, operation.repeats).cpu_seconds * 1e6)
            cells = " | ".join(f"{statistics.median(values):,.0f}" for values in found.values())
            click.echo(f"| {operation.name} | {cells} |")
    click.echo(f"The collector got {len(collector.spans):,} spans.")


if __name__ == "__main__":
    main()
