"""How image files are built, as far as it tells whether one is whole: a walk over the structure, no decoding.

Costs microseconds for real files. Files made of very many tiny parts, which nobody's camera writes,
are not walked to their end and count as damaged.
"""

import mmap
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

Bytes = bytes | mmap.mmap
Buffer = bytes | memoryview

_MAX_PARTS = 100_000  # of one file: a photograph has tens, a long animation some ten thousand

# Encoders fill blocks up to 255 bytes. A large file of much smaller ones would hold the interpreter for seconds.
_GIF_BLOCK_BYTES = 32

# ITU-T T.81 annex B: markers are 0xFF and a byte that is neither 0 (stuffing) nor 0xFF (fill).
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff]")
_JPEG_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM and RST: no segment follows
_JPEG_COMMENTS = frozenset({*range(0xE0, 0xF0), 0xFE})  # APPn and COM
_JPEG_SEQUENTIAL = frozenset({0xC0, 0xC1, 0xC9})
_JPEG_PROGRESSIVE = frozenset({0xC2, 0xCA})
_EOI, _SOS = 0xD9, 0xDA
_PNG_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # samples of a pixel, by colour type
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_INFLATED_PIECE = 1024 * 1024
_PNG_METADATA = frozenset({b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"eXIf"})
_WEBP_METADATA = frozenset({b"ICCP", b"EXIF", b"XMP "})
_ALL_COEFFICIENTS = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class JpegParts:
    """A JPEG taken apart: `picture` is what makes the pixels, a file of its own. Sizes in bytes.

    `buffered_bytes` is what a decoder must hold of a picture that comes in several scans.
    """

    picture: bytes
    scans: int
    buffered_bytes: int
    metadata_bytes: int


def jpeg_parts(data: Bytes) -> JpegParts | None:
    """The picture of a JPEG (tables, frame and scans, up to the first end marker) and what else it has.

    Application data, comments and junk between segments are not of the picture, since every decoder
    skips them; but the two that say how colours are coded are kept. None where no end comes, or where
    scans are missing: of a progressive picture each coefficient of each component must come to its
    last bit (T.81 annex G).
    """
    parts: list[Buffer] = [b"\xff\xd8"]
    sequential = False
    scans = buffered = metadata = 0
    missing: dict[int, int] = {}  # per component of a progressive frame, a bit for each coefficient
    for code, segment, scan in _jpeg_segments(data):
        if code == _EOI:
            if any(missing.values()):
                return None
            is_buffered = scans > 1 or not sequential
            return JpegParts(b"".join([*parts, b"\xff\xd9"]), scans, buffered if is_buffered else 0, metadata)
        if code in _JPEG_COMMENTS:
            metadata += len(segment)
            parts.append(_colour_coding(code, segment))
            continue
        if code in _JPEG_SEQUENTIAL | _JPEG_PROGRESSIVE:
            sequential = code in _JPEG_SEQUENTIAL
            buffered = _coefficient_bytes(segment)
            if not sequential:
                missing = dict.fromkeys(segment[6::3], _ALL_COEFFICIENTS)
        elif code == _SOS:
            scans += 1
            for component in segment[1:-3:2]:
                missing[component] = missing.get(component, 0) & ~_completed_coefficients(segment)
        parts += [bytes((0xFF, code)), (len(segment) + 2).to_bytes(2, "big")]
        if sequential and code == _SOS:  # the last three bytes mean nothing here, and some cameras leave them zero
            parts += [segment[:-3], b"\x00\x3f\x00", scan]
        else:
            parts += [segment, scan]
    return None


def _colour_coding(code: int, segment: bytes) -> bytes:
    """The segment that a JFIF header or Adobe's marker comes down to, without what a decoder may warn of.

    JFIF 1.02; Adobe Technical Note 5116, section 18: the last byte is the colour transform.
    """
    if code == 0xE0 and segment.startswith(b"JFIF\0"):
        return b"\xff\xe0\0\x10JFIF\0\1\2\0\0\1\0\1\0\0"
    if code == 0xEE and segment.startswith(b"Adobe") and len(segment) >= 12 and segment[11] <= 2:
        return b"\xff\xee\0\x0e" + segment[:12]
    return b""


def _coefficient_bytes(frame: bytes) -> int:
    """Two bytes for each coefficient of each component (T.81 section B.2.2 has the frame header)."""
    pixels = int.from_bytes(frame[1:3], "big") * int.from_bytes(frame[3:5], "big")
    samplings = [(factors >> 4) * (factors & 15) for factors in frame[7::3]]
    return 2 * pixels * sum(samplings) // max([1, *samplings])


def _jpeg_segments(data: Bytes) -> Iterator[tuple[int, bytes, Buffer]]:
    """Marker, content, and the data of the scan where it heads one, to the end marker or where it breaks off."""
    position = 2
    view = memoryview(data)
    for _ in range(_MAX_PARTS):
        marker = _JPEG_MARKER.search(data, position)
        if marker is None:
            return
        code, position = marker[0][1], marker.end()
        if code == _EOI:
            yield code, b"", b""
            return
        if code in _JPEG_ALONE:
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        segment = data[position + 2 : position + length]
        if length < (8 if code == _SOS else 2) or len(segment) != length - 2:
            return
        position += length
        scan: Buffer = b""
        if code == _SOS:
            end = _JPEG_SCAN_END.search(data, position)
            if end is None:
                return
            scan, position = view[position : end.start()], end.start()
        yield code, segment, scan


def _completed_coefficients(scan_header: bytes) -> int:
    """The coefficients that are complete after this scan, as bits (T.81 section B.2.3)."""
    first, last, approximation = scan_header[-3:]
    return 0 if approximation & 0x0F else (2 << min(last, 63)) - (1 << min(first, 63))


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
    animation = _PngAnimation(data)
    for kind, start, end in _png_chunks(data):
        if (kind[0] & 0x20 == 0 or kind in _PNG_ANIMATION) and not _is_intact(data, start, end):
            return None
        if kind in _PNG_METADATA and metadata <= max_metadata_bytes:
            metadata += _inflated_bytes(kind, data[start:end], max_metadata_bytes)
        else:
            animation.take(kind, start, end)
        if kind == b"IEND" and (frames := animation.shown()) is not None:
            return PngParts(_png_buffered_bytes(data[16:29]), metadata, frames)
    return None


class _PngAnimation:
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
        elif kind in _PNG_ANIMATION:
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
    expected = _png_raw_bytes(frame, bits=depth * _PNG_CHANNELS.get(color, 1), interlaced=interlaced)
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


def _png_raw_bytes(frame: PngFrame, *, bits: int, interlaced: bool) -> int:
    """The bytes of a frame before compression: a filter type and the pixels of each row, pass by pass (8.1, 9.2)."""
    total = 0
    for x, y, across, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -((x - frame.width) // across), -((y - frame.height) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total


def _png_chunks(data: Bytes) -> Iterator[tuple[bytes, int, int]]:
    """The kind of each chunk and where its content begins and ends, as far as they are there; IEND is the last."""
    position = 8
    for _ in range(_MAX_PARTS):
        start = position + 8
        end = start + int.from_bytes(data[position : position + 4], "big")
        if end + 4 > len(data):
            return
        kind = data[position + 4 : start]
        yield kind, start, end
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


def _png_buffered_bytes(header: bytes) -> int:
    """What all pixels take, by IHDR, where it says that they are interlaced."""
    if len(header) < 13 or header[12] == 0:
        return 0
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    # Palettes and transparent colours become RGBA when they are decoded.
    return width * height * 4 * (2 if header[8] == 16 else 1)


def webp_metadata_bytes(data: Bytes) -> int:
    """The size of profile, Exif and XMP (WebP Container Specification, "Extended File Format")."""
    position, total = 12, 0
    for _ in range(_MAX_PARTS):
        kind = data[position : position + 4]
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if len(kind) < 4:
            return total
        if kind in _WEBP_METADATA:
            total += length
        position += 8 + length + length % 2
    return total


@dataclass(frozen=True, slots=True)
class GifScreen:
    """The logical screen of a GIF, in pixels: what a viewer makes room for. And how many frames it shows."""

    width: int
    height: int
    frames: int


def gif_screen(data: Bytes) -> GifScreen | None:
    """The screen of a GIF whose blocks lead to the trailer (GIF89a specification, sections 17 to 27).

    None where they do not, or where a frame has no pixels.
    """
    size = len(data)
    if size < 13:
        return None
    frames = 0
    blocks = _MAX_PARTS + size // _GIF_BLOCK_BYTES
    position = 13 + _colour_table_bytes(data[10])
    while position < size and blocks > 0:
        introducer = data[position]
        if introducer == 0x3B:
            return GifScreen(int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"), frames)
        if introducer == 0x21:
            position += 2
        elif introducer == 0x2C and position + 10 <= size:
            if b"\0\0" in (data[position + 5 : position + 7], data[position + 7 : position + 9]):
                return None
            frames += 1
            position += 11 + _colour_table_bytes(data[position + 9])
        else:
            return None
        blocks -= 1
        while position < size and (length := data[position]) and blocks > 0:
            position += 1 + length
            blocks -= 1
        position += 1
    return None


def _colour_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
