import base64
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from app.times import parsed_timestamp
from tests.contract.steps import IMAGES, Json, assert_problem, upload
from tests.samples import picture_of_bytes

DATA = picture_of_bytes(1000, seed=3)


@pytest.fixture
def image(api: httpx.Client) -> Json:
    return upload(api, DATA, filename="Zürich.png", title="Beach", tags="sea,sun")


@pytest.fixture
def path(image: Json) -> str:
    return f"{IMAGES}/{image['image_id']}"


def test_the_bytes_come_back_with_their_headers(api: httpx.Client, path: str, image: Json) -> None:
    response = api.get(path)
    assert response.status_code == 200
    assert response.content == DATA
    expected = {
        "Content-Type": "image/png",
        "Content-Length": "1000",
        "Content-Disposition": "inline; filename*=UTF-8''Z%C3%BCrich.png",
        "ETag": f'"{image["sha256"]}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Last-Modified": format_datetime(parsed_timestamp(image["created_at"]), usegmt=True),
    }
    assert {name: response.headers.get(name) for name in expected} == expected


def test_head_has_the_headers_of_get_and_no_body(api: httpx.Client, path: str) -> None:
    get, head = api.get(path), api.head(path, headers={"Range": "bytes=0-1"})
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Type", "Content-Length", "Content-Disposition", "ETag", "Last-Modified", "Accept-Ranges"):
        assert head.headers[name] == get.headers[name]


def test_a_large_image_streams_whole(api: httpx.Client) -> None:
    data = picture_of_bytes(5_000_000)
    image = upload(api, data)
    with api.stream("GET", f"{IMAGES}/{image['image_id']}") as response:
        assert b"".join(response.iter_bytes()) == data


def test_as_attachment(api: httpx.Client, path: str) -> None:
    response = api.get(path, params={"download": "true"})
    assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''Z%C3%BCrich.png"


def test_as_base64(api: httpx.Client, path: str, image: Json) -> None:
    answer = api.get(path, params={"encoding": "base64"}).json()
    assert base64.b64decode(answer.pop("image_data")) == DATA
    assert answer == {"image_id": image["image_id"], "filename": "Zürich.png", "content_type": "image/png"}


def test_as_redirect(api: httpx.Client, path: str, image: Json) -> None:
    response = api.get(path, params={"redirect": "true"})
    assert response.status_code == 302
    assert response.headers["Location"].split("?")[0] == image["download_url"].split("?")[0]


@pytest.mark.parametrize(
    ("field", "value"), [("encoding", "hex"), ("download", "perhaps"), ("redirect", ""), ("nonsense", "1")]
)
def test_bad_parameters_are_named(api: httpx.Client, path: str, field: str, value: str) -> None:
    assert_problem(api.get(path, params={field: value}), 400, "invalid_request", field)


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-9", 0, 10),
        ("bytes=990-", 990, 1000),
        ("bytes=-10", 990, 1000),
        ("bytes=-5000", 0, 1000),
        ("bytes=5-99999", 5, 1000),
        ("bytes=0-", 0, 1000),
        ("Bytes=1-2", 1, 3),
        ("bytes=999-" + "9" * 50, 999, 1000),
    ],
)
def test_one_range_is_served(api: httpx.Client, path: str, asked: str, start: int, stop: int) -> None:
    response = api.get(path, headers={"Range": asked})
    assert response.status_code == 206
    assert response.content == DATA[start:stop]
    assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/1000"
    assert response.headers["Content-Length"] == str(stop - start)


@pytest.mark.parametrize(
    "asked", ["bytes=1000-", "bytes=5000-6000", "bytes=-0", "bytes=-00", "bytes=" + "9" * 50 + "-"]
)
def test_a_range_beyond_the_end_is_not_satisfiable(api: httpx.Client, path: str, asked: str) -> None:
    response = api.get(path, headers={"Range": asked})
    assert_problem(response, 416, "range_not_satisfiable")
    assert response.headers["Content-Range"] == "bytes */1000"


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-1,5-6",
        "bytes=9-2",
        "lines=1-2",
        "bytes=a-b",
        "bytes=-",
        "bytes=1_0-20",
        "bytes=+1-2",
        "bytes=--1",
        "nonsense",
        "",
    ],
)
def test_other_ranges_are_ignored(api: httpx.Client, path: str, asked: str) -> None:
    response = api.get(path, headers={"Range": asked})
    assert (response.status_code, response.content) == (200, DATA)


def test_if_range_decides_between_part_and_whole(api: httpx.Client, path: str) -> None:
    etag, modified = (api.head(path).headers[name] for name in ("ETag", "Last-Modified"))
    for condition, status in (
        (etag, 206),
        (modified, 206),
        ('"other"', 200),
        ("W/" + etag, 200),
        ("Thu, 01 Jan 2015 00:00:00 GMT", 200),
    ):
        response = api.get(path, headers={"Range": "bytes=0-9", "If-Range": condition})
        assert response.status_code == status, condition


def test_what_the_client_has_is_not_sent_again(api: httpx.Client, path: str) -> None:
    etag, modified = (api.head(path).headers[name] for name in ("ETag", "Last-Modified"))
    for headers in (
        {"If-None-Match": etag},
        {"If-None-Match": f'"other", W/{etag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": modified},
        {"If-None-Match": etag, "Range": "bytes=0-9"},
        {"If-None-Match": etag, "If-Modified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"},
    ):
        for method in ("GET", "HEAD"):
            response = api.request(method, path, headers=headers)
            assert (response.status_code, response.content) == (304, b""), headers
            assert response.headers["ETag"] == etag
            assert response.headers["Cache-Control"] == "private, no-cache"


def test_what_the_client_does_not_have_is_sent(api: httpx.Client, path: str) -> None:
    modified = api.head(path).headers["Last-Modified"]
    for headers in (
        {"If-None-Match": '"other"'},
        {"If-Modified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"},
        {"If-Modified-Since": "nonsense"},
        {"If-Modified-Since": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"},
        {"If-Unmodified-Since": "Mon, 01 Jan 2020 00:00:00 +9999999999999"},
        {"If-Range": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Range": "bytes=0-1"},
        {"If-None-Match": '"other"', "If-Modified-Since": modified},
    ):
        assert api.get(path, headers=headers).status_code == 200, headers


def test_preconditions_on_the_bytes(api: httpx.Client, path: str) -> None:
    etag = api.head(path).headers["ETag"]
    assert api.get(path, headers={"If-Match": etag}).status_code == 200
    assert api.get(path, headers={"If-Match": "*"}).status_code == 200
    for other in ('"other"', etag.strip('"'), f"W/{etag}"):
        assert_problem(api.get(path, headers={"If-Match": other}), 412, "precondition_failed")
    past = {"If-Unmodified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"}
    assert_problem(api.get(path, headers=past), 412, "precondition_failed")


def test_metadata_are_the_resource_with_its_version_as_etag(api: httpx.Client, path: str, image: Json) -> None:
    response = api.get(f"{path}/metadata")
    assert response.headers["ETag"] == '"1"'
    assert response.json() == image


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_edit_changes_what_it_names_and_null_clears(api: httpx.Client, path: str, image: Json, method: str) -> None:
    response = api.request(method, path, json={"description": "At dusk", "tags": [" New ", "NEW"]})
    edited = response.json()
    assert response.headers["ETag"] == '"2"'
    assert edited["updated_at"] > image["updated_at"]
    changed = {"description": "At dusk", "tags": ["new"], "version": 2, "updated_at": edited["updated_at"]}
    assert edited == image | changed
    cleared = api.request(method, path, json={"title": None, "tags": None, "description": None}).json()
    assert [cleared[name] for name in ("title", "tags", "description", "version")] == [None, [], None, 3]
    assert api.get(f"{path}/metadata").json() == cleared
    assert api.get(path).content == DATA


# A condition names strong tags, compared octet by octet (RFC 9110 section 8.8.3.2).
NOT_VERSION_2 = ['"1"', '"3"', 'W/"2"', '"02"', "2", '"2', '" 2"', '"nonsense"', '"1", "3"', '"*"', ""]


def test_an_edit_of_another_version_is_refused(api: httpx.Client, path: str) -> None:
    assert api.patch(path, json={"title": "a"}, headers={"If-Match": '"1"'}).json()["version"] == 2
    for condition in NOT_VERSION_2:
        for method in ("PATCH", "PUT"):
            response = api.request(method, path, json={"title": "b"}, headers={"If-Match": condition})
            assert_problem(response, 412, "precondition_failed")
    for version, condition in ((3, '"2"'), (4, "*"), (5, '"1", "4"'), (6, 'W/"5","5"')):
        assert api.patch(path, json={"title": "c"}, headers={"If-Match": condition}).json()["version"] == version


@pytest.mark.parametrize("condition", ["*", '"2"', '"1", "2"'])
def test_a_delete_of_another_version_is_refused(api: httpx.Client, path: str, condition: str) -> None:
    assert api.patch(path, json={"title": "a"}).json()["version"] == 2
    for other in NOT_VERSION_2:
        assert_problem(api.delete(path, headers={"If-Match": other}), 412, "precondition_failed")
    assert api.delete(path, headers={"If-Match": condition}).status_code == 200
    assert_problem(api.delete(path, headers={"If-Match": condition}), 404, "image_not_found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"user_id": "mallory"}, "user_id"),
        ({"status": "REJECTED"}, "status"),
        ({"s3_key": "x"}, "s3_key"),
        ({"version": 9}, "version"),
        ({"filename": "x"}, "filename"),
        ({"title": "x" * 201}, "title"),
        ({"title": ["x"]}, "title"),
        ({"tags": [1]}, "tags.0"),
    ],
)
def test_an_edit_of_anything_else_is_refused(api: httpx.Client, path: str, body: Json, field: str) -> None:
    assert_problem(api.patch(path, json=body), 400, "invalid_request", field)
    assert api.get(f"{path}/metadata").json()["version"] == 1


def test_an_edit_may_call_itself_a_merge_patch(api: httpx.Client, path: str) -> None:
    answer = api.patch(path, content=b'{"title": "New"}', headers={"Content-Type": "application/merge-patch+json"})
    assert answer.json()["title"] == "New"


@pytest.mark.parametrize("rest", ["", "/metadata", "/thumbnail"])
def test_a_slash_at_the_end_changes_nothing(api: httpx.Client, path: str, rest: str) -> None:
    assert api.get(f"{path}{rest}/").status_code == 200


@pytest.mark.parametrize(
    ("body", "kind"), [(b"{", "application/json"), (b"[]", "application/json"), (b"{}", "text/plain")]
)
def test_an_edit_is_a_json_object(api: httpx.Client, path: str, body: bytes, kind: str) -> None:
    assert_problem(api.patch(path, content=body, headers={"Content-Type": kind}), 400, "invalid_request")


def test_an_edit_has_a_limit(api: httpx.Client, path: str) -> None:
    assert_problem(api.patch(path, json={"title": "x" * 70_000}), 413, "image_too_large")


def test_a_deleted_image_is_gone(api: httpx.Client, path: str, image: Json) -> None:
    response = api.delete(path)
    assert response.status_code == 200
    assert response.json()["image_id"] == image["image_id"]
    assert response.json()["message"]
    for method, suffix in (("GET", ""), ("GET", "/metadata"), ("DELETE", "")):
        assert_problem(api.request(method, path + suffix), 404, "image_not_found")
    assert_problem(api.patch(path, json={"title": "x"}), 404, "image_not_found")
    assert api.get(IMAGES).json()["count"] == 0


def test_many_are_deleted_at_once_each_with_its_outcome(api: httpx.Client, stranger: httpx.Client) -> None:
    mine = [upload(api)["image_id"] for _ in range(3)]
    theirs = upload(stranger)["image_id"]
    unknown = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
    wanted = [*mine[:2], theirs, unknown, "nonsense", mine[0]]
    response = api.post(f"{IMAGES}/batch-delete", json={"image_ids": wanted})
    assert response.status_code == 200
    assert response.json()["results"] == [
        {"image_id": mine[0], "status": "deleted"},
        {"image_id": mine[1], "status": "deleted"},
        {"image_id": theirs, "status": "not_owner"},
        {"image_id": unknown, "status": "not_found"},
        {"image_id": "nonsense", "status": "not_found"},
    ]
    assert [image["image_id"] for image in api.get(IMAGES).json()["images"]] == [mine[2]]
    assert stranger.get(f"{IMAGES}/{theirs}").status_code == 200
    stranger.delete(f"{IMAGES}/{theirs}")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "image_ids"),
        ({"image_ids": []}, "image_ids"),
        ({"image_ids": ["x"] * 101}, "image_ids"),
        ({"image_ids": [1]}, "image_ids.0"),
        ({"image_ids": ["x"], "force": True}, "force"),
    ],
)
def test_a_bad_batch_is_refused(api: httpx.Client, body: Any, field: str) -> None:
    assert_problem(api.post(f"{IMAGES}/batch-delete", json=body), 400, "invalid_request", field)


def test_a_redirect_keeps_the_wish_for_an_attachment(api: httpx.Client) -> None:
    path = f"{IMAGES}/{upload(api)['image_id']}"
    shown = api.get(path, params={"redirect": "true"}).headers["Location"]
    attached = api.get(path, params={"redirect": "true", "download": "true"}).headers["Location"]
    assert "response-content-disposition=inline" in shown
    assert "response-content-disposition=attachment" in attached
    assert_problem(api.get(path, params={"redirect": "true", "encoding": "base64"}), 400, "invalid_request", "encoding")


def test_whose_image_it_is_matters_before_what_is_wrong_with_an_edit(api: httpx.Client, stranger: httpx.Client) -> None:
    path = f"{IMAGES}/{upload(api)['image_id']}"
    for body in ({"colour": "red"}, {"title": 1}, {}):
        assert_problem(stranger.patch(path, json=body), 403, "not_owner")
    assert_problem(stranger.patch(path, content=b"{", headers={"Content-Type": "application/json"}), 403, "not_owner")
    assert_problem(api.patch(path, json={"colour": "red"}), 400, "invalid_request", "colour")
