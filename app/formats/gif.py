"""GIF: its blocks, and what they lead to (GIF89a specification, sections 17 to 27)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from app.formats import MAX_PARTS, Bytes

# Encoders fill blocks up to 255 bytes. A large file of much smaller ones would hold the interpreter for seconds.
_SUB_BLOCK_BYTES = 32
_MOST = 255  # bytes of a sub-block
_FULL_SUB_BLOCKS = re.compile(rb"(?s:\xff.{255})++")  # most of a frame
EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL = 0xF9


class GifFrame(NamedTuple):
    """A frame as its descriptor says: pixels of the screen, and where its coded data stand in the file.

    `palette` is rows of red, green and blue, the file's own if the frame has none. `transparent` is the
    index of what is not drawn.
    """

    left: int
    top: int
    width: int
    height: int
    is_interlaced: bool
    code_bits: int
    begin: int
    end: int
    palette: bytes
    transparent: int | None


@dataclass(frozen=True, slots=True)
class GifScreen:
    """The logical screen of a GIF, in pixels: what a viewer makes room for. And the frames that it shows."""

    width: int
    height: int
    frames: tuple[GifFrame, ...]


class GifBlock(NamedTuple):
    """A block with its sub-blocks: what introduces it, where it begins, where its sub-blocks do, and where it ends."""

    introducer: int
    begin: int
    content: int
    end: int


def gif_screen(data: Bytes, *, max_frames: int) -> GifScreen | None:
    """The screen of a GIF whose blocks lead to the trailer, or to more frames than `max_frames`.

    None where they do not, or where a frame has no pixels.
    """
    frames: list[GifFrame] = []
    transparent: int | None = None
    for block in gif_blocks(data):
        if block.introducer == _TRAILER or len(frames) > max_frames:
            return GifScreen(_number(data, 6), _number(data, 8), tuple(frames))
        if block.end > len(data):
            return None
        if block.introducer == _IMAGE:
            frames.append(frame := _frame(data, block, transparent))
            if not frame.width or not frame.height:
                return None
            transparent = None
        elif data[block.begin + 1] == _GRAPHIC_CONTROL:
            transparent = _transparent(data[block.content : block.content + 5])
    return None


def _transparent(control: bytes) -> int | None:
    """The index that the next frame does not draw (section 23, Graphic Control Extension)."""
    return control[4] if len(control) == 5 and control[1] & 1 else None


def _frame(data: Bytes, block: GifBlock, transparent: int | None) -> GifFrame:
    """Section 20, Image Descriptor."""
    at, flags = block.begin, data[block.begin + 9]
    own = data[at + 10 : at + 10 + _colour_table_bytes(flags)]
    palette = own or data[13 : 13 + _colour_table_bytes(data[10])]
    return GifFrame(
        left=_number(data, at + 1),
        top=_number(data, at + 3),
        width=_number(data, at + 5),
        height=_number(data, at + 7),
        is_interlaced=bool(flags & 0x40),
        code_bits=data[block.content - 1],
        begin=block.content,
        end=block.end,
        palette=palette,
        transparent=transparent,
    )


def _number(data: Bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def gif_blocks(data: Bytes) -> Iterator[GifBlock]:
    """The blocks up to the trailer, or to where they break off."""
    size = len(data)
    if size < 13:
        return
    left = MAX_PARTS + size // _SUB_BLOCK_BYTES
    position = 13 + _colour_table_bytes(data[10])
    for _ in range(MAX_PARTS):
        if position >= size:
            return
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
        while position < size and (length := data[position]):
            if left <= 0:
                return
            full = _FULL_SUB_BLOCKS.match(data, position) if length == _MOST else None
            left -= (full.end() - position) // (1 + _MOST) if full else 1
            position = full.end() if full else position + 1 + length
        position += 1
        yield GifBlock(introducer, begin, content, position)


def _colour_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
