"""`python -m app images ...`: the command line of any server, by way of `app.client`."""

import click

from app.entrypoints.images.download import download
from app.entrypoints.images.edit import delete, edit, tag
from app.entrypoints.images.library import export_library, import_library
from app.entrypoints.images.output import write_utf8
from app.entrypoints.images.show import list_images, show
from app.entrypoints.images.upload import upload


@click.group()
def images() -> None:
    """Upload, find, download, edit and delete images on a server; copy whole libraries.

    \b
    Exit codes: 0 everything was done, 1 something failed, 2 the command is wrong,
    3 the server does not know you or allow this, 4 it does not answer, 130 interrupted.
    """
    write_utf8()


for command in (upload, list_images, show, download, edit, tag, delete, export_library, import_library):
    images.add_command(command)
