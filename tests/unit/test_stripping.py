"""Files lose what they tell and nothing of what they show."""

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from app.formats.jpeg import jpeg_segments
from app.imaging import inspect
from app.models import StripMetadata
from app.stripping import MOST_ADDED_BYTES, stripped
from tests.metadata_samples import PROFILE, SECRETS, XMP, camera_exif, captions, jpeg_with, sample, segment
from tests.real_images import real_images
from tests.samples import FORMATS, picture, png_chunk, with_png_chunks
from tests.stripped_files import ALL, LIMITS, LOCATION, coded_pixels, packed_xmp, shown, strip, tags_of


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("how", [ALL, LOCATION])
def test_what_is_seen_stays_the_same_to_the_last_bit(kind: str, how: StripMetadata) -> None:
    data = sample(kind)
    bare = strip(data, how)
    assert bare != data
    assert shown(bare) == shown(data)
    assert coded_pixels(bare) == coded_pixels(data)
    before, after = inspect(data, LIMITS), inspect(bare, LIMITS)
    assert (after.width, after.height, after.orientation) == (before.width, before.height, before.orientation)
    assert after.placeholder == before.placeholder
    assert not any(secret in bare for secret in SECRETS)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("how", [ALL, LOCATION])
def test_stripping_again_changes_nothing(kind: str, how: StripMetadata) -> None:
    bare = strip(sample(kind), how)
    facts = inspect(bare, LIMITS)
    assert stripped(bare, facts.content_type, how, orientation=facts.orientation) is None


@pytest.mark.parametrize(
    "data",
    [
        with_png_chunks(packed_xmp(b"<a exif:GPSLatitude='1'>" + b" " * 50_000 + b"</a>")),
        with_png_chunks(packed_xmp(b"<dc:rights><rdf:li>" + b"A" * 50_000 + b"</rdf:li></dc:rights>")),
        with_png_chunks(packed_xmp(b"<dc:rights><rdf:li>" + b"\xff" * 50_000 + b"</rdf:li></dc:rights>")),
        with_png_chunks(png_chunk(b"eXIf", camera_exif().tobytes()[6:]) + 99 * png_chunk(b"eXIf", b"II*")),
        with_png_chunks(png_chunk(b"tEXt", b"Raw profile type exif\0") + packed_xmp(XMP)),
    ],
)
@pytest.mark.parametrize("how", [ALL, LOCATION])
def test_no_file_grows_by_more_than_is_known(data: bytes, how: StripMetadata) -> None:
    assert len(strip(data, how)) <= len(data) + MOST_ADDED_BYTES


@pytest.mark.parametrize("kind", FORMATS)
def test_none_is_none(kind: str) -> None:
    assert strip(sample(kind), StripMetadata.NONE) == sample(kind)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_of_all_metadata_orientation_and_copyright_stay(kind: str) -> None:
    bare = strip(sample(kind), ALL)
    assert dict(tags_of(bare)) == {0x0112: 6, 0x8298: "Ann"}
    for gone in (b"A maker of cameras", b"2026:01:02", b"hello", b"a comment", b"xmpmeta", b"Tower"):
        assert gone not in bare
    upright = strip(picture(kind, exif=camera_exif(1, rights=None)), ALL)
    assert not tags_of(upright)
    assert b"Exif\0" not in upright
    assert b"eXIf" not in upright


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_copyright_that_stands_in_xmp_only_is_kept(kind: str) -> None:
    made = picture(kind, xmp=XMP) if kind != "PNG" else with_png_chunks(
        packed_xmp(XMP)
    )  # fmt: skip
    bare = strip(made, ALL)
    assert tags_of(bare)[0x8298].encode("latin-1").decode() == "© Ann & Bob"
    assert len(bare) < len(made) + MOST_ADDED_BYTES


def test_a_copyright_that_stands_in_captions_only_is_kept() -> None:
    bare = strip(jpeg_with(segment(0xED, captions())), ALL)
    assert dict(tags_of(bare)) == {0x8298: "Ann"}
    assert b"Paris" not in bare


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_without_the_place_the_rest_of_exif_is_as_it_was(kind: str) -> None:
    data = sample(kind)
    before, after = tags_of(data), tags_of(strip(data, LOCATION))
    assert before.get_ifd(0x8825)
    assert not after.get_ifd(0x8825)
    assert after.get_ifd(0x8769) == before.get_ifd(0x8769)
    assert dict(after) == {tag: value for tag, value in before.items() if tag != 0x8825}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_file_that_tells_no_place_is_not_touched_for_it(kind: str) -> None:
    data = picture(kind, exif=camera_exif(place=False), icc_profile=PROFILE)
    facts = inspect(data, LIMITS)
    assert stripped(data, facts.content_type, LOCATION, orientation=facts.orientation) is None


def test_nothing_moves_in_a_jpeg_that_loses_the_place() -> None:
    data = sample("JPEG")
    bare = strip(data, LOCATION)
    assert len(bare) == len(data)
    assert [(it.begin, it.end) for it in jpeg_segments(bare)] == [(it.begin, it.end) for it in jpeg_segments(data)]
    for kept in (b"Tower", b'xmp:Rating="5"', b"a comment", b"Ann &amp; Bob"):
        assert kept in bare


def stereo(kind: str = "MPO") -> bytes:
    """Two JPEG files behind each other, as phones write them; both say where."""
    target = io.BytesIO()
    views = [Pillow.linear_gradient("L").resize((64, 48)).rotate(turn).convert("RGB") for turn in (0, 40)]
    views[0].save(target, kind, save_all=True, append_images=views[1:], exif=camera_exif())
    first = target.getvalue()
    assert first.count(b"WGS-84") >= 1
    return first


def test_images_behind_a_jpeg_lose_the_place_too_and_stay_where_they_are() -> None:
    data = stereo()
    bare = strip(data, LOCATION)
    assert b"WGS-84" not in bare
    with Pillow.open(io.BytesIO(data)) as one, Pillow.open(io.BytesIO(bare)) as other:
        for frame in range(2):
            one.seek(frame)
            other.seek(frame)
            assert one.tobytes() == other.tobytes()


def test_images_behind_a_jpeg_go_with_all_metadata() -> None:
    bare = strip(stereo(), ALL)
    assert bare.endswith(b"\xff\xd9")
    assert bare.count(b"\xff\xd9") == 1
    assert b"MPF\0" not in bare


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("how", [ALL, LOCATION])
def test_what_lies_behind_the_end_goes(kind: str, how: StripMetadata) -> None:
    data = picture(kind)
    assert strip(data + b"a film that says where", how) == data


def test_an_extended_packet_goes_with_the_place() -> None:
    extended = segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40 + b"<exif:GPSLat")
    assert b"GPSLat" not in strip(jpeg_with(extended), LOCATION)


def test_the_thumbnail_of_a_jfif_header_goes() -> None:
    data = picture("JPEG")
    header = b"JFIF\0\1\1\0\0\1\0\1\2\2" + bytes(12)
    assert strip(data[:2] + segment(0xE0, header) + data[20:], ALL)[2:20] == segment(0xE0, header[:12] + bytes(2))


@settings(max_examples=100)
@given(st.sampled_from(sorted(FORMATS)), st.sampled_from([ALL, LOCATION]), st.data())
def test_whatever_is_accepted_is_stripped_and_stays_what_it_was(
    kind: str, how: StripMetadata, data: st.DataObject
) -> None:
    damaged = bytearray(sample(kind))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        before = inspect(bytes(damaged), LIMITS)
    except Exception:
        return
    after = inspect(strip(bytes(damaged), how), LIMITS)
    assert (after.width, after.height, after.frames) == (before.width, before.height, before.frames)
    assert after.orientation == before.orientation
    assert after.placeholder == before.placeholder


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of what is odd about these files
def test_real_files_show_the_same_without_their_metadata() -> None:
    changed = 0
    telling = re.compile(r"exif|gps|xmp|iptc|app1|comment|mpo|flower|iss634|text|dpi|photoshop")
    for path in [*filter(lambda it: telling.search(it.name), real_images()), *real_images("piexif")]:
        data = path.read_bytes()
        try:
            before = shown(data)
            facts = inspect(data, LIMITS)
        except Exception:
            continue
        for how in (ALL, LOCATION):
            bare = strip(data, how)
            changed += bare != data
            assert shown(bare) == before, (path.name, how)
            assert inspect(bare, LIMITS).orientation == facts.orientation, (path.name, how)
            assert strip(bare, how) == bare, (path.name, how)
    assert changed > 45
