"""Traces of the real service, as a collector gets them; and what happens where there is none, or no OpenTelemetry."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.collector import collecting
from tests.contract.steps import IMAGES, UPLOADS
from tests.samples import picture
from tests.server import ROOT, RunningService, free_port, run_to_its_end

TRACE_ID, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
LATE = {"OTEL_BSP_SCHEDULE_DELAY": "60000"}  # milliseconds: what arrives before was sent at the end of a process


def test_a_direct_upload_is_a_trace_of_the_request_and_one_of_the_worker_that_links_to_it(tmp_path: Path) -> None:
    with collecting() as collector:
        service = RunningService(
            tmp_path,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_HEADERS="x-token=canary",
            **LATE,
        ).start()
        upload_directly(service, {"traceparent": f"00-{TRACE_ID}-{CALLER}-01"})
        assert service.stop() == 0
    (issued,) = collector.named(f"POST {UPLOADS}")
    assert (issued.trace_id.hex(), issued.parent_span_id.hex()) == (TRACE_ID, CALLER)
    assert collector.services_of(issued) == {"image-storage"}
    assert collector.children_of(issued) == ["receiving", "DynamoDB.PutItem", "sending"]
    (handled,) = [span for span in collector.named(f"process {service.environment['UPLOADS_QUEUE']}") if span.links]
    assert [(link.trace_id, link.span_id) for link in handled.links] == [(issued.trace_id, issued.span_id)]
    assert handled.trace_id != issued.trace_id
    assert collector.services_of(handled) == {"image-storage-worker"}
    assert {"DynamoDB.GetItem", "S3.GetObject", "decoding", "S3.PutObject"} <= set(collector.children_of(handled))
    assert collector.tokens == {"canary"}
    lines = [json.loads(line) for line in service.output().splitlines() if line.startswith("{")]
    traces = {line["event"]: line.get("trace_id") for line in lines if line.get("route") in (UPLOADS, None)}
    assert (traces["request"], traces["upload announced"]) == (TRACE_ID, TRACE_ID)
    assert traces["object event"] == handled.trace_id.hex()


def upload_directly(service: RunningService, headers: dict[str, str]) -> None:
    with service.client("alice") as api:
        data = picture("PNG")
        wanted = {"filename": "a.png", "content_type": "image/png", "file_size": len(data)}
        answered = api.post(UPLOADS, json=wanted, headers=headers)
        assert "traceparent" not in answered.text
        issued = answered.json()
        upload = issued["upload"]
        sent = httpx.put(upload["url"], headers=upload["headers"], content=data, trust_env=False)
        assert sent.status_code == 200
        deadline = time.monotonic() + 30
        while api.get(f"{IMAGES}/{issued['image']['image_id']}/metadata").json()["status"] != "UPLOADED":
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.long
def test_a_collector_that_does_not_answer_slows_neither_requests_nor_the_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        service = RunningService(
            tmp_path,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}",
            OTEL_BSP_SCHEDULE_DELAY="10",
            OTEL_BSP_MAX_QUEUE_SIZE="8",
            OTEL_BSP_MAX_EXPORT_BATCH_SIZE="2",
        ).start()
        with service.client("alice") as api:
            slowest = max(api.get(IMAGES).elapsed.total_seconds() for _ in range(30))
        assert slowest < 2  # the exporter waits for ten
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 15  # the SDK by itself would take 30
    assert "Queue full, dropping Span." in service.output()


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ("authorization=Bearer canary;x", "Header format invalid!"),
        ("authorization=Bearer%0Acanary", "reason: InvalidHeader"),
        ("authorization=Bearer%20canary", "due to timeout, max retries or shutdown"),
    ],
)
def test_what_cannot_be_sent_is_logged_without_headers_and_address(headers: str, said: str) -> None:
    program = (
        "import sys; from app import logs; from app.tracing import exporting; logs.configure('INFO')\n"
        "with exporting(sys.argv[1], service_name='x').handling_event('queue'): pass"
    )
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_HEADERS": headers, "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    command = [sys.executable, "-c", program, f"http://127.0.0.1:{free_port()}/canary"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert said in done.stderr
    assert "canary" not in done.stderr


@pytest.fixture
def without_opentelemetry(tmp_path: Path) -> dict[str, str]:
    """The environment of a process for which it is not installed."""
    package = tmp_path / "packages" / "opentelemetry"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"raise ModuleNotFoundError('none', name={package.name!r})")
    return {"PYTHONPATH": str(package.parent), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


MISSING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT needs OpenTelemetry, which is not installed: pip install -r requirements-tracing.txt\n"
)


def test_without_the_packages_for_traces_nothing_starts_and_one_line_says_why(
    tmp_path: Path, without_opentelemetry: dict[str, str]
) -> None:
    assert run_to_its_end(tmp_path, **without_opentelemetry) == (1, f"Error: {MISSING}")
    environment = RunningService(tmp_path, SECRET_KEY="k" * 32, **without_opentelemetry).environment
    for program in (["app", "worker"], ["gunicorn"]):
        command = [sys.executable, "-m", *program]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=30
        )
        assert (done.returncode, MISSING in done.stderr) == (1, True), done.stderr


def test_without_the_setting_opentelemetry_is_not_even_loaded() -> None:
    program = (
        "import sys, app.entrypoints.wsgi, app.entrypoints.worker; "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    environment = {**os.environ, "SECRET_KEY": "k" * 32, "OTEL_EXPORTER_OTLP_ENDPOINT": ""}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
