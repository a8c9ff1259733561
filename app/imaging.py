"""From bytes to facts: what an image is, and whether it decodes whole. Pure: no I/O of its own.

libvips decodes (docs/adr/0003-libvips.md); it is told which loader to use, so that no other of
its formats can be reached. Where it is more lenient than "whole" (it takes a PNG without its end,
or the frames that a cut GIF still has), the structure of the file is walked first, which costs
microseconds, and at worst (10 MiB in blocks of one byte) less than half a second.
"""

import functools
import mmap
import threading
from dataclasses import dataclass

import pyvips

from app.errors import InvalidImage, UnsupportedImageType
from app.models import ContentType

Bytes = bytes | mmap.mmap

_configuring = threading.Lock()
_SIDEWAYS = range(5, 9)  # Exif orientations that swap width and height (Exif 2.32, tag 0x0112)
_OPTIONS = {
    ContentType.JPEG: {},
    ContentType.PNG: {},
    ContentType.GIF: {"n": -1},
    ContentType.WEBP: {"n": -1},
}
_LOADERS = {
    ContentType.JPEG: "jpegload_buffer",
    ContentType.PNG: "pngload_buffer",
    ContentType.GIF: "gifload_buffer",
    ContentType.WEBP: "webpload_buffer",
}


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the bytes are. Width and height in pixels as seen, with the orientation applied."""

    content_type: ContentType
    width: int
    height: int
    frames: int


def sniffed_type(data: Bytes) -> ContentType:
    """The format by its magic bytes. Raises UnsupportedImageType where it is none of the four."""
    head = data[:12]
    if head.startswith(b"\xff\xd8\xff"):
        return ContentType.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ContentType.PNG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return ContentType.GIF
    if head.startswith(b"RIFF") and head[8:] == b"WEBP":
        return ContentType.WEBP
    raise UnsupportedImageType


def inspect(data: Bytes, *, max_pixels: int) -> ImageFacts:
    """The facts of an image that decodes whole, from first pixel to last frame.

    The pixel limit is summed over the frames and checked on the header, before anything is
    decoded. Raises UnsupportedImageType, or InvalidImage with what is wrong.
    """
    content_type = sniffed_type(data)
    _check_structure(data, content_type)
    _configure_libvips()
    try:
        image = pyvips.Operation.call(
            _LOADERS[content_type], data, access="sequential", fail_on="error", **_OPTIONS[content_type]
        )
        facts = _facts(image, content_type)
        pixels = facts.width * facts.height * facts.frames
        if pixels > max_pixels:
            raise InvalidImage(f"The image has {pixels} pixels in {facts.frames} frame(s); the limit is {max_pixels}.")
        image.avg()  # the cheapest operation that needs every pixel
    except pyvips.Error as error:
        raise InvalidImage("The image is damaged or cut short: it does not decode whole.") from error
    return facts


def _facts(image: pyvips.Image, content_type: ContentType) -> ImageFacts:
    frames = _header(image, "n-pages")
    width, height = image.width, image.height // frames
    if _header(image, "orientation") in _SIDEWAYS:
        width, height = height, width
    return ImageFacts(content_type, width, height, frames)


def _header(image: pyvips.Image, name: str) -> int:
    """A number from the header; libvips leaves it out where it is 1."""
    return int(image.get(name)) if image.get_typeof(name) else 1


def _check_structure(data: Bytes, content_type: ContentType) -> None:
    match content_type:
        case ContentType.PNG:
            whole = _png_reaches_its_end(data)
        case ContentType.GIF:
            whole = _gif_reaches_its_end(data)
        case _:
            return  # libvips refuses these when as much as the last byte is missing
    if not whole:
        raise InvalidImage("The image is cut short: its end is missing.")


def _png_reaches_its_end(data: Bytes) -> bool:
    """Whether the chunks lead to a whole IEND (PNG specification, section 5.3)."""
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        position += 12 + length
        if kind == b"IEND":
            return position <= len(data)
    return False


def _gif_reaches_its_end(data: Bytes) -> bool:
    """Whether the blocks lead to the trailer (GIF89a specification, sections 17 to 27)."""
    size = len(data)
    if size < 13:
        return False
    position = 13 + _colour_table_bytes(data[10])
    while position < size:
        introducer = data[position]
        if introducer == 0x3B:
            return True
        if introducer == 0x21:
            position += 2
        elif introducer == 0x2C and position + 10 <= size:
            position += 11 + _colour_table_bytes(data[position + 9])
        else:
            return False
        while position < size and (length := data[position]):
            position += 1 + length
        position += 1
    return False


def _colour_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _configure_libvips() -> None:
    """Once per process: see `_restrict_libvips`. Nobody decodes before it is done."""
    with _configuring:
        _restrict_libvips()


@functools.cache
def _restrict_libvips() -> None:
    """Only the four formats' loaders may run; one thread per decode, since requests are parallel already."""
    pyvips.operation_block_set("VipsForeignLoad", True)
    for loader in ("Jpeg", "Png", "Nsgif", "Webp"):
        pyvips.operation_block_set(f"VipsForeignLoad{loader}", False)
    pyvips.cache_set_max(0)
    pyvips.concurrency_set(1)
