"""From an image that libvips has not computed yet to pixels in memory."""

from typing import NamedTuple

import pyvips

from app.decoding.picture import Picture

_FETCHED_PIXELS = 512 * 512  # what is larger takes less memory, and no longer, where libvips begins a thread for it


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

    @property
    def has_alpha(self) -> bool:
        """Whether it is sRGB with an alpha band, as of a GIF also where its first frame leaves some of the screen."""
        return self.is_srgb and self.bands == 4

    def top(self, height: int) -> "Pixels":
        """Its first rows."""
        return self._replace(height=height, data=self.data[: height * len(self.data) // self.height])

    def picture(self) -> Picture:
        """To do more with."""
        image = pyvips.Image.new_from_memory(self.data, self.width, self.height, self.bands, self.format)
        return Picture(image.copy(interpretation=self.interpretation))


def computed(picture: Picture, *, of: Picture, to_the_end: bool = False) -> Pixels:
    """Compute `picture`, which was derived from `of`, into memory. Raises pyvips.Error where it does not decode.

    `to_the_end` decodes `of` to its last row even if `picture` does not need it. Where `of` is small, the calling
    thread computes, because starting libvips' threads would take longer.
    """
    width, height = picture.width, picture.height
    if of.width * of.height <= _FETCHED_PIXELS:
        data = pyvips.Region.new(picture.image).fetch(0, 0, width, height)
        if to_the_end:
            pyvips.Region.new(of.image).fetch(0, of.height - 1, 1, 1)
    elif to_the_end:  # in one go, since libvips' threads leave nothing to go on from
        last = of.image.crop(0, of.height - 1, 1, 1).extract_band(0)
        return computed(Picture(picture.image.insert(last, 0, height, expand=True)), of=of).top(height)
    else:
        data = picture.image.write_to_memory()
    return Pixels(width, height, picture.bands, picture.format, picture.interpretation, memoryview(data))
