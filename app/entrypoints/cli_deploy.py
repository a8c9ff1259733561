"""`python -m app deploy` and `teardown`: the service as functions behind API Gateway (docs/adr/0013-serverless.md)."""

import difflib
import functools
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from app.deployment.package import PYTHONS, ROOT, Dependencies, Package, PackageError, build_package
from app.deployment.stack import Stack, StackError, parameter_names, with_literal_names
from app.deployment.stores import StoreError, remove_bucket, remove_table, upload_package
from app.services.aws import proxies_for
from app.setting_types import LOCAL_STAGE

_TEMPLATE = ROOT / "deploy" / "template.yaml"
_MEBIBYTE = 1024 * 1024
_NAME = re.compile(r"[a-z][a-z0-9-]*")  # goes into those of buckets, tables, queues and functions
_MAX_BUCKET_NAME_LENGTH = 63  # Amazon S3 User Guide, "General purpose bucket naming rules"


@dataclass(frozen=True, slots=True)
class Target:
    """Which deployment of which account is meant, and what it is called there. The template names the same things."""

    stage: str
    stack_name: str
    region: str
    endpoint_url: str | None
    account: str

    @property
    def images_bucket(self) -> str:
        return f"{self.stack_name}-images-{self.account}-{self.region}"

    @property
    def packages_bucket(self) -> str:
        return f"{self.stack_name}-packages-{self.account}-{self.region}"

    @property
    def tables(self) -> tuple[str, str]:
        return f"{self.stack_name}-images", f"{self.stack_name}-postings"


class Clients:
    """AWS as the person at the terminal reaches it: their profile or keys, or an emulator's."""

    def __init__(self, region: str, endpoint_url: str | None) -> None:
        session = boto3.Session(region_name=region)
        keys: dict[str, str] = {}
        if endpoint_url and session.get_credentials() is None:
            keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        config = Config(
            retries={"mode": "standard"},
            proxies=proxies_for(endpoint_url),
            s3={"addressing_style": "path" if endpoint_url else "auto"},  # an emulator has no host name per bucket
        )
        self._make = functools.partial(session.client, endpoint_url=endpoint_url, config=config, **keys)

    def __getattr__(self, service: str) -> Any:
        return self._make(service)


def target_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which deployment is meant."""
    for option in (
        click.option("--stack-name", help="Name of the stack.  [default: image-storage-STAGE]"),
        click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="Address of an emulator; AWS by default."),
        click.option("--region", envvar="AWS_REGION", default="us-east-1", show_default=True),
        click.option("--stage", required=True, help="Name of the deployment, such as dev or production."),
    ):
        command = option(command)
    return command


@click.command()
@target_options
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--code-only", is_flag=True, help="Update only the functions, nothing else in the stack.")
@click.option("--revert-drift", is_flag=True, help="Also undo what was changed or deleted without this command.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Set a parameter of the template.")
@click.option(
    "--architecture",
    type=click.Choice(["x86_64", "arm64"]),
    help="Lambda's processor.  [default: as deployed, at first x86_64]",
)
@click.option("--python", type=click.Choice(PYTHONS), help="Lambda's Python.  [default: as deployed, at first 3.13]")
@click.option(
    "--dependencies",
    type=click.Choice([choice.value for choice in Dependencies]),
    default=Dependencies.LAMBDA.value,
    show_default=True,
    help="What the package contains besides the service; the other two are for emulators.",
)
def deploy(
    *,
    stage: str,
    region: str,
    endpoint_url: str | None,
    stack_name: str | None,
    dry_run: bool,
    code_only: bool,
    revert_drift: bool,
    settings: tuple[str, ...],
    architecture: str | None,
    python: str | None,
    dependencies: str,
) -> None:
    """Put the service on AWS as functions behind API Gateway, or bring it up to date.

    Safe to repeat: unchanged resources are left alone, parameters keep their values unless --set gives others, and a
    failed deployment is resumed.
    """
    with _told_plainly(), tempfile.TemporaryDirectory() as directory:
        if code_only and (settings or revert_drift):
            raise click.UsageError(
                "--code-only leaves all else as it is and cannot be combined with --set or --revert-drift."
            )
        given = _parameters(settings)
        aws, target = _target(stage, region, endpoint_url, stack_name)
        stack = _stack(aws, target)
        if code_only and stack.status() is None:
            raise click.ClickException(f"There is no stack {target.stack_name} yet; deploy it without --code-only.")
        deployed = stack.parameters()
        architecture = architecture or deployed.get("Architecture", "x86_64")
        python = python or deployed.get("Runtime", "python3.13").removeprefix("python")
        click.echo("Building the package ...")
        package = build_package(
            Path(directory), dependencies=Dependencies(dependencies), python=python, architecture=architecture
        )
        click.echo(
            f"  {package.packed_bytes / _MEBIBYTE:.1f} MiB, unpacked {package.unpacked_bytes / _MEBIBYTE:.1f} MiB"
        )
        code = {"CodeKey": f"{package.digest}.zip"}
        if not dry_run:
            _show(stack.make_ready())
        own = {
            "Stage": stage,
            "CodeBucket": target.packages_bucket,
            "Architecture": architecture,
            "Runtime": f"python{python}",
            "PlainHttp": str((endpoint_url or "").startswith("http://")).lower(),
        }
        proposed = stack.propose(
            None if code_only else _template(target),
            code if code_only else own | code | given,
            reverts_drift=revert_drift,
        )
        if proposed is None:
            click.echo(f"{target.stack_name}: no change")
        elif dry_run:
            stack.discard(proposed.arn)
            click.echo(f"{target.stack_name}: {len(proposed.changes)} changes, none of them made")
            _show(proposed.changes)
            return
        else:
            # Only now, so that nothing is made where CloudFormation refuses the parameters.
            _upload(aws, target, package, code["CodeKey"])
            click.echo(f"{target.stack_name}: {len(proposed.changes)} changes")
            _show(stack.execute(proposed.arn))
        click.echo(f"\nThe API answers at {_address(target, stack.outputs())}")


@click.command()
@target_options
@click.option("--delete-data", count=True, help="Given twice: delete all images too.")
def teardown(*, stage: str, region: str, endpoint_url: str | None, stack_name: str | None, delete_data: int) -> None:
    """Remove a deployment. Its bucket and tables stay if they hold data; a new deployment adopts them."""
    if delete_data == 1:
        raise click.ClickException("This would delete every image. Give --delete-data twice if you mean it.")
    with _told_plainly():
        aws, target = _target(stage, region, endpoint_url, stack_name)
        stack = _stack(aws, target)
        was_there = stack.status() is not None
        _show(stack.delete())
        removed = [
            remove_bucket(aws.s3, target.images_bucket, account=target.account, with_data=delete_data > 1),
            *(remove_table(aws.dynamodb, table, with_data=delete_data > 1) for table in target.tables),
            remove_bucket(aws.s3, target.packages_bucket, account=target.account, with_data=True),
        ]
        done = [line for line in removed if line is not None]
        _show(done)
        if not was_there and not done:
            click.echo(f"There is no deployment {target.stack_name} in {region}; nothing was removed.")
            return
        click.echo(f"{target.stack_name} is gone.")
        if any(line.startswith("kept") for line in done):
            click.echo("The next deployment adopts what was kept; --delete-data, given twice, deletes it.")


def _target(stage: str, region: str, endpoint_url: str | None, stack_name: str | None) -> tuple[Clients, Target]:
    if stage == LOCAL_STAGE:
        raise click.ClickException("The stage local is for this machine: use ./startup.sh")
    stack_name = stack_name or f"image-storage-{stage}"
    if unfit := [name for name in (stage, stack_name) if not _NAME.fullmatch(name)]:
        raise click.ClickException(f"Names consist of a-z, 0-9 and -, and start with a letter: not {unfit[0]!r}.")
    aws = Clients(region, endpoint_url)
    account = aws.sts.get_caller_identity()["Account"]
    target = Target(stage, stack_name, region, endpoint_url, account)
    if len(target.packages_bucket) > _MAX_BUCKET_NAME_LENGTH:
        raise click.ClickException(
            f"{target.packages_bucket} is too long for the name of a bucket: choose a shorter --stage or --stack-name."
        )
    return aws, target


def _template(target: Target) -> str:
    text = _TEMPLATE.read_text(encoding="utf-8")
    return with_literal_names(text, stack_name=target.stack_name, account=target.account, region=target.region)


def _stack(aws: Clients, target: Target) -> Stack:
    return Stack(aws.cloudformation, target.stack_name, is_emulated=target.endpoint_url is not None)


def _parameters(given: Iterable[str]) -> dict[str, str]:
    """Raises click.ClickException for what is no parameter of the template."""
    pairs = [text.partition("=") for text in given]
    if unclear := [name for name, equals, _ in pairs if not equals]:
        raise click.ClickException(f"--set takes NAME=VALUE, not {unclear[0]}.")
    known = parameter_names(_TEMPLATE.read_text(encoding="utf-8"))
    for name, _, _ in pairs:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            advice = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known))}."
            raise click.ClickException(f"--set: {name} is not a parameter of {_TEMPLATE.relative_to(ROOT)}; {advice}")
    return {name: value for name, _, value in pairs}


def _upload(aws: Clients, target: Target, package: Package, key: str) -> None:
    if upload_package(aws.s3, target.packages_bucket, key, package, region=target.region, account=target.account):
        click.echo(f"  uploaded to {target.packages_bucket}")
    else:
        click.echo(f"  already in {target.packages_bucket}")


def _address(target: Target, outputs: Mapping[str, str]) -> str:
    if target.endpoint_url is None:
        return outputs["ApiAddress"]
    port = urlsplit(target.endpoint_url).port
    return f"http://{outputs['ApiId']}.execute-api.localhost:{port}/{target.stage}"


def _show(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(f"  {line}")


@contextmanager
def _told_plainly() -> Iterator[None]:
    """What goes wrong as a line for the person at the terminal."""
    try:
        yield
    except NoCredentialsError as error:
        raise click.ClickException(
            "There are no AWS credentials. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or run `aws configure`; for an emulator use --endpoint-url."
        ) from error
    except ClientError as error:
        raise click.ClickException(f"{error.operation_name}: {error.response['Error'].get('Message')}") from error
    except (StackError, StoreError, PackageError, BotoCoreError) as error:
        raise click.ClickException(str(error)) from error
