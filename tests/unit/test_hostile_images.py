"""Files made to hurt are refused for what they are; benchmarks/imaging.py measures what they cost."""

import pytest

from app.errors import InvalidImage
from app.imaging import inspect
from app.settings import Settings
from tests.hostile import PAYLOADS, REFUSED, gif_frames, png_bomb, progressive_jpeg, webp_with_profile
from tests.samples import FORMATS, picture, png_chunk, with_png_chunks

LIMITS = Settings().image_limits


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_file_is_refused_with_what_is_wrong_with_it(name: str) -> None:
    make, detail = REFUSED[name]
    with pytest.raises(InvalidImage, match=detail):
        inspect(make(), LIMITS)


def test_what_is_just_within_the_limits_is_accepted() -> None:
    assert inspect(gif_frames(1000), LIMITS).frames == 1000
    assert inspect(progressive_jpeg(64, 64, 100), LIMITS).width == 64
    assert inspect(png_bomb(700, 700, interlaced=True), LIMITS).has_alpha
    assert inspect(webp_with_profile(3_000_000), LIMITS).width == 8


@pytest.mark.parametrize("kind", [b"tEXt", b"eXIf", b"iTXt"])
def test_metadata_that_is_not_compressed_counts_by_its_length(kind: bytes) -> None:
    for size, accepted in ((LIMITS.max_metadata_bytes, True), (LIMITS.max_metadata_bytes + 1, False)):
        data = with_png_chunks(png_chunk(kind, b"a\0\0\0\0\0".ljust(size, b"x")))
        if accepted:
            assert inspect(data, LIMITS).width == 64
        else:
            with pytest.raises(InvalidImage, match="the limit is"):
                inspect(data, LIMITS)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_an_image_with_something_behind_it_is_that_image(kind: str, payload: bytes) -> None:
    data = picture(kind)
    assert inspect(data + payload, LIMITS) == inspect(data, LIMITS)
