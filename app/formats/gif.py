"""GIF: its blocks, and what they lead to (GIF89a specification, sections 17 to 27)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from app.formats import MAX_PARTS, Bytes

# Encoders fill blocks up to 255 bytes. A large file of much smaller ones would hold the interpreter for seconds.
_SUB_BLOCK_BYTES = 32
EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B


@dataclass(frozen=True, slots=True)
class GifScreen:
    """The logical screen of a GIF, in pixels: what a viewer makes room for. And how many frames it shows."""

    width: int
    height: int
    frames: int


class GifBlock(NamedTuple):
    """A block with its sub-blocks: what introduces it, where it begins, where its sub-blocks do, where it ends."""

    introducer: int
    begin: int
    content: int
    end: int


def gif_screen(data: Bytes) -> GifScreen | None:
    """The screen of a GIF whose blocks lead to the trailer. None where they do not, or where a frame has no pixels."""
    frames = 0
    for block in gif_blocks(data):
        if block.introducer == _TRAILER:
            return GifScreen(int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"), frames)
        if block.introducer == _IMAGE:
            size = data[block.begin + 5 : block.begin + 9]
            if b"\0\0" in (size[:2], size[2:]):
                return None
            frames += 1
    return None


def gif_blocks(data: Bytes) -> Iterator[GifBlock]:
    """The blocks up to the trailer, or to where they break off."""
    size = len(data)
    if size < 13:
        return
    left = MAX_PARTS + size // _SUB_BLOCK_BYTES
    position = 13 + _colour_table_bytes(data[10])
    while position < size and left > 0:
        begin, introducer = position, data[position]
        if introducer == _TRAILER:
            yield GifBlock(introducer, begin, begin + 1, begin + 1)
            return
        if introducer == EXTENSION:
            position += 2
        elif introducer == _IMAGE and position + 10 <= size:
            position += 11 + _colour_table_bytes(data[position + 9])
        else:
            return
        content = position
        left -= 1
        while position < size and (length := data[position]) and left > 0:
            position += 1 + length
            left -= 1
        position += 1
        yield GifBlock(introducer, begin, content, position)


def _colour_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
