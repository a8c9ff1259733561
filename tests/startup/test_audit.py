"""`python -m app audit` beside the running service, and the recovery when it was killed."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import orjson
import pytest

from tests.contract.steps import IMAGES, Json, upload
from tests.samples import picture, picture_of_bytes
from tests.server import ROOT, RunningService

can_be_killed = pytest.mark.skipif(
    bool(os.environ.get("AWS_ENDPOINT_URL")) or sys.platform != "linux",
    reason="needs the embedded emulator, and Linux to find its process",
)


def aws(server: RunningService, service: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=server.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def audit(server: RunningService, *options: str) -> tuple[int, list[Json], Json]:
    """Its exit code, its findings, and its summary."""
    done = subprocess.run(
        server.python("-m", "app", "audit", "--grace", "0", "--json", *options),
        cwd=ROOT,
        env=server.environment | {"AWS_ENDPOINT_URL": server.endpoint_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    *findings, summary = map(orjson.loads, done.stdout.splitlines())
    return done.returncode, findings, summary


def kinds(findings: list[Json]) -> list[str]:
    return sorted(finding["kind"] for finding in findings)


def metadata(api: httpx.Client, image_id: str) -> Json:
    """What is known about an image, without its URL, which depends on the time."""
    resource: Json = api.get(f"{IMAGES}/{image_id}/metadata").json()
    return {name: value for name, value in resource.items() if "url" not in name}


def test_a_damaged_store_is_put_right_while_the_service_runs(server: RunningService, user: str) -> None:
    bucket, table = server.environment["S3_BUCKET"], server.environment["IMAGES_TABLE"]
    s3, dynamodb = aws(server, "s3"), aws(server, "dynamodb")
    with server.client(user) as api:
        intact, lost, edited, empty = (upload(api, tags="sea", title=f"Number {number}") for number in range(4))
        path = f"{IMAGES}/{edited['image_id']}"
        assert api.patch(path, json={"title": "Dusk", "tags": ["moon"]}).status_code == 200
        known = {image["image_id"]: metadata(api, image["image_id"]) for image in (intact, lost, edited)}
        s3.delete_object(Bucket=bucket, Key=f"images/{user}/{empty['image_id']}.jpg")
        s3.delete_object(Bucket=bucket, Key=f"records/{user}/{intact['image_id']}.json")
        s3.put_object(Bucket=bucket, Key=f"records/{user}/{uuid.uuid4()}.json", Body=b"{}")
        for image in (lost, edited):
            dynamodb.delete_item(TableName=table, Key={"image_id": {"S": image["image_id"]}})
        expected = ["object_missing", "orphan", "record_outdated", "row_lost", "row_lost"]
        code, findings, summary = audit(server, "--user", user)
        assert (code, summary["left"]) == (1, len(findings))
        assert [kind for kind in kinds(findings) if kind != "stray_postings"] == expected
        code, findings, summary = audit(server, "--user", user, "--rebuild")
        assert [it["kind"] for it in findings if it["done"]] == ["row_lost", "row_lost"]
        code, findings, summary = audit(server, "--user", user, "--repair")
        assert (code, summary["left"]) == (0, 0)
        assert kinds(findings) == ["object_missing", "orphan", "record_outdated"]
        assert audit(server, "--user", user, "--verify-bytes")[:2] == (0, [])
        assert {image_id: metadata(api, image_id) for image_id in known} == known
        for query, found in (
            ({"tags": "moon"}, [edited]),
            ({"tags": "sea"}, [lost, intact]),
            ({"q": "dusk"}, [edited]),
        ):
            listed = api.get(IMAGES, params=query).json()["images"]
            assert [it["image_id"] for it in listed] == [it["image_id"] for it in found]


def test_its_findings_are_figures_too(server: RunningService, user: str, tmp_path: Path) -> None:
    key = f"records/{user}/{uuid.uuid4()}.json"
    aws(server, "s3").put_object(Bucket=server.environment["S3_BUCKET"], Key=key, Body=b"{}")
    written = tmp_path / "audit.prom"
    for options, left, ended in (((), 1.0, 0.0), (("--repair",), 0.0, 1.0)):
        audit(server, "--user", user, "--figures", str(written), *options)
        lines = written.read_text().splitlines()
        assert f'image_storage_audit_findings{{kind="orphan",left="yes"}} {left}' in lines
        assert f'image_storage_audit_findings{{kind="orphan",left="no"}} {ended}' in lines
        assert user not in written.read_text()


def test_what_it_says_is_for_people_unless_told_otherwise(server: RunningService, user: str) -> None:
    key = f"records/{user}/{uuid.uuid4()}.json"
    aws(server, "s3").put_object(Bucket=server.environment["S3_BUCKET"], Key=key, Body=b"{}")
    done = subprocess.run(
        server.python("-m", "app", "audit", "--grace", "0", "--user", user),
        cwd=ROOT,
        env=server.environment | {"AWS_ENDPOINT_URL": server.endpoint_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert all(orjson.loads(logged) for logged in done.stderr.splitlines())  # no bars where nobody watches
    line, summary = done.stdout.splitlines()
    assert line.startswith(f"orphan {user} ")
    assert line.endswith("--repair would delete it")
    assert summary == "Checked 0 rows, 1 objects and 0 postings: 1 findings, 1 left."
    assert done.returncode == 1


def test_a_user_that_is_none_is_one_clear_line(server: RunningService) -> None:
    done = subprocess.run(
        server.python("-m", "app", "audit", "--user", "a/b"),
        cwd=ROOT,
        env=server.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Invalid value for --user: is no user id" in done.stderr


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    running = RunningService(tmp_path / "data").start()
    yield running
    if running.process and running.process.poll() is None:
        running.stop()


def descendants(pid: int) -> list[int]:
    children = [int(it) for it in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [it for child in children for it in descendants(child)]


def kill_everything(service: RunningService) -> None:
    """The emulator first, so that nobody's end tells it to save."""
    assert service.process is not None
    pids = descendants(service.process.pid)
    pids.sort(key=lambda pid: b"ministack" not in Path(f"/proc/{pid}/cmdline").read_bytes())
    for pid in [*pids[:1], service.process.pid, *pids[1:]]:
        os.kill(pid, signal.SIGKILL)
    service.process.wait()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids):
        assert time.monotonic() < deadline


@can_be_killed
@pytest.mark.parametrize("stops_before", [0, pytest.param(1, marks=pytest.mark.long)])
def test_when_everything_is_killed_nothing_acknowledged_is_missing(service: RunningService, stops_before: int) -> None:
    data = {}
    with service.client("alice") as api:
        old = [upload(api, title="Old", tags="sea")["image_id"] for _ in range(2)]
    for _ in range(stops_before):  # from then on the tables are known to the emulator's next start
        assert service.stop() == 0
        service.start()
    with service.client("alice") as api:
        for number in range(5):
            bytes_ = picture_of_bytes(100_000 + number, seed=number)
            data[upload(api, bytes_, title=f"Number {number}", tags="sea")["image_id"]] = bytes_
        edited, deleted = list(data)[:2]
        for image_id in (edited, old[0]):
            edit = {"title": "Dusk", "tags": ["moon"], "location": "Rome"}
            assert api.patch(f"{IMAGES}/{image_id}", json=edit).status_code == 200
            assert api.patch(f"{IMAGES}/{image_id}", json={"description": "by night"}).status_code == 200
        for image_id in (deleted, old[1]):
            assert api.delete(f"{IMAGES}/{image_id}").status_code == 200
        del data[deleted]
        data[old[0]] = picture()
        known = {image_id: metadata(api, image_id) for image_id in data}
    kill_everything(service)
    service.start()
    assert "The last stop was not clean." in service.output()
    assert " 0 left." in service.output()
    with service.client("alice") as api:
        assert {image_id: metadata(api, image_id) for image_id in data} == known
        assert {image_id: api.get(f"{IMAGES}/{image_id}").content for image_id in data} == data
        for image_id in (deleted, old[1]):
            assert api.get(f"{IMAGES}/{image_id}").status_code == 404
        for query, found in (
            ({}, set(data)),
            ({"tags": "moon"}, {edited, old[0]}),
            ({"q": "number"}, set(list(data)[1:4])),
        ):
            listed = api.get(IMAGES, params={"limit": "100", **query}).json()["images"]
            assert {image["image_id"] for image in listed} == found
        assert [it["image_id"] for it in api.get(IMAGES, params={"q": "rome night"}).json()["images"]]
    assert audit(service)[:2] == (0, [])
    assert service.stop() == 0
    service.start()
    assert "The last stop" not in service.output()


def test_a_store_that_does_not_answer_is_named_with_what_to_look_at(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", "audit"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "s3 at http://127.0.0.1:1 does not answer" in done.stderr
    assert "correct AWS_ENDPOINT_URL" in done.stderr
