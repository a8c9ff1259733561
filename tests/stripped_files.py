"""Files without their metadata, and what is seen of them."""

import io
import zlib

from PIL import Image as Pillow

from app.formats.gif import gif_blocks
from app.formats.jpeg import jpeg_segments
from app.formats.png import png_chunks
from app.formats.webp import webp_chunks
from app.imaging import inspect
from app.models import ContentType, StripMetadata
from app.services.inspection import Inspector
from app.settings import Settings
from app.spool import Spool
from tests.samples import png_chunk

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


def packed_xmp(packet: bytes) -> bytes:
    return png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(packet, 9))
