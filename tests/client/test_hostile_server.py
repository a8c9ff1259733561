"""A server that is none of ours, or means harm: the client says so, and neither breaks nor takes without end."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.client import Image, ImageClient, NotThisService, Unavailable, WrongChecksum
from tests.client.command import Command
from tests.client.stub import IMAGE_ID, LIMITS, Asked, Reply, Stub, resource, shows
from tests.samples import picture_of_bytes

JSON = {"Content-Type": "application/json"}
PROBLEM = {"Content-Type": "application/problem+json"}
REFUSAL: dict[str, Any] = {"code": "c", "detail": "d"}
EMPTY_PAGE: dict[str, Any] = {"images": [], "next_cursor": None}
NO_REFUSALS: list[dict[str, Any]] = [
    {"errors": 5},
    {"errors": [1]},
    {"errors": [{}]},
    {"errors": [{"field": 1, "message": "m"}]},
    {"code": []},
    {"detail": {}},
    {"request_id": 5},
]
NO_IMAGES: list[dict[str, Any]] = [
    {"image_id": 5},
    {"image_id": "../x"},
    {"filename": None},
    {"file_size": None},
    {"file_size": "9"},
    {"file_size": True},
    {"file_size": -1},
    {"file_size": 10**400},
    {"tags": "sea"},
    {"tags": [1]},
    {"title": 5},
    {"width": "64"},
    {"sha256": '"\r\nX-User-ID: bob'},
    {"created_at": 5},
    {"created_at": "yesterday"},
    {"version": 1.5},
    {"rejection": "r"},
    {"rejection": {"code": "c"}},
]


@pytest.fixture
def command(stub: Stub, tmp_path: Path) -> Command:
    return Command(stub.url, "alice", tmp_path)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file that goes straight to the bucket."""
    path = tmp_path / "large.png"
    path.write_bytes(picture_of_bytes(300_000))
    return path


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"[" * 100_000, JSON),
        Reply(200, b'{"a":' * 100_000, JSON),
        Reply(400, b"[" * 100_000, PROBLEM),
        *(Reply(400, json.dumps(REFUSAL | members).encode(), PROBLEM) for members in NO_REFUSALS),
        *(shows(resource() | members) for members in NO_IMAGES),
    ],
)
def test_an_image_that_is_none_is_4(command: Command, stub: Stub, reply: Reply) -> None:
    stub.will(reply)
    shown = command("show", IMAGE_ID)
    assert (shown.exit_code, shown.stdout) == (4, "")
    assert shown.stderr.startswith("Error: The server is no Image Storage Service")


@pytest.mark.parametrize(
    "members", [{"images": 5}, {"images": [[]]}, {"images": [None]}, {"images": [{}]}, {"next_cursor": 5}]
)
def test_a_page_that_is_none_is_4(command: Command, stub: Stub, members: dict[str, Any]) -> None:
    stub.will(shows(LIMITS), shows(EMPTY_PAGE | members))
    assert command("list").exit_code == 4


@pytest.mark.parametrize(
    "members",
    [{"max_upload_bytes": "x"}, {"max_list_limit": None}, {"upload_routes": 5}, {"max_request_bytes": []}],
)
def test_limits_that_are_none_are_4(command: Command, stub: Stub, members: dict[str, Any]) -> None:
    stub.will(shows(LIMITS | members))
    assert command("list").exit_code == 4


@pytest.mark.parametrize("results", [5, [5], [{}], [{"image_id": 5, "status": "deleted"}], [{"image_id": IMAGE_ID}]])
def test_results_that_are_none_are_4(command: Command, stub: Stub, results: object) -> None:
    stub.will(shows({"results": results}))
    assert command("delete", "--yes", IMAGE_ID).exit_code == 4


@pytest.mark.parametrize(
    "upload",
    [
        None,
        {"headers": {}},
        {"url": 5, "headers": {}},
        {"url": "/bucket", "headers": {}},
        {"url": "ftp://127.0.0.1/", "headers": {}},
        {"url": "http://[::1", "headers": {}},
        {"url": "http://127.0.0.1/\r\nX: y", "headers": {}},
        {"url": "http://127.0.0.1/"},
        {"url": "http://127.0.0.1/", "headers": ["If-None-Match"]},
        {"url": "http://127.0.0.1/", "headers": {"If-None-Match": 5}},
        {"url": "http://127.0.0.1/", "headers": {"If-None-Match": "*\r\nX: y"}},
        {"url": "http://127.0.0.1/", "headers": {"X: y\r\nZ": "*"}},
    ],
)
def test_a_direct_upload_that_is_none_is_4_and_not_sent(
    command: Command, stub: Stub, large: Path, upload: object
) -> None:
    pending = resource(status="PENDING_UPLOAD", sha256=None)
    stub.will(shows(EMPTY_PAGE), shows(LIMITS), shows({"image": pending, "upload": upload}, 201))
    assert command("upload", large).exit_code == 4
    assert len(stub.asked) == 3


@pytest.mark.parametrize(
    "headers", [{}, {"Location": ""}, {"Location": "ftp://127.0.0.1/"}, {"Location": "http://[::1"}]
)
def test_a_redirect_to_nowhere_is_another_service(
    client: ImageClient, stub: Stub, tmp_path: Path, headers: Mapping[str, str]
) -> None:
    stub.will(Reply(302, headers=headers))
    with pytest.raises(NotThisService):
        client.download(Image.from_json(resource()), tmp_path / "beach.jpg")
    assert len(stub.asked) == 1


def test_a_relative_redirect_is_followed_without_the_credentials(
    client: ImageClient, stub: Stub, tmp_path: Path
) -> None:
    stub.will(Reply(302, headers={"Location": "../bucket?signature"}), Reply(200, b"other bytes"))
    with pytest.raises(WrongChecksum):
        client.download(Image.from_json(resource()), tmp_path / "beach.jpg")
    assert stub.asked[1].path == "/api/v1/bucket?signature"
    assert stub.asked[1].headers["X-User-ID"] is None


def test_more_bytes_than_were_announced_are_not_written(client: ImageClient, stub: Stub, tmp_path: Path) -> None:
    positions: list[int] = []
    stub.will(Reply(200, bytes(1_000_000)))
    with pytest.raises(WrongChecksum, match="More bytes"):
        client.download(Image.from_json(resource(file_size=9)), tmp_path / "x.jpg", progress=positions.append)
    assert positions == [0]
    assert list(tmp_path.iterdir()) == []


def test_an_answer_without_end_is_not_read_to_its_end(client: ImageClient, stub: Stub) -> None:
    bomb = gzip.compress(bytes(65 * 1024 * 1024))
    stub.will(Reply(200, bomb, JSON | {"Content-Encoding": "gzip"}))
    with pytest.raises(NotThisService, match="larger"):
        client.get(IMAGE_ID)
    assert len(stub.asked) == 1


def test_an_answer_that_never_pauses_for_long_ends_all_the_same(stub: Stub) -> None:
    answer = replace(shows(resource(description="d" * 1000)), drips=True)  # half a minute long
    stub.will(*[answer] * 4)
    client = ImageClient(stub.url, user_id="alice", retries=3, timeout_seconds=0.3, sleep=lambda _: None)
    with client, pytest.raises(Unavailable, match=r"not whole after 1\.5 seconds"):
        client.get(IMAGE_ID)


def test_a_compressed_answer_in_chunks_arrives_whole(client: ImageClient, stub: Stub) -> None:
    description = "d" * 1_000_000
    content = gzip.compress(json.dumps(resource(description=description)).encode())
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
    stub.will(Reply(200, chunks, JSON | {"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}))
    assert client.get(IMAGE_ID).description == description


@pytest.mark.parametrize("cursors", [["a", "a"], ["a", "b", "a"]])
def test_a_list_that_goes_round_in_circles_ends(client: ImageClient, stub: Stub, cursors: list[str]) -> None:
    stub.will(shows(LIMITS), *[shows({"images": [resource()], "next_cursor": cursor}) for cursor in cursors])
    with pytest.raises(NotThisService, match="does not end"):
        list(client.images())


def test_what_is_no_text_in_an_address_is_sent_as_a_question_mark(client: ImageClient, stub: Stub) -> None:
    def last(asked: Asked) -> Reply:
        assert asked.path.endswith("&cursor=%3F")
        return shows(EMPTY_PAGE)

    stub.will(shows(LIMITS), shows(EMPTY_PAGE | {"next_cursor": "\ud800"}), last)
    assert list(client.images()) == []
