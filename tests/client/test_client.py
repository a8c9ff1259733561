"""The client and the real service."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.client import Changed, ImageClient, ImageFilter, ImageRefused, NotAllowed, NotFound, NotIdentified
from tests.samples import picture, picture_of_bytes
from tests.server import RunningService

FACTS: dict[str, Any] = {
    "title": 'Zoë\'s "beach" & sea',
    "description": "d" * 1990 + "é\r\nlast",
    "location": "Naïve",
    "tags": ["sea", "a b"],
}


@pytest.fixture
def client(server: RunningService, user: str) -> Iterator[ImageClient]:
    with ImageClient(server.url, user_id=user) as made:
        yield made


@pytest.fixture
def beach(tmp_path: Path) -> Path:
    path = tmp_path / 'Zoë\'s "beach".jpg'
    path.write_bytes(picture())
    return path


def test_an_image_goes_in_and_comes_out_with_what_was_said_about_it(
    client: ImageClient, user: str, beach: Path, tmp_path: Path
) -> None:
    image = client.upload(beach, **FACTS)
    assert (image.user_id, image.filename, image.status, image.version) == (user, beach.name, "UPLOADED", 1)
    assert {name: getattr(image, name) for name in FACTS} == FACTS | {"tags": ("sea", "a b")}
    assert image.sha256 == hashlib.sha256(picture()).hexdigest()
    client.download(image, tmp_path / "copy.jpg")
    assert (tmp_path / "copy.jpg").read_bytes() == picture()
    assert client.get(image.image_id) == image
    assert list(client.images(ImageFilter(tags=("sea",)))) == [image]
    assert list(client.images(ImageFilter(tags=("dusk",)))) == []
    client.delete(image.image_id)
    with pytest.raises(NotFound):
        client.get(image.image_id)


def test_files_may_be_named_as_text_and_none_is_replaced(client: ImageClient, beach: Path, tmp_path: Path) -> None:
    image = client.upload(str(beach))
    client.download(image, str(tmp_path / "copy.jpg"))
    with pytest.raises(FileExistsError, match=r"copy\.jpg"):
        client.download(image, str(tmp_path / "copy.jpg"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([beach.name, "copy.jpg"])


def test_bytes_need_no_file(client: ImageClient) -> None:
    image = client.upload(picture(), filename="beach.jpg")
    assert (image.filename, client.read(image)) == ("beach.jpg", picture())
    data = picture_of_bytes(client.limits().max_upload_bytes + 1)  # goes straight to the bucket
    image = client.upload(data, title="Large")
    assert (image.title, image.filename, client.read(image)) == ("Large", "image", data)


def test_an_edit_needs_the_version_that_was_read(client: ImageClient, beach: Path) -> None:
    image = client.upload(beach, title="Beach", location="Rhodes")
    edited = client.edit(image, title=None, tags=["Dusk"])
    assert (edited.title, edited.tags, edited.location, edited.version) == (None, ("dusk",), "Rhodes", 2)
    with pytest.raises(Changed):
        client.edit(image, title="Dawn")


def test_a_large_image_goes_straight_to_the_bucket(client: ImageClient, tmp_path: Path) -> None:
    data = picture_of_bytes(client.limits().max_upload_bytes + 1)
    (tmp_path / "large.png").write_bytes(data)
    positions: list[int] = []
    image = client.upload(tmp_path / "large.png", title="Large", idempotency_key="k", progress=positions.append)
    assert (image.title, image.status, image.file_size) == ("Large", "UPLOADED", len(data))
    assert positions[-1] == len(data)
    assert client.upload(tmp_path / "large.png", title="Large", idempotency_key="k").image_id == image.image_id
    client.download(image, tmp_path / "copy.png")
    assert (tmp_path / "copy.png").read_bytes() == data


def test_the_same_key_makes_one_image(client: ImageClient, beach: Path) -> None:
    first = client.upload(beach, idempotency_key="k")
    assert client.upload(beach, idempotency_key="k").image_id == first.image_id
    assert client.upload(beach).image_id != first.image_id


def test_what_is_no_image_is_refused(client: ImageClient, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_text("no image")
    with pytest.raises(ImageRefused) as refused:
        client.upload(tmp_path / "x.jpg")
    assert refused.value.code == "unsupported_image_type"


def test_images_of_others_are_not_to_be_had(server: RunningService, client: ImageClient, beach: Path) -> None:
    image = client.upload(beach)
    with ImageClient(server.url, user_id="stranger") as stranger:
        with pytest.raises(NotAllowed):
            stranger.get(image.image_id)
        assert [deletion.status for deletion in stranger.delete_many([image.image_id])] == ["not_owner"]
    with ImageClient(server.url) as nobody, pytest.raises(NotIdentified):
        nobody.get(image.image_id)


def test_several_are_deleted_at_once(client: ImageClient, beach: Path) -> None:
    ids = [client.upload(beach).image_id for _ in range(2)]
    missing = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
    found = {deletion.image_id: deletion.status for deletion in client.delete_many([*ids, missing])}
    assert found == {ids[0]: "deleted", ids[1]: "deleted", missing: "not_found"}


def test_lists_are_read_to_their_end(client: ImageClient, beach: Path) -> None:
    ids = [client.upload(beach).image_id for _ in range(3)]
    first = client.page(limit=2)
    second = client.page(limit=2, cursor=first.next_cursor)
    assert [image.image_id for image in (*first.images, *second.images)] == ids[::-1]
    assert second.next_cursor is None
    assert [image.image_id for image in client.images(ImageFilter(order="asc"))] == ids
