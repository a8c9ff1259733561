"""`images export` and `images import`: all images of a user as a directory, and back, on any server.

DIRECTORY/export.json      what the directory is; written last, so an export that has it is whole
DIRECTORY/images.ndjson    a line an image: what is known about it, and its file
DIRECTORY/images/ID.jpg    the bytes
"""

import hashlib
import itertools
import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import click

from app.client import ClientError, Image, ImageFilter, WrongChecksum, sha256_of
from app.entrypoints.images.connection import Connection, connected, tallied
from app.entrypoints.images.names import holds, safe_name
from app.entrypoints.images.options import jobs_option
from app.entrypoints.images.output import facts, json_line, say, tell
from app.entrypoints.images.parallel import ALREADY_THERE, Bars, carry_out
from app.entrypoints.images.sending import Details, send

_FORMAT = "image-storage-export"
_VERSION = 1
_RECORDS = "images.ndjson"
_MANIFEST = "export.json"
_NOTE = (
    "An import keeps filename, title, description, location, tags and the bytes, but not image_id, user_id, "
    "created_at, updated_at and version, which the importing server assigns anew."
)
_NOT_EXPORTED = frozenset({"status", "rejection"})


@click.command("export")
@connected
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@jobs_option
def export_library(*, connection: Connection, directory: Path, jobs: int) -> None:
    """Write all your images and their metadata to a directory.

    Every file is verified by its SHA-256. Run the same command again to continue after an
    interruption, or to update a complete export.
    """
    client, stop = connection.client, connection.stop
    images = client.images(ImageFilter(order="asc"))
    first = list(itertools.islice(images, 1))
    _require_same_user(directory, first)
    (directory / "images").mkdir(parents=True, exist_ok=True)
    (directory / _MANIFEST).unlink(missing_ok=True)
    records = directory / f"{_RECORDS}.part"
    digest = hashlib.sha256()

    with tallied(connection) as tally:
        with records.open("wb") as written, Bars("Export", stop) as bars:

            def fetch(image: Image) -> str:
                path = directory / _file_of(image)
                if holds(path, image):
                    return ALREADY_THERE
                path.unlink(missing_ok=True)
                with bars.transfer(image.filename, image.file_size) as move:
                    client.download(image, path, progress=move)
                return "exported"

            def report(image: Image, result: str | Exception) -> None:
                bars.count()
                if isinstance(result, Exception):
                    tally.failed(f"{image.image_id} ({image.filename})", result)
                    return
                tally.add(result)
                tell(result, image.image_id, directory / _file_of(image))
                known = {name: value for name, value in facts(image).items() if name not in _NOT_EXPORTED}
                line = json_line(known | {"file": _file_of(image).as_posix()}) + b"\n"
                digest.update(line)
                written.write(line)

            carry_out(itertools.chain(first, images), fetch, report, jobs=jobs, stop=stop)
        if stop.signal is None:
            records.replace(directory / _RECORDS)
            _write_manifest(directory / _MANIFEST, digest.hexdigest(), tally.failures)


def _require_same_user(directory: Path, first: Sequence[Image]) -> None:
    """Raises click.UsageError where the directory has somebody else's export: its list would be replaced."""
    try:
        with (directory / _RECORDS).open("rb") as file:
            line = file.readline()
        owner = json.loads(line)["user_id"] if line else None
    except FileNotFoundError:
        return
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise click.UsageError(f"{directory / _RECORDS} is not of an export: {error!r}") from error
    if owner is not None and [image.user_id for image in first] != [owner]:
        whose = "yours" if first else "an empty one"
        raise click.UsageError(
            f"{directory} holds an export of {owner}'s images, whose list would be replaced by {whose}. "
            "Choose another directory."
        )


def _write_manifest(path: Path, digest: str, failures: int) -> None:
    manifest = {
        "format": _FORMAT,
        "version": _VERSION,
        "note": _NOTE,
        "exported_at": datetime.now(UTC),
        "sha256": digest,
        "failed": failures,
    }
    part = path.with_suffix(".part")
    part.write_bytes(json_line(manifest) + b"\n")
    part.replace(path)


@dataclass(frozen=True, slots=True)
class Record:
    """A line of images.ndjson, as far as an import needs it."""

    image_id: str
    sha256: str
    path: Path
    details: Details


@click.command("import")
@connected
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
@jobs_option
def import_library(*, connection: Connection, directory: Path, jobs: int) -> None:
    """Upload an export's images as your own.

    Keeps filename, title, description, location, tags and the bytes; times, ids and versions are
    assigned by the server. Skips images that are already there with the same bytes and metadata, so
    the same command continues after an interruption.
    """
    client, stop = connection.client, connection.stop
    records = list(read_records(directory))
    lock = threading.Lock()

    with tallied(connection) as tally, Bars("Import", stop, total=len(records)) as bars:
        before = {image.image_id: (image.sha256, _details_of(image)) for image in client.images()}
        there = Counter(before.values())  # counted, because a library may hold the same twice

        def carry_over(record: Record) -> tuple[str, str]:
            own = (record.sha256, record.details)
            with lock:
                found = there[own] > 0
                there[own] -= found
            if found:
                return ALREADY_THERE, ""
            if sha256_of(record.path) != record.sha256:
                raise WrongChecksum("The file is not the one that was exported.")
            with bars.transfer(record.details.filename, record.path.stat().st_size) as move:
                image = send(
                    client,
                    record.path,
                    record.sha256,
                    record.details,
                    progress=move,
                    source=record.image_id,
                    others=before,
                )
            is_same_file = image.sha256 == record.sha256 or client.limits().changes_files
            if not is_same_file or _details_of(image) != record.details:
                raise ClientError(f"The server stored it differently: {image.image_id}.")
            return "imported", image.image_id

        def report(record: Record, result: tuple[str, str] | Exception) -> None:
            bars.count()
            if isinstance(result, Exception):
                tally.failed(f"{record.path.name} ({record.details.filename})", result)
                return
            outcome, image_id = result
            tally.add(outcome)
            tell(outcome, record.image_id, image_id)

        carry_out(records, carry_over, report, jobs=jobs, stop=stop)


def read_records(directory: Path) -> Iterator[Record]:
    """What an export holds, once it is known to be whole. Raises click.UsageError."""
    try:
        manifest = json.loads((directory / _MANIFEST).read_bytes())
        lines = (directory / _RECORDS).read_bytes()
    except FileNotFoundError as error:
        raise click.UsageError(
            f"{directory} contains no complete export; if an export was interrupted, run it again to continue."
        ) from error
    except (OSError, RecursionError, ValueError) as error:
        raise click.UsageError(f"{directory / _MANIFEST}: {error}") from error
    if not isinstance(manifest, dict) or (manifest.get("format"), manifest.get("version")) != (_FORMAT, _VERSION):
        raise click.UsageError(f"{directory / _MANIFEST} has an unknown format.")
    if manifest.get("sha256") != hashlib.sha256(lines).hexdigest():
        raise click.UsageError(f"{directory / _RECORDS} was changed after the export.")
    if manifest.get("failed"):
        say(f"Note: {manifest['failed']} images could not be exported and are missing from {directory}.")
    for number, line in enumerate(lines.splitlines(), start=1):
        try:
            yield _record(directory, json.loads(line))
        except (KeyError, RecursionError, TypeError, ValueError) as error:
            raise click.UsageError(f"{directory / _RECORDS}, line {number}: {error!r}") from error


def _record(directory: Path, line: dict[str, Any]) -> Record:
    inside = PurePosixPath(line["file"])
    path = (directory / inside).resolve()
    if not path.is_relative_to(directory.resolve()):  # an export from somebody else must not upload other files
        raise ValueError(f"{inside} is outside the export")
    details = Details(
        line["filename"], line["title"], line["description"], line["location"], tuple(map(str, line["tags"]))
    )
    for text in (details.filename, details.title, details.description, details.location):
        if not isinstance(text, str | None):
            raise TypeError(f"{text!r} is no text")
    return Record(line["image_id"], line["sha256"], path, details)


def _file_of(image: Image) -> PurePosixPath:
    """Named by the id, so that it is the same file in every run."""
    return PurePosixPath("images", safe_name(image.image_id, image.content_type))


def _details_of(image: Image) -> Details:
    return Details(image.filename, image.title, image.description, image.location, image.tags)
