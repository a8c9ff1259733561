"""From bytes to facts: what an image is, and whether it decodes whole. Pure: no I/O of its own.

libvips decodes (docs/adr/0003-libvips.md); it is told which loader to use, so that no other of
its formats can be reached. Where it is more lenient than "whole" (it takes a PNG without its end,
the frames that a cut GIF still has, or gray for the missing half of a JPEG), the structure of the
file is walked first (app/formats).
"""

import base64
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyvips

from app.decoding import (
    LONG_RUN,
    SmallPicture,
    configure_libvips,
    decode,
    decode_jpeg,
    header_number,
    open_image,
    run_at_end,
)
from app.errors import InvalidImage, UnsupportedImageType
from app.formats import Bytes
from app.formats.gif import GifScreen, gif_screen
from app.formats.jpeg import JpegParts, jpeg_parts
from app.formats.png import PngFrame, png_frame_is_whole, png_parts
from app.formats.webp import WebpParts, webp_parts
from app.models import ContentType, ImageLimits
from app.placeholder import dominant_color, thumbhash

_UPRIGHT = 1
_SIDEWAYS = range(5, 9)  # Exif orientations that swap width and height (Exif 2.32, tag 0x0112)
_EXIF_TIME = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)", re.ASCII)
_EXIF_OFFSET = re.compile(r"[+-]\d\d:\d\d", re.ASCII)
_MAX_DECODE_SECONDS = 2.0  # of CPU, on the machine of docs/imaging.md
_DECODER_BYTES = 24 * 1024 * 1024  # what a decoder takes for itself and for the rows that it is at


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

    def stored(self) -> dict[str, Any]:
        """What a row keeps of it, member by member; of the orientation, what it did to width and height."""
        return {name: value for name, value in asdict(self).items() if name != "orientation"}


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
        image = open_image(data, content_type)
        shape = _shape(image, content_type, structure)
        decode_bytes = _decode_bytes(shape, structure, len(data))
        _require_within(limits, shape, structure, decode_bytes)
        with admission(decode_bytes):
            small = _decode(image, structure)
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


def orientation(data: Bytes, content_type: ContentType) -> int:
    """The Exif orientation with which a checked image is shown, by its header alone."""
    configure_libvips()
    return header_number(open_image(data, content_type), "orientation")


@dataclass(frozen=True, slots=True)
class _Structure:
    """What a walk over the file tells, whatever its format. Sizes in bytes."""

    metadata_bytes: int = 0
    buffered_bytes: int = 0
    scans: int = 1
    frames: int = 1
    picture: bytes | None = None
    run: int = 0
    screen: GifScreen | None = None
    animation: tuple[PngFrame, ...] = ()
    seconds: float = 0.0
    """What one decoding takes, of the formats that can take long."""


def _structure(data: Bytes, content_type: ContentType, limits: ImageLimits) -> _Structure:
    """Raises InvalidImage where the file is not whole, or has more frames, scans or metadata than it may."""
    structure: _Structure | None = None
    match content_type:
        case ContentType.JPEG:
            if jpeg := jpeg_parts(data):
                if not jpeg.is_common:
                    raise InvalidImage("The image is a JPEG in an arithmetic, lossless or hierarchical coding.")
                structure = _Structure(
                    jpeg.metadata_bytes,
                    jpeg.buffered_bytes,
                    jpeg.scans,
                    picture=jpeg.picture,
                    run=run_at_end(jpeg.picture),
                    seconds=_jpeg_seconds(jpeg),
                )
        case ContentType.PNG:
            if png := png_parts(data, max_metadata_bytes=limits.max_metadata_bytes):
                frames = max(len(png.frames), 1)
                structure = _Structure(png.metadata_bytes, png.buffered_bytes, frames=frames, animation=png.frames)
        case ContentType.GIF:
            if screen := gif_screen(data, max_frames=limits.max_frames):
                structure = _Structure(frames=screen.frames, screen=screen)
        case ContentType.WEBP:  # libvips refuses one when as much as its last byte is missing
            webp = webp_parts(data)
            structure = _Structure(webp.metadata_bytes, seconds=_webp_seconds(webp))
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
    seconds = structure.seconds * (3 if structure.run >= LONG_RUN else 1)
    if seconds > _MAX_DECODE_SECONDS:
        raise InvalidImage(
            f"The image takes about {seconds:.1f} seconds to decode; the limit is {_MAX_DECODE_SECONDS:.0f}."
        )
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


def _jpeg_seconds(jpeg: JpegParts) -> float:
    """Measured: 75 MB of a picture in one scan take a second, or 30 MB in several; so do 300 million samples."""
    bytes_a_second = 30e6 if jpeg.buffered_bytes else 75e6
    return len(jpeg.picture) / bytes_a_second + jpeg.samples / 300e6 + jpeg.samples * jpeg.scans / 3e9


def _webp_seconds(webp: WebpParts) -> float:
    """Measured: 10 MB of lossy pictures take a second, or 60 MB of what is coded without loss."""
    return webp.lossy_bytes / 10e6 + webp.lossless_bytes / 60e6


def _decode(image: pyvips.Image, structure: _Structure) -> SmallPicture:
    if structure.picture is None:
        return decode(image)
    may_repeat = 2 * structure.seconds <= _MAX_DECODE_SECONDS
    return decode_jpeg(structure.picture, run=structure.run, may_repeat=may_repeat)


def _placeholder(small: SmallPicture, shape: "_Shape") -> tuple[str | None, str | None]:
    """Dominant colour and ThumbHash of the first frame, upright; None where its colours are of no known kind."""
    if small.rgba is None:
        return None, None
    width, height = small.width, max(1, small.height // shape.frames)
    rgba = small.rgba[: width * height * 4]
    if shape.orientation != _UPRIGHT:
        lying = pyvips.Image.new_from_memory(rgba, width, height, bands=4, format="uchar")
        lying.set_type(pyvips.GValue.gint_type, "orientation", shape.orientation)
        seen = lying.autorot()
        width, height, rgba = seen.width, seen.height, bytes(seen.write_to_memory())
    return dominant_color(rgba), base64.b64encode(thumbhash(width, height, rgba)).decode()


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
    pages = header_number(image, "n-pages")
    width, height = image.width, image.height // pages
    frames = max(pages, len(structure.animation))  # libvips knows only the first picture of an animated PNG
    if screen := structure.screen:  # libvips disbelieves screens of some sizes, and takes the largest frame instead
        width, height = max(width, screen.width), max(height, screen.height)
    orientation = header_number(image, "orientation")
    if orientation in _SIDEWAYS:
        width, height = height, width
    return _Shape(width, height, frames, orientation, content_type is ContentType.WEBP)
