"""What checking an image costs, beside a bare decode, and what hostile files cost.

    .venv/bin/python -m benchmarks.imaging [--rounds 3]

Every measurement is a child process of its own: CPU, user and system, from the bytes in
memory to the result, and how far the peak of its resident memory (VmHWM, Linux) rose meanwhile. What is
compared takes turns, and medians count. Writes the tables into docs/imaging.md, between its markers.
"""

import io
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import click
import pyvips
from PIL import Image as Pillow

from app import imaging
from app.errors import ServiceError
from app.formats import sniffed_type
from app.models import ContentType
from app.settings import Settings
from tests.hostile import DEAR, REFUSED

PAGE = Path(__file__).parents[1] / "docs" / "imaging.md"
SIZES = {"12 MP": (4000, 3000), "24 MP": (6000, 4000)}
FORMATS: dict[str, tuple[str, dict[str, object]]] = {
    "JPEG": ("JPEG", {"quality": 90}),
    "JPEG, progressive": ("JPEG", {"quality": 90, "progressive": True}),
    "PNG": ("PNG", {"compress_level": 3}),
    "WebP": ("WEBP", {"quality": 85, "method": 2}),
    "GIF": ("GIF", {}),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run: what came out, CPU in milliseconds, memory in MiB."""

    outcome: str
    cpu: float
    memory: float


def validate(data: bytes) -> str:
    try:
        imaging.inspect(data, Settings().image_limits)
    except ServiceError as error:
        return f"{error.code}: {error}"
    return "accepted"


def bare_pillow(data: bytes) -> str:
    with Pillow.open(io.BytesIO(data)) as image:
        image.load()
    return "decoded"


def bare_libvips(data: bytes) -> str:
    kind = sniffed_type(data)
    loader = {"jpeg": "jpegload", "png": "pngload", "gif": "gifload", "webp": "webpload"}[kind.partition("/")[2]]
    pyvips.cache_set_max(0)
    pyvips.concurrency_set(1)
    pyvips.Operation.call(f"{loader}_buffer", data, access="sequential", fail_on="error").avg()
    return "decoded"


JOBS: dict[str, Callable[[bytes], str]] = {"validate": validate, "Pillow": bare_pillow, "libvips": bare_libvips}


def run_alone(job: str, file: Path) -> Cost:
    """Run a job in a process of its own. One that dies has an outcome that says so."""
    command = [sys.executable, "-m", "benchmarks.imaging", "--job", job, "--file", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        return Cost(f"process died: {done.returncode}", 0, 0)
    return Cost(**json.loads(done.stdout))


def _child(job: str, file: Path) -> None:
    data = file.read_bytes()
    JOBS[job](_tiny(sniffed_type(data)))  # imports and tables that are made once are not what a file costs
    before, used = _peak_bytes(), time.process_time()
    outcome = JOBS[job](data)
    cpu = time.process_time() - used
    click.echo(json.dumps({"outcome": outcome, "cpu": cpu * 1000, "memory": (_peak_bytes() - before) / 2**20}))


def _peak_bytes() -> int:
    match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert match is not None
    return int(match[1]) * 1024


def _tiny(kind: ContentType) -> bytes:
    target = io.BytesIO()
    Pillow.new("RGB", (8, 8)).save(target, kind.partition("/")[2])
    return target.getvalue()


def photograph(size: tuple[int, int]) -> Pillow.Image:
    """As much detail as a photograph has, the same each time."""
    noise = Pillow.frombytes("RGB", (400, 300), random.Random(0).randbytes(400 * 300 * 3))
    return noise.resize(size, Pillow.Resampling.BICUBIC)


def validate_table(rounds: int, home: Path) -> Iterable[str]:
    yield "| file | validate: CPU ms, MiB | Pillow | libvips | validate : better of both |"
    yield "| --- | --- | --- | --- | --- |"
    for size, pixels in SIZES.items():
        picture = photograph(pixels)
        for name, (kind, options) in FORMATS.items():
            file = home / "file"
            picture.save(file, kind, **options)
            runs: dict[str, list[Cost]] = {job: [] for job in JOBS}
            for _ in range(rounds):
                for job in JOBS:
                    runs[job].append(run_alone(job, file))
            cpu = {job: statistics.median(cost.cpu for cost in costs) for job, costs in runs.items()}
            memory = {job: statistics.median(cost.memory for cost in costs) for job, costs in runs.items()}
            cells = " | ".join(f"{cpu[job]:.0f}, {memory[job]:.0f}" for job in JOBS)
            ratio = max(_ratio(runs["validate"], runs[other]) for other in ("Pillow", "libvips"))
            yield f"| {name}, {size} | {cells} | {ratio:.2f} |"


def _ratio(runs: list[Cost], others: list[Cost]) -> float:
    """Of CPU, the median over the rounds: within a round the machine is about as busy for both."""
    return statistics.median(one.cpu / other.cpu for one, other in zip(runs, others, strict=True))


def hostile_table(home: Path) -> Iterable[str]:
    yield "| file | bytes sent | outcome | CPU s | MiB |"
    yield "| --- | --- | --- | --- | --- |"
    makers = {name: make for name, (make, _) in REFUSED.items()} | DEAR
    for name, make in makers.items():
        file = home / "file"
        file.write_bytes(make())
        cost = run_alone("validate", file)
        yield f"| {name} | {file.stat().st_size:,} | {cost.outcome} | {cost.cpu / 1000:.2f} | {cost.memory:.0f} |"


def write_between(marker: str, lines: Iterable[str]) -> None:
    """Put a table into docs/imaging.md, in the place of the one that was there."""
    table = "\n".join(lines)
    start, end = f"<!-- {marker} -->\n", f"\n<!-- end of {marker} -->"
    before, _, rest = PAGE.read_text().partition(start)
    PAGE.write_text(before + start + table + end + rest.partition(end)[2])
    click.echo(table)


@click.command()
@click.option("--rounds", default=3)
@click.option("--job", hidden=True)
@click.option("--file", type=Path, hidden=True)
def main(rounds: int, job: str | None, file: Path | None) -> None:
    """Measure, and write docs/imaging.md."""
    if job and file:
        _child(job, file)
        return
    with tempfile.TemporaryDirectory() as home:
        write_between("hostile", hostile_table(Path(home)))
        write_between("validate", validate_table(rounds, Path(home)))


if __name__ == "__main__":
    main()
