"""Which variants of an image there are: what may be asked for, and what is then made. Pure arithmetic.

A `VariantSpec` is a wish that fits any image ("at most 256 wide"); a `Rendition` is what one image
makes of it ("256 by 171, WebP"). Wishes that come to the same picture are the same rendition.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from app.models import ContentType

QUALITIES = (50, 65, 80, 90)
"""What a quality between 1 and 100 is rounded up to; more than the last is the last."""

_DEFAULT_WIDTH = 256
_MOST_SIDE = 16_383  # of a WebP (RFC 9649, section 2.6)
_QUALITY = 80
_AVIF_AUTO_PIXELS = 1024 * 1024  # beyond, encoding takes longer than scaling did (docs/adr/0012-variants.md)
_NAME = re.compile(
    r"([1-9][0-9]{0,4})?x([1-9][0-9]{0,4})?-(contain|cover-center|cover-attention)-q([1-9][0-9]?)\.([a-z]{3,4})"
)
_PRESET = re.compile(
    r"([a-z][a-z0-9_-]{0,31})=([1-9][0-9]{0,4})?x([1-9][0-9]{0,4})?-(contain|cover(?:-center|-attention)?)"
)


class Fit(StrEnum):
    """How a picture meets a box: whole inside of it, or filling it with what is over cut off."""

    CONTAIN = "contain"
    COVER = "cover"


class Crop(StrEnum):
    """What is kept where something is cut off: the middle, or what draws the eye."""

    CENTER = "center"
    ATTENTION = "attention"


class VariantFormat(StrEnum):
    JPEG = "jpeg"
    WEBP = "webp"
    AVIF = "avif"
    PNG = "png"

    @property
    def media_type(self) -> str:
        return f"image/{self}"

    @property
    def extension(self) -> str:
        return "jpg" if self is VariantFormat.JPEG else self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """One variant of one image: its exact size in pixels, and how it is encoded.

    With a crop the picture covers this size and is cut; without, it is scaled to it.
    """

    width: int
    height: int
    crop: Crop | None
    format: VariantFormat
    quality: int

    @property
    def name(self) -> str:
        """Says all of it, so equal names are equal pictures."""
        crop = f"-{self.crop}" if self.crop else ""
        quality = "" if self.format is VariantFormat.PNG else f"-q{self.quality}"
        return f"{self.width}x{self.height}{crop}{quality}.{self.format}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantSpec:
    """A box in pixels, of which one side may be open, and how to fill it; no format: the best that the reader takes."""

    width: int | None = None
    height: int | None = None
    fit: Fit = Fit.CONTAIN
    crop: Crop = Crop.CENTER
    format: VariantFormat | None = None
    quality: int = _QUALITY

    @property
    def name(self) -> str:
        """For links; `parsed_spec` reads it."""
        fit = "contain" if self.fit is Fit.CONTAIN else f"cover-{self.crop}"
        return f"{self.width or ''}x{self.height or ''}-{fit}-q{self.quality}.{self.format or 'auto'}"

    def can_be_asked_for(self, sizes: Sequence[int], presets: Collection["VariantSpec"]) -> bool:
        """Whether a request can come to this, which is rounded up to sizes and qualities, or names a preset."""
        is_rounded = all(side in sizes for side in (self.width, self.height) if side is not None)
        is_preset = replace(self, format=None, quality=_QUALITY) in presets
        return self.quality in QUALITIES and (is_rounded or is_preset)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """How large an image of this width and height becomes. Never larger than it is, or than every format takes.

        A box that a small image cannot cover shrinks and keeps its shape.
        """
        across = self.width / width if self.width else None
        down = self.height / height if self.height else None
        scales = [scale for scale in (across, down) if scale is not None]
        if self._cuts and self.width and self.height:
            shrink = max(1.0, max(self.width, self.height) / _MOST_SIDE, *scales)
            return _pixels(self.width / shrink), _pixels(self.height / shrink)
        scale = min(1.0, _MOST_SIDE / max(width, height), *scales)
        return _pixels(width * scale), _pixels(height * scale)

    def rendition(self, width: int, height: int, chosen: VariantFormat) -> Rendition:
        """What this makes of an image of this width and height, in the format that was chosen."""
        size = self.size(width, height)
        return Rendition(
            width=size[0],
            height=size[1],
            crop=self.crop if self._cuts and covering(width, height, *size) != size else None,
            format=chosen,
            quality=self.quality,
        )

    def foremost(self, content_type: ContentType, width: int, height: int) -> Rendition:
        """What this makes of an image for a reader who takes every format."""
        chosen = self.format or automatic_formats(content_type, *self.size(width, height))[0]
        return self.rendition(width, height, chosen)

    @property
    def _cuts(self) -> bool:
        return self.fit is Fit.COVER and self.width is not None and self.height is not None


def default_spec(sizes: Sequence[int]) -> VariantSpec:
    """What is shown where nobody says: at most 256 pixels wide, or the next size that there is."""
    return VariantSpec(width=rounded_up(_DEFAULT_WIDTH, sizes))


def covering(width: int, height: int, box_width: int, box_height: int) -> tuple[int, int]:
    """How large an image of this width and height is when it just covers the box."""
    scale = max(box_width / width, box_height / height)
    return max(box_width, _pixels(width * scale)), max(box_height, _pixels(height * scale))


def rounded_up(value: int, steps: Sequence[int]) -> int:
    """The first of the ascending steps that is not below the value; else the last."""
    return next((step for step in steps if step >= value), steps[-1])


def automatic_formats(content_type: ContentType, width: int, height: int) -> tuple[VariantFormat, ...]:
    """What may be chosen for a variant of this size of an image of this type: the best first, the original's own last.

    A GIF or a WebP may be an animation, which is only kept in WebP.
    """
    own = {ContentType.JPEG: VariantFormat.JPEG, ContentType.WEBP: VariantFormat.WEBP}.get(
        content_type, VariantFormat.PNG
    )
    may_move = content_type in {ContentType.GIF, ContentType.WEBP}
    avif = () if may_move or width * height > _AVIF_AUTO_PIXELS else (VariantFormat.AVIF,)
    return (*avif, *dict.fromkeys((VariantFormat.WEBP, own)))


def parsed_spec(name: str) -> VariantSpec | None:
    """The spec of this name, or None where there is none of it."""
    match = _NAME.fullmatch(name)
    if match is None or (match[1] is None and match[2] is None):
        return None
    if match[5] != "auto" and match[5] not in set(VariantFormat):
        return None
    fit, _, crop = match[3].partition("-")
    return VariantSpec(
        width=int(match[1]) if match[1] else None,
        height=int(match[2]) if match[2] else None,
        fit=Fit(fit),
        crop=Crop(crop or Crop.CENTER),
        quality=int(match[4]),
        format=None if match[5] == "auto" else VariantFormat(match[5]),
    )


def parsed_preset(text: str) -> tuple[str, VariantSpec]:
    """A name and its spec from `avatar=128x128-cover`. Raises ValueError."""
    match = _PRESET.fullmatch(text)
    if match is None or (match[2] is None and match[3] is None):
        raise ValueError("must be like avatar=128x128-cover, wide=1200x-contain or face=64x64-cover-attention")
    fit, _, crop = match[4].partition("-")
    return match[1], VariantSpec(
        width=int(match[2]) if match[2] else None,
        height=int(match[3]) if match[3] else None,
        fit=Fit(fit),
        crop=Crop(crop or Crop.CENTER),
    )


def _pixels(length: float) -> int:
    return max(1, round(length))
