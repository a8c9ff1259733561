"""JPEG that are whole, and JPEG that only look so."""

import io
import re
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from PIL import Image as Pillow

from app.errors import InvalidImage
from app.imaging import inspect, inspect_and_render
from app.settings import Settings
from app.variant_specs import VariantSpec
from tests.samples import photo, saved

LIMITS = Settings().image_limits


JPEG_FORMS: list[dict[str, Any]] = [
    {},
    {"optimize": True, "quality": 20},
    {"progressive": True},
    {"restart_marker_blocks": 8},
    {"keep_rgb": True, "quality": 95},
]
END = b"\xff\xd9"


@pytest.mark.parametrize("form", JPEG_FORMS)
@pytest.mark.parametrize("percent", range(20, 100, 10))
@pytest.mark.parametrize("fill", [b"", b"\0", b"\xaa", b"\xff"])
def test_a_cut_jpeg_with_an_end_put_behind_is_refused(form: dict[str, Any], percent: int, fill: bytes) -> None:
    whole = photo(**form)
    cut = whole[: len(whole) * percent // 100]
    for filled in (cut + fill * (len(whole) - len(cut) - 2) + END, cut + fill * 100 + END):
        with pytest.raises(InvalidImage):
            inspect(filled, LIMITS)


def test_nothing_of_a_file_is_copied_before_its_memory_is_granted() -> None:
    whole = photo()
    table = re.search(rb"\xff\xdb\x00\x43.{65}", whole, re.DOTALL)
    assert table is not None
    many = b"\xff\xdb" + (2 + 65 * 1000).to_bytes(2, "big") + table[0][4:] * 1000
    data = whole[:2] + many * 100 + whole[2:]  # 6.5 MB
    held = []

    @contextmanager
    def admission(_needed: int) -> Iterator[None]:
        held.append(tracemalloc.get_traced_memory()[0])
        yield

    inspect(data, LIMITS)  # whatever is kept from a first time is there
    tracemalloc.start()
    try:
        inspect(data, LIMITS, admission=admission)
    finally:
        tracemalloc.stop()
    assert held[0] < 500_000


def test_a_progressive_jpeg_cut_between_two_scans_is_refused() -> None:
    scans = re.split(b"(?=\xff\xda|\xff\xc4)", photo(progressive=True))
    for last in range(1, len(scans)):
        with pytest.raises(InvalidImage):
            inspect(b"".join(scans[:last]) + END, LIMITS)


def test_a_jpeg_that_lost_bytes_in_its_middle_is_refused() -> None:
    whole = photo()
    with pytest.raises(InvalidImage):
        inspect(whole[:3000] + whole[3700:], LIMITS)


@pytest.mark.parametrize("form", JPEG_FORMS)
@pytest.mark.parametrize("padding", [bytes(1), bytes(5), bytes(1000), b"\xff" * 100])
def test_padding_before_the_end_of_a_jpeg_is_no_damage(form: dict[str, Any], padding: bytes) -> None:
    assert inspect(photo(**form)[:-2] + padding + END, LIMITS).width == 320


@pytest.mark.parametrize("form", [{}, {"optimize": True}, {"progressive": True}])
def test_a_picture_that_ends_flat_is_whole(form: dict[str, Any]) -> None:
    white = io.BytesIO()
    Pillow.new("RGB", (640, 480), "white").save(white, "JPEG", **form)
    assert inspect(white.getvalue(), LIMITS).width == 640


def test_what_every_viewer_skips_in_a_jpeg_is_no_damage() -> None:
    start, rest = photo()[:20], photo()[20:]
    assert inspect(start + b"junk between segments" + rest, LIMITS).width == 320
    odd_jfif_version = start[:11] + b"\x07" + start[12:]
    assert inspect(odd_jfif_version + rest, LIMITS).width == 320
    scan = rest.index(b"\xff\xda")
    no_spectral_selection = rest[: scan + 11] + b"\0\0\0" + rest[scan + 14 :]
    assert inspect(start + no_spectral_selection, LIMITS).width == 320


@pytest.mark.parametrize("frame", [0xC3, 0xC5, 0xC9, 0xCA, 0xCF])
def test_a_jpeg_that_no_browser_shows_is_refused(frame: int) -> None:
    data = bytearray(photo())
    data[data.index(b"\xff\xc0") + 1] = frame
    with pytest.raises(InvalidImage, match="Arithmetic, lossless and hierarchical"):
        inspect(bytes(data), LIMITS)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("wanted", [(), (VariantSpec(width=2000),)])
def test_a_jpeg_that_lacks_its_very_last_rows_is_refused(
    mode: str, subsampling: int, wanted: tuple[VariantSpec, ...]
) -> None:
    with Pillow.open(io.BytesIO(photo())) as whole:
        for height in (1, 2, 7, 8, 9, 15, 16, 17, 129, 136):
            lower = whole.crop((0, whole.height - height, whole.width, whole.height)).convert(mode)
            data = saved(lower, "JPEG", subsampling=subsampling, quality=90)
            assert inspect_and_render(data, LIMITS, wanted)[0].height == height
            with pytest.raises(InvalidImage):
                inspect_and_render(data[:-60] + END, LIMITS, wanted)
