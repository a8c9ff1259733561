"""`python -m app images ...`: the command line of any server, by way of `app.client`."""

import click

from app.entrypoints.images.download import download
from app.entrypoints.images.edit import delete, edit, tag
from app.entrypoints.images.library import export_library, import_library
from app.entrypoints.images.show import list_images, show
from app.entrypoints.images.upload import upload


@click.group()
def images() -> None:
    """Upload, find, download, edit and delete images on a server; copy whole libraries.

    \b
    Ends with 0 where all was done, 1 where some of it failed, 2 where the command is wrong,
    3 where the server does not know you or allow it, 4 where it does not answer, 130 if interrupted.
    """


for command in (upload, list_images, show, download, edit, tag, delete, export_library, import_library):
    images.add_command(command)
