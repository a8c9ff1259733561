"""From an image's bytes to its variants. Pure: no I/O of its own.

Only pixels go from one to the other: a variant is encoded anew and carries no metadata, so nothing
that hides in or behind a file survives. The bytes must have passed `imaging.inspect`: here a cut
JPEG would be filled up with gray.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyvips

from app.decoding import configure_libvips
from app.errors import InvalidImage
from app.formats import Bytes
from app.variant_specs import Crop, Rendition, VariantFormat, covering

MAX_ANIMATION_FRAMES = 200
MAX_ANIMATION_PIXELS = 8_000_000
"""Of an animated variant, summed over its frames. One beyond either limit shows its first frame."""

_WHITE = [255, 255, 255]
_PLAIN = ("srgb", "b-w")
# What is sRGB already is most of what comes with a profile, and converting it costs more than all the rest.
_SRGB_NAMES = tuple("sRGB IEC61966-2.1".encode(coding) for coding in ("ascii", "utf-16-be"))
# Numbers at which the encoders look about alike: AVIF needs less than the others.
_AVIF_QUALITY = {50: 45, 65: 55, 80: 65, 90: 80}


def render(data: Bytes, renditions: Sequence[Rendition]) -> list[bytes]:
    """The variants, in the order asked for, as files. All stills come from one decode, the large ones first.

    Pictures are turned upright, converted to sRGB through the profile in the file, and on white
    where the format has no transparency. Raises InvalidImage where the image does not decode.
    """
    configure_libvips()
    try:
        header = _header(data)
        made: dict[Rendition, bytes] = {}
        base: pyvips.Image | None = None
        for rendition in sorted(dict.fromkeys(renditions), key=lambda it: _covering_size(header, it), reverse=True):
            size = _covering_size(header, rendition)
            if rendition.format is VariantFormat.WEBP and _may_move(header, size):
                picture = _scaled(data, size, convert=header.convert, options="[n=-1]")
            elif base is None:
                picture = base = _scaled(data, size, convert=header.convert)
            else:
                picture = base.thumbnail_image(size[0], height=size[1], size="force").copy_memory()
            made[rendition] = _ENCODERS[rendition.format](_cropped(picture, rendition), rendition.quality)
    except pyvips.Error as error:
        raise InvalidImage from error
    return [made[rendition] for rendition in renditions]


@dataclass(frozen=True, slots=True)
class _Header:
    """What is known before anything is decoded. Width and height as seen."""

    width: int
    height: int
    frames: int
    convert: bool
    """Whether the colours are others than sRGB's."""


def _header(data: Bytes) -> _Header:
    image = pyvips.Image.new_from_buffer(data, "", access="sequential")
    width, height = image.width, image.height
    if image.get_typeof("orientation") and image.get("orientation") >= 5:  # Exif 2.32, tag 0x0112
        width, height = height, width
    frames = int(image.get("n-pages")) if image.get_typeof("n-pages") else 1
    if image.get_typeof("icc-profile-data"):
        profile = bytes(image.get("icc-profile-data"))
        return _Header(width, height, frames, not any(name in profile for name in _SRGB_NAMES))
    return _Header(width, height, frames, bool(image.interpretation == "cmyk"))


def _covering_size(header: _Header, rendition: Rendition) -> tuple[int, int]:
    """The size to which the picture is scaled before anything is cut off."""
    if rendition.crop is None:
        return rendition.width, rendition.height
    return covering(header.width, header.height, rendition.width, rendition.height)


def _scaled(data: Bytes, size: tuple[int, int], *, convert: bool, options: str = "") -> pyvips.Image:
    """The picture of just this size, upright, in sRGB or gray, 8 bits; of an animation the frames below each other."""
    profile = {"export_profile": "srgb"} if convert else {}
    picture = pyvips.Image.thumbnail_buffer(
        data, size[0], height=size[1], size="force", option_string=options, **profile
    )
    if picture.interpretation not in _PLAIN:
        picture = picture.colourspace("srgb")
    if picture.format != "uchar":
        picture = picture.cast("uchar")
    return picture.copy_memory()


def _may_move(header: _Header, size: tuple[int, int]) -> bool:
    """Whether it is an animation whose variant of this size is within the limits."""
    return 1 < header.frames <= MAX_ANIMATION_FRAMES and header.frames * size[0] * size[1] <= MAX_ANIMATION_PIXELS


def _cropped(picture: pyvips.Image, rendition: Rendition) -> pyvips.Image:
    """Cut to size; all frames at the place that the first one decides."""
    if rendition.crop is None:
        return picture
    width, height = rendition.width, rendition.height
    frame_height = picture.get("page-height") if picture.get_typeof("page-height") else picture.height
    frames = [picture.crop(0, top, picture.width, frame_height) for top in range(0, picture.height, frame_height)]
    left, top = (frames[0].width - width) // 2, (frame_height - height) // 2
    if rendition.crop is Crop.ATTENTION:
        chosen = frames[0].smartcrop(width, height, interesting="attention")
        left, top = -chosen.xoffset, -chosen.yoffset
    cut = [frame.crop(left, top, width, height) for frame in frames]
    if len(cut) == 1:
        return cut[0]
    joined = pyvips.Image.arrayjoin(cut, across=1).copy()
    for name in ("delay", "loop", "n-pages"):
        if picture.get_typeof(name):
            joined.set_type(picture.get_typeof(name), name, picture.get(name))
    joined.set_type(pyvips.GValue.gint_type, "page-height", height)
    return joined


def _jpeg(picture: pyvips.Image, quality: int) -> bytes:
    if picture.hasalpha():
        picture = picture.flatten(background=_WHITE[: picture.bands - 1])
    return bytes(picture.jpegsave_buffer(Q=quality, optimize_coding=True, keep="none"))


def _webp(picture: pyvips.Image, quality: int) -> bytes:
    return bytes(picture.webpsave_buffer(Q=quality, effort=2, keep="none"))


def _avif(picture: pyvips.Image, quality: int) -> bytes:
    return bytes(
        picture.heifsave_buffer(compression="av1", Q=_AVIF_QUALITY.get(quality, quality), effort=0, keep="none")
    )


def _png(picture: pyvips.Image, _: int) -> bytes:
    return bytes(picture.pngsave_buffer(compression=6, keep="none"))


_ENCODERS: Mapping[VariantFormat, Callable[[pyvips.Image, int], bytes]] = {
    VariantFormat.JPEG: _jpeg,
    VariantFormat.WEBP: _webp,
    VariantFormat.AVIF: _avif,
    VariantFormat.PNG: _png,
}
