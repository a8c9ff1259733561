"""Behind a gateway that lets only so much through, as API Gateway and Lambda do."""

from collections.abc import Iterator

import httpx
import pytest
from moto import mock_aws

from app.api import create_app
from app.services.aws import AWSClientFactory
from app.services.provision import provision
from tests.conftest import test_settings as make_settings
from tests.contract.steps import IMAGES, UPLOADS, assert_problem, upload
from tests.samples import base64_text, noise, picture_of_bytes

LIMIT = 400_000


@pytest.fixture(scope="module")
def app_transport() -> Iterator[httpx.WSGITransport]:
    settings = make_settings(max_request_bytes=LIMIT, max_response_bytes=LIMIT // 2)
    with mock_aws():
        list(provision(AWSClientFactory(settings), settings))
        yield httpx.WSGITransport(create_app(settings), raise_app_exceptions=True)


@pytest.fixture
def api(app_transport: httpx.WSGITransport, user: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url="http://api", headers={"X-User-ID": user}, transport=app_transport) as client:
        yield client


def test_what_is_larger_than_the_gateway_lets_through_is_shown_the_way_to_the_bucket(api: httpx.Client) -> None:
    data = picture_of_bytes(LIMIT + 1)
    for answer in (
        api.post(IMAGES, content=data, headers={"Content-Type": "image/png"}),
        api.post(IMAGES, files={"file": ("p.png", data)}),
        api.post(IMAGES, files={"file": ("p.png", data[:-40])}),  # the form around the file counts
        api.post(IMAGES, json={"image_data": base64_text(data)}),
    ):
        assert UPLOADS in assert_problem(answer, 413, "image_too_large")["detail"]
    assert api.get(IMAGES).json()["count"] == 0


def test_what_just_fits_is_stored(api: httpx.Client) -> None:
    answer = api.post(IMAGES, content=picture_of_bytes(LIMIT), headers={"Content-Type": "image/png"})
    assert answer.status_code == 201


def test_an_image_larger_than_an_answer_is_redirected_to_the_bucket(api: httpx.Client) -> None:
    image = f"{IMAGES}/{upload(api, picture_of_bytes(LIMIT // 2 + 1))['image_id']}"
    answer = api.get(image)
    assert answer.status_code == 302
    assert "X-Amz-Signature" in answer.headers["Location"]
    assert answer.headers["Cache-Control"] == "private, no-store"

    assert api.get(image, headers={"Range": "bytes=0-"}).status_code == 302
    assert api.get(image, headers={"Range": "bytes=0-99"}).status_code == 206
    etag = api.head(image).headers["ETag"]
    assert api.get(image, headers={"If-None-Match": etag}).status_code == 304
    assert_problem(api.get(image, params={"encoding": "base64"}), 413, "image_too_large")


def test_an_image_that_fits_is_sent(api: httpx.Client) -> None:
    data = picture_of_bytes(LIMIT // 2)
    image = f"{IMAGES}/{upload(api, data)['image_id']}"
    assert api.get(image).content == data
    assert api.get(image, params={"encoding": "base64"}).status_code == 200


def test_the_limits_say_which_route_fits(api: httpx.Client) -> None:
    limits = api.get("/api/v1/limits").json()
    assert limits["max_upload_bytes"] == limits["max_request_bytes"] == LIMIT
    assert limits["max_response_bytes"] == LIMIT // 2
    assert limits["max_direct_upload_bytes"] > LIMIT


def test_a_variant_larger_than_an_answer_is_redirected_to_the_bucket(api: httpx.Client) -> None:
    variant = f"{IMAGES}/{upload(api, noise(340))['image_id']}/thumbnail"
    whole = {"width": "512", "format": "png"}
    answer = api.get(variant, params=whole)
    assert answer.status_code == 302
    assert "/variants/" in answer.headers["Location"]
    assert "response-content-type=image%2Fpng" in answer.headers["Location"]
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert not {"ETag", "Vary"} & set(answer.headers)
    assert api.get(variant, params=whole).headers["Location"] == answer.headers["Location"]

    assert api.get(variant, params={"width": 64, "format": "png"}).status_code == 200
    head = api.head(variant, params=whole)
    assert head.status_code == 200
    assert api.get(variant, params=whole, headers={"If-None-Match": head.headers["ETag"]}).status_code == 304


def test_a_link_to_a_variant_is_redirected_too_for_as_long_as_both_urls_are_good(api: httpx.Client) -> None:
    image_id = upload(api, noise(340))["image_id"]
    image = api.get(f"{IMAGES}/{image_id}/metadata", params={"srcset": "true"}).json()
    links = [entry.split()[0] for entry in image["srcset"].split(", ")]
    del api.headers["X-User-ID"]
    answer = api.get(links[-1], headers={"Accept": "image/png"})
    assert answer.status_code == 302
    assert answer.headers["Vary"] == "Accept"
    assert "ETag" not in answer.headers
    keeping, _, seconds = answer.headers["Cache-Control"].partition("=")
    assert keeping == "private, max-age"
    assert 1800 <= int(seconds) <= 3600
