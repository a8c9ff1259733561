"""Many uploads at once against the real service: none may be lost, and what does it cost in memory?

    .venv/bin/python -m benchmarks.uploads_at_once [--uploads 200] [--clients 16] [--bytes 1000000]

Starts the service as ./startup.sh does (on AWS_ENDPOINT_URL, where that is set), uploads different
images of exactly that size, lists and downloads all of them, and prints the peak memory of each
gunicorn process (VmHWM, Linux).
"""

import hashlib
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import click
import httpx

from tests.samples import picture_of_bytes
from tests.server import RunningService

IMAGES = "/api/v1/images"


@click.command()
@click.option("--uploads", default=200)
@click.option("--clients", default=16)
@click.option("--bytes", "size", default=1_000_000)
def main(uploads: int, clients: int, size: int) -> None:
    """Upload, compare, and print one line of figures and one for each process."""
    with tempfile.TemporaryDirectory() as home:
        service = RunningService(Path(home)).start()
        try:
            _measure(service, uploads, clients, size)
        finally:
            service.stop()


def _measure(service: RunningService, uploads: int, clients: int, size: int) -> None:
    limits = httpx.Limits(max_connections=clients)
    with httpx.Client(
        base_url=service.url, headers={"X-User-ID": "bench"}, limits=limits, timeout=60, trust_env=False
    ) as api:

        def upload(seed: int) -> tuple[str, str]:
            data = picture_of_bytes(size, seed)
            answer = api.post(IMAGES, content=data, headers={"Content-Type": "image/png"})
            answer.raise_for_status()
            return answer.json()["image_id"], hashlib.sha256(data).hexdigest()

        idle = gunicorn_memory(service, "RssAnon")
        started = time.perf_counter()
        with _watching_memory(service) as own, ThreadPoolExecutor(clients) as pool:
            sent = dict(pool.map(upload, range(uploads)))
        seconds = time.perf_counter() - started
        listed = _all_ids(api)
        lost = [image_id for image_id in sent if image_id not in listed]
        changed = [
            image_id
            for image_id, digest in sent.items()
            if hashlib.sha256(api.get(f"{IMAGES}/{image_id}").content).hexdigest() != digest
        ]
    click.echo(
        f"{uploads} uploads of {size} bytes from {clients} clients: {uploads / seconds:.0f}/s, "
        f"{len(lost)} lost, {len(changed)} changed"
    )
    peak = gunicorn_memory(service, "VmHWM")
    click.echo(
        f"  gunicorn's processes in all: {idle // 1024} MB of their own when idle, {max(own) // 1024} MB at most; "
        f"with the files that they have mapped, and what they share counted for each, {peak // 1024} MB"
    )


@contextmanager
def _watching_memory(service: RunningService) -> Iterator[list[int]]:
    """What the processes have of their own (RssAnon), every 50 ms."""
    seen: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            seen.append(gunicorn_memory(service, "RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def _all_ids(api: httpx.Client) -> set[str]:
    found: set[str] = set()
    cursor = None
    while True:
        page = api.get(IMAGES, params={"limit": 100} | ({"cursor": cursor} if cursor else {})).json()
        found |= {image["image_id"] for image in page["images"]}
        if (cursor := page["next_cursor"]) is None:
            return found


def gunicorn_memory(service: RunningService, kind: str) -> int:
    """Resident memory in kB of gunicorn's processes below the service: VmRSS, RssAnon, or VmHWM, the peak (proc(5))."""
    assert service.process is not None
    total = 0
    pending = [service.process.pid]
    while pending:
        pid = pending.pop()
        pending += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        if "gunicorn" in Path(f"/proc/{pid}/cmdline").read_text():
            match = re.search(rf"{kind}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
            assert match is not None
            total += int(match[1])
    return total


if __name__ == "__main__":
    main()
