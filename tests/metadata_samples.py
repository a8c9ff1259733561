"""Pictures with all the metadata that their formats have, the place included."""

import struct
from typing import Any

from PIL import Image as Pillow
from PIL import ImageCms

from app.formats import iptc
from tests.samples import photo, picture, png_chunk, with_png_chunks

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="r">'
    b'<rdf:Description xmlns:exif="e" exif:GPSLatitude="48,51.49N" exif:GPSLongitude = \'2,17.67E\' xmp:Rating="5">'
    b"<photoshop:City>Paris</photoshop:City><dc:title>Tower</dc:title>"
    b'<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">\xc2\xa9 Ann &amp; Bob</rdf:li></rdf:Alt></dc:rights>'
    b'<Iptc4xmpExt:LocationShown><rdf:Bag><rdf:li Iptc4xmpExt:City="Paris"/></rdf:Bag></Iptc4xmpExt:LocationShown>'
    b'<exif:GPSAltitude/></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
SECRETS = (b"48,51.49N", b"2,17.67E", b"Paris", b"WGS-84")


def camera_exif(orientation: int = 6, *, place: bool = True, rights: str | None = "Ann") -> Pillow.Exif:
    tags = Pillow.Exif()
    tags[0x010F] = "A maker of cameras"
    tags[0x0112] = orientation
    if rights:
        tags[0x8298] = rights
    tags.get_ifd(0x8769).update({0x9003: "2026:01:02 03:04:05", 0x829A: (1, 125), 0x927C: b"the maker's own notes"})
    if place:
        tags.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.5), 3: "E", 4: (2.0, 17.0, 40.0), 0x12: "WGS-84"})
    return tags


def captions(*, country: bytes = b"France", rights: bytes = b"Ann") -> bytes:
    """Photoshop's resources with a title, a city, a country and a copyright notice."""
    found = ((5, b"Tower"), (90, b"Paris"), (101, country), (116, rights))
    datasets = b"".join(b"\x1c\x02" + bytes((number,)) + struct.pack(">H", len(text)) + text for number, text in found)
    padded = datasets + bytes(len(datasets) % 2)
    return (
        iptc.PREFIX
        + b"8BIM\x03\xed\0\0\0\0\0\x02\0\x48"
        + b"8BIM\x04\x04\0\0"
        + struct.pack(">I", len(datasets))
        + padded
    )


def segment(code: int, content: bytes) -> bytes:
    return bytes((0xFF, code)) + struct.pack(">H", len(content) + 2) + content


def jpeg_with(*segments: bytes, data: bytes | None = None) -> bytes:
    data = data or photo(icc_profile=PROFILE)
    return data[:20] + b"".join(segments) + data[20:]


def xmp_gif(data: bytes) -> bytes:
    trailer = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    return data[:-1] + b"\x21\xff\x0bXMP DataXMP" + XMP + trailer + b"\x21\xfe\x05hello\0" + b";"


def sample(kind: str, *, orientation: int = 6) -> bytes:
    """A picture with all the metadata that its format has."""
    tags = camera_exif(orientation)
    options: dict[str, Any] = {"icc_profile": PROFILE}
    match kind:
        case "JPEG":
            made = picture(kind, exif=tags, **options)
            return jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP), segment(0xED, captions()),
                             segment(0xFE, b"a comment"), data=made)  # fmt: skip
        case "PNG":
            packet = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
            return with_png_chunks(packet + png_chunk(b"tEXt", b"Comment\0hello"), picture(kind, exif=tags, **options))
        case "GIF":
            return xmp_gif(picture(kind, frames=3, loop=0, duration=100, comment=b"hello"))
    return picture(kind, exif=tags, xmp=XMP, frames=2, duration=100, **options)
