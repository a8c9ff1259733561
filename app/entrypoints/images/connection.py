"""Which server, and as whom: from options, the environment, or a file. And what a failure is to a script."""

import functools
import os
import stat
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from app.client import ClientError, ImageClient, NotAllowed, NotFound, NotIdentified, Refused, Unavailable
from app.entrypoints.images.output import say
from app.entrypoints.images.parallel import Tally
from app.entrypoints.images.stopping import Interrupted, Stop

DEFAULT_SERVER = "http://127.0.0.1:5000"
_SIGNALLED = 128  # and the signal's number, as shells have it
_KEYS = frozenset({"server", "user", "token"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Exit(IntEnum):
    """What a command ends with, beside 0."""

    SOME_FAILED = 1
    USAGE = 2
    NOT_ALLOWED = 3
    UNAVAILABLE = 4
    INTERRUPTED = 130  # by Ctrl-C


@dataclass(frozen=True, slots=True)
class Source:
    """What one place says. A token belongs to the server that is named with it."""

    server: str | None = None
    user: str | None = None
    token: str | None = None


def config_path() -> Path:
    """Under $XDG_CONFIG_HOME, or where the system keeps such files (XDG Base Directory Specification)."""
    return Path(click.get_app_dir("image-storage")) / "config.toml"


def read_config(path: Path) -> Source:
    """The file's server, user and token; nothing if there is no file. Raises click.UsageError."""
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
            readable_by_others = os.name == "posix" and os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    except FileNotFoundError:
        return Source()
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise click.UsageError(f"{path}: {error}") from error
    if unknown := sorted(found.keys() - _KEYS):
        raise click.UsageError(f"{path}: unknown {', '.join(unknown)}; there are {', '.join(sorted(_KEYS))}")
    if not all(isinstance(value, str) for value in found.values()):
        raise click.UsageError(f"{path}: server, user and token must be strings")
    if readable_by_others and "token" in found:
        say(f"Warning: others can read the token in {path}; protect it with chmod 600.")
    return Source(**found)


def chosen(options: Source, environment: Mapping[str, str], config: Source) -> Source:
    """The server and the identity that count: options before the environment before the file.

    A token in the file is sent to the file's server only. Raises click.UsageError where nobody is named.
    """
    variables = Source(
        environment.get("IMAGES_SERVER") or None,
        environment.get("IMAGES_USER") or None,
        environment.get("IMAGES_TOKEN") or None,
    )
    server = options.server or variables.server or config.server or DEFAULT_SERVER
    advice = "--user or --token, IMAGES_USER or IMAGES_TOKEN, or the file --config"
    if config.token and server != (config.server or DEFAULT_SERVER):
        config = Source(config.server, config.user)
        advice += f" (its token is for {config.server or DEFAULT_SERVER} only)"
    for source in (options, variables, config):
        if source.user and source.token:
            raise click.UsageError("Give a user or a token, not both.")
        if source.user or source.token:
            return Source(server, source.user, source.token)
    raise click.UsageError(f"Tell the server who you are: {advice}.")


@dataclass(frozen=True, slots=True)
class Connection:
    """What a command works with."""

    client: ImageClient
    stop: Stop
    """Ends the client's transfers and pauses when it is set."""


def connected(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options that say where and who, a `connection` by them, and exit codes."""

    @functools.wraps(command)
    def run(
        *, server: str | None, user: str | None, token: str | None, config: Path | None, retries: int, **rest: Any
    ) -> None:
        file = read_config(config or config_path())
        target = chosen(Source(server, user, token), os.environ, file)
        assert target.server is not None
        address = urlsplit(target.server)
        if target.token and address.scheme == "http" and address.hostname not in _LOOPBACK:
            say("Warning: the token is sent unencrypted; use https.")
        stop = Stop()
        try:
            client = ImageClient(
                target.server,
                user_id=target.user,
                token=target.token,
                retries=retries,
                sleep=stop.sleep,
                notice=say,
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        other_way = "This server asks for --user." if target.token else "This server asks for --token."
        elsewhere = " --server or IMAGES_SERVER names another one." if target.server == DEFAULT_SERVER else ""
        with client:
            _with_exit_codes(
                command, other_way=other_way, elsewhere=elsewhere, connection=Connection(client, stop), **rest
            )

    for option in (
        click.option("--retries", type=click.IntRange(0, 20), default=5, show_default=True, help="Per request."),
        click.option(
            "--config",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="Instead of image-storage/config.toml.",
        ),
        click.option("--token", help="A bearer token. Other users can see options: prefer IMAGES_TOKEN or the file."),
        click.option("--user", help="Your user id, for servers without tokens. Or IMAGES_USER."),
        click.option("--server", help=f"The server's address. Or IMAGES_SERVER.  [default: {DEFAULT_SERVER}]"),
    ):
        run = option(run)
    return run


def _with_exit_codes(command: Callable[..., None], *, other_way: str, elsewhere: str, **arguments: Any) -> None:
    """`other_way` says how else one can say who one is, where the server does not look at what was given.

    `elsewhere` says how to name another server, where nobody named this one.
    """
    try:
        command(**arguments)
    except NotIdentified as error:
        _end(f"{error} {other_way}" if error.code == "missing_user" else error, Exit.NOT_ALLOWED)
    except NotAllowed as error:
        _end(error, Exit.NOT_ALLOWED)
    except Unavailable as error:
        _end(f"{error}{elsewhere}", Exit.UNAVAILABLE)
    except Refused as error:
        _end(error, Exit.USAGE if error.code == "invalid_request" else Exit.SOME_FAILED)
    except ClientError as error:
        _end(error, Exit.SOME_FAILED)
    except BrokenPipeError:
        raise  # whoever reads has enough; click ends quietly
    except OSError as error:
        _end(error, Exit.SOME_FAILED)
    except KeyboardInterrupt:
        say("Interrupted.")
        sys.exit(Exit.INTERRUPTED)


@contextmanager
def tallied(connection: Connection) -> Iterator[Tally]:
    """Counts what becomes of many, says so at the end, and ends with the code for it."""
    tally, stop = Tally(), connection.stop
    with stop.on_signals():
        try:
            yield tally
        except Interrupted:  # in a request of the command itself
            pass
        finally:
            say(f"{tally}.")
    if stop.signal is not None:
        say("Interrupted. Run the same command again to continue.")
        sys.exit(_SIGNALLED + stop.signal)
    if tally.failures:
        sys.exit(Exit.SOME_FAILED)


@contextmanager
def about(image_id: str) -> Iterator[None]:
    """Meanwhile a refusal of an image says of which."""
    try:
        yield
    except (NotAllowed, NotFound) as error:
        error.args = (f"{image_id}: {error}",)
        raise


def _end(error: object, code: Exit) -> None:
    say(f"Error: {error}")
    sys.exit(code)
