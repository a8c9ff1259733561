"""Options that several commands have."""

from collections.abc import Callable

import click

Command = Callable[..., None]

jobs_option = click.option(
    "--jobs", type=click.IntRange(1, 32), default=4, show_default=True, help="Simultaneous transfers."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line (NDJSON).")

_FILTERS = (
    click.option("--tag", "tags", multiple=True, help="With this tag; may be repeated."),
    click.option(
        "--tag-match",
        type=click.Choice(["any", "all"]),
        help="Any or all of the tags.  [default: any]",
    ),
    click.option("--title", help="The whole title."),
    click.option("--title-prefix", help="The start of the title."),
    click.option("--title-contains", help="A part of the title."),
    click.option("--filename", help="A part of the filename."),
    click.option("--location", help="A part of the location."),
    click.option("--q", help="Words that must all occur, in any field."),
    click.option("--sha256", metavar="HEX", help="Exactly the bytes with this SHA-256."),
    click.option("--type", "content_type", help="A media type such as image/png."),
    click.option("--after", "created_after", metavar="TIME", help="Created at or after this time or date."),
    click.option("--before", "created_before", metavar="TIME", help="Created before this time or date."),
    click.option("--status", type=click.Choice(["PENDING_UPLOAD", "UPLOADED", "REJECTED"])),
    click.option("--order", type=click.Choice(["asc", "desc"])),
)


def filter_options(command: Command) -> Command:
    """The filters of a list, under the names that ImageFilter gives them."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command
