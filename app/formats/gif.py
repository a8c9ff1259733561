"""GIF: its blocks, and what they lead to (GIF89a specification, sections 17 to 27)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from app.formats import MAX_PARTS, Bytes

# Encoders fill blocks up to 255 bytes. A large file of much smaller ones would hold the interpreter for seconds.
_SUB_BLOCK_BYTES = 32
_MAX_CODE_BITS = 12
_TAIL_BYTES = 4  # hold the last code and what may lie behind it
EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B


@dataclass(frozen=True, slots=True)
class GifScreen:
    """The logical screen of a GIF, in pixels: what a viewer makes room for. And how many frames it shows."""

    width: int
    height: int
    frames: int


class GifBlock(NamedTuple):
    """A block with its sub-blocks: what introduces it, where it begins, where its sub-blocks do, the last of
    them that is not empty, and where it ends."""

    introducer: int
    begin: int
    content: int
    last: int
    end: int


def gif_screen(data: Bytes, *, max_frames: int) -> GifScreen | None:
    """The screen of a GIF whose blocks lead to the trailer, or to more frames than `max_frames`.

    None where they do not, or where a frame has no pixels, or ends before its data say so.
    """
    frames = 0
    for block in gif_blocks(data):
        if block.introducer == _TRAILER or frames > max_frames:
            return GifScreen(int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"), frames)
        if block.introducer == _IMAGE:
            size = data[block.begin + 5 : block.begin + 9]
            if b"\0\0" in (size[:2], size[2:]) or not _has_end_code(data, block):
                return None
            frames += 1
    return None


def _has_end_code(data: Bytes, block: GifBlock) -> bool:
    """Whether a frame's data end with the code that says so (appendix F), which one that was cut off lacks.

    Decoders show such a frame as far as it goes. How wide the last code is only decoding would tell,
    so all widths count, and up to two bytes of zero bits behind it. What is cut off ends like that by
    chance: of 256 colours one in a hundred, of four every second.
    """
    end = block.end - 1  # where the empty sub-block is
    tail = data[max(block.last + 1, end - _TAIL_BYTES) : end]
    if len(tail) < _TAIL_BYTES:
        tail = data[max(block.content + 1, block.last - _TAIL_BYTES) : block.last] + tail
    bits, number = 8 * len(tail), int.from_bytes(tail, "little")
    smallest = data[block.content - 1]
    return any(
        number >> bits - padding == 0 and number >> bits - padding - width & (1 << width) - 1 == (1 << smallest) + 1
        for width in range(smallest + 1, _MAX_CODE_BITS + 1)
        for padding in range(min(16, bits - width + 1))
    )


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
            yield GifBlock(introducer, begin, begin + 1, begin + 1, begin + 1)
            return
        if introducer == EXTENSION:
            position += 2
        elif introducer == _IMAGE and position + 10 <= size:
            position += 11 + _colour_table_bytes(data[position + 9])
        else:
            return
        content = last = position
        left -= 1
        while position < size and (length := data[position]) and left > 0:
            last = position
            position += 1 + length
            left -= 1
        position += 1
        yield GifBlock(introducer, begin, content, last, position)


def _colour_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
