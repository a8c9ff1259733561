"""PNG: its chunks, the size of its metadata, and the frames of an animation (PNG specification, third edition)."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from app.formats import MAX_PARTS, Bytes

_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # samples of a pixel, by colour type
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_INFLATED_PIECE = 1024 * 1024
_METADATA = frozenset({b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"eXIf"})


@dataclass(frozen=True, slots=True)
class PngFrame:
    """A frame of an animated PNG: its size in pixels, and where in the file the parts of its data lie.

    Without data it is the picture that every decoder shows.
    """

    width: int
    height: int
    spans: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PngParts:
    """Of a PNG that is whole: the bytes of its pixels where a decoder must hold all of them at once
    (it is interlaced), those of its metadata once inflated, and the frames of its animation."""

    buffered_bytes: int
    metadata_bytes: int
    frames: tuple[PngFrame, ...]


def png_parts(data: Bytes, *, max_metadata_bytes: int) -> PngParts | None:
    """None unless the chunks lead to IEND, and those that matter are as they were written.

    PNG specification (third edition), sections 5.3 to 5.6: chunks whose name starts with a capital
    are critical; the frames of an animation are in others. Metadata is inflated until it is more
    than `max_metadata_bytes`.
    """
    metadata = 0
    animation = _Animation(data)
    for kind, start, end in png_chunks(data):
        if (kind[0] & 0x20 == 0 or kind in _ANIMATION) and not _is_intact(data, start, end):
            return None
        if kind in _METADATA and metadata <= max_metadata_bytes:
            metadata += _inflated_bytes(kind, data[start:end], max_metadata_bytes)
        else:
            animation.take(kind, start, end)
        if kind == b"IEND" and (frames := animation.shown()) is not None:
            return PngParts(_buffered_bytes(data[16:29]), metadata, frames)
    return None


class _Animation:
    """The frames of a PNG while its chunks come by (PNG specification, third edition, section 4.9)."""

    def __init__(self, data: Bytes) -> None:
        self._data = data
        self._announced = self._next = 0
        self._begins_with_picture = False
        self._in_order = True
        self._frames: list[PngFrame] = []

    def take(self, kind: bytes, start: int, end: int) -> None:
        if kind == b"acTL":
            self._announced = self._number(start)
        elif kind == b"IDAT":
            self._begins_with_picture = self._begins_with_picture or len(self._frames) == 1
        elif kind in _ANIMATION:
            self._in_order = self._in_order and self._number(start) == self._next
            self._next += 1
            if kind == b"fcTL":
                self._frames.append(PngFrame(self._number(start + 4), self._number(start + 8)))
            elif self._frames:
                self._frames[-1].spans.append((start + 4, end))

    def shown(self) -> tuple[PngFrame, ...] | None:
        """The frames; none where no animation is announced. None where it is not whole.

        As many must have come as were announced, in order, none larger than the picture, and each
        with data of its own or that of the picture.
        """
        if not self._announced:
            return ()
        width, height = self._number(16), self._number(20)
        drawn = sum(bool(frame.spans) for frame in self._frames) + self._begins_with_picture
        fit = all(frame.width <= width and frame.height <= height for frame in self._frames)
        is_whole = self._in_order and fit and len(self._frames) >= self._announced and drawn >= len(self._frames)
        return tuple(self._frames) if is_whole else None

    def _number(self, position: int) -> int:
        return int.from_bytes(self._data[position : position + 4], "big")


def png_frame_is_whole(data: Bytes, frame: PngFrame) -> bool:
    """Whether the frame's data inflate to all of its pixels. Holds little of them at a time."""
    if not frame.spans:
        return True
    depth, color, interlaced = data[24], data[25], data[28] != 0
    expected = _raw_bytes(frame, bits=depth * _CHANNELS.get(color, 1), interlaced=interlaced)
    inflated, inflater = 0, zlib.decompressobj()
    try:
        for start, end in frame.spans:
            left = data[start:end]
            while left and inflated <= expected:
                inflated += len(inflater.decompress(left, _INFLATED_PIECE))
                left = inflater.unconsumed_tail
    except zlib.error:
        return False
    return inflater.eof and inflated == expected


def _raw_bytes(frame: PngFrame, *, bits: int, interlaced: bool) -> int:
    """The bytes of a frame before compression: a filter type and the pixels of each row, pass by pass (8.1, 9.2)."""
    total = 0
    for x, y, across, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -((x - frame.width) // across), -((y - frame.height) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total


class PngChunk(NamedTuple):
    """A chunk's kind, and where its content begins and ends; eight bytes stand before it and four behind."""

    kind: bytes
    start: int
    end: int


def png_chunks(data: Bytes) -> Iterator[PngChunk]:
    """The chunks, as far as they are there; IEND is the last."""
    position = 8
    for _ in range(MAX_PARTS):
        start = position + 8
        end = start + int.from_bytes(data[position : position + 4], "big")
        if end + 4 > len(data):
            return
        kind = data[position + 4 : start]
        yield PngChunk(kind, start, end)
        if kind == b"IEND":
            return
        position = end + 4


def _is_intact(data: Bytes, start: int, end: int) -> bool:
    """Whether a chunk has the checksum that it says it has."""
    with memoryview(data) as view, view[start - 4 : end] as checked:
        return zlib.crc32(checked) == int.from_bytes(view[end : end + 4], "big")


def _inflated_bytes(kind: bytes, content: bytes, most: int) -> int:
    """The size of a chunk's content, inflated until it is more than `most` (PNG specification, 11.3.3 and 11.3.4)."""
    _, _, rest = content.partition(b"\0")
    if kind == b"iTXt":
        compressed = rest[:1] == b"\1"
        rest = rest[2:].split(b"\0", 2)[-1]
    else:
        compressed = kind in (b"iCCP", b"zTXt")
        rest = rest[1:] if compressed else rest
    if not compressed:
        return len(content)
    try:
        return len(zlib.decompressobj().decompress(rest, most + 1))
    except zlib.error:
        return len(content)  # decoders pass over it


def _buffered_bytes(header: bytes) -> int:
    """What all pixels take, by IHDR, where it says that they are interlaced."""
    if len(header) < 13 or header[12] == 0:
        return 0
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    # Palettes and transparent colours become RGBA when they are decoded.
    return width * height * 4 * (2 if header[8] == 16 else 1)
