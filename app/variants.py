"""From an image's bytes, or its pixels, to its variants. Pure: no I/O of its own.

Only pixels go from one to the other: a variant is encoded anew and carries no metadata, so nothing
that hides in or behind a file survives. Bytes must have passed `imaging.inspect`: here a cut
JPEG would be filled up with gray.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial

import pyvips

from app.decoding.gif import decode_gif
from app.decoding.libvips import configure_libvips, open_image
from app.decoding.picture import Picture
from app.decoding.pixels import Pixels, computed
from app.decoding.scaling import in_srgb, scaled, shrinking, turned
from app.errors import InvalidImage
from app.formats import Bytes, sniffed_type
from app.formats.exif import SIDEWAYS, UPRIGHT
from app.structure import Shape, Structure, decoding_memory_bytes, shape_of, structure_of_checked
from app.variant_specs import Crop, Rendition, VariantFormat, covering

MAX_ANIMATION_FRAMES = 200
MAX_ANIMATION_PIXELS = 8_000_000
"""Of an animated variant, summed over its frames. One beyond either limit shows its first frame."""

Admission = Callable[[int], AbstractContextManager[object]]
"""Waits until so many bytes of memory may be used, and gives them back at its end."""

_BYTES_A_PIXEL = 28  # of the largest: the picture twice, and what its encoder holds; measured, AVIF most of all
_LOADING_BYTES_A_PIXEL = 7  # of a GIF's screen, more than a still takes: libvips holds it twice where frames ask for it
_WHITE = [255, 255, 255]
_PLAIN = ("srgb", "b-w")
# What is sRGB already is most of what comes with a profile, and converting it costs more than all the rest.
# By its whole name: there is one that is called like it and then "(Linear RGB Profile)".
_SRGB, _SRGB_WIDE = (re.escape("sRGB IEC61966-2.1".encode(coding)) for coding in ("ascii", "utf-16-be"))
_IS_SRGB = re.compile(rb"(?<![ -~])(?:" + _SRGB + rb"(?![ -~])|" + _SRGB_WIDE + rb"(?!\0[ -~]))")
# Numbers at which the encoders look about alike: AVIF needs less than the others.
_AVIF_QUALITY = {50: 45, 65: 55, 80: 65, 90: 80}


def render(data: Bytes, renditions: Sequence[Rendition], *, admission: Admission = nullcontext) -> list[bytes]:
    """The variants, in the order asked for, as files. All stills come from one decode.

    Pictures are turned upright, converted to sRGB through the profile in the file, and on white
    where the format has no transparency. All of it waits for `admission` of the memory that it takes.
    Raises InvalidImage where the image does not decode, or what `admission` raises.
    """
    configure_libvips()
    content_type = sniffed_type(data)
    try:
        opened = open_image(data, content_type, fail_on="none")
        structure = structure_of_checked(data, content_type, opened)
        shape = shape_of(opened, content_type, structure)
        original = Original.of(opened, shape)
        moving = [it for it in renditions if original.may_move(it)]
        stills = [it for it in renditions if it not in moving]
        needed = decoding_memory_bytes(shape, structure, len(data))
        if moving and structure.screen:
            needed += _LOADING_BYTES_A_PIXEL * shape.width * shape.height
        with admission(needed + max(rendering_bytes(moving, original.frames), rendering_bytes(stills))):
            made = {it: _encoded(_moving(data, original, it), it) for it in moving}
            if stills:
                pixels = _still(data, opened, shape, structure, original.stored_size(stills))
                made |= stills_of(pixels.picture(), original, stills)
    except pyvips.Error as error:
        raise InvalidImage from error
    return [made[rendition] for rendition in renditions]


def _still(data: Bytes, opened: Picture, shape: Shape, structure: Structure, size: tuple[int, int]) -> Pixels:
    """The picture, or the first of an animation, in this size."""
    reduce = partial(scaled, size=size)
    if structure.screen:
        return decode_gif(data, structure.screen.frames[:1], (shape.width, shape.height), size, reduce)
    options = shrinking(shape.content_type, opened.width, opened.height // opened.pages, size)
    still = open_image(data, shape.content_type, fail_on="none", **options)
    return computed(reduce(still), of=still)


@dataclass(frozen=True, slots=True)
class Original:
    """What is known of an image before anything is decoded. Width and height of a frame, as seen."""

    width: int
    height: int
    frames: int
    orientation: int
    profile: bytes | None
    """What to convert its colours by, unless that is sRGB."""
    moves: bool
    """Whether libvips can animate it: it does not turn frames one by one, and disbelieves some GIFs' screens."""

    @classmethod
    def of(cls, opened: Picture, shape: Shape) -> "Original":
        """By its header, opened with all frames, and what is known of its pixels."""
        has_profile = opened.image.get_typeof("icc-profile-data")
        profile = bytes(opened.image.get("icc-profile-data")) if has_profile else None
        if profile and _IS_SRGB.search(profile):
            profile = None
        frames = opened.pages
        is_as_seen = (opened.width, opened.height // frames) == (shape.width, shape.height)
        moves = frames > 1 and is_as_seen and shape.orientation == UPRIGHT
        return cls(shape.width, shape.height, frames, shape.orientation, profile, moves)

    def covering_size(self, rendition: Rendition) -> tuple[int, int]:
        """The size to which the picture is scaled before anything is cut off."""
        if rendition.crop is None:
            return rendition.width, rendition.height
        return covering(self.width, self.height, rendition.width, rendition.height)

    def stored_size(self, renditions: Iterable[Rendition]) -> tuple[int, int]:
        """The size of the largest of these, turned as the pixels are stored."""
        width, height = max(map(self.covering_size, renditions))
        return (height, width) if self.orientation >= SIDEWAYS else (width, height)

    def may_move(self, rendition: Rendition) -> bool:
        """Whether it is an animation, and its variant of this size and format one within the limits."""
        width, height = self.covering_size(rendition)
        return (
            rendition.format is VariantFormat.WEBP
            and self.moves
            and self.frames <= MAX_ANIMATION_FRAMES
            and self.frames * width * height <= MAX_ANIMATION_PIXELS
        )


def rendering_bytes(renditions: Iterable[Rendition], frames: int = 1) -> int:
    """The memory that making variants of so many frames takes beside the decoder."""
    return frames * max((_BYTES_A_PIXEL * it.width * it.height for it in renditions), default=0)


def stills_of(picture: Picture, original: Original, renditions: Iterable[Rendition]) -> dict[Rendition, bytes]:
    """The variants from the original in the `stored_size` of these: the large ones first, the others from the largest.

    Raises pyvips.Error.
    """
    picture = _as_seen(picture, original)
    made = {}
    for rendition in sorted(renditions, key=original.covering_size, reverse=True):
        size = original.covering_size(rendition)
        smaller = picture if size == (picture.width, picture.height) else scaled(picture, size).in_memory()
        made[rendition] = _encoded(smaller, rendition)
    return made


def _as_seen(stored: Picture, original: Original) -> Picture:
    """Upright and in sRGB or gray, 8 bits. That is cheaper once it is small."""
    picture = turned(stored, original.orientation)
    return _with_profile(original.profile, lambda profile: _coloured(picture, profile))


def _coloured(picture: Picture, profile: bytes | None) -> Picture:
    is_cmyk = picture.interpretation == "cmyk"
    if profile or is_cmyk:
        image = picture.image
        if profile:
            image = image.copy()
            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
        image = image.icc_transform("srgb", embedded=True, input_profile="cmyk" if is_cmyk else "srgb")
        return Picture(image).in_memory()
    if picture.interpretation not in _PLAIN or picture.format != "uchar":
        return in_srgb(picture).in_memory()
    return picture


def _with_profile(profile: bytes | None, make: Callable[[bytes | None], Picture]) -> Picture:
    """What is made with the profile of the file; without it where that is damaged or of no use, as browsers do."""
    if profile:
        with suppress(pyvips.Error):
            return make(profile)
    return make(None)


def _moving(data: Bytes, original: Original, rendition: Rendition) -> Picture:
    """All frames in this size, one below the other."""
    width, height = original.covering_size(rendition)

    def made(profile: bytes | None) -> Picture:
        options = {"output_profile": "srgb"} if profile else {}
        image = pyvips.Image.thumbnail_source(
            pyvips.Source.new_from_memory(data), width, height=height, size="force", option_string="[n=-1]", **options
        )
        return in_srgb(Picture(image)).in_memory()

    return _with_profile(original.profile, made)


def _encoded(picture: Picture, rendition: Rendition) -> bytes:
    return _ENCODERS[rendition.format](_cropped(picture.image, rendition), rendition.quality)


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
