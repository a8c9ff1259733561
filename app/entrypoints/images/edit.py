"""`images edit`, `tag` and `delete`."""

import sys
from collections.abc import Iterable
from typing import Any

import click

from app.client import (
    MAX_DELETED_AT_ONCE,
    Changed,
    ClientError,
    Image,
    ImageClient,
    normalised_tag,
)
from app.entrypoints.images.connection import Connection, about, connected, tallied
from app.entrypoints.images.options import json_option
from app.entrypoints.images.output import facts, tell, tell_json
from app.entrypoints.images.parallel import FAILS_FOR_ALL

_ATTEMPTS = 5  # at an image that others change at the same time
_NOT_DELETED = {
    "not_found": "There is no such image.",
    "not_owner": "This image belongs to another user.",
    "failed": "It could not be deleted completely; delete it again.",
}
_FROM_INPUT = ("-",)
_CLEARABLE = ("title", "description", "location", "tags")


@click.command()
@connected
@click.argument("image_id", metavar="ID")
@click.option("--title")
@click.option("--description")
@click.option("--location")
@click.option("--tag", "tags", multiple=True, help="Replaces all tags; may be repeated.")
@click.option("--clear", type=click.Choice(_CLEARABLE), multiple=True, help="Remove this field; may be repeated.")
@click.option("--if-version", type=click.IntRange(1), help="Only if the image still has this version.")
@json_option
def edit(
    *,
    connection: Connection,
    image_id: str,
    title: str | None,
    description: str | None,
    location: str | None,
    tags: tuple[str, ...],
    clear: tuple[str, ...],
    if_version: int | None,
    as_json: bool,
) -> None:
    """Edit an image's metadata. Fields that are not named stay as they are."""
    client = connection.client
    texts = {"title": title, "description": description, "location": location}
    changes: dict[str, Any] = {name: text for name, text in texts.items() if text is not None}
    if tags:
        changes["tags"] = tags
    if twice := changes.keys() & set(clear):
        raise click.UsageError(f"--clear and a new value cannot be combined: {', '.join(sorted(twice))}.")
    changes |= {name: () if name == "tags" else None for name in clear}
    if not changes:
        raise click.UsageError("Nothing to change.")
    with about(image_id):
        image = client.get(image_id)
    if if_version not in {None, image.version}:
        raise Changed(
            f"The image has version {image.version}, not {if_version}.", status=412, code="precondition_failed"
        )
    image = client.edit(image, **changes)
    _tell_edited(image, as_json=as_json)


@click.command()
@connected
@click.argument("image_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--add", "added", multiple=True, metavar="TAG", help="May be repeated.")
@click.option("--remove", "removed", multiple=True, metavar="TAG", help="May be repeated.")
@json_option
def tag(
    *,
    connection: Connection,
    image_ids: tuple[str, ...],
    added: tuple[str, ...],
    removed: tuple[str, ...],
    as_json: bool,
) -> None:
    """Add or remove tags; other tags stay. With `-` as the only ID, ids are read from standard input."""
    client, stop = connection.client, connection.stop
    if not added and not removed:
        raise click.UsageError("Say --add or --remove.")
    with tallied(connection) as tally:
        for image_id in _ids(image_ids):
            stop.check()
            try:
                image = _retagged(client, image_id, added, removed)
            except FAILS_FOR_ALL:
                raise
            except ClientError as error:
                tally.failed(image_id, error)
            else:
                tally.add("tagged")
                _tell_edited(image, as_json=as_json)


def _retagged(client: ImageClient, image_id: str, added: Iterable[str], removed: Iterable[str]) -> Image:
    """The image with other tags, whatever else is changed at the same time."""
    gone = set(map(normalised_tag, removed))
    for attempt in range(1, _ATTEMPTS + 1):
        image = client.get(image_id)
        kept = [name for name in image.tags if name not in gone]
        try:
            return client.edit(image, tags=[*kept, *added])
        except Changed:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


@click.command()
@connected
@click.argument("image_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete(*, connection: Connection, image_ids: tuple[str, ...], yes: bool) -> None:
    """Delete images for good. With `-` as the only ID, ids are read from standard input."""
    client, stop = connection.client, connection.stop
    wanted = list(dict.fromkeys(_ids(image_ids)))
    if not yes:
        if image_ids == _FROM_INPUT:
            raise click.UsageError("With ids on standard input there is no way to ask for confirmation: use --yes.")
        click.confirm(f"Delete {len(wanted)} image{'s' if len(wanted) != 1 else ''} for good?", abort=True, err=True)
    with tallied(connection) as tally:
        for start in range(0, len(wanted), MAX_DELETED_AT_ONCE):
            stop.check()
            for deletion in client.delete_many(wanted[start : start + MAX_DELETED_AT_ONCE]):
                if deletion.status == "deleted":
                    tally.add("deleted")
                    tell("deleted", deletion.image_id)
                else:
                    tally.failed(deletion.image_id, ClientError(_NOT_DELETED.get(deletion.status, deletion.status)))


def _ids(image_ids: tuple[str, ...]) -> Iterable[str]:
    if image_ids == _FROM_INPUT:
        return (line.strip() for line in sys.stdin if line.strip())
    return image_ids


def _tell_edited(image: Image, *, as_json: bool) -> None:
    if as_json:
        tell_json(facts(image))
    else:
        tell("edited", image.image_id, f"version {image.version}")
