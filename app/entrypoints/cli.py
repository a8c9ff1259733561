"""The command line: `python -m app ...`."""

import json
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr

from app import logs
from app.entrypoints.cli_audit import audit
from app.entrypoints.cli_deploy import deploy, teardown
from app.entrypoints.cli_images import images_command
from app.entrypoints.cli_rebuild import rebuild
from app.entrypoints.environment import env_example, settings_from_environment
from app.entrypoints.local import StartError, provision_stores, run_local
from app.entrypoints.postman import postman_collection
from app.entrypoints.traces import require_tracing
from app.entrypoints.worker import run_worker
from app.errors import BackendUnavailable
from app.keys import is_user_id
from app.services.audit import AuditOptions
from app.settings import Settings, SettingsError


@click.group()
def main() -> None:
    """Image Storage Service."""


@main.command()
def run() -> None:
    """Start everything on this machine and serve until Ctrl-C or SIGTERM."""
    settings = _settings()
    try:
        from app.api.identity import identity_for  # noqa: PLC0415 - the worker starts here too, without Flask

        identity_for(settings)  # whether its key is one, before anything is started
        require_tracing(settings)
        run_local(settings)
    except (SettingsError, StartError) as error:
        raise click.ClickException(str(error)) from error


@main.command()
def worker() -> None:
    """Check what arrives straight in the bucket, until Ctrl-C or SIGTERM."""
    settings = _settings()
    try:
        run_worker(settings)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


@main.command()
def provision() -> None:
    """Create bucket, tables and queue if they are missing."""
    try:
        provision_stores(_settings())
    except StartError as error:
        raise click.ClickException(str(error)) from error


@main.command("rebuild-postings")
@click.option("--user", "user_id", help="Only the images of this user.")
def rebuild_postings_command(user_id: str | None) -> None:
    """Rebuild the postings (tags, words and digests by which images are found) from the images' rows.

    It is safe to run beside the service. If interrupted, run it again to continue.
    """
    settings = _settings()
    try:
        rebuild(settings, user_id)
    except BackendUnavailable as error:
        raise click.ClickException(f"{_no_answer(settings, error)} Then run this again to continue.") from error


@main.command("audit")
@click.option("--user", "user_id", help="Only the images of this user.")
@click.option("--repair", is_flag=True, help="Complete or remove what is unfinished or orphaned.")
@click.option("--rebuild", is_flag=True, help="Restore lost rows from the records or the bytes in the bucket.")
@click.option("--verify-bytes", is_flag=True, help="Read every object and compare its checksum.")
@click.option("--grace", default=3600, show_default=True, help="Ignore what changed within this many seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per finding, and a summary at the end.")
@click.option(
    "--figures",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the number of findings for Prometheus's node exporter (FILE.prom).",
)
@click.pass_context
def audit_command(
    context: click.Context,
    *,
    user_id: str | None,
    repair: bool,
    rebuild: bool,
    verify_bytes: bool,
    grace: int,
    as_json: bool,
    figures: Path | None,
) -> None:
    """Compare table and bucket in both directions. Changes nothing unless told to.

    It is safe to run beside the service, to interrupt, and to repeat. The exit code is 0 if nothing
    is wrong or everything was repaired, otherwise 1.
    """
    if user_id is not None and not is_user_id(user_id):
        raise click.BadParameter("is no user id", param_hint="--user")
    if grace < 0:
        raise click.BadParameter("is below 0", param_hint="--grace")
    settings = _settings()
    options = AuditOptions(
        user_id=user_id,
        repair=repair,
        rebuild=rebuild,
        verify_bytes=verify_bytes,
        grace=timedelta(seconds=grace),
    )
    try:
        left = audit(settings, options, as_json=as_json, figures=figures)
    except BackendUnavailable as error:
        raise click.ClickException(f"{_no_answer(settings, error)} Then run this again.") from error
    context.exit(1 if left else 0)


@main.command()
def openapi() -> None:
    """Print the OpenAPI document, as docs/openapi.json has it."""
    click.echo(json.dumps(_openapi_document(), indent=2))


@main.command()
def postman() -> None:
    """Print a Postman collection of all requests, as docs/postman.json has it."""
    click.echo(json.dumps(postman_collection(_openapi_document()), indent=2))


main.add_command(deploy)
main.add_command(teardown)
main.add_command(images_command)


@main.command("env-example")
def show_env_example() -> None:
    """Print every setting with its default, as .env.example has it."""
    click.echo(env_example(), nl=False)


def _openapi_document() -> dict[str, Any]:
    """With the default limits, wherever it is printed. It signs nothing, so any key will do."""
    from app.api import create_app  # noqa: PLC0415 - the worker starts here too, and has no use for Flask
    from app.api.openapi import openapi_document  # noqa: PLC0415 - as above

    return openapi_document(create_app(Settings(secret_key=SecretStr(secrets.token_urlsafe(48)))))


def _no_answer(settings: Settings, error: BackendUnavailable) -> str:
    """Where nothing answers, and what to look at."""
    if settings.uses_emulator:
        advice = f"Start ./startup.sh in another terminal, with EMULATOR_PORT={settings.emulator_port} as here"
    elif settings.aws_endpoint_url:
        advice = "Start the emulator there, or correct AWS_ENDPOINT_URL"
    else:
        advice = "Check AWS_REGION, the credentials and the network"
    return f"{error.store} at {settings.endpoint_url or f'AWS, {settings.aws_region}'} does not answer. {advice}."


def _settings() -> Settings:
    try:
        settings = settings_from_environment()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    logs.configure(settings.log_level)
    return settings
