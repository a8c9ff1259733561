"""`./startup.sh`: the whole service on one machine, started and stopped in the right order.

The emulator first, then bucket and tables, then the worker, then the web server; at the end the
other way round, so that what is asked for is still done, and the emulator saves its data when
nobody changes them any more.
"""

import errno
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

import click

from app.entrypoints.cli_audit import audit
from app.entrypoints.lock import locked
from app.entrypoints.signals import Stopped, StopSignals
from app.errors import BackendUnavailable
from app.services import build_services
from app.services.audit import AuditOptions
from app.services.aws import AWSClientFactory
from app.services.provision import ProvisionError, provision
from app.setting_types import LOCAL_STAGE
from app.settings import Settings, SettingsError

_START_SECONDS = 30
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy leads to this machine
_STOP_SECONDS = 40  # gunicorn lets running requests finish for 30
_LOCK_SECONDS = 15  # what the stop of the one before takes when nothing hangs
_WINDOWS = sys.platform == "win32"


class StartError(Exception):
    """The service cannot start, or ended by itself; the text is a line for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class _Child:
    """A process that was started here."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path | None = None
    stopped_cleanly: Callable[[], None] = lambda: None
    """Called when it ended because it was asked to, and in its own time."""

    def require_running(self) -> None:
        code = self.process.poll()
        if code is not None:
            raise StartError(f"The {self.name} ended with code {code}." + (f" See {self.log}." if self.log else ""))

    def stop(self) -> None:
        """Ask it to end, and insist after a while."""
        if self.process.poll() is not None:
            return
        _interrupt(self.process)
        try:
            if self.process.wait(_STOP_SECONDS) >= 0:  # below: a signal ended it
                self.stopped_cleanly()
        except subprocess.TimeoutExpired:
            click.echo(f"The {self.name} does not stop; killing it.", err=True)
            self.process.kill()
            self.process.wait()


class _Children:
    """The processes started here, in order; stopped the other way round."""

    def __init__(self, stack: ExitStack, signals: StopSignals) -> None:
        self._stack = stack
        self._signals = signals
        self._children: list[_Child] = []

    def start(
        self,
        name: str,
        command: list[str],
        environment: Mapping[str, str],
        *,
        log: Path | None = None,
        lock: IO[bytes] | None = None,
        stopped_cleanly: Callable[[], None] = lambda: None,
    ) -> _Child:
        """A `lock` is held by the child too, for as long as it lives."""
        with ExitStack() as files, self._signals.held_back():  # a child that nobody knows of would outlive us
            output = files.enter_context(log.open("ab")) if log else None
            child = _Child(name, _spawn(command, environment, output, lock), log, stopped_cleanly)
            self._stack.callback(child.stop)
        self._children.append(child)
        return child

    def require_running(self) -> None:
        for child in self._children:
            child.require_running()


def run_local(settings: Settings) -> None:
    """Serve until a signal comes. Raises StartError where it cannot start, or a part ends by itself."""
    signals = StopSignals()
    with ExitStack() as stack:
        children = _Children(stack, signals)
        try:
            lock = stack.enter_context(_locked_data(settings)) if settings.uses_emulator else None
            _require_free(settings.host, settings.port, "PORT")
            environment = dict(os.environ)
            if settings.secret_key is None:
                if settings.stage != LOCAL_STAGE:
                    raise SettingsError("SECRET_KEY is needed unless STAGE=local")
                environment["SECRET_KEY"] = _kept_secret_key(settings.data_dir)
            if settings.uses_emulator:
                click.echo("Starting the embedded AWS emulator ...")
                _start_emulator(settings, children, lock)
            _prepare_stores(settings)
            if settings.uses_emulator:
                _recover(settings)
            click.echo("Starting the worker and the web server ...")
            children.start("worker", [sys.executable, "-m", "app", "worker"], environment)
            server = children.start("web server", server_command(settings, windows=_WINDOWS), environment)
            _wait_until_answers(f"{_address(settings)}/health", server)
            _say_hello(settings)
            while True:
                children.require_running()
                time.sleep(0.2)  # a signal ends this wait at once
        except Stopped:
            click.echo("\nStopping, which takes a few seconds ...")
        finally:
            signals.ignore()
    click.echo("Stopped. The data is kept." if settings.uses_emulator else "Stopped.")


def server_command(settings: Settings, *, windows: bool) -> list[str]:
    """The web server's command line; gunicorn takes the rest from gunicorn.conf.py and does not run on Windows."""
    if not windows:
        return [sys.executable, "-m", "gunicorn"]
    threads = settings.web_workers * settings.web_threads
    return [
        sys.executable,
        "-m",
        "waitress",
        f"--listen={settings.address}",
        f"--threads={threads}",
        "app.entrypoints.wsgi:app",
    ]


def _locked_data(settings: Settings) -> IO[bytes]:
    """A lock on what the emulator keeps. Two at work on it would each lose what the other has stored."""
    home = _emulator_home(settings)
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = locked(
            home / "lock",
            seconds=_LOCK_SECONDS,
            say=lambda: click.echo(f"Waiting for another process that uses {settings.data_dir} ..."),
        )
    except OSError as error:
        raise StartError(f"DATA_DIR: cannot write to {home} ({error.strerror}).") from error
    if lock is None:
        raise StartError(f"DATA_DIR: another process uses {settings.data_dir}. Stop it, or set another DATA_DIR.")
    return lock


def _require_free(host: str, port: int, setting: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        if not _WINDOWS:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            is_host = error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror)
            name = "HOST" if is_host else setting
            raise StartError(
                f"{name}: cannot listen on {host}:{port} ({error.strerror}). "
                f"Set another {name}, in the environment or in .env."
            ) from error


def _kept_secret_key(data_dir: Path) -> str:
    """The key for local use: made at the first start, so that cursors survive the next."""
    path = data_dir / "secret-key"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor, whole = tempfile.mkstemp(dir=data_dir)  # readable by its owner alone
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
        Path(whole).replace(path)
    return path.read_text()


def _emulator_home(settings: Settings) -> Path:
    return settings.data_dir.resolve() / "emulator"


def _start_emulator(settings: Settings, children: _Children, lock: IO[bytes] | None) -> None:
    """Start it, and find out whether its last stop was a clean one.

    It saves the tables only when it stops, so if it is killed they are afterwards as they were at
    the last stop, while the bucket has all that was stored. The file `running` tells that it has
    not stopped, `damaged` that what was lost has not been brought back yet.
    """
    _require_free("127.0.0.1", settings.emulator_port, "EMULATOR_PORT")
    home = _emulator_home(settings)
    running = home / "running"
    if running.exists():
        (home / "damaged").touch()
        # Each would be an object by itself; no key of ours is like that.
        for half_written in (home / "s3").rglob("*.tmp"):
            half_written.unlink()
    running.touch()
    assert settings.credentials is not None  # with an emulator there always are some
    key, secret, _ = settings.credentials
    environment = {
        **os.environ,
        "GATEWAY_PORT": str(settings.emulator_port),
        "BIND_HOST": "127.0.0.1",
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "MINISTACK_REGION": settings.aws_region,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(home / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(home / "s3"),
        "LAMBDA_EXECUTOR": "local",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }
    emulator = children.start(
        "emulator",
        [sys.executable, "-m", "ministack"],
        environment,
        log=home / "emulator.log",
        lock=lock,
        stopped_cleanly=running.unlink,
    )
    _wait_until_answers(f"http://127.0.0.1:{settings.emulator_port}/_ministack/health", emulator)


def _spawn(
    command: list[str], environment: Mapping[str, str], output: IO[bytes] | None, inherited: IO[bytes] | None
) -> "subprocess.Popen[bytes]":
    """Start a child that Ctrl-C at the terminal does not reach: it is stopped from here, in its turn.

    On Linux it also ends when this process is killed and cannot stop it.
    """
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
    elif sys.platform == "linux":
        command = [sys.executable, "-m", "app.entrypoints.child", str(os.getpid()), *command]
    return subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=not _WINDOWS,
        creationflags=flags,
        pass_fds=(inherited.fileno(),) if inherited and not _WINDOWS else (),
    )


def _interrupt(process: "subprocess.Popen[bytes]") -> None:
    """Ask a process to end in the way that lets it clean up."""
    if sys.platform == "win32":
        process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        process.terminate()


def _wait_until_answers(url: str, child: _Child) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        child.require_running()
        try:
            with _DIRECTLY.open(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise StartError(f"The {child.name} does not answer after {_START_SECONDS} s.") from None
            time.sleep(0.05)


def _prepare_stores(settings: Settings) -> None:
    """Make bucket, table and queue exist; in production they are the deployment's, and only looked at."""
    if not settings.is_production:
        provision_stores(settings)
    elif failing := build_services(settings).readiness.failing_stores():
        raise StartError(f"Not ready: {', '.join(failing)}. The log above says why.")


def _recover(settings: Settings) -> None:
    """Bring back from the bucket what the tables have lost, if they have.

    Nobody else is at work yet, so nothing is too young. Cut off, it is done again at the next
    start. Raises StartError.
    """
    damaged = _emulator_home(settings) / "damaged"
    if not damaged.exists():
        return
    click.echo("The last stop was not clean. Restoring the tables from the bucket ...")
    options = AuditOptions(repair=True, rebuild=True, grace=timedelta())
    try:
        audit(settings, options, only_left=True)
    except BackendUnavailable as error:
        raise StartError(f"The tables could not be restored: {error.store} does not answer.") from error
    damaged.unlink()


def provision_stores(settings: Settings) -> None:
    """Make bucket, table and queue exist, saying so. Raises StartError, and always in production."""
    if settings.is_production:
        raise StartError("STAGE: in production the deployment makes the stores; the service does not.")
    try:
        # The emulator waits some seconds, when it is stopped, for whoever is still connected.
        with closing(AWSClientFactory(settings)) as factory:
            for made in provision(factory, settings):
                click.echo(f"  {made}")
    except BackendUnavailable as error:
        if settings.endpoint_url is None:
            cause = error.__cause__ or "it does not answer"
            raise StartError(f"{error.store} at AWS, {settings.aws_region}: {cause}") from error
        raise StartError(f"AWS_ENDPOINT_URL: {error.store} at {settings.endpoint_url} does not answer.") from error
    except ProvisionError as error:
        raise StartError(str(error)) from error


def _address(settings: Settings) -> str:
    """Where the service is reached from here: "all interfaces" is no address to call."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - compared
    return f"http://{settings.model_copy(update={'host': reachable}).address}"


def _say_hello(settings: Settings) -> None:
    address = _address(settings)
    caller = "X-User-ID: alice" if settings.auth_mode == "header" else "Authorization: Bearer ..."
    click.echo(
        f"\nThe Image Storage Service is ready at {address} (Ctrl-C stops it). Try:\n\n"
        f"  curl -H '{caller}' -F file=@photo.jpg -F title=Beach {address}/api/v1/images/upload\n\n"
        f"Gallery: {address}/    API: {address}/docs"
    )
