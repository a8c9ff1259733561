"""The frames of a GIF, each decoded whole or not at all.

By Pillow's decoder for their coded data, and by nothing else of Pillow: libvips composes frames at
four bytes a pixel, and shows one that was cut short as far as it goes (docs/adr/0003-libvips.md).
"""

from collections.abc import Sequence

import pyvips
from PIL import Image as Pillow

from app.errors import InvalidImage
from app.formats import Bytes
from app.formats.gif import GifFrame

_COLOURS = 256  # more than these no index can name
_PIXELS_ACROSS = 8  # and as many down are enough for one
_STEPS = (1, 5, 7, 11, 13, 17, 31)  # from one to the next: what repeats, as dithering does, seldom repeats with these


def decode_gif(
    data: Bytes, frames: Sequence[GifFrame], screen: tuple[int, int], size: tuple[float, float]
) -> pyvips.Image:
    """The first frame as a screen of this size shows it, once all frames are found whole. Raises InvalidImage.

    Where it is wanted so much smaller that hundreds of pixels become one, some of them will do.
    """
    first, *others = frames
    indices = _indices(data, first)
    for frame in others:
        _indices(data, frame)
    most = min(screen[0] / size[0], screen[1] / size[1]) / _PIXELS_ACROSS
    step = max(step for step in _STEPS if step == 1 or step <= most)
    left, top, width, height, *seen = (it // step for it in (*first[:4], *screen))
    indices = indices.resize((max(1, width), max(1, height)), Pillow.Resampling.NEAREST)
    is_covered = first[:4] == (0, 0, *screen)
    bands = 3 if is_covered and first.transparent is None else 4
    picture = pyvips.Image.new_from_memory(indices.tobytes(), *indices.size, 1, "uchar")
    picture = picture.maplut(_colours(first, bands)).copy(interpretation="srgb")
    return picture if is_covered else picture.embed(left, top, *seen)


def _indices(data: Bytes, frame: GifFrame) -> Pillow.Image:
    """Every pixel of a frame as the number of its colour."""
    size, coding = (frame.width, frame.height), (frame.code_bits, frame.is_interlaced)
    try:
        return Pillow.frombytes("P", size, data[frame.begin : frame.end], "gif", coding)
    except (OSError, ValueError) as error:
        raise InvalidImage("The image is damaged or cut short: a frame does not decode completely.") from error


def _colours(frame: GifFrame, bands: int) -> pyvips.Image:
    """What each number looks like; those without a colour are black."""
    rgb = frame.palette.ljust(3 * _COLOURS, b"\0")
    colours = bytearray(b"\xff" * bands * _COLOURS)
    for band in range(3):
        colours[band::bands] = rgb[band::3]
    if frame.transparent is not None:
        colours[bands * frame.transparent : bands * frame.transparent + bands] = bytes(bands)
    return pyvips.Image.new_from_memory(bytes(colours), _COLOURS, 1, bands, "uchar")
