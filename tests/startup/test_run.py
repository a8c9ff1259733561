"""`python -m app run`, which is what ./startup.sh does once everything is installed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import boto3
import httpx
import pytest

from app.entrypoints.local import server_command
from tests.conftest import test_settings
from tests.contract.steps import IMAGES, upload
from tests.samples import picture, picture_of_bytes
from tests.server import ROOT, RunningService, free_port, run_to_its_end

embedded_only = pytest.mark.skipif(
    bool(os.environ.get("AWS_ENDPOINT_URL")), reason="AWS_ENDPOINT_URL is set, so no embedded emulator is started"
)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    running = RunningService(tmp_path / "data").start()
    yield running
    if running.process and running.process.poll() is None:
        running.stop()


@embedded_only
@pytest.mark.parametrize("how", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_what_was_stored_is_there_after_a_stop_and_a_start(service: RunningService, how: signal.Signals) -> None:
    data = picture_of_bytes(500_000, seed=5)
    with service.client("alice") as api:
        image = upload(api, data, title="Beach")
        upload(api)
        cursor = api.get(IMAGES, params={"limit": 1}).json()["next_cursor"]
    assert service.stop(how) == 0
    assert "Stopped. The data is kept." in service.output()
    assert not any_listens(service)
    service.start()
    with service.client("alice") as api:
        assert (
            api.get(IMAGES, params={"limit": 1, "cursor": cursor}).json()["images"][0]["image_id"] == image["image_id"]
        )
        assert api.get(f"{IMAGES}/{image['image_id']}").content == data


def test_ctrl_c_while_the_program_is_loaded_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import time; print('loading', flush=True); time.sleep(60)")
    with subprocess.Popen(
        [sys.executable, "-m", "app", "run"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate() == ("", "")
        assert process.returncode == -signal.SIGINT


@embedded_only
def test_a_start_waits_for_the_stop_of_the_one_before_and_nothing_is_lost(service: RunningService) -> None:
    with service.client("alice") as api:
        image = upload(api)
    assert service.process is not None
    service.process.send_signal(signal.SIGTERM)
    after = RunningService(service.data_dir, **names_of(service)).start()
    try:
        assert service.wait() == 0
        assert "The last stop was not clean" not in after.output()
        with after.client("alice") as api:
            assert [it["image_id"] for it in api.get(IMAGES).json()["images"]] == [image["image_id"]]
    finally:
        after.stop()


def names_of(service: RunningService) -> dict[str, str]:
    """The settings with which another run finds the same bucket and tables."""
    return {
        name: service.environment[name] for name in ("S3_BUCKET", "IMAGES_TABLE", "POSTINGS_TABLE", "UPLOADS_QUEUE")
    }


@embedded_only
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_kill_leaves_nothing_running_and_what_was_stored_is_there_after_a_start(service: RunningService) -> None:
    with service.client("alice") as api:
        image = upload(api)
    assert service.stop(signal.SIGKILL) == -signal.SIGKILL
    deadline = time.monotonic() + 40
    while any_listens(service):
        assert time.monotonic() < deadline
    service.start()
    with service.client("alice") as api:
        assert api.get(f"{IMAGES}/{image['image_id']}").content == picture()


@embedded_only
@pytest.mark.parametrize("seconds", [0.3, 0.6, 0.9, 1.2])
def test_a_stop_while_it_starts_leaves_nothing_running(tmp_path: Path, seconds: float) -> None:
    service = RunningService(tmp_path / "data")
    with subprocess.Popen(
        service.python("-m", "app", "run"), cwd=ROOT, env=service.environment, stdout=subprocess.DEVNULL
    ) as process:
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.terminate()
        process.wait(60)
    assert not any_listens(service)


@embedded_only
def test_when_a_part_ends_by_itself_the_rest_is_stopped_and_the_exit_code_tells(service: RunningService) -> None:
    os.kill(child_pid(service, "ministack"), signal.SIGTERM)
    assert service.wait() == 1
    assert "The emulator ended with code" in service.output()
    assert not any_listens(service)


def test_a_stop_lets_running_requests_finish(service: RunningService) -> None:
    data = picture_of_bytes(1_000_000)
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        head = (
            f"POST {IMAGES} HTTP/1.1\r\nHost: x\r\nX-User-ID: alice\r\nContent-Type: image/png\r\n"
            f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"
        )
        connection.sendall(head.encode() + data[:1000])
        assert service.process is not None
        deadline = time.monotonic() + 10
        service.process.send_signal(signal.SIGTERM)
        while "Stopping" not in service.output():
            assert time.monotonic() < deadline
        connection.sendall(data[1000:])
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 201")
    assert service.wait() == 0


def test_a_worker_of_its_own_stops_cleanly(tmp_path: Path, server: RunningService) -> None:
    environment = server.environment | {"AWS_ENDPOINT_URL": server.endpoint_url}
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(server.python("-m", "app", "worker"), cwd=ROOT, env=environment, stderr=output)
    deadline = time.monotonic() + 20
    while "worker started" not in log.read_text():
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert json.loads(log.read_text().splitlines()[-1])["event"] == "worker stopped"


def test_what_arrives_while_no_worker_runs_is_finished_by_the_next(service: RunningService) -> None:
    data = picture_of_bytes(1000)
    with service.client("alice") as api:
        wanted = {"filename": "a.png", "content_type": "image/png", "file_size": len(data)}
        issued = api.post("/api/v1/uploads", json=wanted).json()
        os.kill(child_pid(service, "worker"), signal.SIGSTOP)
        try:
            upload = issued["upload"]
            sent = httpx.put(upload["url"], headers=upload["headers"], content=data, trust_env=False)
            assert sent.status_code == 200
            path = f"{IMAGES}/{issued['image']['image_id']}/metadata"
            assert api.get(path).json()["status"] == "PENDING_UPLOAD"
        finally:
            os.kill(child_pid(service, "worker"), signal.SIGCONT)
        deadline = time.monotonic() + 30
        while api.get(path).json()["status"] != "UPLOADED":
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output = run_to_its_end(tmp_path, PORT=str(port))
    assert code == 1
    assert (
        output == f"Error: PORT: cannot listen on 127.0.0.1:{port} (Address already in use). "
        "Set another PORT, in the environment or in .env.\n"
    )


def test_a_host_that_there_is_not_is_named_as_what_is_wrong(tmp_path: Path) -> None:
    code, output = run_to_its_end(tmp_path, HOST="host.invalid")
    assert code == 1
    assert output.startswith("Error: HOST: cannot listen on host.invalid:")


@embedded_only
def test_a_proxy_for_the_outside_is_not_asked_for_what_is_on_this_machine(tmp_path: Path) -> None:
    proxy = f"http://127.0.0.1:{free_port()}"
    service = RunningService(tmp_path, http_proxy=proxy, HTTP_PROXY=proxy, NO_PROXY="", no_proxy="").start()
    with service.client("alice") as api:
        assert api.get("/ready").status_code == 200
        assert api.get("/api/v1/images").json()["count"] == 0
    assert service.stop() == 0


@embedded_only
def test_an_emulator_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, output = run_to_its_end(tmp_path, EMULATOR_PORT=str(taken.getsockname()[1]))
    assert code == 1
    assert "EMULATOR_PORT: cannot listen" in output


def test_an_endpoint_that_does_not_answer_is_one_clear_line(tmp_path: Path) -> None:
    code, output = run_to_its_end(tmp_path, AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")
    assert code == 1
    assert output.startswith("Error: AWS_ENDPOINT_URL: s3 at http://127.0.0.1:")
    assert output.count("\n") == 1


JWT = {"AUTH_MODE": "jwt", "JWT_ISSUER": "https://issuer.example", "JWT_AUDIENCE": "images"}


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"WEB_WORKERS": "none"}, "Error: WEB_WORKERS: "),
        ({"STAGE": "production", "TRUSTED_PROXY": "true"}, "Error: SECRET_KEY is needed"),
        ({"STAGE": "production", "SECRET_KEY": "k" * 32}, "Error: AUTH_MODE=header believes any X-User-ID"),
        (JWT | {"JWT_KEY": "-----BEGIN PUBLIC KEY-----"}, "Error: JWT_KEY is not a key for RS256"),
        ({"AUTH_MODE": "jwt"}, "Error: AUTH_MODE=jwt needs JWT_ISSUER and JWT_AUDIENCE"),
    ],
)
def test_an_invalid_setting_is_one_clear_line(tmp_path: Path, settings: dict[str, str], line: str) -> None:
    code, output = run_to_its_end(tmp_path, **settings)
    assert code == 1
    assert output.startswith(line)
    assert output.count("\n") == 1


def test_in_production_nothing_is_created(tmp_path: Path, server: RunningService) -> None:
    code, output = run_to_its_end(
        tmp_path, STAGE="production", SECRET_KEY="k" * 32, TRUSTED_PROXY="true", AWS_ENDPOINT_URL=server.endpoint_url
    )
    assert code == 1
    assert "Error: Not ready: s3, dynamodb, sqs." in output


def test_the_stores_can_be_made_without_starting_anything(tmp_path: Path, server: RunningService) -> None:
    environment = server.environment | {"AWS_ENDPOINT_URL": server.endpoint_url}
    for _ in range(2):
        made = subprocess.run(
            server.python("-m", "app", "provision"),
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        name = server.environment["S3_BUCKET"]
        assert made.stdout.split() == ["bucket", name, "table", name, "table", f"{name}-postings", "queue", name]


def test_waitress_serves_the_same_app(tmp_path: Path, server: RunningService) -> None:
    """What ./startup.bat runs on Windows, where gunicorn does not."""
    port = free_port()
    command = server_command(test_settings(port=port, web_workers=1), windows=True)
    environment = server.environment | {
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "SECRET_KEY": "k" * 32,
        "PORT": str(port),
    }
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}")
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", headers={"X-User-ID": "waitress"}, trust_env=False
            ) as api:
                data = picture_of_bytes(2_000_000)
                image = upload(api, data)
                assert api.get(f"{IMAGES}/{image['image_id']}").content == data
                pieces = (data[start : start + 9999] for start in range(0, len(data), 9999))
                assert api.post(IMAGES, content=pieces, headers={"Content-Type": "image/png"}).status_code == 201
        finally:
            process.terminate()


def wait_until_healthy(url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            if httpx.get(f"{url}/health", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            assert time.monotonic() < deadline, "does not answer"


def any_listens(service: RunningService) -> bool:
    for port in (service.port, int(service.environment["EMULATOR_PORT"])):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
    return False


def child_pid(service: RunningService, name: str) -> int:
    """The child of the service whose command line has this word in it (Linux)."""
    assert service.process is not None
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    return next(int(pid) for pid in children if name in Path(f"/proc/{pid}/cmdline").read_text())


def test_lost_postings_are_rebuilt_while_the_service_runs(server: RunningService, user: str) -> None:
    with server.client(user) as api:
        image_id = upload(api, title="Lost and found", tags="sea")["image_id"]
        dynamodb = boto3.client(
            "dynamodb",
            endpoint_url=server.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        table = server.environment["POSTINGS_TABLE"]
        for term in ("tag:sea", "word:lost"):
            found = dynamodb.query(
                TableName=table,
                KeyConditionExpression="term_key = :term",
                ExpressionAttributeValues={":term": {"S": f"{user}#{term}"}},
            )["Items"]
            for item in found:
                dynamodb.delete_item(
                    TableName=table, Key={"term_key": item["term_key"], "image_key": item["image_key"]}
                )
        assert api.get(IMAGES, params={"tags": "sea"}).json()["images"] == []
        environment = server.environment | {"AWS_ENDPOINT_URL": server.endpoint_url}
        done = subprocess.run(
            server.python("-m", "app", "rebuild-postings", "--user", user),
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Wrote the postings of 1 images." in done.stdout
        for query in ({"tags": "sea"}, {"q": "lost found"}):
            assert [it["image_id"] for it in api.get(IMAGES, params=query).json()["images"]] == [image_id]


def test_a_stop_under_load_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    service = RunningService(tmp_path / "data").start()
    acknowledged: dict[str, bytes] = {}
    refusals: list[httpx.Response] = []

    def upload_until_it_stops(client_number: int) -> None:
        with service.client("alice") as api:
            for number in range(10_000):
                data = picture_of_bytes(50_000, seed=client_number * 10_000 + number)
                try:
                    answer = api.post(IMAGES, content=data, headers={"Content-Type": "image/png"})
                except httpx.TransportError:
                    return
                if answer.status_code != 201:
                    refusals.append(answer)
                    return
                acknowledged[answer.json()["image_id"]] = data

    with ThreadPoolExecutor(6) as pool:
        clients = [pool.submit(upload_until_it_stops, number) for number in range(6)]
        deadline = time.monotonic() + 30
        while len(acknowledged) < 30 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert service.stop() == 0
        for client in clients:
            client.result()
    assert {answer.status_code for answer in refusals} <= {503}
    service.start()
    try:
        with service.client("alice") as api:
            for image_id, data in acknowledged.items():
                assert api.get(f"{IMAGES}/{image_id}").content == data
            listed = api.get(IMAGES, params={"limit": 100}).json()["images"]
            assert len(listed) >= min(len(acknowledged), 100)
            assert all(api.get(f"{IMAGES}/{image['image_id']}").status_code == 200 for image in listed)
    finally:
        service.stop()
