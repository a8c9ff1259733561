"""The place and everything else in a block of Exif, whatever the block is like."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from app.errors import InvalidImage
from app.formats import MAX_PARTS, exif, iptc, xmp
from app.imaging import inspect
from app.models import StripMetadata
from tests.metadata_samples import camera_exif, captions, jpeg_with, segment
from tests.samples import photo, picture, png_chunk, with_png_chunks
from tests.stripped_files import ALL, LIMITS, LOCATION, shown, strip


def tiff(*entries: bytes, order: str = "<", more: bytes = b"", following: int = 0) -> bytes:
    head = b"II*\0" if order == "<" else b"MM\0*"
    table = struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", following)
    return head + struct.pack(order + "I", 8) + table + more


def entry(tag: int, kind: int, count: int, value: int, order: str = "<") -> bytes:
    return struct.pack(order + "HHII", tag, kind, count, value)


def gps(at: int, order: str = "<") -> bytes:
    return struct.pack(order + "H", 1) + entry(2, 5, 1, at + 18, order) + bytes(4) + b"secretly"


def test_texts_of_exif_3_are_texts_too() -> None:
    place = struct.pack("<H", 1) + entry(0x1D, 129, 10, 38 + 18) + bytes(4) + b"Kirchgasse"
    block = tiff(entry(0x8298, 129, 5, 38 + 28), entry(0x8825, 4, 1, 38), more=place + "Zoë\0".encode())
    assert b"Kirchgasse" not in (exif.without_place(block) or b"Kirchgasse")
    assert exif.copyright_notice(block) == "Zoë".encode()


def test_a_place_of_a_kind_that_nobody_knows_is_not_mended() -> None:
    main = (entry(1, 3, 1, 1), entry(0x8825, 4, 1, 38))
    assert exif.without_place(tiff(*main, more=gps(38))) is not None
    unknown = struct.pack("<H", 1) + entry(2, 77, 8, 38 + 18) + bytes(4) + b"secretly"
    assert exif.without_place(tiff(*main, more=unknown)) is None


HOSTILE = {
    "truncated": tiff(entry(0x8825, 4, 1, 10**9)),
    "a directory of many entries": b"II*\0\x08\0\0\0" + b"\xff" * 80_000,
    "a loop": tiff(entry(0x8769, 4, 1, 8), entry(0x8825, 4, 1, 8)),
    "a loop of main directories": tiff(entry(0x8825, 4, 1, 26), following=8, more=gps(26)),
    "a value of 16 GB": tiff(entry(0x8825, 4, 1, 26), more=struct.pack("<H", 1) + entry(2, 5, 2**31, 26) + bytes(4)),
    "values over the header": tiff(entry(0x8825, 4, 1, 26), more=struct.pack("<H", 1) + entry(2, 5, 1, 0) + bytes(4)),
    "two directories in one place": tiff(entry(0x8825, 4, 1, 38), entry(0x8769, 4, 1, 38), more=gps(38)),
    "directories that overlap": tiff(entry(0x8825, 4, 1, 38), entry(0x8769, 4, 1, 40), more=gps(38) + gps(38)),
    "only the place": tiff(entry(0x8825, 4, 1, 26), more=gps(26)),
    "no TIFF": b"secretly " * 9,
    "nothing": b"",
    "half a header": b"II*",
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of these blocks
@pytest.mark.parametrize("block", HOSTILE.values(), ids=HOSTILE)
def test_a_block_that_cannot_be_mended_comes_down_to_orientation_and_copyright(block: bytes) -> None:
    assert exif.without_place(block) is None
    for data in (
        jpeg_with(segment(0xE1, exif.PREFIX + block[:60_000])),
        with_png_chunks(png_chunk(b"eXIf", block)),
    ):
        for how in (ALL, LOCATION):
            bare = strip(data, how)
            assert b"secretly" not in bare
            assert shown(bare) == shown(data)
            assert strip(bare, how) == bare


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_place_is_zeroed_where_it_stood(order: str) -> None:
    block = tiff(
        entry(0x010F, 2, 4, 0x41424344, order), entry(0x8825, 4, 1, 38, order), order=order, more=gps(38, order)
    )
    expected = tiff(entry(0x010F, 2, 4, 0x41424344, order), order=order) + bytes(12 + 26)
    assert exif.without_place(block) == expected


TURNED = exif.PREFIX + exif.minimal(6, b"")
BROKEN = exif.PREFIX + b"II*\0\x08"
SHORT = exif.PREFIX + b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"  # ends before the next directory's offset


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of these blocks
@pytest.mark.parametrize(
    "blocks",
    [(BROKEN, TURNED), (TURNED, BROKEN), (SHORT[:-2],), (BROKEN, SHORT), (SHORT, BROKEN), (b"Exif\1", TURNED)],
)
@pytest.mark.parametrize("how", [ALL, LOCATION])
def test_an_image_stays_turned_as_the_decoder_saw_it(blocks: tuple[bytes, ...], how: StripMetadata) -> None:
    jpeg = jpeg_with(*(segment(0xE1, block) for block in blocks))
    png = with_png_chunks(b"".join(png_chunk(b"eXIf", block.removeprefix(exif.PREFIX)) for block in blocks))
    for data in (jpeg, png):
        bare = strip(data, how)
        assert inspect(bare, LIMITS).orientation == inspect(data, LIMITS).orientation
        assert strip(bare, how) == bare


BEHIND_THE_PIXELS = {
    "JPEG": jpeg_with(segment(0xE1, SHORT))[:-2] + segment(0xE1, TURNED) + b"\xff\xd9",
    "PNG": with_png_chunks(png_chunk(b"eXIf", SHORT[6:]))[:-12]
    + png_chunk(b"eXIf", TURNED[6:])
    + png_chunk(b"IEND", b""),
}


@pytest.mark.parametrize("data", BEHIND_THE_PIXELS.values(), ids=BEHIND_THE_PIXELS)
def test_a_block_behind_the_pixels_does_not_stand_in_for_that_before_them(data: bytes) -> None:
    bare = strip(data, ALL)
    assert inspect(bare, LIMITS).orientation == inspect(data, LIMITS).orientation == 6
    assert strip(bare, ALL) == bare


def test_a_webp_whose_metadata_lie_behind_more_parts_than_are_looked_at_is_refused() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack("<I", len(content)) + content

    chunks = picture("WEBP", exif=camera_exif(1))[8:] + chunk(b"more", b"") * MAX_PARTS + chunk(b"EXIF", SHORT)
    with pytest.raises(InvalidImage, match="does not lead to its end"):
        inspect(b"RIFF" + struct.pack("<I", len(chunks)) + chunks, LIMITS)


@pytest.mark.parametrize("notice", [b"Ann  ", b"Ann\0", b"Ann " * 2000, b"  "])
@pytest.mark.parametrize("first", [b"", segment(0xFE, b"a comment")])
def test_stripping_again_changes_nothing_of_an_odd_notice(notice: bytes, first: bytes) -> None:
    data = b"\xff\xd8" + first + segment(0xED, captions(rights=notice)) + photo()[20:]
    bare = strip(data, ALL)
    assert strip(bare, ALL) == bare


def test_a_bad_directory_that_does_not_say_where_is_left_alone() -> None:
    block = tiff(entry(0x010F, 2, 4, 0x41424344), entry(0x8769, 4, 1, 60_000))
    assert exif.without_place(block) == block


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("notice", [b"", b"A", b"Ann", b"Ann and Bob"])
def test_a_minimal_block_says_what_it_was_given(orientation: int, notice: bytes) -> None:
    block = exif.minimal(orientation, notice)
    found = Pillow.Exif()
    found.load(block)
    expected = {0x0112: orientation} if orientation > 1 else {}
    assert dict(found) == expected | ({0x8298: notice.decode()} if notice else {})
    assert exif.copyright_notice(block) == notice


@settings(max_examples=300)
@given(st.binary(max_size=40), st.data())
def test_any_block_is_mended_or_not_and_never_worse(noise: bytes, data: st.DataObject) -> None:
    block = bytearray(camera_exif().tobytes())
    for _ in range(data.draw(st.integers(0, 6))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    mended = exif.without_place(bytes(block))
    assert mended is None or len(mended) == len(block)
    for text in (noise, bytes(block) + noise):
        exif.without_place(text)
        exif.copyright_notice(text)
        iptc.without_place(iptc.PREFIX + text)
        xmp.without_place(text)
        xmp.copyright_notice(text)
