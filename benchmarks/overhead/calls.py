"""How many functions a request calls, in multiples of the floor: a figure that no busy machine changes.

    .venv/bin/python -m benchmarks.overhead.calls [--write]

Compares with baseline.json, or writes it. tests/unit/test_overhead.py does the same in CI.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click

from benchmarks.overhead import null_aws
from benchmarks.overhead.candidates import CANDIDATES, Application, send
from benchmarks.overhead.operations import OPERATIONS, Operation

BASELINE = Path(__file__).with_name("baseline.json")
TOLERANCE = 1.15  # Python's versions and those of the libraries differ by some calls
_COUNTED = 15  # requests


def calls(application: Application, operation: Operation) -> int:
    """Calls of functions, Python's and C's, that one request makes in this thread once all is warm.

    The fewest of several: in how many pieces five megabytes arrive depends on what else the machine does.
    """
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    for _ in range(3):
        send(application, operation)
    counts = []
    for _ in range(_COUNTED):
        count = 0
        sys.setprofile(note)
        try:
            send(application, operation)
        finally:
            sys.setprofile(None)
        counts.append(count)
    return min(counts)


def measured() -> dict[str, float]:
    """For each operation, the service's calls in multiples of the floor's."""
    with tempfile.TemporaryDirectory() as home, null_aws.running(Path(home)) as url:
        floor, service = (CANDIDATES[name](url) for name in ("floor", "service"))
        return {
            operation.name: round(calls(service, operation) / calls(floor, operation), 2) for operation in OPERATIONS
        }


def worse(found: Mapping[str, float], baseline: Mapping[str, float]) -> list[str]:
    """What has become clearly worse, in words."""
    return [
        f"{name}: {ratio} floors, was {baseline[name]}"
        for name, ratio in found.items()
        if ratio > baseline[name] * TOLERANCE
    ]


@click.command()
@click.option("--write", is_flag=True, help="keep these figures as the baseline")
def main(write: bool) -> None:
    """Print the figures, and fail where they are clearly worse than the baseline."""
    found = measured()
    click.echo(json.dumps(found, indent=1))
    if write:
        BASELINE.write_text(json.dumps(found, indent=1) + "\n")
    if failures := worse(found, json.loads(BASELINE.read_text())):
        raise click.ClickException("\n".join(failures))


if __name__ == "__main__":
    main()
