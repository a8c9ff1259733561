"""The place in packets of XMP, and in the captions of IPTC."""

import time
import zlib

import pytest

from app.formats import exif, iptc, xmp
from app.formats.png import png_chunks
from tests.metadata_samples import XMP, captions, jpeg_with, segment
from tests.samples import picture, png_chunk, with_png_chunks
from tests.stripped_files import ALL, LOCATION, packed_xmp, strip


def test_a_packet_that_compresses_worse_without_the_place_goes() -> None:
    attributes = b"a b='0123456789' exif:GPSLatitude='1' c='abcdefghij'"
    data = with_png_chunks(packed_xmp(b"<" + attributes + b"/>" + attributes))
    assert strip(data, LOCATION) == picture("PNG")


def test_a_compressed_packet_in_a_png_loses_the_place_only() -> None:
    bare = strip(with_png_chunks(packed_xmp(XMP)), LOCATION)
    (text,) = (bare[it.start : it.end] for it in png_chunks(bare) if it.kind == b"iTXt")
    assert zlib.decompress(text.removeprefix(b"XML:com.adobe.xmp\0\1\0\0\0")) == xmp.without_place(XMP)
    profile = png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 4\n45786966"))
    assert strip(with_png_chunks(profile), LOCATION) == picture("PNG")


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
        b"xmpDM:shotLocation", b"dc:coverage", b"georss:point", b"Iptc4xmpExt:CountryISO", b"x:Province",
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


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("character", ["é", "字", "🌍"])
def test_a_long_notice_is_cut_between_characters(character: str, before: int) -> None:
    notice = "A" * before + character * 1500
    packet = f"<dc:rights><rdf:li>{notice}</rdf:li></dc:rights>".encode()
    for found in (xmp.copyright_notice(packet), notice.encode()):
        kept = exif.copyright_notice(exif.minimal(1, found)).decode()
        assert notice.startswith(kept)
        assert exif.MAX_COPYRIGHT_BYTES - 4 < len(kept.encode()) <= exif.MAX_COPYRIGHT_BYTES


def test_a_long_notice_in_no_known_encoding_is_cut_too() -> None:
    assert exif.copyright_notice(exif.minimal(1, b"\x80" * 5000)) == b"\x80" * (exif.MAX_COPYRIGHT_BYTES - 3)


EMPTY_RIGHTS = b"<dc:rights/><dc:subject><rdf:Bag><rdf:li>At home</rdf:li></rdf:Bag></dc:subject>"


def test_an_empty_notice_does_not_take_the_text_of_another_property() -> None:
    assert xmp.copyright_notice(EMPTY_RIGHTS) == b""
    assert xmp.copyright_notice(EMPTY_RIGHTS.replace(b"/>", b" />", 1)) == b""
    data = jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + EMPTY_RIGHTS))
    assert b"At home" not in strip(data, ALL)


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
    "a notice of references": b"<rights><li>" + b"&a" * 2_000_000 + b"</li></rights>",
    "a notice of one long number": b"<rights><li>&#" + b"0" * 4_000_000 + b";</li></rights>",
    "many blanks": b"<x GPS" + b" " * 4_000_000 + b">",
}


@pytest.mark.parametrize("text", BUSY.values(), ids=BUSY)
def test_a_packet_made_to_keep_us_busy_does_not(text: bytes) -> None:
    before = time.process_time()
    xmp.without_place(text)
    xmp.copyright_notice(text)
    assert time.process_time() - before < 2
