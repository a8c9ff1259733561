"""JPEG: its segments, and what of them makes the pixels (ITU-T T.81)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.formats import MAX_PARTS, Buffer, Bytes

# ITU-T T.81 annex B: markers are 0xFF and a byte that is neither 0 (stuffing) nor 0xFF (fill).
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM and RST: no segment follows
_COMMENTS = frozenset({*range(0xE0, 0xF0), 0xFE})  # APPn and COM
_SEQUENTIAL = frozenset({0xC0, 0xC1})
_PROGRESSIVE = 0xC2
_FRAMES = _SEQUENTIAL | {_PROGRESSIVE}
_OTHER_FRAMES = frozenset({0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)})
_ALL_COEFFICIENTS = (1 << 64) - 1
EOI, SOS = 0xD9, 0xDA
END = bytes((0xFF, EOI))


class JpegFrame(NamedTuple):
    """How the rows of a picture are coded: all at once in its only scan, or some in each of several.

    `height_at` is where the frame header says the height. `samplings` has for each component how many
    blocks across, in the upper four bits, and down are coded together.
    """

    is_one_pass: bool
    height_at: int
    height: int
    samplings: bytes


@dataclass(frozen=True, slots=True)
class JpegParts:
    """A JPEG taken apart. Sizes in bytes.

    `parts` are what makes the pixels, a file of its own when they are joined: most are where they were in the
    file, since a copy is memory for which nobody has been asked yet. `size` is what they are together. `samples`
    are the pixels of all components, `buffered_bytes` is what a decoder must hold of a picture that comes in
    several scans. `is_common` tells pictures in Huffman codes, sequential or progressive, from lossless,
    hierarchical and arithmetically coded ones, which no browser shows.
    """

    parts: Sequence[Buffer]
    size: int
    frame: JpegFrame
    scans: int
    samples: int
    buffered_bytes: int
    metadata_bytes: int
    is_common: bool

    def picture(self, *, height: int) -> bytearray:
        """The joined parts, with another height in the frame header."""
        joined = bytearray().join(self.parts)
        joined[self.frame.height_at : self.frame.height_at + 2] = height.to_bytes(2)
        return joined


def jpeg_parts(data: Bytes) -> JpegParts | None:
    """The picture of a JPEG (tables, frame and scans, up to the first end marker) and what else it has.

    Application data, comments and junk between segments are not of the picture, since every decoder
    skips them; but the two that say how colours are coded are kept. None where no end comes, or where
    frame or scans are missing: of a progressive picture each coefficient of each component must come to
    its last bit (T.81 annex G).
    """
    parts: list[Buffer] = [b"\xff\xd8"]
    sequential, is_common = False, True
    scans = samples = metadata = height_at = 0
    frame = b""
    missing: dict[int, int] = {}  # for each component, a bit for each coefficient
    view = memoryview(data)
    for code, begin, _, segment, scan in jpeg_segments(data):
        is_common = is_common and code not in _OTHER_FRAMES
        if code == EOI:
            if is_common and (not frame or any(missing.values())):
                return None
            coding = JpegFrame(
                sequential and scans == 1, height_at, int.from_bytes(frame[1:3], "big"), samplings=frame[7::3]
            )
            buffered = 2 * samples if scans > 1 or not sequential else 0  # two bytes for each coefficient
            parts.append(END)
            return JpegParts(parts, sum(map(len, parts)), coding, scans, samples, buffered, metadata, is_common)
        if code in _COMMENTS:
            metadata += len(segment)
            parts.append(_colour_coding(code, segment))
            continue
        content: Buffer = view[begin + 4 : begin + 4 + len(segment)]
        if code in _FRAMES:
            if frame:  # only hierarchical pictures have several (T.81 annex J), which no decoder here knows
                return None
            sequential = code in _SEQUENTIAL
            # Of a single component the factors mean nothing, but decoders use them.
            content = frame = segment[:7] + b"\x11" + segment[8:] if len(segment) == 9 else segment
            samples, height_at = _samples(frame), sum(map(len, parts)) + 5
            missing = dict.fromkeys(frame[6::3], _ALL_COEFFICIENTS)
        elif code == SOS:
            scans += 1
            _complete(missing, segment, sequential=sequential)
        parts += [bytes((0xFF, code)), (len(segment) + 2).to_bytes(2, "big")]
        if sequential and code == SOS:  # the last three bytes mean nothing here, and some cameras leave them zero
            parts += [content[:-3], b"\x00\x3f\x00", scan]
        else:
            parts += [content, scan]
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


def jpeg_samples(data: Bytes) -> int:
    """The pixels of all components by the frame header alone; 0 where there is none."""
    headers = (it.content for it in jpeg_segments(data) if it.code in _FRAMES)
    return _samples(next(headers, b""))


def _samples(frame: bytes) -> int:
    """The pixels of all components, of which some may be halved (T.81 section B.2.2 has the frame header)."""
    pixels = int.from_bytes(frame[1:3], "big") * int.from_bytes(frame[3:5], "big")
    samplings = [(factors >> 4) * (factors & 15) for factors in frame[7::3]]
    return pixels * sum(samplings) // max([1, *samplings])


class JpegSegment(NamedTuple):
    """A marker's code, where it begins in the file and where all of it ends, its content without the length,
    and the data of the scan that it heads, if any."""

    code: int
    begin: int
    end: int
    content: bytes
    scan: Buffer


def jpeg_segments(data: Bytes, start: int = 0) -> Iterator[JpegSegment]:
    """The segments of the JPEG that begins at `start`, up to its end marker or to where it breaks off."""
    position = start + 2
    view = memoryview(data)
    for _ in range(MAX_PARTS):
        marker = _MARKER.search(data, position)
        if marker is None:
            return
        code, begin, position = marker[0][1], marker.start(), marker.end()
        if code == EOI:
            yield JpegSegment(code, begin, position, b"", b"")
            return
        if code in _ALONE:
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        content = data[position + 2 : position + length]
        if length < (8 if code == SOS else 2) or len(content) != length - 2:
            return
        position += length
        scan: Buffer = b""
        if code == SOS:
            end = _SCAN_END.search(data, position)
            if end is None:
                return
            scan, position = view[position : end.start()], end.start()
        yield JpegSegment(code, begin, position, content, scan)


def _complete(missing: dict[int, int], scan_header: bytes, *, sequential: bool) -> None:
    """Take from what is missing of each component what this scan brings."""
    completed = _ALL_COEFFICIENTS if sequential else _completed_coefficients(scan_header)
    for component in scan_header[1:-3:2]:
        missing[component] = missing.get(component, 0) & ~completed


def _completed_coefficients(scan_header: bytes) -> int:
    """The coefficients that are complete after this scan, as bits (T.81 section B.2.3)."""
    first, last, approximation = scan_header[-3:]
    return 0 if approximation & 0x0F else (2 << min(last, 63)) - (1 << min(first, 63))
