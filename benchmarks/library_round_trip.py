"""A thousand images up, out and into another library with the command line, every step interrupted twice.

    python -m benchmarks.library_round_trip [--images 1000] [--jobs 4]

Each of upload, export and import is ended by SIGINT after a third and by SIGKILL after two thirds of the
images, then run to its end. Then both libraries and the directory must hold the same, byte by byte.
"""

import hashlib
import json
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

import click

from app.client import ImageClient
from tests.client.command import Command
from tests.samples import picture
from tests.server import RunningService


def interrupted_twice(command: Command, images: int, *arguments: str | Path) -> None:
    """Run a step to its end in three parts, and say how long they took."""
    name, begun = arguments[0], time.monotonic()
    for how, share in ((signal.SIGINT, 3), (signal.SIGKILL, 1.5)):
        code, _ = command.interrupted(int(images / share), how, *arguments)
        click.echo(f"  {name}: {how.name} after {int(images / share)} lines, exit code {code}")
    with command.start(*arguments) as process:
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    click.echo(f"  {name}: {errors.strip()} {time.monotonic() - begun:.1f} s in all")


def uninterrupted(command: Command, *arguments: str | Path) -> None:
    begun = time.monotonic()
    with command.start(*arguments) as process:
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    click.echo(f"  {arguments[0]}: {errors.strip()} {time.monotonic() - begun:.1f} s")


def library(command: Command) -> Counter[str]:
    """What must be the same in both libraries."""
    with ImageClient(command.server, user_id=command.user) as client:
        return Counter(f"{image.sha256} {image.filename} {image.title} {image.tags}" for image in client.images())


@click.command()
@click.option("--images", default=1000)
@click.option("--jobs", default=4)
def main(images: int, jobs: int) -> None:
    """Make the images, start the service, and take every step."""
    with tempfile.TemporaryDirectory() as name:
        photos = Path(name, "photos")
        photos.mkdir()
        for number in range(images):
            (photos / f"{number:05}.png").write_bytes(picture("PNG", seed=number))
        service = RunningService(Path(name, "data")).start()
        try:
            run(service, photos, Path(name, "export"), images, jobs)
        finally:
            service.stop()


def run(service: RunningService, photos: Path, export: Path, images: int, jobs: int) -> None:
    home = photos.parent / "home"
    alice, bob, carol = (Command(service.url, user, home) for user in ("alice", "bob", "carol"))
    labels = ("--tag", "sea", "--title-from", "filename", "--jobs", str(jobs))
    click.echo("Without interruption:")
    uninterrupted(carol, "upload", photos, *labels)
    uninterrupted(carol, "upload", photos, *labels)
    click.echo("Interrupted twice:")
    interrupted_twice(alice, images, "upload", photos, *labels)
    files = export / "images"
    interrupted_twice(alice, images, "export", export, "--jobs", str(jobs))
    interrupted_twice(bob, images, "import", export, "--jobs", str(jobs))
    records = [json.loads(line) for line in (export / "images.ndjson").read_bytes().splitlines()]
    for record in records:
        assert hashlib.sha256((export / record["file"]).read_bytes()).hexdigest() == record["sha256"]
    sources = Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in photos.iterdir())
    assert sources == Counter(record["sha256"] for record in records)
    assert len(list(files.iterdir())) == images
    assert library(alice) == library(bob) == library(carol)
    click.echo(f"All checksums and all metadata are equal: {images} sources, files, and images in three libraries.")


if __name__ == "__main__":
    main()
