"""Files lose what they tell and nothing of what they show."""

import io
import re
import struct
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from app.formats import exif, iptc, xmp
from app.formats.gif import gif_blocks
from app.formats.jpeg import jpeg_segments
from app.formats.png import png_chunks
from app.formats.webp import webp_chunks
from app.imaging import inspect
from app.models import ContentType, StripMetadata
from app.services.inspection import Inspector
from app.settings import Settings
from app.spool import Spool
from app.stripping import MOST_ADDED_BYTES, stripped
from tests.metadata_samples import PROFILE, SECRETS, XMP, camera_exif, captions, jpeg_with, sample, segment
from tests.real_images import real_images
from tests.samples import FORMATS, photo, picture, png_chunk, with_png_chunks

LIMITS = Settings().image_limits
ALL, LOCATION = StripMetadata.ALL, StripMetadata.LOCATION


def strip(data: bytes, how: StripMetadata) -> bytes:
    """As it would be stored."""
    inspector = Inspector(Settings(strip_metadata=how))
    with Spool(max_bytes=len(data)) as spool:
        spool.write(data)
        with inspector.stripped(spool, inspect(data, LIMITS)) as kept:
            return bytes(kept.buffer())


def shown(data: bytes) -> list[object]:
    """What a viewer makes of a file: each frame's pixels and time, the profile, and how often it repeats."""
    with Pillow.open(io.BytesIO(data)) as image:
        found: list[object] = [image.info.get("icc_profile"), image.info.get("loop"), image.size]
        for frame in range(getattr(image, "n_frames", 1) if image.format != "MPO" else 1):
            image.seek(frame)
            found.append((image.convert("RGBA").tobytes(), image.info.get("duration")))
    return found


def coded_pixels(data: bytes) -> list[bytes]:
    """The compressed pixels, as they stand in the file."""
    match inspect(data, LIMITS).content_type:
        case ContentType.JPEG:
            return [bytes(it.scan) for it in jpeg_segments(data) if it.scan]
        case ContentType.PNG:
            return [data[start:end] for kind, start, end in png_chunks(data) if kind == b"IDAT"]
        case ContentType.GIF:
            return [data[it.begin : it.end] for it in gif_blocks(data) if it.introducer == 0x2C]
    return [data[it.start : it.end] for it in webp_chunks(data) if it.kind in {b"VP8 ", b"VP8L", b"ANMF"}]


def tags_of(data: bytes) -> Pillow.Exif:
    with Pillow.open(io.BytesIO(data)) as image:
        return image.getexif()


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


def packed_xmp(packet: bytes) -> bytes:
    return png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(packet, 9))


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


def test_a_packet_that_compresses_worse_without_the_place_goes() -> None:
    attributes = b"a b='0123456789' exif:GPSLatitude='1' c='abcdefghij'"
    data = with_png_chunks(packed_xmp(b"<" + attributes + b"/>" + attributes))
    assert strip(data, LOCATION) == picture("PNG")


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


def test_a_compressed_packet_in_a_png_loses_the_place_only() -> None:
    bare = strip(with_png_chunks(packed_xmp(XMP)), LOCATION)
    (text,) = (bare[it.start : it.end] for it in png_chunks(bare) if it.kind == b"iTXt")
    assert zlib.decompress(text.removeprefix(b"XML:com.adobe.xmp\0\1\0\0\0")) == xmp.without_place(XMP)
    profile = png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 4\n45786966"))
    assert strip(with_png_chunks(profile), LOCATION) == picture("PNG")


def test_the_thumbnail_of_a_jfif_header_goes() -> None:
    data = picture("JPEG")
    header = b"JFIF\0\1\1\0\0\1\0\1\2\2" + bytes(12)
    assert strip(data[:2] + segment(0xE0, header) + data[20:], ALL)[2:20] == segment(0xE0, header[:12] + bytes(2))


def tiff(*entries: bytes, order: str = "<", more: bytes = b"", following: int = 0) -> bytes:
    head = b"II*\0" if order == "<" else b"MM\0*"
    table = struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", following)
    return head + struct.pack(order + "I", 8) + table + more


def entry(tag: int, kind: int, count: int, value: int, order: str = "<") -> bytes:
    return struct.pack(order + "HHII", tag, kind, count, value)


def gps(at: int, order: str = "<") -> bytes:
    return struct.pack(order + "H", 1) + entry(2, 5, 1, at + 18, order) + bytes(4) + b"secretly"


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


@pytest.mark.parametrize(
    "packet",
    [
        XMP.decode().encode("utf-16"),
        b"<!DOCTYPE x [<!ENTITY p 'Paris'>]>" + XMP,
        XMP + b"<exif:GPSLatitude>",
        b"<a>\0</a>",
        b"<exif:GPSLatitude><!-- </exif:GPSLatitude> -->52</exif:GPSLatitude>",
        b"<exif:GPSLatitude><?x </exif:GPSLatitude> ?>52</exif:GPSLatitude>",
        b"<exif:GPSLatitude><![CDATA[</exif:GPSLatitude>]]>52</exif:GPSLatitude>",
        b"<exif:GPSLatitude></exif:City>52</exif:GPSLatitude>",
        "<é:GPSLatitude>52</é:GPSLatitude>".encode(),
        b"<a exif:GPSLatitude='52></a>",
        b"</a>",
    ],
)
def test_a_packet_that_cannot_be_walked_is_not_mended(packet: bytes) -> None:
    assert xmp.without_place(packet) is None


@pytest.mark.parametrize(
    "name",
    [
        b"exif:GPSLatitude", b"drone-dji:Latitude", b"drone-dji:GpsLongtitude", b"drone-dji:Longtitude", b"geo:lat",
        b"geo:long", b"drone-dji:AbsoluteAltitude", b"Camera:GPSXYAccuracy", b"Iptc4xmpExt:Sublocation", b"longitude",
    ],
)  # fmt: skip
def test_a_packet_says_no_place_by_whatever_name(name: bytes) -> None:
    packet = b"<rdf:Description %s='52.5' x='1'><%s><rdf:li>52.5</rdf:li><a/></%s><dc:title/></rdf:Description>" % (
        name, name, name,
    )  # fmt: skip
    bare = xmp.without_place(packet)
    assert bare is not None
    assert len(bare) == len(packet)
    assert bare.split() == [b"<rdf:Description", b"x='1'>", b"<dc:title/></rdf:Description>"]


def test_a_packet_keeps_what_only_sounds_like_a_place() -> None:
    packet = b"<?xpacket begin=''?><dc:title><rdf:Alt><rdf:li>a city</rdf:li></rdf:Alt></dc:title><x:latency/>"
    assert xmp.without_place(packet) == packet


def test_captions_that_are_malformed_are_not_mended() -> None:
    whole = captions()
    for cut in (2, 5, 20, 40):
        assert iptc.without_place(whole[:-cut]) is None
    assert iptc.without_place(iptc.PREFIX + b"8BIM\x04\x22\0\0\0\0\0\0") is None  # Exif inside
    assert iptc.without_place(iptc.PREFIX + b"8BIM\x04\x04\0\0\0\0\0\5\x1c\2\x5a\x80\4") is None  # an extended length


BUSY = {
    "tags without an end": b"<a " * 1_300_000,
    "quotes without an end": b"<a 'x" * 800_000,
    "places without an end": b"<exif:GPSa>" * 350_000,
    "many attributes": b"<x " + b"GPSa " * 800_000 + b">",
    "a long name": b"<x " + b"a" * 4_000_000 + b">",
    "tags within tags": b"<a>" * 1_300_000,
    "instructions without an end": b"<?" * 2_000_000,
    "names that begin like places": b"<longlonglong/>" * 260_000,
    "a name that is long": b"<" + b"long" * 1_000_000 + b"/>",
    "a name of places": b"<" + b"lat" * 1_300_000 + b"/>",
    "as many tags as may be": b"<exif:GPSLatitude a='12345' b='12345'>" * 100_000,
    "many blanks": b"<x GPS" + b" " * 4_000_000 + b">",
}


@pytest.mark.parametrize("text", BUSY.values(), ids=BUSY)
def test_a_packet_made_to_keep_us_busy_does_not(text: bytes) -> None:
    before = time.process_time()
    xmp.without_place(text)
    xmp.copyright_notice(text)
    assert time.process_time() - before < 2


@settings(max_examples=300, deadline=None)
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


@settings(max_examples=100, deadline=None)
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
