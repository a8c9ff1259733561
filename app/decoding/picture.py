"""Pictures that are not computed yet, in libvips' terms."""

from functools import cached_property

import pyvips


class Picture:
    """An image of libvips, with what its header says.

    libvips takes half a dozen calls to answer one question about a header, and at each of them Python
    lets another thread go on. So each is asked once.
    """

    def __init__(self, image: pyvips.Image) -> None:
        self.image = image

    @cached_property
    def width(self) -> int:
        """In pixels."""
        return int(self.image.width)

    @cached_property
    def height(self) -> int:
        """In pixels, of all frames, one below the other."""
        return int(self.image.height)

    @cached_property
    def pages(self) -> int:
        """How many frames there are."""
        return self.number("n-pages")

    @cached_property
    def bands(self) -> int:
        return int(self.image.bands)

    @cached_property
    def format(self) -> str:
        """Of a band, such as `uchar`."""
        return str(self.image.format)

    @cached_property
    def interpretation(self) -> str:
        """What the bands mean, such as `srgb`."""
        return str(self.image.interpretation)

    @cached_property
    def has_alpha(self) -> bool:
        return bool(self.image.hasalpha())

    def number(self, name: str) -> int:
        """A number from the header; libvips leaves it out where it is 1."""
        return int(self.image.get(name)) if self.image.get_typeof(name) else 1

    def in_memory(self) -> "Picture":
        """The same, computed. Raises pyvips.Error where it does not decode."""
        return Picture(self.image.copy_memory())
