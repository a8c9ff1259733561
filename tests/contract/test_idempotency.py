"""Idempotency-Key on everything that creates."""

import base64
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.contract.steps import IMAGES, assert_problem, upload
from tests.contract.test_list import ids
from tests.samples import picture
from tests.server import RunningService

UPLOADS = "/api/v1/uploads"
KEY = {"Idempotency-Key": "one-of-mine"}
ANNOUNCEMENT = {"filename": "a.jpg", "content_type": "image/jpeg", "file_size": 1000}


def send(api: httpx.Client, form: str, **headers: str) -> httpx.Response:
    if form == "multipart":
        files = {"file": ("a.jpg", picture(), "image/jpeg")}
        return api.post(f"{IMAGES}/upload", files=files, data={"title": "T"}, headers=headers)
    if form == "raw":
        content_type = {"Content-Type": "image/jpeg"}
        return api.post(f"{IMAGES}?title=T&filename=a.jpg", content=picture(), headers=content_type | headers)
    body = {"image_data": base64.b64encode(picture()).decode(), "title": "T", "filename": "a.jpg"}
    return api.post(IMAGES, json=body, headers=headers)


@pytest.mark.parametrize("form", ["multipart", "raw", "base64"])
def test_the_same_request_again_gives_the_same_answer_and_one_image(api: httpx.Client, form: str) -> None:
    first, again = send(api, form, **KEY), send(api, form, **KEY)
    assert first.status_code == again.status_code == 201
    assert first.json() | {"download_url": "", "url_expires_at": ""} == again.json() | {
        "download_url": "",
        "url_expires_at": "",
    }
    assert first.headers["Location"] == again.headers["Location"]
    assert len(ids(api.get(IMAGES))) == 1


def test_the_answer_stays_what_it_was_though_the_image_does_not(api: httpx.Client) -> None:
    first = send(api, "raw", **KEY).json()
    api.patch(f"{IMAGES}/{first['image_id']}", json={"title": "Edited"})
    assert send(api, "raw", **KEY).json()["title"] == "T"
    api.delete(f"{IMAGES}/{first['image_id']}")
    again = send(api, "raw", **KEY)
    assert (again.status_code, again.json()["image_id"]) == (201, first["image_id"])
    assert ids(api.get(IMAGES)) == []


def test_another_request_with_the_same_key_is_a_conflict(api: httpx.Client) -> None:
    send(api, "multipart", **KEY)
    other = api.post(IMAGES, content=picture("PNG"), headers={"Content-Type": "image/png"} | KEY)
    assert_problem(other, 409, "idempotency_conflict")
    assert_problem(api.post(UPLOADS, json=ANNOUNCEMENT, headers=KEY), 409, "idempotency_conflict")
    assert len(ids(api.get(IMAGES))) == 1


def test_keys_of_others_do_not_matter(api: httpx.Client, stranger: httpx.Client) -> None:
    mine, theirs = send(api, "raw", **KEY), send(stranger, "raw", **KEY)
    assert mine.json()["image_id"] != theirs.json()["image_id"]
    assert upload(api)["image_id"] != upload(api)["image_id"]


def test_a_refused_request_leaves_its_key_free(api: httpx.Client) -> None:
    refused = api.post(IMAGES, content=b"no image", headers={"Content-Type": "image/jpeg"} | KEY)
    assert_problem(refused, 415, "unsupported_image_type")
    assert send(api, "raw", **KEY).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "tab\there"])
def test_a_key_that_is_none_is_refused(api: httpx.Client, key: str) -> None:
    answer = api.post(IMAGES, content=picture(), headers={"Content-Type": "image/jpeg", "Idempotency-Key": key})
    assert_problem(answer, 400, "invalid_request", "Idempotency-Key")
    assert ids(api.get(IMAGES)) == []


def test_an_upload_straight_to_the_bucket_is_announced_once(api: httpx.Client) -> None:
    first, again = (api.post(UPLOADS, json=ANNOUNCEMENT, headers=KEY) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert len(ids(api.get(IMAGES, params={"status": "PENDING_UPLOAD"}))) == 1


def test_fifty_equal_requests_at_once_make_one_image(server: RunningService, user: str) -> None:
    def once(_: int) -> tuple[int, str]:
        with server.client(user) as own:
            answer = send(own, "raw", **KEY)
            return answer.status_code, answer.json().get("code") or answer.json()["image_id"]

    with ThreadPoolExecutor(16) as pool:
        answers = Counter(pool.map(once, range(50)))
    with server.client(user) as api:
        (image_id,) = ids(api.get(IMAGES))
        assert send(api, "raw", **KEY).json()["image_id"] == image_id
    assert set(answers) <= {(201, image_id), (409, "request_in_progress")}
    assert answers[201, image_id] >= 1
