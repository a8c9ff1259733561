"""Making pictures smaller, if possible while they are decoded; turning them, and their colours."""

import math
from collections.abc import Callable
from typing import Any

import pyvips

from app.decoding.picture import Picture
from app.formats.exif import UPRIGHT
from app.models import ContentType

Reduce = Callable[[Picture], Picture]
"""Derives a smaller picture from one that is not decoded yet; computing it decodes all pixels.

A "multiband" picture is premultiplied already: only its size may change, not its colours.
"""

_SMALL_SIDE = 16  # pixels; a ThumbHash has at most seven waves across, and with more pixels looks no truer
_LEFT_TO_SHRINK = 1.9  # of a JPEG, for the better filter; no less, or what is seen gets softer
_GAP = 6  # at least this factor is left to the better filter, which is vectorised; libvips' averaging is not


def shrinking(content_type: ContentType, width: int, height: int, size: tuple[float, float]) -> dict[str, Any]:
    """The loader's options to decode a still picture of `width` x `height` smaller, but not smaller than `size`."""
    factor = min(width / size[0], height / size[1])
    match content_type:
        case ContentType.JPEG:
            return {"shrink": next((by for by in (8, 4, 2) if by * _LEFT_TO_SHRINK <= factor), 1)}
        case ContentType.WEBP:
            return {"n": 1, "scale": 1 / max(1.0, factor)}
        case ContentType.PNG | ContentType.GIF:  # which is not scaled while libvips decodes it
            return {}


def scaled(picture: Picture, size: tuple[int, int]) -> Picture:
    """The picture in exactly this size; turned and coloured as it was, in 8 bits unless its profile is for 16."""
    if picture.format == "ushort" and (picture.has_alpha or not picture.image.get_typeof("icc-profile-data")):
        # To scale all of it would take twice as long. Of a profile that is linear, 8 bits would show as bands; but
        # where there is alpha as well, libvips would leave that in 16 bits.
        picture = Picture(picture.image.colourspace("b-w" if picture.interpretation == "grey16" else "srgb"))
    across, down = size[0] / picture.width, size[1] / picture.height
    if not picture.has_alpha:
        return Picture(picture.image.resize(across, vscale=down, gap=_GAP))
    weighed = picture.image.premultiply().cast(picture.format)  # what cannot be seen must not colour what is beside it
    return Picture(weighed.resize(across, vscale=down, gap=_GAP).unpremultiply().cast(picture.format))


def placeholder_size(width: int, height: int) -> tuple[float, float]:
    """What a placeholder's picture needs at least, in pixels, half of which average out; neither side less than one."""
    factor = max(1.0, min(max(width, height) / (2 * _SMALL_SIDE), width, height))
    return width / factor, height / factor


def placeholder_picture(picture: Picture, *, frames: int) -> Picture:
    """Frames at most 16 pixels wide and high, in sRGB where their colours are of a known kind.

    Costs no more than any other way to read all pixels, and less than most. Of a small image libvips
    needs longer to begin than to compute, so all that is wanted of it is computed at once.
    """
    factor = math.ceil(max(picture.width, picture.height // frames) / _SMALL_SIDE)
    small = Picture(picture.image.shrink(factor, factor, ceil=True)) if factor > 1 else picture
    try:
        return in_srgb(small)
    except pyvips.Error:  # whether it is whole matters also where nobody knows its colours
        return small


def turned(picture: Picture, orientation: int) -> Picture:
    """The picture, in memory already, as one with this Exif orientation is seen."""
    if orientation == UPRIGHT:
        return picture
    lying = picture.image.copy()
    lying.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return Picture(lying.autorot())


def in_srgb(picture: Picture) -> Picture:
    """In sRGB, 8 bits a band, whatever profile there is. Raises pyvips.Error where it has colours of no known kind."""
    if picture.interpretation in ("srgb", "multiband") and picture.format == "uchar":
        return picture
    return Picture(picture.image.colourspace("srgb").cast("uchar"))
