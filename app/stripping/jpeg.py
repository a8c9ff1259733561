"""JPEG (ITU-T T.81, section B.1.1; Exif 2.32, section 4.7; JFIF 1.02; CIPA DC-007: images behind the first)."""

import re
from collections.abc import Iterator

from app.formats import Bytes, exif, iptc, xmp
from app.formats.jpeg import EOI, JpegSegment, jpeg_segments
from app.models import StripMetadata
from app.stripping.edits import Edit, exif_without_place, replaced

_MAX_APPENDED = 8  # images behind a JPEG: a phone's gain map and depth, a stereo camera's second view
_GAP = re.compile(rb"\0*+(?=\xff\xd8\xff)")
_APP0, _APP1, _APP13, _APP15, _COM = 0xE0, 0xE1, 0xED, 0xEF, 0xFE
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"


def jpeg_edits(data: Bytes, strip: StripMetadata, orientation: int) -> Iterator[Edit]:
    """What a JPEG loses."""
    return _bare_jpeg(data, orientation) if strip is StripMetadata.ALL else _placeless_jpeg(data, orientation)


def _bare_jpeg(data: Bytes, orientation: int) -> Iterator[Edit]:
    """Only what makes the pixels, the profile, and a new Exif segment stay; nothing between or behind them."""
    segments = list(jpeg_segments(data))
    notices = map(_jpeg_copyright, sorted(segments, key=_is_exif, reverse=True))
    wanted = exif.minimal(orientation, next(filter(None, notices), b""))
    old = [(it.begin, it.end) for it in segments if _is_exif(it)]
    first = segments[0]
    yield from replaced(
        data, _segment(_APP1, exif.PREFIX + wanted) if wanted else b"", old, first.end if first.code == _APP0 else 2
    )
    position = 2
    for segment in segments:
        yield Edit(position, segment.begin)
        position = segment.end
        if (_APP0 <= segment.code <= _APP15 or segment.code == _COM) and not _is_exif(segment):
            content = _shown_part(segment)
            yield Edit(segment.begin, segment.end, _segment(segment.code, content) if content else b"")
    yield Edit(position, len(data))


def _is_exif(segment: JpegSegment) -> bool:
    return segment.code == _APP1 and segment.content.startswith(b"Exif\0")


def _shown_part(segment: JpegSegment) -> bytes:
    """What of a segment of application data decides how the pixels look; empty where nothing does."""
    content = segment.content
    match segment.code:
        case 0xE0 if content.startswith(b"JFIF\0"):
            return content[:12] + bytes(2) if len(content) >= 14 else content  # without its thumbnail
        case 0xE2 if content.startswith(b"ICC_PROFILE\0"):
            return content
        case 0xEE if content.startswith(b"Adobe"):
            return content[:12]
    return b""


def _jpeg_copyright(segment: JpegSegment) -> bytes:
    if _is_exif(segment):
        return exif.copyright_notice(segment.content)
    if segment.code == _APP1 and segment.content.startswith(_XMP):
        return xmp.copyright_notice(segment.content[len(_XMP) :])
    if segment.code == _APP13 and segment.content.startswith(iptc.PREFIX):
        return iptc.copyright_notice(segment.content)
    return b""


def _placeless_jpeg(data: Bytes, orientation: int) -> Iterator[Edit]:
    """Nothing moves, so that the offsets to the images behind the first stay right; those are treated likewise.

    Whatever else lies behind goes: the film of a "motion photo" says where it was taken, too.
    """
    end = begin = 0
    for _ in range(1 + _MAX_APPENDED):
        segments = list(jpeg_segments(data, begin))
        if not segments or segments[-1].code != EOI:
            break
        end = segments[-1].end
        for segment in segments:
            changed = _placeless_segment(segment, orientation)
            if changed != segment.content:
                yield Edit(segment.begin, segment.end, _of_same_length(segment, changed))
        if (gap := _GAP.match(data, end)) is None:
            break
        orientation, begin = exif.UPRIGHT, gap.end()
    yield Edit(end, len(data))


def _placeless_segment(segment: JpegSegment, orientation: int) -> bytes:
    """The content without the place; empty where all of it has to go."""
    content = segment.content
    if _is_exif(segment):
        return exif_without_place(content, orientation)
    if segment.code == _APP1 and content.startswith(_XMP):
        packet = xmp.without_place(content[len(_XMP) :])
        return _XMP + packet if packet else b""
    if segment.code == _APP1 and content.startswith(_EXTENDED_XMP):
        return b""  # it comes in pieces, often holds the picture before its last edit, and is seldom missed
    if segment.code == _APP13 and content.startswith(iptc.PREFIX):
        return iptc.without_place(content) or b""
    return content


def _of_same_length(segment: JpegSegment, content: bytes) -> bytes:
    length = len(segment.content)
    if not content:
        return _segment(_COM, b" " * length)
    return _segment(segment.code, content.ljust(length, b"\0"))


def _segment(code: int, content: bytes) -> bytes:
    return bytes((0xFF, code)) + (len(content) + 2).to_bytes(2, "big") + content
