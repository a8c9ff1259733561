"""What the client does when answers are lost, late, or not what they should be."""

import hashlib
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from app.client import (
    Changed,
    Image,
    ImageClient,
    ImageFilter,
    ImageRefused,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Refused,
    Unavailable,
    UnreadableFile,
    UploadExpired,
    WrongChecksum,
)
from tests.client.stub import IMAGE_ID, LIMITS, LOST, Asked, Reply, Stub, problem, resource, shows
from tests.samples import picture, picture_of_bytes

BYTES = picture_of_bytes(300_000)
SHA256 = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture
def beach(tmp_path: Path) -> Path:
    path = tmp_path / "beach.jpg"
    path.write_bytes(picture())
    return path


@pytest.fixture
def stored() -> Image:
    return Image.from_json(resource(file_size=len(BYTES), sha256=SHA256))


def test_an_upload_is_repeated_whole_and_with_the_same_key(
    client: ImageClient, stub: Stub, pauses: list[float], beach: Path
) -> None:
    busy = problem(503, "overloaded", **{"Retry-After": "7"})
    stub.will(shows(LIMITS), busy, LOST, shows(resource(), 201))
    assert client.upload(beach, title="Beach", tags=["sea"]).image_id == IMAGE_ID
    uploads = stub.asked[1:]
    assert len({upload.headers["Idempotency-Key"] for upload in uploads}) == 1
    assert len({upload.body for upload in uploads}) == 1
    assert picture() in uploads[0].body
    assert pauses[0] == 7
    assert 0 < pauses[1] <= 1


@pytest.mark.parametrize("code", ["incomplete_body", "request_in_progress"])
def test_what_the_service_asks_to_send_again_is_sent_again(
    client: ImageClient, stub: Stub, beach: Path, code: str
) -> None:
    stub.will(shows(LIMITS), problem(409 if code == "request_in_progress" else 400, code), shows(resource(), 201))
    assert client.upload(beach).image_id == IMAGE_ID


@pytest.mark.parametrize("reply", [LOST, problem(503, "backend_unavailable"), Reply(502, b"<html>")])
def test_it_gives_up_after_its_retries_with_pauses_that_grow_to_a_limit(stub: Stub, reply: Reply) -> None:
    pauses: list[float] = []
    stub.will(*[reply] * 8)
    with ImageClient(stub.url, user_id="alice", retries=7, sleep=pauses.append) as client, pytest.raises(Unavailable):
        client.limits()
    assert len(stub.asked) == 8
    assert all(0 < pause <= 8 for pause in pauses)
    assert pauses[0] <= 0.5
    assert pauses[-1] >= 4


def test_nobody_listening_is_unavailable_and_says_who(pauses: list[float]) -> None:
    client = ImageClient("http://127.0.0.1:1", user_id="alice", retries=1, sleep=pauses.append)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 does not answer: Connection refused"):
        client.get(IMAGE_ID)
    assert len(pauses) == 1


def test_it_does_not_wait_for_longer_than_a_minute(client: ImageClient, stub: Stub, pauses: list[float]) -> None:
    stub.will(problem(429, "rate_limited", **{"Retry-After": "3600"}))
    with pytest.raises(RateLimited):
        client.get(IMAGE_ID)
    assert pauses == []


def test_a_full_quota_is_told_at_once(client: ImageClient, stub: Stub, pauses: list[float]) -> None:
    stub.will(problem(429, "quota_exceeded"))
    with pytest.raises(QuotaExceeded):
        client.get(IMAGE_ID)
    assert pauses == []


@pytest.mark.parametrize("server", ["images.example.com", "ftp://x", "http://", "http://a:b@x", "http://x?y"])
def test_an_address_that_is_none_is_refused_at_once(server: str) -> None:
    with pytest.raises(ValueError, match="not a server's address"):
        ImageClient(server, user_id="alice")


@pytest.mark.parametrize("token", ["", "a\r\nX-User-ID: bob", "ä"])
def test_a_token_that_would_be_another_header_is_refused_at_once(token: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII"):
        ImageClient("http://x", token=token)


def test_an_edit_whose_answer_was_lost_is_found_done(client: ImageClient, stub: Stub) -> None:
    edited = resource(title="Dusk", tags=["sea"], version=2)
    stub.will(LOST, problem(412, "precondition_failed"), shows(edited))
    image = client.edit(Image.from_json(resource()), title="Dusk ", tags=["Sea"])
    assert image.version == 2
    assert [asked.headers["If-Match"] for asked in stub.asked[:2]] == ['"1"', '"1"']


@pytest.mark.parametrize("now", [resource(title="Dawn", version=2), resource(title="Dusk", version=3)])
def test_an_edit_by_somebody_else_is_told_apart(client: ImageClient, stub: Stub, now: dict[str, object]) -> None:
    stub.will(LOST, problem(412, "precondition_failed"), shows(now))
    with pytest.raises(Changed):
        client.edit(Image.from_json(resource()), title="Dusk")


def test_a_delete_whose_answer_was_lost_is_found_done(client: ImageClient, stub: Stub) -> None:
    stub.will(LOST, problem(404, "image_not_found"), problem(404, "image_not_found"))
    client.delete(IMAGE_ID)
    with pytest.raises(NotFound):
        client.delete(IMAGE_ID)


def test_deletes_whose_answer_was_lost_are_found_done(client: ImageClient, stub: Stub) -> None:
    gone = shows({"results": [{"image_id": IMAGE_ID, "status": "not_found"}]})
    stub.will(LOST, gone, gone)
    assert client.delete_many([IMAGE_ID])[0].status == "deleted"
    assert client.delete_many([IMAGE_ID])[0].status == "not_found"


def test_what_was_refused_for_too_many_requests_was_not_done(client: ImageClient, stub: Stub) -> None:
    gone = shows({"results": [{"image_id": IMAGE_ID, "status": "not_found"}]})
    stub.will(problem(429, "rate_limited", **{"Retry-After": "1"}), gone)
    assert client.delete_many([IMAGE_ID])[0].status == "not_found"


def _rest(asked: Asked) -> Reply:
    """What was asked for of the bytes."""
    start = int(asked.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start < len(BYTES)
    return Reply(206, BYTES[start:])


def test_a_download_goes_on_where_it_was_cut(
    client: ImageClient, stub: Stub, pauses: list[float], stored: Image, tmp_path: Path
) -> None:
    stub.will(Reply(200, BYTES, cut_after=200_000), _rest)
    positions: list[int] = []
    client.download(stored, tmp_path / "beach.png", progress=positions.append)
    assert (tmp_path / "beach.png").read_bytes() == BYTES
    assert [path.name for path in tmp_path.iterdir()] == ["beach.png"]
    assert stub.asked[1].headers["If-Range"] == f'"{SHA256}"'
    assert positions == sorted(positions)
    assert positions[-1] == len(BYTES)
    assert len(pauses) == 1


def test_a_download_goes_on_where_an_earlier_call_was_cut(
    client: ImageClient, stub: Stub, stored: Image, tmp_path: Path
) -> None:
    (tmp_path / f".{IMAGE_ID}.part").write_bytes(BYTES[:1000])
    stub.will(Reply(206, BYTES[1000:]))
    client.download(stored, tmp_path / "beach.png")
    assert stub.asked[0].headers["Range"] == "bytes=1000-"
    assert (tmp_path / "beach.png").read_bytes() == BYTES


@pytest.mark.parametrize("second", [_rest, Reply(200, BYTES)], ids=["rest", "whole"])
def test_bytes_that_were_cut_are_whole_in_memory_too(
    client: ImageClient, stub: Stub, stored: Image, second: Reply | Callable[[Asked], Reply]
) -> None:
    stub.will(Reply(200, BYTES, cut_after=200_000), second)
    assert client.read(stored) == BYTES


def test_other_bytes_than_were_stored_are_not_returned(client: ImageClient, stub: Stub, stored: Image) -> None:
    stub.will(Reply(200, bytes(len(BYTES))))
    with pytest.raises(WrongChecksum):
        client.read(stored)


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * len(BYTES), b"x" * (len(BYTES) + 1)])
def test_what_is_left_of_something_else_does_not_get_into_a_download(
    client: ImageClient, stub: Stub, stored: Image, tmp_path: Path, left: bytes
) -> None:
    (tmp_path / f".{IMAGE_ID}.part").write_bytes(left)
    if len(left) < len(BYTES):
        stub.will(Reply(206, BYTES[len(left) :]))
    stub.will(Reply(200, BYTES))
    client.download(stored, tmp_path / "beach.png")
    assert (tmp_path / "beach.png").read_bytes() == BYTES


def test_other_bytes_than_were_stored_are_thrown_away(
    client: ImageClient, stub: Stub, stored: Image, tmp_path: Path
) -> None:
    stub.will(Reply(200, bytes(len(BYTES))))
    with pytest.raises(WrongChecksum):
        client.download(stored, tmp_path / "beach.png")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_not_replaced(client: ImageClient, stub: Stub, stored: Image, tmp_path: Path) -> None:
    (tmp_path / "beach.png").write_text("mine")
    stub.will(Reply(200, BYTES))
    with pytest.raises(FileExistsError):
        client.download(stored, tmp_path / "beach.png")
    assert (tmp_path / "beach.png").read_text() == "mine"


def test_a_redirect_to_the_bucket_is_followed_without_the_credentials(
    client: ImageClient, stub: Stub, stored: Image, tmp_path: Path
) -> None:
    stub.will(Reply(302, headers={"Location": f"{stub.url}/bucket?signature"}), Reply(200, BYTES))
    client.download(stored, tmp_path / "beach.png")
    assert stub.asked[0].headers["X-User-ID"] == "alice"
    assert stub.asked[1].path == "/bucket?signature"
    assert stub.asked[1].headers["X-User-ID"] is None
    assert (tmp_path / "beach.png").read_bytes() == BYTES


def _issued(stub: Stub) -> Reply:
    upload = {"method": "PUT", "url": f"{stub.url}/bucket", "headers": {"If-None-Match": "*"}, "fields": {}}
    return shows({"image": resource(status="PENDING_UPLOAD", sha256=None), "upload": upload}, 201)


@pytest.mark.parametrize("put", [Reply(200), Reply(412, b"<Code>PreconditionFailed</Code>")])
def test_what_is_too_large_for_the_api_goes_to_the_bucket(
    client: ImageClient, stub: Stub, tmp_path: Path, put: Reply
) -> None:
    (tmp_path / "large.png").write_bytes(BYTES)
    stub.will(shows(LIMITS), _issued(stub), LOST, put, shows(resource()))
    client.upload(tmp_path / "large.png", title="Large")
    announced, first, second, completed = stub.asked[1:]
    assert announced.headers["Idempotency-Key"]
    assert SHA256.encode() in announced.body
    assert (first.method, first.path, first.body, second.body) == ("PUT", "/bucket", BYTES, BYTES)
    assert (first.headers["If-None-Match"], first.headers["X-User-ID"]) == ("*", None)
    assert completed.path == f"/api/v1/uploads/{IMAGE_ID}/complete"


@pytest.mark.parametrize(
    ("put", "failure"), [(Reply(403), UploadExpired), (Reply(400, b"<Code>BadDigest</Code>"), Refused)]
)
def test_a_bucket_that_refuses_is_told_of(
    client: ImageClient, stub: Stub, tmp_path: Path, put: Reply, failure: type[Refused]
) -> None:
    (tmp_path / "large.png").write_bytes(BYTES)
    stub.will(shows(LIMITS), _issued(stub), put)
    with pytest.raises(failure):
        client.upload(tmp_path / "large.png")


def test_a_gateway_in_front_makes_more_files_go_to_the_bucket(client: ImageClient, stub: Stub, tmp_path: Path) -> None:
    (tmp_path / "small.png").write_bytes(picture_of_bytes(50_000))
    stub.will(shows(LIMITS | {"max_request_bytes": 100_000}), _issued(stub), Reply(200), shows(resource()))
    client.upload(tmp_path / "small.png")
    assert stub.asked[1].path == "/api/v1/uploads"


def test_a_large_file_that_is_no_image_is_not_sent(client: ImageClient, stub: Stub, tmp_path: Path) -> None:
    (tmp_path / "large.jpg").write_bytes(bytes(200_000))
    stub.will(shows(LIMITS))
    with pytest.raises(ImageRefused):
        client.upload(tmp_path / "large.jpg")
    assert len(stub.asked) == 1


def test_a_file_that_cannot_be_read_is_named_as_that(client: ImageClient, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="No such file"):
        client.upload(tmp_path / "none.jpg")


def test_a_list_is_read_page_by_page(client: ImageClient, stub: Stub) -> None:
    page = {"images": [resource()]}
    stub.will(shows(LIMITS), shows(page | {"next_cursor": "c"}), shows(page | {"next_cursor": None}))
    assert len(list(client.images(ImageFilter(tags=("sea", "sun"), order="asc")))) == 2
    path, _, query = stub.asked[1].path.partition("?")
    assert path == "/api/v1/images"
    assert parse_qsl(query) == [("tags", '["sea"]'), ("tags", '["sun"]'), ("order", "asc"), ("limit", "100")]
    assert stub.asked[2].path.endswith("&cursor=c")


def test_files_are_not_held_in_memory(client: ImageClient, stub: Stub, tmp_path: Path) -> None:
    size = 20 * 1024 * 1024
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(size)
    stub.keeps_bodies = False
    stub.will(shows(LIMITS | {"max_upload_bytes": 2 * size}), shows(resource(), 201))
    tracemalloc.start()
    try:
        client.upload(path)
        assert tracemalloc.get_traced_memory()[1] < size / 4
    finally:
        tracemalloc.stop()
    assert int(stub.asked[1].headers["Content-Length"]) > size
