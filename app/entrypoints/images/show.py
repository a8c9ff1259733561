"""`images list` and `images show`."""

import itertools
from typing import Any

import click

from app.client import ImageFilter
from app.entrypoints.images.connection import Connection, about, connected
from app.entrypoints.images.options import filter_options, json_option
from app.entrypoints.images.output import facts, tell_json, write_csv, write_facts, write_table


@click.command("list")
@connected
@filter_options
@click.option("--limit", type=click.IntRange(1), help="At most this many.  [default: all]")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values, with a header line.")
@click.option("--links", is_flag=True, help="With --json: add presigned links; they show the images to anyone.")
def list_images(
    *,
    connection: Connection,
    limit: int | None,
    as_json: bool,
    as_csv: bool,
    links: bool,
    **filters: Any,
) -> None:
    """List images, newest first. All conditions must hold."""
    client = connection.client
    if as_json and as_csv:
        raise click.UsageError("--json and --csv cannot be combined.")
    found = itertools.islice(client.images(ImageFilter(**filters)), limit)
    if as_csv:
        write_csv(found)
    elif as_json:
        for image in found:
            tell_json(facts(image, links=links))
    else:
        write_table(found)


@click.command()
@connected
@click.argument("image_ids", metavar="ID...", nargs=-1, required=True)
@json_option
@click.option("--links", is_flag=True, help="With --json: add presigned links; they show the image to anyone.")
def show(
    *,
    connection: Connection,
    image_ids: tuple[str, ...],
    as_json: bool,
    links: bool,
) -> None:
    """Show images' metadata."""
    client = connection.client
    for number, image_id in enumerate(image_ids):
        with about(image_id):
            image = client.get(image_id)
        if as_json:
            tell_json(facts(image, links=links))
        else:
            if number:
                click.echo()
            write_facts(image)
