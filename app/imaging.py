"""From bytes to facts: what an image is, and whether it decodes whole. Pure: no I/O of its own.

libvips decodes (docs/adr/0003-libvips.md); it is told which loader to use, so that no other of
its formats can be reached. Where it is more lenient than "whole" (it takes a PNG without its end,
the frames that a cut GIF still has, or gray for the missing half of a JPEG), the structure of the
file is walked first (app/structure.py).
"""

import functools
import threading
from dataclasses import dataclass

import pyvips

from app.errors import InvalidImage, UnsupportedImageType
from app.models import ContentType
from app.structure import Bytes, GifScreen, gif_screen, jpeg_picture, png_is_whole

_configuring = threading.Lock()
_SIDEWAYS = range(5, 9)  # Exif orientations that swap width and height (Exif 2.32, tag 0x0112)
_LONG_RUN = 32  # bytes of one value at the end of a JPEG's last scan, after which its end is looked at twice
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
    picture: bytes | None = None
    screen: GifScreen | None = None
    whole: object = True
    match content_type:
        case ContentType.JPEG:
            whole = picture = jpeg_picture(data)
        case ContentType.PNG:
            whole = png_is_whole(data)
        case ContentType.GIF:
            whole = screen = gif_screen(data)
        case ContentType.WEBP:
            pass  # libvips refuses one when as much as its last byte is missing
    if not whole:
        raise InvalidImage("The image is damaged or cut short: its parts do not lead to its end.")
    configure_libvips()
    try:
        image = _open(data, content_type)
        facts = _facts(image, content_type, screen)
        pixels = facts.width * facts.height * facts.frames
        if pixels > max_pixels:
            raise InvalidImage(f"The image has {pixels} pixels in {facts.frames} frame(s); the limit is {max_pixels}.")
        if picture:
            _require_whole_jpeg(picture)
        else:
            _decode(image)
    except pyvips.Error as error:
        raise InvalidImage("The image is damaged or cut short: it does not decode whole.") from error
    return facts


def _open(data: Bytes, content_type: ContentType, *, fail_on: str = "error") -> pyvips.Image:
    """Reads the header; what is wrong with the pixels shows when they are decoded."""
    return pyvips.Operation.call(
        _LOADERS[content_type], data, access="sequential", fail_on=fail_on, **_OPTIONS[content_type]
    )


def _decode(image: pyvips.Image) -> None:
    image.avg()  # the cheapest operation that needs every pixel


def _require_whole_jpeg(picture: bytes) -> None:
    """Raises pyvips.Error unless the scans give every pixel, with nothing that a decoder warns of.

    Decoders fill up what is missing and warn. They cannot warn where a cut file was filled up with
    bytes that happen to be codes of flat blocks, so a run of one byte at the end is looked at twice:
    a real picture needs all of it (it is flat there), or none of it (it is padding).
    """
    body, end = picture[:-2], picture[-2:]
    run = len(body) - len(body.rstrip(body[-1:]))
    needs_run = _decodes(picture) and (run < _LONG_RUN or not _decodes(body[: -_LONG_RUN // 2] + end))
    if not needs_run:  # then it has to do without
        _decode_strictly(body[: len(body) - run + 1] + end)


def _decodes(picture: bytes) -> bool:
    try:
        _decode_strictly(picture)
    except pyvips.Error:
        return False
    return True


def _decode_strictly(picture: bytes) -> None:
    _decode(_open(picture, ContentType.JPEG, fail_on="warning"))


def _facts(image: pyvips.Image, content_type: ContentType, screen: GifScreen | None) -> ImageFacts:
    frames = _header(image, "n-pages")
    width, height = image.width, image.height // frames
    if screen:  # libvips disbelieves screens of some sizes, and takes the largest frame instead
        width, height = max(width, screen.width), max(height, screen.height)
    if _header(image, "orientation") in _SIDEWAYS:
        width, height = height, width
    return ImageFacts(content_type, width, height, frames)


def _header(image: pyvips.Image, name: str) -> int:
    """A number from the header; libvips leaves it out where it is 1."""
    return int(image.get(name)) if image.get_typeof(name) else 1


def configure_libvips() -> None:
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
