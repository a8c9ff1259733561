"""What STRIP_METADATA leaves of uploads through the API."""

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.api import create_app
from app.formats import xmp
from app.models import StripMetadata
from app.services import build_services
from app.services.aws import AWSClientFactory
from app.settings import Settings
from tests.contract.steps import IMAGES, assert_problem
from tests.contract.test_upload import FORMS
from tests.metadata_samples import SECRETS, XMP, sample
from tests.samples import FORMATS, picture, sha256_base64, with_png_chunks
from tests.stripped_files import packed_xmp


@pytest.fixture
def api(factory: AWSClientFactory, own_settings: Settings) -> Iterator[httpx.Client]:
    """A service that removes all metadata."""
    assert factory  # its AWS is the one that the service uses
    settings = own_settings.model_copy(update={"strip_metadata": StripMetadata.ALL})
    transport = httpx.WSGITransport(create_app(settings, build_services(settings)))
    with httpx.Client(base_url="http://in-process", headers={"X-User-ID": "alice"}, transport=transport) as client:
        yield client


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("send", FORMS)
def test_what_comes_back_is_what_was_stored_and_tells_nothing(api: httpx.Client, send: Any, kind: str) -> None:
    data = sample(kind)
    response = send(api, data)
    assert response.status_code == 201, response.text
    image = response.json()
    stored = api.get(f"{IMAGES}/{image['image_id']}").content
    assert len(stored) < len(data)
    assert (image["file_size"], image["sha256"]) == (len(stored), hashlib.sha256(stored).hexdigest())
    assert not any(secret in stored or secret.decode() in response.text for secret in SECRETS)
    assert (image["width"], image["height"]) == ((64, 48) if kind == "GIF" else (48, 64))
    assert image["captured_at"] == (None if kind == "GIF" else "2026-01-02T03:04:05")


def test_a_checksum_is_that_of_what_was_sent(api: httpx.Client) -> None:
    data = sample("JPEG")
    headers = {"Content-Type": "image/jpeg", "X-Amz-Checksum-Sha256": sha256_base64(data)}
    image = api.post(IMAGES, content=data, headers=headers)
    assert image.status_code == 201
    stored = api.get(image.headers["Location"]).content
    headers["X-Amz-Checksum-Sha256"] = sha256_base64(stored)
    assert_problem(api.post(IMAGES, content=data, headers=headers), 400, "checksum_mismatch")


def test_a_repeated_request_has_the_same_answer(api: httpx.Client) -> None:
    headers = {"Content-Type": "image/png", "Idempotency-Key": "once"}
    first, second = (api.post(IMAGES, content=sample("PNG"), headers=headers) for _ in range(2))
    assert first.json() == second.json()
    other = api.post(IMAGES, content=picture("PNG"), headers=headers)
    assert_problem(other, 409, "idempotency_conflict")


def test_a_compressed_packet_in_a_png_loses_the_place_and_nothing_else(
    factory: AWSClientFactory, own_settings: Settings
) -> None:
    assert factory
    settings = own_settings.model_copy(update={"strip_metadata": StripMetadata.LOCATION})
    transport = httpx.WSGITransport(create_app(settings, build_services(settings)))
    data = with_png_chunks(packed_xmp(XMP))
    with httpx.Client(base_url="http://in-process", headers={"X-User-ID": "alice"}, transport=transport) as client:
        answer = client.post(IMAGES, content=data, headers={"Content-Type": "image/png"})
        assert answer.status_code == 201, answer.text
        stored = client.get(answer.headers["Location"]).content
    assert stored == with_png_chunks(packed_xmp(xmp.without_place(XMP) or b"")) != data
    assert answer.json()["sha256"] == hashlib.sha256(stored).hexdigest()


def test_clients_can_ask_what_is_removed(api: httpx.Client) -> None:
    assert api.get("/api/v1/limits").json()["strip_metadata"] == "all"
