"""The frames of a GIF, each decoded whole or not at all.

By Pillow's decoder for their coded data, and by nothing else of Pillow: libvips composes frames at
four bytes a pixel, and shows one that was cut short as far as it goes (docs/adr/0003-libvips.md).
"""

from collections.abc import Sequence

import pyvips
from PIL import Image as Pillow

from app.decoding.picture import Picture
from app.decoding.pixels import Pixels, computed
from app.decoding.scaling import Reduce
from app.errors import InvalidImage
from app.formats import Bytes
from app.formats.gif import GifFrame

_COLOURS = 256  # more than these no index can name
_STRIP_PIXELS = 512 * 1024  # taken over at once
_BANDS = 4  # red, green, blue, alpha
_PIXELS_ACROSS = 8  # and as many down are enough for one
_STEPS = (1, 5, 7, 11, 13, 17, 31)  # from one pixel to the next: at primes, patterns as of dithering seldom repeat


def decode_gif(
    data: Bytes, frames: Sequence[GifFrame], screen: tuple[int, int], size: tuple[float, float], reduce: Reduce
) -> Pixels:
    """The first frame as a screen of this size shows it, reduced to about `size`, once all frames are found whole.

    Where it is wanted so much smaller that hundreds of pixels become one, some of them will do. Raises InvalidImage.
    """
    first, *others = frames
    indices = _indices(data, first)
    for frame in others:
        _indices(data, frame)
    most = min(screen[0] / size[0], screen[1] / size[1]) / _PIXELS_ACROSS
    step = max(it for it in _STEPS if it == 1 or it <= most)
    left, top, width, height, across, down = (it // step for it in (*first[:4], *screen))
    if step > 1:
        indices = indices.resize((max(1, width), max(1, height)), Pillow.Resampling.NEAREST)
    image = pyvips.Image.new_from_memory(_rows(indices), *indices.size, 1, "uchar").maplut(_colours(first))
    image = image.copy(bands=_BANDS, format="uchar", interpretation="multiband")
    is_covered = first[:4] == (0, 0, *screen)
    if not is_covered:  # at least a pixel is within the screen, also where the steps leave it out
        image = image.embed(min(left, across - 1), min(top, down - 1), across, down)
    # What is transparent is black with an alpha of nothing, so it counts for nothing in whatever pixels are reduced to.
    picture = Picture(image)
    reduced = reduce(picture).image.copy(interpretation="srgb")
    is_opaque = is_covered and first.transparent is None
    reduced = reduced.extract_band(0, n=3) if is_opaque else reduced.unpremultiply().cast("uchar")
    return computed(Picture(reduced), of=picture)


def _indices(data: Bytes, frame: GifFrame) -> Pillow.Image:
    """Every pixel of a frame as the number of its colour."""
    size, coding = (frame.width, frame.height), (frame.code_bits, frame.is_interlaced)
    try:
        with memoryview(data) as whole, whole[frame.begin : frame.end] as coded:
            return Pillow.frombytes("P", size, coded, "gif", coding)
    except (OSError, ValueError) as error:
        raise InvalidImage("The image is damaged or cut short: a frame does not decode completely.") from error


def _rows(indices: Pillow.Image) -> bytearray:
    """As `tobytes`, which joins pieces, and so holds all of it once more."""
    width, height = indices.size
    rows = bytearray(width * height)
    strip_height = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, strip_height):
        bottom = min(top + strip_height, height)
        rows[top * width : bottom * width] = indices.crop((0, top, width, bottom)).tobytes()
    return rows


def _colours(frame: GifFrame) -> pyvips.Image:
    """What each number looks like; those without a colour are black.

    Its four bands are one number, which libvips looks up in half the time.
    """
    rgb = frame.palette.ljust(3 * _COLOURS, b"\0")
    colours = bytearray(b"\xff" * _BANDS * _COLOURS)
    for band in range(3):
        colours[band::_BANDS] = rgb[band::3]
    if frame.transparent is not None:
        colours[_BANDS * frame.transparent : _BANDS * (frame.transparent + 1)] = bytes(_BANDS)
    return pyvips.Image.new_from_memory(bytes(colours), _COLOURS, 1, 1, "uint")
