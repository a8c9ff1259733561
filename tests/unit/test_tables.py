from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models import ContentType, Image, Status, normalised_title
from app.services.records import from_record, to_record
from app.services.tables import from_item, title_key, to_item

IMAGE = Image(
    image_id="f47ac10b-58cc-4372-a567-0e02b2c3d479",
    user_id="alice",
    object_key="images/alice/f47ac10b-58cc-4372-a567-0e02b2c3d479.jpg",
    filename="beach.jpg",
    title="Beach",
    description=None,
    location=None,
    tags=("sea", "sunset"),
    content_type=ContentType.JPEG,
    file_size=1,
    width=2,
    height=3,
    sha256="0" * 64,
    status=Status.UPLOADED,
    created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    updated_at=datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC),
    version=1,
)


@pytest.mark.parametrize("status", Status)
def test_an_image_survives_the_way_through_its_row(status: Status) -> None:
    for title in ("Beach", None):
        image = IMAGE._replace(status=status, title=title, tags=() if title is None else IMAGE.tags)
        assert from_item(to_item(image)) == image


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.UPLOADED])
def test_an_unfinished_row_has_no_key_of_any_index(status: Status) -> None:
    item = to_item(IMAGE._replace(status=status))
    assert not {"created_at", "title_key"} & item.keys()


@given(st.text(st.characters(codec="utf-8"), max_size=200), st.text(st.characters(codec="utf-8"), max_size=200))
def test_title_keys_sort_by_title_in_code_points(one: str, other: str) -> None:
    first, second = sorted((one, other), key=normalised_title)
    assert title_key(first, IMAGE.created_at).encode() <= title_key(second, IMAGE.created_at).encode()


def test_an_image_survives_the_way_through_row_and_record_with_what_is_known_of_its_pixels() -> None:
    image = IMAGE._replace(
        frames=2,
        has_alpha=False,
        dominant_color="#102030",
        placeholder="AAgC",
        captured_at="2026-01-02T03:04:05",
    )
    assert from_item(to_item(image)) == image
    assert from_record(to_record(image)) == image


def test_rows_and_records_from_before_pixels_were_described_are_read() -> None:
    facts = {"frames", "has_alpha", "dominant_color", "placeholder", "captured_at"}
    assert not facts & to_item(IMAGE).keys()
    old = {name: value for name, value in orjson.loads(to_record(IMAGE)).items() if name not in facts}
    assert from_record(orjson.dumps(old)) == IMAGE


def test_a_title_that_grows_when_folded_still_fits_a_sort_key() -> None:
    assert len(title_key("\u0390" * 200, IMAGE.created_at).encode()) <= 1024
