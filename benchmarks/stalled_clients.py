"""How many clients that stall it takes to stop the others: the tables in docs/stalled-clients.md.

    .venv/bin/python -m benchmarks.stalled_clients

Starts the service on the embedded emulator, opens more and more connections of one kind of bad
client, and each time lets a good client ask for 6 seconds. With `--server waitress` the same app is
served by that.
"""

import contextlib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import httpx

from tests.samples import picture_of_bytes
from tests.server import ROOT, RunningService, free_port

USER = "X-User-ID: stalled\r\n"
GOOD_SECONDS = 6
TIMEOUT_SECONDS = 2
BODY = 1_000_000
Bad = Callable[[str, int], socket.socket]
"""Opens a connection to a port and leaves it in its bad state; the path is that of a large image."""


def connected(port: int, data: str, *, small_buffer: bool = False) -> socket.socket:
    connection = socket.socket()
    if small_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(5)
    connection.connect(("127.0.0.1", port))
    connection.sendall(data.encode())
    return connection


def upload_head(length: int) -> str:
    return (
        f"POST /api/v1/images HTTP/1.1\r\nHost: x\r\n{USER}Content-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n"
    )


KINDS: dict[str, tuple[str, Bad, bytes]] = {
    "idle": ("connects and says nothing", lambda path, port: connected(port, ""), b""),
    "head": ("sends half a head", lambda path, port: connected(port, "GET /health HTTP/1.1\r\nHost: x\r\n"), b""),
    "dripping head": ("a byte of a head each second", lambda path, port: connected(port, "GET /he"), b"a"),
    "body": ("sends a head and half a body", lambda path, port: connected(port, upload_head(BODY) + "x" * 10), b""),
    "dripping body": ("a byte of a body each second", lambda path, port: connected(port, upload_head(BODY)), b"x"),
    "reader": (
        "asks for a 9 MB image and reads nothing",
        lambda path, port: connected(port, f"GET {path} HTTP/1.1\r\nHost: x\r\n{USER}\r\n", small_buffer=True),
        b"",
    ),
    "closer": (
        "gets its last answer and does not close",
        lambda path, port: connected(port, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        b"",
    ),
}


@contextlib.contextmanager
def bad_clients(kind: str, count: int, path: str, port: int) -> Iterator[None]:
    """So many bad clients, opened anew when they are thrown out, as who means harm would."""
    _, opened, drip = KINDS[kind]
    stopped = threading.Event()

    def misbehave() -> None:
        connections: list[socket.socket] = []
        while not stopped.wait(0.2 if drip == b"" else 1):
            for connection in list(connections):
                if not _is_alive(connection, drip, reads=kind != "reader"):
                    connections.remove(connection)
                    connection.close()
            with contextlib.suppress(OSError):
                while len(connections) < count and not stopped.is_set():
                    connections.append(opened(path, port))
        for connection in connections:
            connection.close()

    thread = threading.Thread(target=misbehave)
    thread.start()
    time.sleep(1.5)
    yield
    stopped.set()
    thread.join()


def _is_alive(connection: socket.socket, drip: bytes, *, reads: bool) -> bool:
    try:
        connection.setblocking(False)
        if drip:
            connection.sendall(drip)
        return not reads or connection.recv(65536) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def good_client(url: str) -> str:
    """Share of requests answered within 2 seconds, each on a connection of its own, and the median and worst time."""
    seconds: list[float] = []
    asked, end = 0, time.monotonic() + GOOD_SECONDS
    while time.monotonic() < end:
        asked += 1
        begun = time.monotonic()
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"{url}/api/v1/limits", timeout=TIMEOUT_SECONDS, trust_env=False).raise_for_status()
            seconds.append(time.monotonic() - begun)
        time.sleep(0.05)
    if not seconds:
        return "nobody"
    share = "all" if len(seconds) == asked else f"{len(seconds) / asked:.0%}"
    return f"{share}, {statistics.median(seconds) * 1000:.0f} / {max(seconds) * 1000:.0f} ms"


@contextlib.contextmanager
def served(server: str, threads: int) -> Iterator[int]:
    """The service's port, behind gunicorn as configured or the same app behind waitress."""
    with tempfile.TemporaryDirectory() as home:
        service = RunningService(Path(home), WEB_THREADS=str(threads)).start()
        try:
            if server == "gunicorn":
                yield service.port
                return
            port = free_port()
            environment = service.environment | {"AWS_ENDPOINT_URL": service.endpoint_url, "SECRET_KEY": "k" * 32}
            command = [sys.executable, "-m", "waitress", f"--port={port}", "--host=127.0.0.1", f"--threads={threads}"]
            with subprocess.Popen([*command, "app.entrypoints.wsgi:app"], cwd=ROOT, env=environment) as process:
                _wait_for(port)
                yield port
                process.terminate()
        finally:
            service.stop()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise TimeoutError


@click.command()
@click.option("--server", type=click.Choice(["gunicorn", "waitress"]), default="gunicorn", show_default=True)
@click.option("--threads", default=8, show_default=True, help="Of each gunicorn worker, of which there are 2.")
@click.option("--only", multiple=True, type=click.Choice(list(KINDS)), help="Kinds of bad clients.")
@click.option("--counts", default="0,16,64,256", show_default=True)
def main(server: str, threads: int, only: tuple[str, ...], counts: str) -> None:
    """Print the table."""
    columns = [int(count) for count in counts.split(",")]
    click.echo(f"| the bad client | {' | '.join(f'{count} of them' for count in columns)} |")
    click.echo(f"| --- |{' --- |' * len(columns)}")
    with served(server, threads) as port:
        url = f"http://127.0.0.1:{port}"
        headers = {"X-User-ID": "stalled", "Content-Type": "image/png"}
        image = httpx.post(
            f"{url}/api/v1/images", content=picture_of_bytes(9_000_000), headers=headers, timeout=30, trust_env=False
        )
        path = f"/api/v1/images/{image.raise_for_status().json()['image_id']}"
        for kind in only or KINDS:
            cells = []
            for count in columns:
                with bad_clients(kind, count, path, port):
                    cells.append(good_client(url))
            click.echo(f"| {KINDS[kind][0]} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
