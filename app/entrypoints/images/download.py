"""`images download`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from app.client import ClientError, Image, ImageClient, ImageFilter
from app.entrypoints.images.connection import Connection, connected, tallied
from app.entrypoints.images.names import Names
from app.entrypoints.images.options import filter_options, jobs_option, json_option
from app.entrypoints.images.output import tell, tell_json
from app.entrypoints.images.parallel import ALREADY_THERE, FAILS_FOR_ALL, Bars, Tally, carry_out


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image and the file that it gets."""

    image: Image
    path: Path
    there: bool


@click.command()
@connected
@click.argument("image_ids", metavar="[ID...]", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All images.")
@filter_options
@click.option(
    "--into", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="A directory.  [default: this one]"
)
@jobs_option
@json_option
def download(
    *,
    connection: Connection,
    image_ids: tuple[str, ...],
    everything: bool,
    into: Path,
    jobs: int,
    as_json: bool,
    **filters: Any,
) -> None:
    """Download images by id, by the filters of `list`, or all of them.

    Files get the images' names, without characters that are not safe in file names, and a number if
    a name is taken. Nothing is overwritten. Run the same command again to continue after an
    interruption.
    """
    client, stop = connection.client, connection.stop
    wanted = ImageFilter(**filters)
    chooses = replace(wanted, order=None, tag_match=None) != ImageFilter()  # these two by themselves leave nothing out
    if bool(image_ids) + everything + chooses != 1:
        raise click.UsageError("Name images, or filters, or --all.")
    into.mkdir(parents=True, exist_ok=True)

    with tallied(connection) as tally, Bars("Download", stop, total=len(image_ids) or None) as bars:

        def report(item: Wanted, result: Exception | None) -> None:
            bars.count()
            if isinstance(result, Exception):
                tally.failed(f"{item.image.image_id} ({item.path})", result)
                return
            outcome = ALREADY_THERE if item.there else "downloaded"
            tally.add(outcome)
            if as_json:
                tell_json({"outcome": outcome, "image_id": item.image.image_id, "path": str(item.path)})
            else:
                tell(outcome, item.image.image_id, item.path)

        def fetch(item: Wanted) -> None:
            if not item.there:
                with bars.transfer(item.path.name, item.image.file_size) as move:
                    client.download(item.image, item.path, progress=move)

        def found() -> Iterator[Wanted]:
            names = Names(into)
            # Oldest first, so that numbers stay the same when images are added.
            ordered = replace(wanted, order=wanted.order or "asc")
            for image in _named(client, image_ids, tally) if image_ids else client.images(ordered):
                path, there = names.give(image)
                yield Wanted(image, path, there)

        carry_out(found(), fetch, report, jobs=jobs, stop=stop)


def _named(client: ImageClient, image_ids: Iterable[str], tally: Tally) -> Iterator[Image]:
    for image_id in dict.fromkeys(image_ids):
        try:
            yield client.get(image_id)
        except FAILS_FOR_ALL:
            raise
        except ClientError as error:
            tally.failed(image_id, error)
