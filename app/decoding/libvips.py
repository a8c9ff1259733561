"""Opening files with libvips, which may do no more than it has to, and making pictures smaller."""

import functools
import math
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import pyvips

from app.errors import UnsupportedImageType
from app.formats import Bytes
from app.models import ContentType

Reduce = Callable[[pyvips.Image], pyvips.Image]
"""Makes of an image that is not decoded yet a smaller one, which needs all pixels when it is computed."""

_configuring = threading.Lock()
_SMALL_SIDE = 16  # pixels; a ThumbHash has at most seven waves across, and with more pixels looks no truer
_FETCHED_PIXELS = 512 * 512  # what is larger takes less memory, and no longer, where libvips begins a thread for it
_LEFT_TO_SHRINK = 1.9  # of a JPEG, for the better filter; no less, or what is seen gets softer
_GAP = 6  # libvips' averaging leaves so much of a factor, or more, to the better filter: that is vectorised, it is not
UPRIGHT = 1
SIDEWAYS = 5
"""The first of the Exif orientations that swap width and height (Exif 2.32, tag 0x0112)."""
_OPTIONS: dict[ContentType, dict[str, Any]] = {
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


class Pixels(NamedTuple):
    """A picture in memory, row by row, in libvips' terms."""

    width: int
    height: int
    bands: int
    format: str
    interpretation: str
    data: memoryview

    @property
    def is_srgb(self) -> bool:
        """In sRGB, 8 bits each band."""
        return self.interpretation == "srgb" and self.format == "uchar"

    def top(self, height: int) -> "Pixels":
        """Its first rows."""
        return self._replace(height=height, data=self.data[: height * len(self.data) // self.height])

    def image(self) -> pyvips.Image:
        """The picture to do more with."""
        image = pyvips.Image.new_from_memory(self.data, self.width, self.height, self.bands, self.format)
        return image.copy(interpretation=self.interpretation)


def computed(image: pyvips.Image, *, of: pyvips.Image, to_the_end: bool = False) -> Pixels:
    """What was made `of` another image, in memory; `to_the_end` if that is to be decoded to its last row in any case.

    By this very thread where that has few pixels, since libvips takes longer to begin another.
    Raises pyvips.Error where it does not decode.
    """
    width, height = image.width, image.height
    if of.width * of.height <= _FETCHED_PIXELS:
        data = pyvips.Region.new(image).fetch(0, 0, width, height)
        if to_the_end:
            pyvips.Region.new(of).fetch(0, of.height - 1, 1, 1)
    elif to_the_end:  # in one go, since libvips' threads leave nothing to go on from
        last = of.crop(0, of.height - 1, 1, 1).extract_band(0)
        return computed(image.insert(last, 0, height, expand=True), of=of).top(height)
    else:
        data = image.write_to_memory()
    return Pixels(width, height, image.bands, image.format, image.interpretation, memoryview(data))


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


def open_image(
    data: Bytes | bytearray, content_type: ContentType, *, fail_on: str = "error", **options: Any
) -> pyvips.Image:
    """Reads the header; what is wrong with the pixels shows when they are decoded.

    Opens all frames, one below the other, unless the loader's `options` say something else. libvips
    reads where the bytes are, without a copy: they must stay there until it is done.
    """
    source = pyvips.Source.new_from_memory(data)
    options = _OPTIONS[content_type] | options
    return pyvips.Operation.call(_LOADERS[content_type], source, access="sequential", fail_on=fail_on, **options)


def shrinking(content_type: ContentType, width: int, height: int, size: tuple[float, float]) -> dict[str, Any]:
    """How the loader is told that of a still picture of these pixels no more than this size is wanted."""
    factor = min(width / size[0], height / size[1])
    match content_type:
        case ContentType.JPEG:
            return {"shrink": next((by for by in (8, 4, 2) if by * _LEFT_TO_SHRINK <= factor), 1)}
        case ContentType.WEBP:
            return {"n": 1, "scale": 1 / max(1.0, factor)}
        case ContentType.PNG | ContentType.GIF:
            return {}


def scaled(image: pyvips.Image, size: tuple[int, int]) -> pyvips.Image:
    """The picture in exactly this size; turned and coloured as it was, in 8 bits unless its profile is for 16."""
    if image.format == "ushort" and (image.hasalpha() or not image.get_typeof("icc-profile-data")):
        # To scale all of it would take twice as long. Of a profile that is linear, 8 bits would show as bands; but
        # where there is alpha as well, libvips would leave that in 16 bits.
        image = image.colourspace("b-w" if image.interpretation == "grey16" else "srgb")
    across, down = size[0] / image.width, size[1] / image.height
    if not image.hasalpha():
        return image.resize(across, vscale=down, gap=_GAP)
    weighed = image.premultiply().cast(image.format)  # what cannot be seen must not colour what is beside it
    return weighed.resize(across, vscale=down, gap=_GAP).unpremultiply().cast(image.format)


def placeholder_size(width: int, height: int) -> tuple[float, float]:
    """What a placeholder's picture needs at least, in pixels, half of which average out; neither side less than one."""
    factor = max(1.0, min(max(width, height) / (2 * _SMALL_SIDE), width, height))
    return width / factor, height / factor


def placeholder_picture(image: pyvips.Image, *, frames: int) -> pyvips.Image:
    """Frames at most 16 pixels wide and high, in sRGB where their colours are of a known kind.

    Costs no more than any other way to read all pixels, and less than most. Of a small image libvips
    needs longer to begin than to compute, so all that is wanted of it is computed at once.
    """
    factor = math.ceil(max(image.width, image.height // frames) / _SMALL_SIDE)
    small = image.shrink(factor, factor, ceil=True) if factor > 1 else image
    try:
        return in_srgb(small)
    except pyvips.Error:  # whether it is whole matters also where nobody knows its colours
        return small


def turned(image: pyvips.Image, orientation: int) -> pyvips.Image:
    """The picture, in memory already, as one with this Exif orientation is seen."""
    if orientation == UPRIGHT:
        return image
    lying = image.copy()
    lying.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return lying.autorot()


def in_srgb(image: pyvips.Image) -> pyvips.Image:
    """In sRGB, 8 bits a band, whatever profile there is. Raises pyvips.Error where it has colours of no known kind."""
    if image.interpretation == "srgb" and image.format == "uchar":
        return image
    return image.colourspace("srgb").cast("uchar")


def header_number(image: pyvips.Image, name: str) -> int:
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
