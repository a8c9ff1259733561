"""`python -m app images`. It needs nothing of what serves images, and begins in a quarter of the time without it."""

import click


@click.command("images", add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def images_command(arguments: tuple[str, ...]) -> None:
    """Upload, find, download, edit and delete images on any server."""
    try:
        from app.entrypoints.images import images  # noqa: PLC0415 - servers are installed without what it needs
    except ModuleNotFoundError as error:
        if error.name != "rich" and not str(error.name).startswith("rich."):
            raise
        raise click.ClickException("`images` needs the package rich: pip install -r requirements-local.txt") from error
    images.main(arguments, prog_name="python -m app images")
