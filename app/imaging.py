"""From bytes to facts: what an image is, and whether it decodes whole. Pure: no I/O of its own.

libvips decodes (docs/adr/0003-libvips.md); it is told which loader to use, so that no other of
its formats can be reached. Where it is more lenient than "whole" (it takes a PNG without its end,
the frames that a cut GIF still has, or gray for the missing half of a JPEG), the structure of the
file is walked first (app/formats).
"""

import base64
import re
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import pyvips

from app.decoding.gif import decode_gif
from app.decoding.jpeg import decode_jpeg
from app.decoding.libvips import configure_libvips, open_image
from app.decoding.picture import Picture
from app.decoding.pixels import Pixels, computed
from app.decoding.scaling import Reduce, placeholder_picture, placeholder_size, scaled, shrinking, turned
from app.errors import InvalidImage
from app.formats import Bytes, sniffed_type
from app.formats.exif import UPRIGHT
from app.formats.png import png_frame_is_whole
from app.models import ContentType, ImageLimits
from app.placeholder import dominant_color, thumbhash
from app.structure import Shape, Structure, decoding_memory_bytes, require_within, shape_of, structure_of
from app.variant_specs import Rendition, VariantSpec
from app.variants import Admission, Original, rendering_bytes, stills_of

_EXIF_TIME = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)", re.ASCII)
_EXIF_OFFSET = re.compile(r"[+-]\d\d:\d\d", re.ASCII)


class ImageFacts(NamedTuple):
    """What the bytes are. Width and height in pixels as displayed, with the orientation applied.

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
        return {name: value for name, value in self._asdict().items() if name != "orientation"}


def inspect(data: Bytes, limits: ImageLimits, *, admission: Admission = nullcontext) -> ImageFacts:
    """The facts of an image that decodes whole, from first pixel to last frame.

    All limits are checked on structure and header, before anything is decoded; the decoding itself
    waits for `admission` of the memory that the header tells it takes. Raises UnsupportedImageType,
    InvalidImage with what is wrong, or what `admission` raises.
    """
    return inspect_and_render(data, limits, (), admission=admission)[0]


def inspect_and_render(
    data: Bytes, limits: ImageLimits, wanted: Sequence[VariantSpec], *, admission: Admission = nullcontext
) -> tuple[ImageFacts, dict[Rendition, bytes]]:
    """As `inspect`, and from the same decode the variants that are wanted, as files.

    They show what those of `variants.render` do, for readers who take every format. None are made of
    animations, or of pictures whose colours cannot be converted.
    """
    content_type = sniffed_type(data)
    structure = structure_of(data, content_type, limits)
    configure_libvips()
    made: dict[Rendition, bytes] = {}
    try:
        opened = open_image(data, content_type)
        shape = shape_of(opened, content_type, structure)
        needed = decoding_memory_bytes(shape, structure, len(data))
        require_within(limits, shape, structure, needed)
        file = _File(data, opened, shape, structure)
        renditions = _renditions(wanted, file)
        with admission(needed + rendering_bytes(renditions)):
            if renditions:
                original = Original.of(opened, shape)
                size = original.stored_size(renditions)
                picture = file.decoded(size, partial(scaled, size=size)).picture()
                small = computed(placeholder_picture(picture, frames=1), of=picture)
                with suppress(pyvips.Error):
                    made = stills_of(picture, original, renditions)
            else:
                frames = file.decoded_frames
                small = file.decoded(placeholder_size(*file.frame_size), partial(placeholder_picture, frames=frames))
                if frames > 1:
                    small = small.top(max(1, small.height // frames))
            if not all(png_frame_is_whole(data, frame) for frame in structure.animation):
                raise InvalidImage("The image is damaged or cut short: a frame of its animation is incomplete.")
    except pyvips.Error as error:
        raise InvalidImage("The image is damaged or cut short: it does not decode completely.") from error
    color, placeholder = _placeholder(small, shape.orientation)
    facts = ImageFacts(
        content_type,
        shape.width,
        shape.height,
        shape.frames,
        has_alpha=opened.has_alpha or small.has_alpha,
        dominant_color=color,
        placeholder=placeholder,
        captured_at=_captured_at(opened.image),
        orientation=shape.orientation,
    )
    return facts, made


def _renditions(wanted: Sequence[VariantSpec], file: "_File") -> list[Rendition]:
    """The renditions to make during the check.

    None for animations, which `render` handles later, and none for files that are slow to decode: with variants they
    would exceed the time allowed for one image.
    """
    shape = file.shape
    if shape.frames > 1 or file.structure.takes_long:
        return []
    return [spec.foremost(shape.content_type, shape.width, shape.height) for spec in wanted]


def orientation(data: Bytes, content_type: ContentType) -> int:
    """The Exif orientation with which a checked image is shown, by its header alone."""
    configure_libvips()
    return open_image(data, content_type).number("orientation")


@dataclass(frozen=True, slots=True)
class _File:
    """A file that is about to be decoded, with all that is known of it."""

    data: Bytes
    opened: Picture
    shape: Shape
    structure: Structure

    @property
    def decoded_frames(self) -> int:
        """How many frames come out of the decoder, one below the other."""
        return 1 if self.structure.screen else self.opened.pages

    @property
    def frame_size(self) -> tuple[int, int]:
        """Width and height of a frame, turned as it is stored."""
        if self.structure.screen:
            return self.shape.width, self.shape.height
        return self.opened.width, self.opened.height // self.decoded_frames

    def decoded(self, size: tuple[float, float], reduce: Reduce) -> Pixels:
        """The picture reduced to about this size, turned as it is stored, if the whole file decodes.

        Raises pyvips.Error, or InvalidImage.
        """
        shape, structure = self.shape, self.structure
        if structure.screen:
            return decode_gif(self.data, structure.screen.frames, (shape.width, shape.height), size, reduce)
        if jpeg := structure.jpeg:
            may_repeat = not structure.takes_long
            return decode_jpeg(jpeg, size, self.opened.width, reduce, run=structure.run, may_repeat=may_repeat)
        if shape.content_type is ContentType.WEBP and self.decoded_frames == 1:
            options = shrinking(shape.content_type, self.opened.width, self.opened.height, size)
            opened = open_image(self.data, shape.content_type, **options)
            return computed(reduce(opened), of=opened)
        return computed(reduce(self.opened), of=self.opened)


def _placeholder(small: Pixels, orientation: int) -> tuple[str | None, str | None]:
    """Dominant colour and ThumbHash of a picture, upright; None where its colours are of no known kind."""
    if not small.is_srgb:
        return None, None
    if orientation != UPRIGHT:
        picture = small.picture()
        small = computed(turned(picture, orientation), of=picture)
    rgba = _rgba(small.data, small.bands)
    return dominant_color(rgba), base64.b64encode(thumbhash(small.width, small.height, rgba)).decode()


def _rgba(pixels: memoryview, bands: int) -> bytes:
    """Opaque where there was no alpha. libvips could add it, but takes as long for that as for decoding."""
    if bands == 4:
        return bytes(pixels)
    rgba = bytearray(b"\xff") * (len(pixels) // 3 * 4)
    for band in range(3):
        rgba[band::4] = pixels[band::3]
    return bytes(rgba)


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
