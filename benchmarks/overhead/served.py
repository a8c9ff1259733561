"""The candidates under gunicorn: one worker process each, as gunicorn.conf.py says, with several clients."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.overhead.candidates import Load, service_environment
from benchmarks.overhead.operations import Operation
from tests.server import ROOT, free_port

CLIENTS = 4
START_SECONDS = 30


class Served:
    """One candidate under gunicorn."""

    def __init__(self, port: int, parent: int) -> None:
        self._port = port
        self._parent = parent

    def measure(self, operation: Operation, repeats: int, *, clients: int = CLIENTS) -> Load:
        wire = operation.wire()
        expected = f"HTTP/1.1 {operation.status} ".encode()

        def client(count: int) -> None:
            while count:
                with socket.create_connection(("127.0.0.1", self._port)) as connection:
                    is_kept = True
                    while count and is_kept:
                        connection.sendall(wire)
                        is_kept = _read_answer(connection, expected)
                        count -= 1

        each = max(repeats // clients, 1)
        cpu, started = self._cpu_seconds(), time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(client, [each] * clients))
        seconds = time.perf_counter() - started
        return Load((self._cpu_seconds() - cpu) / (each * clients), each * clients / seconds)

    def _cpu_seconds(self) -> float:
        """Of all threads of the worker, which live as long as it does."""
        children = Path(f"/proc/{self._parent}/task/{self._parent}/children").read_text().split()
        schedules = [path for pid in children for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(int(path.read_text().split()[0]) for path in schedules) / 1e9


def _read_answer(connection: socket.socket, expected: bytes) -> bool:
    """Whether the connection is kept for another request."""
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += connection.recv(65536)
    assert received.startswith(expected), received[:200]
    at = received.lower().find(b"content-length:", 0, end)
    left = int(received[at + 15 : received.index(b"\r", at)]) - (len(received) - end - 4) if at >= 0 else 0
    while left > 0:
        left -= len(connection.recv(262144))
    return b"\r\nconnection: close\r\n" not in received[: end + 2].lower()


@contextmanager
def served(name: str, endpoint_url: str, **changes: str) -> Iterator[Served]:
    """The candidate of this name, with these changes of its environment."""
    port = free_port()
    environment = {
        **os.environ,
        **service_environment(endpoint_url),
        "PORT": str(port),
        "WEB_WORKERS": "1",
        "CANDIDATE": name,
        **changes,
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "benchmarks.overhead.candidates:chosen()"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _answers(port):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield Served(port, process.pid)
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
