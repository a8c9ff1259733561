import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InvalidImage, ServiceError, UnsupportedImageType
from app.imaging import ImageFacts, inspect
from app.models import ContentType
from tests.samples import FORMATS, picture, with_orientation

LIMIT = 1_000_000


@pytest.mark.parametrize("kind", FORMATS)
def test_facts_of_every_format(kind: str) -> None:
    assert inspect(picture(kind), max_pixels=LIMIT) == ImageFacts(ContentType(FORMATS[kind]), 64, 48, 1)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_animations_have_the_size_of_one_frame(kind: str) -> None:
    facts = inspect(picture(kind, frames=3), max_pixels=LIMIT)
    assert (facts.width, facts.height, facts.frames) == (64, 48, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_width_and_height_are_as_seen(orientation: int) -> None:
    facts = inspect(with_orientation(orientation), max_pixels=LIMIT)
    assert (facts.width, facts.height) == ((48, 64) if orientation >= 5 else (64, 48))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("frames", [1, 3])
def test_a_file_without_its_last_bytes_is_refused(kind: str, frames: int) -> None:
    whole = picture(kind, frames=frames if kind in {"GIF", "WEBP"} else 1)
    for missing in (1, 2, 5, 12, 13, len(whole) // 2, len(whole) - 14):
        with pytest.raises(InvalidImage):
            inspect(whole[:-missing], max_pixels=LIMIT)


@pytest.mark.parametrize("kind", FORMATS)
def test_bytes_behind_the_end_are_allowed(kind: str) -> None:
    assert inspect(picture(kind) + b"PK\x03\x04 and more", max_pixels=LIMIT).width == 64


@pytest.mark.parametrize("data", [b"", b"x", b"<svg/>", b"%PDF-1.7", b"BM" + b"\0" * 60, b"RIFF\0\0\0\0WAVEfmt "])
def test_other_formats_are_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedImageType):
        inspect(data, max_pixels=LIMIT)


@pytest.mark.parametrize("data", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBP"])
def test_magic_bytes_alone_are_no_image(data: bytes) -> None:
    with pytest.raises(InvalidImage):
        inspect(data + b"\0" * 40, max_pixels=LIMIT)


def test_pixels_are_limited_over_all_frames() -> None:
    animation = picture("GIF", frames=3)
    assert inspect(animation, max_pixels=64 * 48 * 3).frames == 3
    with pytest.raises(InvalidImage, match=r"9216 pixels .* the limit is 9215"):
        inspect(animation, max_pixels=64 * 48 * 3 - 1)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_damaged_files_are_accepted_or_refused_and_never_worse(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(picture(kind, (16, 16), frames=2 if kind in {"GIF", "WEBP"} else 1))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        inspect(bytes(damaged), max_pixels=LIMIT)
    except ServiceError as error:
        assert isinstance(error, InvalidImage | UnsupportedImageType)  # noqa: PT017 - both outcomes are right
