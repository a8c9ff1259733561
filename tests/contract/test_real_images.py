"""Files as they are found in the world."""

from collections import Counter
from pathlib import Path

import httpx
import pytest
from PIL import Image as Pillow

from tests.contract.steps import IMAGES
from tests.contract.test_upload import FORMS
from tests.real_images import Collection, real_images
from tests.server import RunningService

# Photographs and graphics of all four formats: still and animated, with alpha, palettes, profiles and Exif.
CHOSEN = [
    "flower.jpg",
    "flower2.jpg",
    "hopper.jpg",
    "exif_gps_typeerror.jpg",
    "xmp_test.jpg",
    "pil_sample_rgb.jpg",
    "pil_sample_cmyk.jpg",
    "icc_profile_big.jpg",
    "hopper_gray.jpg",
    "jpeg_ff00_header.jpg",
    "junk_jpeg_header.jpg",
    "photoshop-200dpi-broken.jpg",
    "truncated_app14.jpg",
    "hopper.png",
    "test-card.png",
    "itxt_chunks.png",
    "rgb_trns.png",
    "i_trns.png",
    "exif.png",
    "hopper.gif",
    "chi.gif",
    "iss634.gif",
    "dispose_bgnd.gif",
    "transparent.gif",
    "hopper.webp",
    "flower.webp",
    "iss634.webp",
    "transparent.webp",
]


@pytest.mark.parametrize("name", CHOSEN)
def test_real_images_come_back_byte_for_byte_in_every_form(server: RunningService, user: str, name: str) -> None:
    path = next((path for path in real_images() if path.name == name), None)
    assert path is not None, f"the collection has no {name}"
    data = path.read_bytes()
    with server.client(user) as api:
        for send in FORMS:
            response = send(api, data)
            assert response.status_code == 201, response.text
            image = response.json()
            assert api.get(f"{IMAGES}/{image['image_id']}").content == data
            assert httpx.get(image["download_url"], trust_env=False).content == data
            with Pillow.open(path) as seen:
                assert image["content_type"] == Pillow.MIME[str(seen.format)].replace("image/mpo", "image/jpeg")
                assert {image["width"], image["height"]} == set(seen.size)


@pytest.mark.parametrize(
    ("collection", "stored"), [pytest.param("pillow", 300, marks=pytest.mark.long), ("piexif", 15)]
)
def test_every_file_of_a_collection_is_stored_or_refused(
    server: RunningService, user: str, collection: Collection, stored: int
) -> None:
    outcomes: Counter[int] = Counter()
    with server.client(user) as api:
        for path in real_images(collection):
            data = path.read_bytes()
            response = api.post(IMAGES, content=data, headers={"Content-Type": "application/octet-stream"})
            assert response.status_code in {201, 415, 422}, (path.name, response.text)
            outcomes[response.status_code] += 1
            if response.status_code == 201:
                assert api.get(response.headers["Location"]).content == data, path.name
    assert outcomes[201] >= stored


def test_photographs_of_cameras_tell_when_they_were_taken(server: RunningService, user: str) -> None:
    told = {}
    with server.client(user) as api:
        for path in real_images("piexif"):
            response = api.post(IMAGES, content=path.read_bytes(), headers={"Content-Type": "image/jpeg"})
            told[path.stem] = response.json().get("captured_at")
    assert told["r_canon"] == "2013-12-17T14:04:24"
    assert told["r_sony"] == "2013-04-13T10:22:18"
    assert sum(time is not None for time in told.values()) == 13


def test_there_is_something_of_every_format() -> None:
    assert {Path(name).suffix for name in CHOSEN} == {".jpg", ".png", ".gif", ".webp"}
