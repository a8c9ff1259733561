"""Decoding with libvips, which may do no more than it has to (docs/adr/0003-libvips.md)."""

import functools
import math
import threading
from dataclasses import dataclass

import pyvips

from app.formats import Bytes
from app.models import ContentType

LONG_RUN = 32
"""Bytes of one value at the end of a JPEG's last scan, after which up to three decodings tell whether it is whole."""

_configuring = threading.Lock()
_SMALL_SIDE = 32  # pixels; a ThumbHash has at most seven waves across
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


def open_image(data: Bytes, content_type: ContentType, *, fail_on: str = "error") -> pyvips.Image:
    """Reads the header; what is wrong with the pixels shows when they are decoded.

    libvips reads where the bytes are, without a copy: they must stay there until it is done.
    """
    source = pyvips.Source.new_from_memory(data)
    return pyvips.Operation.call(
        _LOADERS[content_type], source, access="sequential", fail_on=fail_on, **_OPTIONS[content_type]
    )


@dataclass(frozen=True, slots=True)
class SmallPicture:
    """An image at a fraction of its size, in pixels; of an animation all frames, one above the other.

    `rgba` are its rows, 8 bits for each of the four, without the embedded profile; None where its
    colours are of no known kind.
    """

    width: int
    height: int
    rgba: bytes | None


def decode(image: pyvips.Image) -> SmallPicture:
    """The image at most 32 pixels wide; every pixel of it was needed for that.

    Costs no more than any other way to read all pixels, and less than most. Of a small image libvips
    needs longer to begin than to compute, so all that is wanted of it is computed at once.
    """
    frames = header_number(image, "n-pages")
    factor = _shrink_factor(image.width, image.height // frames)
    small = image.shrink(factor, factor, ceil=True) if factor > 1 else image
    coloured = _in_srgb(small)
    if coloured is None:
        small.write_to_memory()  # whether it is whole matters all the same
        return SmallPicture(small.width, small.height, None)
    return SmallPicture(small.width, small.height, _rgba(bytes(coloured.write_to_memory()), coloured.bands))


def _in_srgb(image: pyvips.Image) -> pyvips.Image | None:
    if image.interpretation == "srgb" and image.format == "uchar":
        return image
    try:
        return image.colourspace("srgb").cast("uchar")
    except pyvips.Error:
        return None


def _rgba(pixels: bytes, bands: int) -> bytes:
    """Opaque where there was no alpha. libvips could add it, but takes as long for that as for decoding."""
    if bands == 4:
        return pixels
    rgba = bytearray(b"\xff") * (len(pixels) // 3 * 4)
    for band in range(3):
        rgba[band::4] = pixels[band::3]
    return bytes(rgba)


def _shrink_factor(width: int, height: int) -> int:
    return math.ceil(max(width, height) / _SMALL_SIDE)


def decode_jpeg(picture: bytes, *, run: int, may_repeat: bool) -> SmallPicture:
    """As `decode`. Raises pyvips.Error unless the scans give every pixel, with nothing that a decoder warns of.

    Decoders fill up what is missing and warn. They cannot warn where a cut file was filled up with
    bytes that happen to be codes of flat blocks, so a long run of one byte at the end is looked at twice:
    a real picture needs all of it (it is flat there), or none of it (it is padding). `run` is what
    `run_at_end` says; one that is not long is tried without only if it `may_repeat`.
    """
    end = picture[-2:]
    small = _decoded(picture)
    if small and (run < LONG_RUN or not _decoded(picture[: -2 - LONG_RUN // 2] + end)):
        return small
    if run < LONG_RUN and not may_repeat:
        raise pyvips.Error("it has to be whole at once")
    return _decode_strictly(picture[: len(picture) - 2 - run + 1] + end)  # it has to do without the run


def run_at_end(picture: bytes) -> int:
    """How often the last byte before the end marker stands there, without a copy of a large picture."""
    stop = len(picture) - 2
    while stop > 0:
        start = max(0, stop - 65_536)
        piece = picture[start:stop].rstrip(picture[-3:-2])
        if piece:
            return len(picture) - 2 - start - len(piece)
        stop = start
    return len(picture) - 2


def _decoded(picture: bytes) -> SmallPicture | None:
    try:
        return _decode_strictly(picture)
    except pyvips.Error:
        return None


def _decode_strictly(picture: bytes) -> SmallPicture:
    return decode(open_image(picture, ContentType.JPEG, fail_on="warning"))


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
