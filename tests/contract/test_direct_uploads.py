"""Images that clients send straight to the bucket, on the real service: its worker, its events, S3's own checks."""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import quote

import boto3
import httpx
import pytest

from tests.contract.steps import IMAGES, UPLOADS, Json, assert_problem
from tests.samples import FORMATS, picture, picture_of_bytes, sha256_base64
from tests.server import RunningService

METHODS = ["PUT", "POST"]


@pytest.fixture
def api(server: RunningService, user: str) -> Iterator[httpx.Client]:
    with server.client(user) as client:
        yield client


@pytest.fixture
def stranger(server: RunningService) -> Iterator[httpx.Client]:
    with server.client("stranger") as client:
        yield client


def announce(api: httpx.Client, data: bytes, **fields: Any) -> Json:
    wanted = {"filename": "beach.png", "content_type": "image/png", "file_size": len(data)} | fields
    response = api.post(UPLOADS, json=wanted)
    assert response.status_code == 201, response.text
    issued: Json = response.json()
    return issued


def send(upload: Json, data: bytes, *, url: str | None = None, **changed: str) -> httpx.Response:
    """Do what the answer says, as a browser or Uppy would."""
    if upload["method"] == "PUT":
        headers = upload["headers"] | changed
        return httpx.put(url or upload["url"], headers=headers, content=data, trust_env=False)
    fields = upload["fields"] | changed
    return httpx.post(upload["url"], data=fields, files={"file": ("beach.png", data)}, trust_env=False)


def metadata(api: httpx.Client, issued: Json) -> Json:
    response = api.get(f"{IMAGES}/{issued['image']['image_id']}/metadata")
    assert response.status_code == 200, response.text
    image: Json = response.json()
    return image


def found_by(api: httpx.Client, **wanted: str) -> list[str]:
    response = api.get(IMAGES, params=wanted)
    assert response.status_code == 200, response.text
    return [image["image_id"] for image in response.json()["images"]]


def complete(api: httpx.Client, issued: Json) -> httpx.Response:
    return api.post(f"{UPLOADS}/{issued['image']['image_id']}/complete")


def is_uploaded(api: httpx.Client, issued: Json) -> bool:
    return bool(metadata(api, issued)["status"] == "UPLOADED")


def eventually(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


class Backstage:
    """The bucket and the queue behind the service, for what no client may do."""

    def __init__(self, server: RunningService) -> None:
        self.bucket, self._queue = server.environment["S3_BUCKET"], server.environment["UPLOADS_QUEUE"]
        where: Any = {
            "endpoint_url": server.endpoint_url,
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }
        self._s3, self._sqs = boto3.client("s3", **where), boto3.client("sqs", **where)

    def objects_of(self, user: str) -> set[str]:
        """Kinds of what lies in the bucket of a user: images, uploads, records."""
        kinds = ("images", "uploads", "records")
        prefixes = {kind: f"{kind}/{quote(user, safe='')}/" for kind in kinds}
        return {
            kind
            for kind, prefix in prefixes.items()
            if self._s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)["KeyCount"]
        }

    def put(self, key: str, data: bytes) -> None:
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=data)

    def say(self, body: str) -> None:
        self._sqs.send_message(QueueUrl=self._url(), MessageBody=body)

    def event(self, key: str, bucket: str | None = None, name: str = "ObjectCreated:Put") -> str:
        s3 = {"bucket": {"name": bucket or self.bucket}, "object": {"key": quote(key), "sequencer": "00"}}
        return json.dumps({"Records": [{"eventSource": "aws:s3", "eventName": name, "s3": s3}]})

    def messages_left(self) -> int:
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self._sqs.get_queue_attributes(QueueUrl=self._url(), AttributeNames=names)["Attributes"]
        return sum(map(int, counts.values()))

    def _url(self) -> str:
        url: str = self._sqs.get_queue_url(QueueName=self._queue)["QueueUrl"]
        return url


@pytest.fixture(scope="session")
def backstage(server: RunningService) -> Backstage:
    return Backstage(server)


@pytest.mark.parametrize("with_sha256", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_an_image_sent_to_the_bucket_is_finished_by_its_event_alone(
    api: httpx.Client, user: str, backstage: Backstage, method: str, with_sha256: bool
) -> None:
    data = picture_of_bytes(3_000_000)
    digest = hashlib.sha256(data).hexdigest()
    fields = {"sha256": digest.upper()} if with_sha256 else {}
    issued = announce(api, data, method=method, title="Beach", tags=["Sea"], filename="Zürich.png", **fields)
    pending = issued["image"]
    assert (pending["status"], pending["file_size"], pending["version"]) == ("PENDING_UPLOAD", len(data), 1)
    assert [pending[name] for name in ("sha256", "width", "height", "download_url", "url_expires_at")] == [None] * 5
    assert metadata(api, issued) == pending
    assert found_by(api, sha256=digest) == []
    assert found_by(api, sha256=digest, status="PENDING_UPLOAD") == [pending["image_id"]] * with_sha256
    assert send(issued["upload"], data).is_success
    eventually(lambda: metadata(api, issued)["status"] == "UPLOADED")
    image = metadata(api, issued)
    assert (image["sha256"], image["width"], image["height"]) == (digest, 8, 8)
    assert found_by(api, sha256=digest) == [pending["image_id"]]
    assert found_by(api, sha256=digest, status="PENDING_UPLOAD") == []
    assert (image["title"], image["tags"], image["filename"]) == ("Beach", ["sea"], "Zürich.png")
    assert [found["image_id"] for found in api.get(IMAGES).json()["images"]] == [image["image_id"]]
    assert api.get(f"{IMAGES}/{image['image_id']}").content == data
    download = httpx.get(image["download_url"], trust_env=False)
    assert download.content == data
    assert download.headers["Content-Type"] == "image/png"
    assert download.headers["Content-Disposition"] == "inline; filename*=UTF-8''Z%C3%BCrich.png"
    assert download.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    eventually(lambda: "uploads" not in backstage.objects_of(user))
    assert api.delete(f"{IMAGES}/{image['image_id']}").status_code == 200
    assert backstage.objects_of(user) == set()


@pytest.mark.parametrize("method", METHODS)
def test_an_image_sent_to_the_bucket_is_finished_at_once_by_completing_it(api: httpx.Client, method: str) -> None:
    data = picture("WEBP")
    issued = announce(api, data, method=method, content_type="image/webp")
    assert send(issued["upload"], data).is_success
    for _ in range(2):
        response = complete(api, issued)
        assert response.status_code == 200, response.text
        assert (response.json()["status"], response.headers["ETag"]) == ("UPLOADED", '"1"')
        assert response.json()["sha256"] == hashlib.sha256(data).hexdigest()


def test_the_answer_is_what_uppy_needs(api: httpx.Client) -> None:
    response = api.post(
        UPLOADS, json={"filename": "a/b\\c.png", "content_type": "image/PNG", "file_size": 7, "sha256": "A" * 64}
    )
    upload, image = response.json()["upload"], response.json()["image"]
    assert upload.keys() == {"method", "url", "headers", "fields", "expires_at"}
    assert upload["headers"].keys() == {"Content-Type", "If-None-Match", "x-amz-checksum-sha256"}
    assert (upload["method"], upload["fields"], upload["headers"]["If-None-Match"]) == ("PUT", {}, "*")
    assert response.headers["Location"] == f"{IMAGES}/{image['image_id']}/metadata"
    assert (image["filename"], image["content_type"]) == ("c.png", "image/png")
    form = announce(api, b"1234567", method="POST")["upload"]
    assert (form["method"], form["headers"]) == ("POST", {})
    assert {"key", "Content-Type", "policy", "x-amz-signature"} <= form["fields"].keys()


@pytest.mark.parametrize(
    ("change", "status", "code", "fields"),
    [
        ({"filename": None}, 400, "invalid_request", ["filename"]),
        ({"filename": "/"}, 400, "invalid_request", ["filename"]),
        ({"file_size": 0}, 400, "invalid_request", ["file_size"]),
        ({"file_size": "7"}, 400, "invalid_request", ["file_size"]),
        ({"file_size": True}, 400, "invalid_request", ["file_size"]),
        ({"sha256": "12"}, 400, "invalid_request", ["sha256"]),
        ({"method": "PATCH"}, 400, "invalid_request", ["method"]),
        ({"title": "x" * 201}, 400, "invalid_request", ["title"]),
        ({"s3_key": "x"}, 400, "invalid_request", ["s3_key"]),
        ({"file_size": 100 * 1024 * 1024 + 1}, 413, "image_too_large", []),
        ({"content_type": "image/tiff"}, 415, "unsupported_image_type", []),
    ],
)
def test_what_cannot_be_uploaded_is_refused_when_announced(
    api: httpx.Client, change: Json, status: int, code: str, fields: list[str]
) -> None:
    wanted = {"filename": "a.png", "content_type": "image/png", "file_size": 7} | change
    assert_problem(api.post(UPLOADS, json=wanted), status, code, *fields)


@pytest.mark.parametrize("missing", ["filename", "content_type", "file_size"])
def test_name_type_and_size_must_be_announced(api: httpx.Client, missing: str) -> None:
    wanted = {"filename": "a.png", "content_type": "image/png", "file_size": 7}
    del wanted[missing]
    assert_problem(api.post(UPLOADS, json=wanted), 400, "invalid_request", missing)


def test_the_store_takes_by_put_only_what_was_announced(api: httpx.Client, user: str, backstage: Backstage) -> None:
    data = picture("PNG")
    upload = announce(api, data, sha256=hashlib.sha256(data).hexdigest())["upload"]
    assert send(upload, data + b"x").status_code == 403
    assert send(upload, data[::-1]).status_code == 400
    assert send(upload, data, **{"Content-Type": "text/html"}).status_code == 403
    assert send(upload, data, **{"x-amz-checksum-sha256": sha256_base64(b"")}).status_code == 403
    assert send(upload, data, **{"If-None-Match": '"x"'}).status_code == 403
    tampered = upload["url"][:-1] + ("0" if upload["url"][-1] != "0" else "1")
    assert send(upload, data, url=tampered).status_code == 403
    assert backstage.objects_of(user) == set()


def test_the_store_takes_by_form_only_what_was_announced(api: httpx.Client, user: str, backstage: Backstage) -> None:
    data = picture("PNG")
    upload = announce(api, data, method="POST")["upload"]
    assert send(upload, data + b"x").status_code == 400
    assert send(upload, data[:-1]).status_code == 400
    assert send(upload, data, **{"Content-Type": "text/html"}).status_code == 403
    assert send(upload, data, key=upload["fields"]["key"] + "x").status_code == 403
    assert backstage.objects_of(user) == set()


def test_a_second_put_changes_nothing(api: httpx.Client) -> None:
    data, other = picture("PNG", seed=1), picture("PNG", seed=1)[::-1]
    issued = announce(api, data)
    assert send(issued["upload"], data).status_code == 200
    assert send(issued["upload"], other).status_code == 412
    assert complete(api, issued).status_code == 200
    assert send(issued["upload"], other).status_code == 412
    assert api.get(f"{IMAGES}/{issued['image']['image_id']}").content == data


def test_a_form_sent_again_after_the_image_is_finished_changes_nothing(
    api: httpx.Client, user: str, backstage: Backstage
) -> None:
    data = picture_of_bytes(5000, seed=1)
    issued = announce(api, data, method="POST")
    assert send(issued["upload"], data).status_code == 201
    assert complete(api, issued).status_code == 200
    image = metadata(api, issued)
    assert send(issued["upload"], picture_of_bytes(5000, seed=2)).status_code == 201
    eventually(lambda: "uploads" not in backstage.objects_of(user))
    assert metadata(api, issued) == image
    assert httpx.get(image["download_url"], trust_env=False).content == data


@pytest.mark.parametrize("kind", FORMATS)
def test_the_type_is_what_the_bytes_are(api: httpx.Client, kind: str) -> None:
    data = picture(kind)
    declared = "image/gif" if kind != "GIF" else "image/png"
    issued = announce(api, data, content_type=declared)
    assert issued["image"]["content_type"] == declared
    assert send(issued["upload"], data).status_code == 200
    image = complete(api, issued).json()
    assert image["content_type"] == FORMATS[kind]
    assert httpx.get(image["download_url"], trust_env=False).headers["Content-Type"] == FORMATS[kind]
    assert api.get(f"{IMAGES}/{image['image_id']}").headers["Content-Type"] == FORMATS[kind]


def test_what_is_too_large_for_a_request_is_too_large_for_json(api: httpx.Client) -> None:
    """Which would be made in memory, several times as large."""
    data = picture_of_bytes(api.get("/api/v1/limits").json()["max_upload_bytes"] + 1)
    issued = announce(api, data)
    assert send(issued["upload"], data).status_code == 200
    image = f"{IMAGES}/{complete(api, issued).json()['image_id']}"
    assert_problem(api.get(image, params={"encoding": "base64"}), 413, "image_too_large")
    assert api.get(image).content == data


@pytest.mark.parametrize("by_event", [True, False])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"<svg onload='alert(1)'/>", "unsupported_image_type"),
        (picture("PNG")[:-20], "invalid_image"),
        (picture("PNG", (8000, 7000)), "invalid_image"),
    ],
)
def test_what_is_no_image_is_rejected_and_removed(
    api: httpx.Client, user: str, backstage: Backstage, *, data: bytes, code: str, method: str, by_event: bool
) -> None:
    issued = announce(api, data, method=method)
    assert send(issued["upload"], data).is_success
    if by_event:
        eventually(lambda: metadata(api, issued)["status"] == "REJECTED")
    else:
        assert code in assert_problem(complete(api, issued), 409, "upload_rejected")["detail"]
    rejected = metadata(api, issued)
    assert (rejected["status"], rejected["rejection"]["code"]) == ("REJECTED", code)
    assert rejected["rejection"]["detail"]
    assert (rejected["sha256"], rejected["download_url"]) == (None, None)
    assert_problem(complete(api, issued), 409, "upload_rejected")
    assert_problem(api.get(f"{IMAGES}/{rejected['image_id']}"), 404, "image_not_found")
    assert api.get(IMAGES).json()["count"] == 0
    eventually(lambda: backstage.objects_of(user) == set())
    assert send(issued["upload"], data).is_success  # its signature is still good, but it leads to nothing
    eventually(lambda: backstage.objects_of(user) == set())
    assert metadata(api, issued) == rejected
    assert api.delete(f"{UPLOADS}/{rejected['image_id']}").status_code == 200
    assert_problem(api.get(f"{IMAGES}/{rejected['image_id']}/metadata"), 404, "image_not_found")


def test_other_bytes_than_announced_do_not_get_in(api: httpx.Client, user: str, backstage: Backstage) -> None:
    """By form: the emulators do not compare its checksum field with the file, so the service has to."""
    data, other = picture_of_bytes(900, seed=1), picture_of_bytes(900, seed=2)
    issued = announce(api, data, method="POST", sha256=hashlib.sha256(data).hexdigest())
    answer = send(issued["upload"], other)
    if answer.is_success:
        assert_problem(complete(api, issued), 409, "upload_rejected")
        assert metadata(api, issued)["rejection"]["code"] == "checksum_mismatch"
    eventually(lambda: backstage.objects_of(user) == set())


@pytest.mark.parametrize("method", METHODS)
def test_completes_at_once_have_one_effect(api: httpx.Client, user: str, backstage: Backstage, method: str) -> None:
    data = picture_of_bytes(400_000)
    issued = announce(api, data, method=method)
    assert send(issued["upload"], data).is_success
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: complete(api, issued), range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({json.dumps(answer.json() | {"download_url": "", "url_expires_at": ""}) for answer in answers}) == 1
    assert api.get(IMAGES).json()["count"] == 1
    assert api.get(f"{IMAGES}/{issued['image']['image_id']}").content == data
    eventually(lambda: backstage.objects_of(user) == {"images", "records"})


def test_completing_before_anything_has_arrived_says_so(api: httpx.Client) -> None:
    issued = announce(api, picture("PNG"))
    assert_problem(complete(api, issued), 409, "upload_not_pending")
    assert_problem(api.get(f"{IMAGES}/{issued['image']['image_id']}"), 404, "image_not_found")
    assert api.get(IMAGES).json()["count"] == 0


@pytest.mark.parametrize("method", METHODS)
def test_an_abandoned_upload_is_gone_and_what_comes_later_is_removed(
    api: httpx.Client, user: str, backstage: Backstage, method: str
) -> None:
    data = picture("PNG")
    issued = announce(api, data, method=method)
    path = f"{UPLOADS}/{issued['image']['image_id']}"
    response = api.delete(path)
    assert (response.status_code, response.json()["image_id"]) == (200, issued["image"]["image_id"])
    assert_problem(api.delete(path), 404, "image_not_found")
    assert_problem(complete(api, issued), 404, "image_not_found")
    assert send(issued["upload"], data).is_success
    eventually(lambda: backstage.objects_of(user) == set())


def test_a_pending_upload_can_be_deleted_like_an_image(api: httpx.Client, user: str, backstage: Backstage) -> None:
    issued = announce(api, picture("PNG"))
    assert api.delete(f"{IMAGES}/{issued['image']['image_id']}").status_code == 200
    assert_problem(complete(api, issued), 404, "image_not_found")


def test_a_finished_image_cannot_be_abandoned(api: httpx.Client) -> None:
    data = picture("PNG")
    issued = announce(api, data)
    send(issued["upload"], data)
    assert complete(api, issued).status_code == 200
    assert_problem(api.delete(f"{UPLOADS}/{issued['image']['image_id']}"), 409, "upload_not_pending")
    assert api.get(f"{IMAGES}/{issued['image']['image_id']}").content == data


def test_another_users_upload_is_none_of_ones_business(api: httpx.Client, stranger: httpx.Client) -> None:
    issued = announce(api, picture("PNG"))
    path = f"{UPLOADS}/{issued['image']['image_id']}"
    assert_problem(stranger.post(f"{path}/complete"), 403, "not_owner")
    assert_problem(stranger.delete(path), 403, "not_owner")
    assert_problem(api.post(f"{UPLOADS}/{uuid.uuid4()}/complete"), 404, "image_not_found")
    assert_problem(api.delete(f"{UPLOADS}/nonsense"), 404, "image_not_found")


def test_users_with_every_allowed_character_upload_to_the_bucket(server: RunningService, user: str) -> None:
    data = picture("PNG")
    with server.client(f"{user}.-_@:+=|") as api:
        for method in METHODS:
            issued = announce(api, data, method=method)
            assert send(issued["upload"], data).is_success
            eventually(partial(is_uploaded, api, issued))


def test_a_page_of_another_origin_may_upload(server: RunningService, api: httpx.Client) -> None:
    """What a browser asks before it sends (Fetch Standard, section 3.3, "CORS protocol")."""
    data = picture("PNG")
    upload = announce(api, data, sha256=hashlib.sha256(data).hexdigest())["upload"]
    origin = {"Origin": server.url}
    asked = {
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": ",".join(sorted(name.lower() for name in upload["headers"])),
    }
    preflight = httpx.options(upload["url"], headers=origin | asked, trust_env=False)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == origin["Origin"]
    allowed = {name.strip() for name in preflight.headers["Access-Control-Allow-Headers"].lower().split(",")}
    assert {name.lower() for name in upload["headers"]} <= allowed
    answer = httpx.put(upload["url"], headers=upload["headers"] | origin, content=data, trust_env=False)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, origin["Origin"])
    strange = httpx.options(upload["url"], headers=asked | {"Origin": "http://evil.example"}, trust_env=False)
    assert "Access-Control-Allow-Origin" not in strange.headers


def test_events_are_believed_only_after_looking(api: httpx.Client, user: str, backstage: Backstage) -> None:
    data = picture("PNG")
    done, waiting = announce(api, data), announce(api, data)
    send(done["upload"], data)
    assert complete(api, done).status_code == 200
    before = metadata(api, done)
    by_api = api.post(f"{IMAGES}/upload", files={"file": ("a.png", data)}).json()
    keys = {
        issued["image"]["image_id"]: f"images/{user}/{issued['image']['image_id']}.png" for issued in (done, waiting)
    }
    event = backstage.event(keys[done["image"]["image_id"]])
    foreign = f"images/another/{done['image']['image_id']}.png"
    backstage.put(foreign, b"not of this service")
    odd = [
        "",
        "garbage {",
        "[]",
        "null",
        '{"Records": "x"}',
        '{"Records": [{"eventSource": "aws:s3", "s3": null}, 7]}',
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": backstage.bucket}),
        backstage.event("variants/whatever.webp"),
        backstage.event(f"records/{user}/{done['image']['image_id']}.json"),
        backstage.event(f"images/{user}/not-an-id.png"),
        backstage.event(f"images/{user}/{uuid.uuid4()}.png"),
        backstage.event(f"images/{user}/{by_api['image_id']}.png"),
        backstage.event(keys[done["image"]["image_id"]], bucket="another-bucket"),
        backstage.event(keys[done["image"]["image_id"]], name="ObjectRemoved:Delete"),
        backstage.event(foreign),
        backstage.event(keys[waiting["image"]["image_id"]]),  # before its object is there
    ]
    for body in [*filter(None, odd), event, event, *filter(None, odd), event]:
        backstage.say(body)
    eventually(lambda: backstage.messages_left() == 0, 30)
    assert metadata(api, done)["updated_at"] == before["updated_at"]
    assert metadata(api, waiting)["status"] == "PENDING_UPLOAD"
    assert api.get(f"{IMAGES}/{by_api['image_id']}").content == data
    assert send(waiting["upload"], data).status_code == 200
    eventually(lambda: metadata(api, waiting)["status"] == "UPLOADED")


def test_an_object_of_no_image_is_removed_when_its_event_comes(user: str, backstage: Backstage) -> None:
    for folder in ("images", "uploads"):
        backstage.put(f"{folder}/{user}/{uuid.uuid4()}.png", b"late")
    eventually(lambda: backstage.objects_of(user) == set())


def test_many_uploads_at_once_are_all_finished(api: httpx.Client, user: str, backstage: Backstage) -> None:
    def upload(seed: int) -> str:
        data = picture_of_bytes(20_000, seed=seed)
        issued = announce(api, data, method=METHODS[seed % 2])
        assert send(issued["upload"], data).is_success
        image_id: str = issued["image"]["image_id"]
        return image_id

    with ThreadPoolExecutor(8) as pool:
        made = sorted(pool.map(upload, range(40)))
    eventually(lambda: api.get(IMAGES, params={"limit": 100}).json()["count"] == 40, 60)
    assert sorted(image["image_id"] for image in api.get(IMAGES, params={"limit": 100}).json()["images"]) == made
    eventually(lambda: backstage.objects_of(user) == {"images", "records"})
