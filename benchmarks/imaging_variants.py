"""What a variant costs: the service beside bare Pillow and bare libvips doing the same.

    .venv/bin/python -m benchmarks.imaging_variants [--rounds 3] [--megapixels 12 --megapixels 24]

Each measurement is a process of its own, so that peak memory is that of the one task; the three take
turns, and medians are shown, also of the ratios within a round. CPU in milliseconds, without starting and
importing; memory in MB, with (Linux).
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pyvips
from PIL import Image as Pillow
from PIL import ImageOps

from app import imaging
from app.settings import Settings
from app.variant_specs import Rendition, VariantFormat, VariantSpec
from app.variants import render

SIZES = {12: (4000, 3000), 24: (6000, 4000)}
KINDS = ("JPEG", "PNG", "WEBP", "GIF")
VARIANTS = ("256-jpeg", "1024-webp", "256-avif")
UPLOADS = ("upload-webp-webp", "upload-webp-jpeg", "upload-jpeg-jpeg")
WAYS = ("service", "pillow", "libvips")
Runs = list[tuple[float, float]]
"""CPU in milliseconds and peak memory in MB, one for each round."""
SAVING: dict[str, dict[str, Any]] = {
    "pillow-jpeg": {"quality": 80, "optimize": True},
    "pillow-webp": {"quality": 80, "method": 2},
    "pillow-avif": {"quality": 65, "speed": 9, "max_threads": 1},
    "libvips-jpeg": {"Q": 80, "optimize_coding": True},
    "libvips-webp": {"Q": 80, "effort": 2},
    "libvips-avif": {"Q": 65, "effort": 0, "compression": "av1"},
}


@click.group(invoke_without_command=True)
@click.option("--rounds", default=3)
@click.option("--megapixels", type=int, multiple=True, default=tuple(SIZES))
@click.pass_context
def main(called: click.Context, rounds: int, megapixels: tuple[int, ...]) -> None:
    """Print a table of variants, and one of an upload that wants two at once."""
    if called.invoked_subcommand is not None:
        return
    with tempfile.TemporaryDirectory() as home:
        click.echo("| image | variant | service | Pillow | libvips | service to the better |")
        click.echo("| --- | --- | --- | --- | --- | --- |")
        files = {f"{kind} {size} MP": _written(Path(home), kind, size) for size in megapixels for kind in KINDS}
        for name, path in files.items():
            for variant in VARIANTS:
                found = _measured(path, [f"{way}-{variant}" for way in WAYS], rounds)
                cells = " | ".join(f"{cpu:.0f} ms, {peak:.0f} MB" for cpu, peak in map(_medians, found))
                ratio = max(_ratio(found[0], other) for other in found[1:])
                click.echo(f"| {name} | {variant} | {cells} | {ratio:.2f} |")
        click.echo(
            "\n| image | one decode | validate | 256 and 1024 as WebP, later "
            "| at upload, as WebP | as WebP and JPEG | as JPEG "
            "| validate and both, in decodes: later | at upload, as WebP | as WebP and JPEG | as JPEG |"
        )
        click.echo("| --- |" + " --- |" * 10)
        for name, path in files.items():
            found = _measured(path, ["decode", "validate", "both", *UPLOADS], rounds)
            cells = " | ".join(f"{_medians(runs)[0]:.0f} ms" for runs in found)
            decode, validate, both, *uploads = found
            later = _ratio(validate, decode) + _ratio(both, decode)
            ratios = " | ".join(f"{ratio:.2f}" for ratio in (later, *(_ratio(it, decode) for it in uploads)))
            click.echo(f"| {name} | {cells} | {ratios} |")


def _medians(runs: Runs) -> tuple[float, float]:
    return statistics.median(cpu for cpu, _ in runs), statistics.median(peak for _, peak in runs)


def _ratio(runs: Runs, others: Runs) -> float:
    """Of CPU, the median over the rounds: within a round the machine is about as busy for both."""
    return statistics.median(one / other for (one, _), (other, _) in zip(runs, others, strict=True))


def _measured(path: Path, tasks: list[str], rounds: int) -> list[Runs]:
    measured: dict[str, Runs] = {task: [] for task in tasks}
    for _ in range(rounds):
        for task in tasks:
            command = [sys.executable, "-m", "benchmarks.imaging_variants", "measure", task, str(path)]
            done = subprocess.run(command, check=True, capture_output=True)
            cpu, peak = json.loads(done.stdout)
            measured[task].append((cpu, peak))
    return list(measured.values())


@main.command()
@click.argument("task")
@click.argument("path", type=click.Path(path_type=Path))
def measure(task: str, path: Path) -> None:
    """Do one task in this process, and measure it when it is done again."""
    data = path.read_bytes()
    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)
    other = _saved(Pillow.new("RGB", (1600, 1200)), path.suffix[1:])
    _task(task, other)()  # tables that are made once are not what a file costs
    work = _task(task, data)
    work()  # a server that runs for days has its memory already, and to be given some takes longer than a small variant
    started = time.process_time()
    work()
    milliseconds = (time.process_time() - started) * 1000
    # ru_maxrss would be that of the process that started this one, if larger.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    click.echo(json.dumps([milliseconds, int(peak[1]) / 1024]))


def _task(task: str, data: bytes) -> Callable[[], object]:
    wanted = [_rendition(data, width, VariantFormat.WEBP) for width in (256, 1024)]
    whole: dict[str, Callable[[], object]] = {
        "decode": lambda: pyvips.Image.new_from_buffer(data, "", access="sequential", fail_on="error").avg(),
        "validate": lambda: imaging.inspect(data, Settings().image_limits),
        "both": lambda: render(data, wanted),
    }
    if task in whole:
        return whole[task]
    match task.split("-"):
        case ["upload", *kinds]:
            specs = [
                VariantSpec(width=width, format=VariantFormat(it)) for width, it in zip((256, 1024), kinds, strict=True)
            ]
            return lambda: imaging.inspect_and_render(data, Settings().image_limits, specs)
        case ["service", width, kind]:
            rendition = _rendition(data, int(width), VariantFormat(kind))
            return lambda: render(data, [rendition])
        case ["pillow", width, kind]:
            return lambda: _by_pillow(data, int(width), kind)
        case ["libvips", width, kind]:
            return lambda: _by_libvips(data, int(width), kind)
    raise click.BadParameter(task)


def _rendition(data: bytes, width: int, chosen: VariantFormat) -> Rendition:
    with Pillow.open(io.BytesIO(data)) as image:
        return VariantSpec(width=width).rendition(*image.size, chosen)


def _by_pillow(data: bytes, width: int, kind: str) -> bytes:
    target = io.BytesIO()
    with Pillow.open(io.BytesIO(data)) as image:
        image.draft("RGB", (width, width))
        upright = ImageOps.exif_transpose(image)
        assert upright is not None
        if upright.mode == "P":
            upright = upright.convert("RGB")
        upright.thumbnail((width, width), Pillow.Resampling.LANCZOS)
        upright.save(target, kind.upper(), **SAVING[f"pillow-{kind}"])
    return target.getvalue()


def _by_libvips(data: bytes, width: int, kind: str) -> bytes:
    image = pyvips.Image.thumbnail_buffer(data, width, size="down")
    suffix = {"jpeg": ".jpg"}.get(kind, f".{kind}")
    return bytes(image.write_to_buffer(suffix, keep="none", **SAVING[f"libvips-{kind}"]))


def _written(home: Path, kind: str, megapixels: int) -> Path:
    """A picture with soft detail everywhere, as a photograph has."""
    size = SIZES[megapixels]
    noise = Pillow.frombytes("RGB", (400, 300), random.Random(0).randbytes(400 * 300 * 3))
    slope = Pillow.linear_gradient("L").resize(size).convert("RGB")
    scene = Pillow.blend(noise.resize(size, Pillow.Resampling.BICUBIC), slope, 0.6)
    path = home / f"{megapixels}.{kind.lower()}"
    options = {"JPEG": {"quality": 88}, "PNG": {"compress_level": 3}, "WEBP": {"quality": 85, "method": 0}, "GIF": {}}
    scene = scene.quantize(256, Pillow.Quantize.FASTOCTREE) if kind == "GIF" else scene
    path.write_bytes(_saved(scene, kind, **options[kind]))
    return path


def _saved(picture: Pillow.Image, kind: str, **options: Any) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return target.getvalue()


if __name__ == "__main__":
    main()
