"""What the formats share: the edits that they make, and Exif blocks in them."""

from collections.abc import Iterator
from typing import NamedTuple

from app.formats import Bytes, exif


class Edit(NamedTuple):
    """Replace the bytes from `start` up to but not including `end` by `content`."""

    start: int
    end: int
    content: bytes = b""


def replaced(data: Bytes, new: bytes, old: list[tuple[int, int]], at: int) -> Iterator[Edit]:
    """Remove the `old` spans and insert `new`, unless it is empty, at offset `at`.

    If one of the spans at or before `at` already is `new`, it stays instead. Not so one behind: it may be
    behind the pixels, where decoders do not look.
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
