"""What is compared, as WSGI applications, and the process in which one of them is measured.

    python -m benchmarks.overhead.candidates NAME ENDPOINT_URL

The process reads lines "OPERATION REPEATS" and answers each with the CPU seconds that one request took, and how
many it answered in a second.
"""

import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from app import logs
from app.api import create_app
from app.entrypoints.traces import start_tracing
from app.services import build_services
from app.settings import Settings
from benchmarks.overhead import floor, tutorial
from benchmarks.overhead.operations import OPERATIONS, Operation

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Load:
    """What requests took: CPU seconds of the process for each, and how many were answered in a second."""

    cpu_seconds: float
    per_second: float


def service_environment(endpoint_url: str) -> dict[str, str]:
    """The settings of a production service that logs to nobody."""
    return {
        "STAGE": "production",
        "TRUSTED_PROXY": "true",
        "SECRET_KEY": "k" * 32,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


def _service(endpoint_url: str, **changes: str) -> Application:
    environment = service_environment(endpoint_url) | changes
    logs.configure("INFO")
    settings = Settings.model_validate({name.lower(): value for name, value in environment.items()})
    tracing = start_tracing(settings, service_name="benchmark")
    application = create_app(settings, build_services(settings, tracing=tracing))
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)  # as app.entrypoints.wsgi does
    return application


CANDIDATES: dict[str, Callable[[str], Application]] = {
    "floor": floor.create_app,
    "floor with checks": partial(floor.create_app, checks=True),
    "service": _service,
    "service on boto3": partial(_service, FAST_AWS="false"),
    "tutorial": tutorial.create_app,
}


def compared(operation: Operation) -> list[str]:
    """The candidates for an operation: only of uploads there is something to check."""
    return [name for name in CANDIDATES if operation.is_upload or name != "floor with checks"]


def chosen() -> Application:
    """For gunicorn: the one that the environment names."""
    name, url = os.environ["CANDIDATE"], os.environ["AWS_ENDPOINT_URL"]
    if "OTEL_EXPORTER_OTLP_ENDPOINT" in os.environ:
        return _service(url, OTEL_EXPORTER_OTLP_ENDPOINT=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"])
    return CANDIDATES[name](url)


def send(application: Application, operation: Operation) -> int:
    """One request, its answer read to its end; how many bytes it had."""
    answered: list[str] = []
    environ = operation.environ()
    chunks = application(environ, lambda status, headers, error=None: answered.append(status))
    size = sum(map(len, chunks))
    chunks.close()  # type: ignore[attr-defined]  # werkzeug's iterables have it
    assert answered[0].startswith(str(operation.status)), answered
    return size


def measure(application: Application, operation: Operation, repeats: int) -> Load:
    """Requests one after the other in this process."""
    cpu, started = time.process_time(), time.perf_counter()
    for _ in range(repeats):
        send(application, operation)
    return Load((time.process_time() - cpu) / repeats, repeats / (time.perf_counter() - started))


def main(name: str, endpoint_url: str) -> None:
    results = os.fdopen(os.dup(1), "w", buffering=1)
    sys.stderr = open(os.devnull, "w")  # logs are written, to nowhere  # noqa: PTH123, SIM115
    application = CANDIDATES[name](endpoint_url)
    logging.captureWarnings(capture=True)
    operations = {operation.name: operation for operation in OPERATIONS}
    results.write("ready\n")
    for line in sys.stdin:
        operation, _, repeats = line.rstrip("\n").rpartition(" ")
        load = measure(application, operations[operation], int(repeats))
        results.write(f"{load.cpu_seconds} {load.per_second}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
