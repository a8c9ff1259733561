"""kill -9 at every call that changes something, and what becomes of it: writes docs/reliability.md.

    .venv/bin/python -m benchmarks.crash_matrix

Runs the service on the embedded emulator, or on AWS_ENDPOINT_URL. An outcome that breaks a promise
ends it with an error; the same is tested in tests/faults/test_crashes.py.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import click

from tests.faults.crashes import VARIANTS, Outcome, Victim, crash_everywhere, crash_settings
from tests.faults.operations import LOOKED_AT, OPERATIONS
from tests.faults.proxy import FaultProxy
from tests.server import ROOT, RunningService

MARK = "<!-- crash matrix: written by python -m benchmarks.crash_matrix -->"


@click.command()
def main() -> None:
    """Crash everything everywhere, and replace the table in docs/reliability.md."""
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as home:
        service = RunningService(Path(home)).start()
        try:
            with (
                FaultProxy(service.endpoint_url).running() as proxy,
                Victim.running() as victim,
                crash_settings(service.endpoint_url, proxy) as plain,
                crash_settings(service.endpoint_url, proxy, **VARIANTS) as with_variants,
            ):
                crashes = [(kind, "", *plain) for kind in OPERATIONS]
                crashes += [(kind, ", with variants", *with_variants) for kind in LOOKED_AT]
                for kind, manner, stores, victims_settings in crashes:
                    for outcome in crash_everywhere(kind, stores, proxy, victim, victims_settings):
                        outcomes.append(replace(outcome, operation=outcome.operation + manner))
                        click.echo(line(outcomes[-1]))
        finally:
            service.stop()
    document = ROOT / "docs" / "reliability.md"
    head = document.read_text().partition(MARK)[0]
    table = [
        MARK,
        "",
        f"{len(outcomes)} crashes, each twice: once the client repeated its request, once it never came back.",
        "",
        "| operation | killed | at the call | shown at once | and after the audit |",
        "| --- | --- | --- | --- | --- |",
        *map(line, outcomes),
    ]
    document.write_text(head + "\n".join(table) + "\n")


def line(outcome: Outcome) -> str:
    number, when = outcome.crash.number, outcome.crash.when
    return f"| {outcome.operation} | {when} | {number}: `{outcome.call}` | {outcome.at_once} | {outcome.after_audit} |"


if __name__ == "__main__":
    main()
