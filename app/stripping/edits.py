"""What the formats share: the edits that they make, and Exif blocks in them."""

from collections.abc import Iterator
from typing import NamedTuple

from app.formats import Bytes, exif


class Edit(NamedTuple):
    """What comes in the place of the bytes from one offset up to another."""

    start: int
    end: int
    content: bytes = b""


def replaced(data: Bytes, new: bytes, old: list[tuple[int, int]], at: int) -> Iterator[Edit]:
    """All of the old ones go and the new one comes at an offset, unless it stands there, or before, already.

    Behind the pixels, where others may stand, decoders do not look for it.
    """
    stays = next((span for span in old if new and span[0] <= at and data[slice(*span)] == new), None)
    if new and stays is None:
        yield Edit(at, at, new)
    yield from (Edit(*span) for span in old if span != stays)


def exif_without_place(block: bytes, orientation: int) -> bytes:
    """An Exif block; one that cannot be mended comes down to orientation and copyright, if there is room for them."""
    changed = exif.without_place(block)
    if changed is not None:
        return changed
    rest = exif.minimal(orientation, exif.copyright_notice(block))
    if rest and block.startswith(exif.PREFIX):
        rest = exif.PREFIX + rest
    return rest if len(rest) <= len(block) else b""
