"""From bytes to facts: what an image is, and whether it decodes whole. Pure: no I/O of its own.

libvips decodes (docs/adr/0003-libvips.md); it is told which loader to use, so that no other of
its formats can be reached. Where it is more lenient than "whole" (it takes a PNG without its end,
the frames that a cut GIF still has, or gray for the missing half of a JPEG), the structure of the
file is walked first (app/formats).
"""

import base64
import functools
import math
import re
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime

import pyvips

from app.errors import InvalidImage, UnsupportedImageType
from app.formats import Bytes
from app.formats.gif import GifScreen, gif_screen
from app.formats.jpeg import jpeg_parts
from app.formats.png import PngFrame, png_frame_is_whole, png_parts
from app.formats.webp import webp_metadata_bytes
from app.models import ContentType, ImageLimits
from app.placeholder import dominant_color, thumbhash

_configuring = threading.Lock()
_SIDEWAYS = range(5, 9)  # Exif orientations that swap width and height (Exif 2.32, tag 0x0112)
_SMALL_SIDE = 32  # pixels; a ThumbHash has at most seven waves across
_EXIF_TIME = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)", re.ASCII)
_EXIF_OFFSET = re.compile(r"[+-]\d\d:\d\d", re.ASCII)
_LONG_RUN = 32  # bytes of one value at the end of a JPEG's last scan, after which its end is looked at twice
_MAX_SCANNED_PIXELS = (
    1_000_000_000  # of a JPEG in several scans, each of which may visit every pixel: one to two seconds
)
_DECODER_BYTES = 24 * 1024 * 1024  # what a decoder takes for itself and for the rows that it is at
_OPTIONS = {
    ContentType.JPEG: {},
    ContentType.PNG: {},
    ContentType.GIF: {"n": -1},
    ContentType.WEBP: {"n": -1},
}
_LOADERS = {
    ContentType.JPEG: "jpegload_source",
    ContentType.PNG: "pngload_source",
    ContentType.GIF: "gifload_source",
    ContentType.WEBP: "webpload_source",
}


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the bytes are. Width and height in pixels as seen, with the orientation applied.

    `captured_at` is `2026-01-02T03:04:05`, with `+01:00` behind it where the camera knew its offset
    from UTC; without, it is the time of the place where the camera was. `dominant_color` is `#rrggbb`,
    `placeholder` a ThumbHash in base64, both of the first frame and without the embedded profile.
    `orientation` is the number that Exif has for how the pixels are turned to be seen, 1 for as they are.
    """

    content_type: ContentType
    width: int
    height: int
    frames: int
    has_alpha: bool
    dominant_color: str | None
    placeholder: str | None
    captured_at: str | None
    orientation: int


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


Admission = Callable[[int], AbstractContextManager[object]]
"""Waits until so many bytes of memory may be used, and gives them back at its end."""


def inspect(data: Bytes, limits: ImageLimits, *, admission: Admission = nullcontext) -> ImageFacts:
    """The facts of an image that decodes whole, from first pixel to last frame.

    All limits are checked on structure and header, before anything is decoded; the decoding itself
    waits for `admission` of the memory that the header tells it takes. Raises UnsupportedImageType,
    InvalidImage with what is wrong, or what `admission` raises.
    """
    content_type = sniffed_type(data)
    structure = _structure(data, content_type, limits)
    configure_libvips()
    try:
        image = _open(data, content_type)
        shape = _shape(image, content_type, structure)
        decode_bytes = _decode_bytes(shape, structure, len(data))
        _require_within(limits, shape, structure, decode_bytes)
        with admission(decode_bytes):
            small = _whole_jpeg(structure.picture) if structure.picture else _decode(image)
            if not all(png_frame_is_whole(data, frame) for frame in structure.animation):
                raise InvalidImage("The image is damaged or cut short: a frame of its animation is not whole.")
    except pyvips.Error as error:
        raise InvalidImage("The image is damaged or cut short: it does not decode whole.") from error
    color, placeholder = _placeholder(small, shape)
    return ImageFacts(
        content_type,
        shape.width,
        shape.height,
        shape.frames,
        has_alpha=bool(image.hasalpha()),
        dominant_color=color,
        placeholder=placeholder,
        captured_at=_captured_at(image),
        orientation=shape.orientation,
    )


@dataclass(frozen=True, slots=True)
class _Structure:
    """What a walk over the file tells, whatever its format. Sizes in bytes."""

    metadata_bytes: int = 0
    buffered_bytes: int = 0
    scans: int = 1
    frames: int = 1
    picture: bytes | None = None
    screen: GifScreen | None = None
    animation: tuple[PngFrame, ...] = ()


def _structure(data: Bytes, content_type: ContentType, limits: ImageLimits) -> _Structure:
    """Raises InvalidImage where the file is not whole, or has more frames, scans or metadata than it may."""
    structure: _Structure | None = None
    match content_type:
        case ContentType.JPEG:
            if jpeg := jpeg_parts(data):
                structure = _Structure(jpeg.metadata_bytes, jpeg.buffered_bytes, jpeg.scans, picture=jpeg.picture)
        case ContentType.PNG:
            if png := png_parts(data, max_metadata_bytes=limits.max_metadata_bytes):
                frames = max(len(png.frames), 1)
                structure = _Structure(png.metadata_bytes, png.buffered_bytes, frames=frames, animation=png.frames)
        case ContentType.GIF:
            if screen := gif_screen(data):
                structure = _Structure(frames=screen.frames, screen=screen)
        case ContentType.WEBP:  # libvips refuses one when as much as its last byte is missing
            structure = _Structure(webp_metadata_bytes(data))
    if structure is None:
        raise InvalidImage("The image is damaged or cut short: its parts do not lead to its end.")
    _limit("bytes of profiles, Exif data and texts", structure.metadata_bytes, limits.max_metadata_bytes)
    _limit("scans", structure.scans, limits.max_scans)
    _limit("frames", structure.frames, limits.max_frames)
    return structure


def _require_within(limits: ImageLimits, shape: "_Shape", structure: _Structure, decode_bytes: int) -> None:
    """Raises InvalidImage where the header asks for more than the limits allow."""
    _limit("frames", shape.frames, limits.max_frames)
    _limit("pixels on its longer side", max(shape.width, shape.height), limits.max_side)
    pixels = shape.width * shape.height * shape.frames
    if pixels > limits.max_pixels:
        raise InvalidImage(
            f"The image has {pixels} pixels in {shape.frames} frame(s); the limit is {limits.max_pixels}."
        )
    if structure.scans > 1:
        _limit("pixels over its scans", pixels * structure.scans, _MAX_SCANNED_PIXELS)
    if decode_bytes > limits.max_decode_bytes:
        raise InvalidImage(
            f"The image takes about {decode_bytes} bytes of memory to decode; the limit is {limits.max_decode_bytes}."
        )


def _limit(what: str, count: int, most: int) -> None:
    if count > most:
        raise InvalidImage(f"The image has more {what} than this service accepts; the limit is {most}.")


def _decode_bytes(shape: "_Shape", structure: _Structure, file_bytes: int) -> int:
    """The memory that decoding takes; docs/adr/0011-hostile-images.md has the measurements.

    JPEG and PNG are decoded row by row, unless they come in several passes; then all of it is held.
    A GIF needs its screen, and once more where a frame is taken back. WebP is always held whole.
    """
    frame = shape.width * shape.height
    needed = _DECODER_BYTES + structure.buffered_bytes
    if structure.picture:
        needed += 2 * file_bytes  # the picture without its metadata, and without its end
    elif structure.screen:
        needed += 5 * frame
    elif shape.is_webp:
        needed += 4 * frame * (shape.frames + 1)
    return needed


def _open(data: Bytes, content_type: ContentType, *, fail_on: str = "error") -> pyvips.Image:
    """Reads the header; what is wrong with the pixels shows when they are decoded.

    libvips reads where the bytes are, without a copy: they must stay there until it is done.
    """
    source = pyvips.Source.new_from_memory(data)
    return pyvips.Operation.call(
        _LOADERS[content_type], source, access="sequential", fail_on=fail_on, **_OPTIONS[content_type]
    )


def _decode(image: pyvips.Image) -> pyvips.Image:
    """The image at a fraction of its size, at most 32 pixels wide; every pixel of it was needed for that.

    Frames stay stacked. Costs no more than any other way to read all pixels, and less than most.
    """
    frames = _header(image, "n-pages")
    factor = _shrink_factor(image.width, image.height // frames)
    return image.shrink(factor, factor, ceil=True).copy_memory()


def _shrink_factor(width: int, height: int) -> int:
    return math.ceil(max(width, height) / _SMALL_SIDE)


def _whole_jpeg(picture: bytes) -> pyvips.Image:
    """As `_decode`. Raises pyvips.Error unless the scans give every pixel, with nothing that a decoder warns of.

    Decoders fill up what is missing and warn. They cannot warn where a cut file was filled up with
    bytes that happen to be codes of flat blocks, so a run of one byte at the end is looked at twice:
    a real picture needs all of it (it is flat there), or none of it (it is padding).
    """
    end = picture[-2:]
    run = _run_at_end(picture)
    small = _decoded(picture)
    if small and (run < _LONG_RUN or not _decoded(picture[: -2 - _LONG_RUN // 2] + end)):
        return small
    return _decode_strictly(picture[: len(picture) - 2 - run + 1] + end)  # it has to do without the run


def _run_at_end(picture: bytes) -> int:
    """How often the last byte before the end marker stands there, without a copy of a large picture."""
    stop = len(picture) - 2
    while stop > 0:
        start = max(0, stop - 65_536)
        piece = picture[start:stop].rstrip(picture[-3:-2])
        if piece:
            return len(picture) - 2 - start - len(piece)
        stop = start
    return len(picture) - 2


def _decoded(picture: bytes) -> pyvips.Image | None:
    try:
        return _decode_strictly(picture)
    except pyvips.Error:
        return None


def _decode_strictly(picture: bytes) -> pyvips.Image:
    return _decode(_open(picture, ContentType.JPEG, fail_on="warning"))


def _placeholder(small: pyvips.Image, shape: "_Shape") -> tuple[str | None, str | None]:
    """Dominant colour and ThumbHash of the first frame, upright; None where its colours are of no known kind."""
    try:
        frame = small.crop(0, 0, small.width, max(1, small.height // shape.frames))
        turned = frame.copy()
        turned.set_type(pyvips.GValue.gint_type, "orientation", shape.orientation)
        seen = turned.autorot()
        coloured = seen.colourspace("srgb")
        rgba = coloured if coloured.hasalpha() else coloured.addalpha()
        pixels = bytes(rgba.cast("uchar").write_to_memory())
    except pyvips.Error:
        return None, None
    hashed = thumbhash(seen.width, seen.height, pixels)
    return dominant_color(pixels), base64.b64encode(hashed).decode()


def _captured_at(image: pyvips.Image) -> str | None:
    """When the picture was taken (Exif 2.32, tags 0x9003 DateTimeOriginal and 0x9011 OffsetTimeOriginal)."""
    match = _EXIF_TIME.match(_text(image, "exif-ifd2-DateTimeOriginal"))
    if match is None:
        return None
    offset = _EXIF_OFFSET.match(_text(image, "exif-ifd2-OffsetTimeOriginal"))
    text = f"{match[1]}-{match[2]}-{match[3]}T{match[4]}{offset[0] if offset else ''}"
    try:
        datetime.fromisoformat(text)
    except ValueError:  # cameras whose clock was never set write 0000:00:00
        return None
    return text


def _text(image: pyvips.Image, name: str) -> str:
    """A text from the header, or an empty one."""
    try:
        return str(image.get(name)) if image.get_typeof(name) else ""
    except UnicodeDecodeError:
        return ""


@dataclass(frozen=True, slots=True)
class _Shape:
    """Pixels as seen, with the orientation applied."""

    width: int
    height: int
    frames: int
    orientation: int
    is_webp: bool


def _shape(image: pyvips.Image, content_type: ContentType, structure: _Structure) -> _Shape:
    pages = _header(image, "n-pages")
    width, height = image.width, image.height // pages
    frames = max(pages, len(structure.animation))  # libvips knows only the first picture of an animated PNG
    if screen := structure.screen:  # libvips disbelieves screens of some sizes, and takes the largest frame instead
        width, height = max(width, screen.width), max(height, screen.height)
    orientation = _header(image, "orientation")
    if orientation in _SIDEWAYS:
        width, height = height, width
    return _Shape(width, height, frames, orientation, content_type is ContentType.WEBP)


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
