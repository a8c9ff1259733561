"""The command line: `python -m app ...`."""

import click

from app import logs
from app.entrypoints.cli_rebuild import rebuild
from app.entrypoints.environment import settings_from_environment
from app.entrypoints.local import StartError, provision_stores, run_local
from app.entrypoints.worker import run_worker
from app.errors import BackendUnavailable
from app.settings import Settings, SettingsError, env_example


@click.group()
def main() -> None:
    """Image Storage Service."""


@main.command()
def run() -> None:
    """Start all that is needed on this machine and serve until Ctrl-C or SIGTERM."""
    settings = _settings()
    try:
        run_local(settings)
    except StartError as error:
        raise click.ClickException(str(error)) from error


@main.command()
def worker() -> None:
    """Check what is uploaded straight to the bucket, until Ctrl-C or SIGTERM."""
    settings = _settings()
    try:
        run_worker(settings)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


@main.command()
def provision() -> None:
    """Create bucket, table and queue where they are missing."""
    try:
        provision_stores(_settings())
    except StartError as error:
        raise click.ClickException(str(error)) from error


@main.command("rebuild-postings")
@click.option("--user", "user_id", help="Only the images of this user.")
def rebuild_postings_command(user_id: str | None) -> None:
    """Write the tags and words by which images are found again, from their rows.

    Safe while the service runs. Interrupted, it goes on where it stopped when it is called again.
    """
    settings = _settings()
    try:
        rebuild(settings, user_id)
    except BackendUnavailable as error:
        raise click.ClickException(f"{error.store} does not answer. Call this again to go on.") from error


@main.command("env-example")
def show_env_example() -> None:
    """Print every setting with its default, as .env.example has it."""
    click.echo(env_example(), nl=False)


def _settings() -> Settings:
    try:
        settings = settings_from_environment()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    logs.configure(settings.log_level)
    return settings
