"""`images upload`."""

import glob
import os
import threading
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path

import click

from app.client import Image, ImageClient, ImageFilter, sha256_of
from app.entrypoints.images.connection import Connection, connected, tallied
from app.entrypoints.images.names import IMAGE_SUFFIXES
from app.entrypoints.images.options import jobs_option, json_option
from app.entrypoints.images.output import facts, printable, say, tell, tell_json
from app.entrypoints.images.parallel import ALREADY_THERE, Bars, carry_out
from app.entrypoints.images.sending import Details, send


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a file, and the image that the server has of it."""

    outcome: str
    image_id: str
    image: Image | None = None


class Uploads:
    """Uploads files as images, each content once: once at all, or with `again` once in this run."""

    def __init__(
        self, client: ImageClient, details: Details, *, title_from_filename: bool, again: bool, bars: Bars
    ) -> None:
        self._client = client
        self._details = details
        self._again = again
        self._source = str(uuid.uuid4()) if again else ""  # then this run has nothing in common with earlier ones
        self._title_from_filename = title_from_filename
        self._bars = bars
        self._lock = threading.Lock()
        self._image_ids: dict[str, Future[str]] = {}

    def upload(self, path: Path) -> Sent:
        """Raises what uploading does, also where it was another file with the same content that could not be."""
        digest = sha256_of(path)
        mine: Future[str] = Future()
        with self._lock:
            image_id = self._image_ids.setdefault(digest, mine)
        if image_id is not mine:
            return Sent(ALREADY_THERE, image_id.result())
        try:
            sent = self._stored(digest) or self._send(path, digest)
        except BaseException as error:
            mine.set_exception(error)
            raise
        mine.set_result(sent.image_id)
        return sent

    def _stored(self, digest: str) -> Sent | None:
        """What the server has with these bytes already, unless that does not count."""
        if self._again:
            return None
        found = self._client.page(ImageFilter(sha256=digest), limit=1).images
        return Sent(ALREADY_THERE, found[0].image_id) if found else None

    def _send(self, path: Path, digest: str) -> Sent:
        title = path.stem if self._title_from_filename else self._details.title
        details = replace(self._details, filename=path.name, title=title)
        with self._bars.transfer(path.name, path.stat().st_size) as move:
            image = send(self._client, path, digest, details, progress=move, source=self._source)
        return Sent("uploaded", image.image_id, image)


@click.command()
@connected
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--tag", "tags", multiple=True, help="May be repeated.")
@click.option("--title", help="For all of them.")
@click.option("--title-from", type=click.Choice(["filename"]), help="Use the filename without its suffix as title.")
@click.option("--description", help="For all of them.")
@click.option("--location", help="For all of them.")
@click.option("--again", is_flag=True, help="Do not check what is there already; upload everything again.")
@jobs_option
@json_option
def upload(
    *,
    connection: Connection,
    paths: tuple[str, ...],
    tags: tuple[str, ...],
    title: str | None,
    title_from: str | None,
    description: str | None,
    location: str | None,
    again: bool,
    jobs: int,
    as_json: bool,
) -> None:
    """Upload files, folders (the images in them, at any depth) and patterns such as 'holiday/*.jpg'.

    Files that the server already has, by SHA-256, are skipped, so the same command continues after
    an interruption.
    """
    client, stop = connection.client, connection.stop
    if title is not None and title_from is not None:
        raise click.UsageError("--title and --title-from cannot be combined.")
    passed_over: list[Path] = []
    unreadable: list[OSError] = []
    files = list(dict.fromkeys(_files(paths, passed_over, unreadable)))

    with tallied(connection) as tally, Bars("Upload", stop, total=len(files)) as bars:

        def report(path: Path, result: Sent | Exception) -> None:
            bars.count()
            if isinstance(result, Exception):
                tally.failed(str(path), result)
                return
            tally.add(result.outcome)
            if as_json:
                shown = facts(result.image) if result.image else None
                tell_json(
                    {"outcome": result.outcome, "path": printable(path), "image_id": result.image_id, "image": shown}
                )
            else:
                tell(result.outcome, result.image_id, path)

        details = Details(title=title, description=description, location=location, tags=tags)
        uploads = Uploads(client, details, title_from_filename=title_from is not None, again=again, bars=bars)
        carry_out(files, uploads.upload, report, jobs=jobs, stop=stop)
        for error in unreadable:
            tally.failed(str(error.filename), error)
        if passed_over:
            suffixes = ", ".join(sorted({path.suffix.lower() or "without suffix" for path in passed_over}))
            say(f"Passed over, as not called like JPEG, PNG, GIF or WebP: {len(passed_over)} ({suffixes}).")
        if tally.count(ALREADY_THERE) and (title_from or details != Details()):
            say("Images that were already there are unchanged; use `images edit` and `images tag` to change them.")


def _files(paths: Iterable[str], passed_over: list[Path], unreadable: list[OSError]) -> Iterator[Path]:
    """The files that are meant. One that does not exist is among them, to fail by its name.

    Adds to `passed_over` what lies in a folder and is not called like an image, and to `unreadable` what keeps
    folders from being looked into.
    """
    for path in paths:
        named = Path(path)
        # Shells expand patterns, unless they are quoted, or it is Windows.
        matches = [] if named.exists() else sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - Path.glob refuses absolute patterns
        for found in map(Path, matches or [path]):
            if found.is_dir():
                yield from _images_in(found, passed_over, unreadable)
            else:
                yield found


def _images_in(directory: Path, passed_over: list[Path], unreadable: list[OSError]) -> Iterator[Path]:
    """The files that are called like images, but hidden ones, in order."""
    for parent, directories, names in os.walk(directory, onerror=unreadable.append):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if name.startswith("."):
                continue
            if path.suffix.lower() in IMAGE_SUFFIXES:
                yield path
            else:
                passed_over.append(path)
