"""From a file to the same file without its metadata, or without the place. Pure: no I/O of its own.

Nothing is decoded or encoded: what makes the pixels is copied as it is, and stripping again changes
nothing more. What stays of the metadata is what a picture needs to look right, orientation and colour
profile, and who holds the rights. The file must have passed `imaging.inspect`. The reasons are in
docs/adr/0017-stripping.md.
"""

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import starmap
from typing import NamedTuple

from app.formats import Buffer, Bytes, exif, iptc, xmp
from app.formats.gif import EXTENSION, GifBlock, gif_blocks
from app.formats.jpeg import EOI, JpegSegment, jpeg_segments
from app.formats.png import PngChunk, png_chunks
from app.formats.webp import WebpChunk, webp_chunks, webp_end
from app.models import ContentType, StripMetadata

MOST_ADDED_BYTES = 64 + exif.MAX_COPYRIGHT_BYTES
"""By which a file may grow: an Exif block, for a copyright notice that stood compressed elsewhere."""

_MAX_APPENDED = 8  # images behind a JPEG: a phone's gain map and depth, a stereo camera's second view
_GAP = re.compile(rb"\0*+(?=\xff\xd8\xff)")
_APP0, _APP1, _APP13, _APP15, _COM = 0xE0, 0xE1, 0xED, 0xEF, 0xFE
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"

_PNG_HEADER_END = 33
# What says how the pixels are to be shown, and what makes an animation (PNG specification, third edition, 11.3).
_PNG_SHOWING = frozenset({
    b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI", b"sBIT", b"bKGD", b"hIST", b"pHYs", b"sPLT",
    b"acTL", b"fcTL", b"fdAT",
})  # fmt: skip
_PNG_TOLD = frozenset({b"eXIf", b"tEXt", b"zTXt", b"iTXt"})
# How ImageMagick writes what had no chunk of its own before 2017.
_PNG_RAW_PROFILES = tuple(b"raw profile type " + kind for kind in (b"exif", b"app1", b"iptc", b"xmp", b"8bim"))
_MAX_XMP_BYTES = 16 * 1024 * 1024  # once inflated; `imaging.inspect` lets less pass

_WEBP_SHOWING = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
_WEBP_TOLD = frozenset({b"EXIF", b"XMP "})
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04  # flags of VP8X

_GIF_COMMENT, _GIF_APPLICATION = 0xFE, 0xFF  # labels of extensions
# Applications that make an animation repeat, and the colour profile.
_GIF_SHOWING = frozenset({b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"})
_GIF_XMP = b"XMP DataXMP"
_GIF_XMP_TRAILER_BYTES = 258


class _Edit(NamedTuple):
    """What comes in the place of the bytes from one offset up to another."""

    start: int
    end: int
    content: bytes = b""


def stripped(
    data: Bytes, content_type: ContentType, strip: StripMetadata, *, orientation: int
) -> Iterator[Buffer] | None:
    """The pieces of the file without what `strip` names; None where there is none of it.

    `orientation` is the Exif orientation with which the picture is shown.
    """
    if strip is StripMetadata.NONE:
        return None
    edits = [
        edit
        for edit in sorted(_EDITS[content_type](data, strip, orientation))
        if data[edit.start : edit.end] != edit.content
    ]
    return _pieces(data, edits) if edits else None


def _pieces(data: Bytes, edits: list[_Edit]) -> Iterator[Buffer]:
    view = memoryview(data)
    position = 0
    for edit in edits:
        yield view[position : edit.start]
        yield edit.content
        position = edit.end
    yield view[position:]


def _replaced(data: Bytes, new: bytes, old: list[tuple[int, int]], at: int) -> Iterator[_Edit]:
    """All of the old ones go and the new one comes at an offset, unless it stands there, or before, already.

    Behind the pixels, where others may stand, decoders do not look for it.
    """
    stays = next((span for span in old if new and span[0] <= at and data[slice(*span)] == new), None)
    if new and stays is None:
        yield _Edit(at, at, new)
    yield from (_Edit(*span) for span in old if span != stays)


def _without_place(block: bytes, orientation: int) -> bytes:
    """An Exif block; one that cannot be mended comes down to orientation and copyright, if there is room for them."""
    changed = exif.without_place(block)
    if changed is not None:
        return changed
    rest = exif.minimal(orientation, exif.copyright_notice(block))
    if rest and block.startswith(exif.PREFIX):
        rest = exif.PREFIX + rest
    return rest if len(rest) <= len(block) else b""


# JPEG: ITU-T T.81, section B.1.1; Exif 2.32, section 4.7; JFIF 1.02; CIPA DC-007 (images behind the first).


def _jpeg_edits(data: Bytes, strip: StripMetadata, orientation: int) -> Iterator[_Edit]:
    return _bare_jpeg(data, orientation) if strip is StripMetadata.ALL else _placeless_jpeg(data, orientation)


def _bare_jpeg(data: Bytes, orientation: int) -> Iterator[_Edit]:
    """Only what makes the pixels, the profile, and a new Exif segment stay; nothing between or behind them."""
    segments = list(jpeg_segments(data))
    notices = map(_jpeg_copyright, sorted(segments, key=_is_exif, reverse=True))
    wanted = exif.minimal(orientation, next(filter(None, notices), b""))
    old = [(it.begin, it.end) for it in segments if _is_exif(it)]
    first = segments[0]
    yield from _replaced(
        data, _segment(_APP1, exif.PREFIX + wanted) if wanted else b"", old, first.end if first.code == _APP0 else 2
    )
    position = 2
    for segment in segments:
        yield _Edit(position, segment.begin)
        position = segment.end
        if (_APP0 <= segment.code <= _APP15 or segment.code == _COM) and not _is_exif(segment):
            content = _shown_part(segment)
            yield _Edit(segment.begin, segment.end, _segment(segment.code, content) if content else b"")
    yield _Edit(position, len(data))


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


def _placeless_jpeg(data: Bytes, orientation: int) -> Iterator[_Edit]:
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
                yield _Edit(segment.begin, segment.end, _of_same_length(segment, changed))
        if (gap := _GAP.match(data, end)) is None:
            break
        orientation, begin = 1, gap.end()
    yield _Edit(end, len(data))


def _placeless_segment(segment: JpegSegment, orientation: int) -> bytes:
    """The content without the place; empty where all of it has to go."""
    content = segment.content
    if _is_exif(segment):
        return _without_place(content, orientation)
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


# PNG specification, third edition; XMP Specification Part 3, section 1.1.5.


def _png_edits(data: Bytes, strip: StripMetadata, orientation: int) -> Iterator[_Edit]:
    chunks = list(png_chunks(data))
    yield from (_bare_png if strip is StripMetadata.ALL else _placeless_png)(data, chunks, orientation)
    yield _Edit(chunks[-1].end + 4, len(data))


def _bare_png(data: Bytes, chunks: list[PngChunk], orientation: int) -> Iterator[_Edit]:
    told = sorted((it for it in chunks if it.kind in _PNG_TOLD), key=lambda it: it.kind != b"eXIf")
    notices = (_png_copyright(it.kind, data[it.start : it.end]) for it in told)
    wanted = exif.minimal(orientation, next(filter(None, notices), b""))
    old = [(it.start - 8, it.end + 4) for it in chunks if it.kind == b"eXIf"]
    yield from _replaced(data, _chunk(b"eXIf", wanted) if wanted else b"", old, _PNG_HEADER_END)
    for kind, start, end in chunks:
        is_critical = kind[0] & 0x20 == 0
        is_copyright = kind in _PNG_TOLD and data[start : start + 10] == b"Copyright\0"
        if not (is_critical or is_copyright or kind in _PNG_SHOWING or kind == b"eXIf"):
            yield _Edit(start - 8, end + 4)


def _png_copyright(kind: bytes, content: bytes) -> bytes:
    if kind == b"eXIf":
        return exif.copyright_notice(content)
    found = _png_xmp(kind, content)
    return xmp.copyright_notice(found[1]) if found else b""


def _placeless_png(data: Bytes, chunks: list[PngChunk], orientation: int) -> Iterator[_Edit]:
    if orientation != 1 and not any(it.kind == b"eXIf" for it in chunks):  # one of the texts says it
        yield _Edit(_PNG_HEADER_END, _PNG_HEADER_END, _chunk(b"eXIf", exif.minimal(orientation, b"")))
    for kind, start, end in chunks:
        if kind in _PNG_TOLD:
            content = data[start:end]
            changed = _without_place(content, orientation) if kind == b"eXIf" else _placeless_text(kind, content)
            if changed != content:
                yield _Edit(start - 8, end + 4, _chunk(kind, changed) if changed else b"")


def _placeless_text(kind: bytes, text: bytes) -> bytes:
    """A chunk of text without the place; empty where it has to go."""
    keyword = text.partition(b"\0")[0].lower()
    if b"gps" in keyword or keyword.startswith(_PNG_RAW_PROFILES):
        return b""
    if keyword != b"xml:com.adobe.xmp":
        return text
    found = _png_xmp(kind, text)
    packet = xmp.without_place(found[1]) if found else None
    if found is None or packet is None:
        return b""
    if packet == found[1]:
        return text
    head = found[0]
    is_compressed = text[len(keyword) + 1] == 1
    changed = head + (zlib.compress(packet, 9) if is_compressed else packet)
    return changed if len(changed) <= len(text) else b""


def _png_xmp(kind: bytes, text: bytes) -> tuple[bytes, bytes] | None:
    """What stands before the packet, and the packet, inflated where it is compressed; None where it is none."""
    keyword, _, rest = text.partition(b"\0")
    parts = rest[2:].split(b"\0", 2)  # language, translated keyword, text
    if kind != b"iTXt" or keyword != b"XML:com.adobe.xmp" or len(parts) < 3:
        return None
    packet = parts[2]
    if rest[:1] == b"\1":
        try:
            packet = zlib.decompressobj().decompress(packet, _MAX_XMP_BYTES)
        except zlib.error:
            return None
    return text[: len(text) - len(parts[2])], packet


def _chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


# WebP Container Specification, "Extended File Format".


def _webp_edits(data: Bytes, strip: StripMetadata, orientation: int) -> Iterator[_Edit]:
    end = webp_end(data)
    chunks = list(webp_chunks(data))
    is_extended = chunks[0].kind == b"VP8X"  # else there is no metadata, and no flag that would tell of it
    told = {it: data[it.start : it.end] for it in chunks if it.kind in _WEBP_TOLD}
    edits: list[_Edit] = []
    kinds: set[bytes] = set()
    if strip is StripMetadata.ALL:
        wanted = exif.minimal(orientation, next(filter(None, starmap(_webp_copyright, sorted(told.items()))), b""))
        new = _webp_chunk(b"EXIF", wanted) if wanted and is_extended else b""
        kinds = {b"EXIF"} if new else set()
        edits += _replaced(data, new, [_webp_span(it, end) for it in chunks if it.kind == b"EXIF"], end)
        edits += [_Edit(*_webp_span(it, end)) for it in chunks if it.kind not in _WEBP_SHOWING and it.kind != b"EXIF"]
    else:
        for chunk, content in told.items():
            is_exif = chunk.kind == b"EXIF"
            changed = _without_place(content, orientation) if is_exif else xmp.without_place(content)
            if changed:
                kinds.add(chunk.kind)
            if changed != content:
                edits.append(_Edit(*_webp_span(chunk, end), _webp_chunk(chunk.kind, changed) if changed else b""))
    yield from edits
    if is_extended:
        flags = data[chunks[0].start] & ~(_WEBP_EXIF | _WEBP_XMP)
        flags |= (b"EXIF" in kinds) * _WEBP_EXIF | (b"XMP " in kinds) * _WEBP_XMP
        yield _Edit(chunks[0].start, chunks[0].start + 1, bytes((flags,)))
    grown = sum(len(edit.content) - (edit.end - edit.start) for edit in edits)
    yield _Edit(4, 8, (end - 8 + grown).to_bytes(4, "little"))
    yield _Edit(end, len(data))


def _webp_copyright(chunk: WebpChunk, content: bytes) -> bytes:
    return exif.copyright_notice(content) if chunk.kind == b"EXIF" else xmp.copyright_notice(content)


def _webp_span(chunk: WebpChunk, end: int) -> tuple[int, int]:
    return chunk.start - 8, min(chunk.end + (chunk.end - chunk.start) % 2, end)


def _webp_chunk(kind: bytes, content: bytes) -> bytes:
    return kind + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)


# GIF89a specification, sections 24 and 26; XMP Specification Part 3, section 1.1.2.


def _gif_edits(data: Bytes, strip: StripMetadata, _: int) -> Iterator[_Edit]:
    goes = _gif_tells_place if strip is StripMetadata.LOCATION else _is_gif_metadata
    end = len(data)
    for block in gif_blocks(data):
        end = block.end
        if block.introducer == EXTENSION and goes(data, block):
            yield _Edit(block.begin, block.end)
    yield _Edit(end, len(data))


def _is_gif_metadata(data: Bytes, block: GifBlock) -> bool:
    label = data[block.begin + 1]
    return label == _GIF_COMMENT or (label == _GIF_APPLICATION and _gif_application(data, block) not in _GIF_SHOWING)


def _gif_application(data: Bytes, block: GifBlock) -> bytes:
    return data[block.content + 1 : block.content + 12]


def _gif_tells_place(data: Bytes, block: GifBlock) -> bool:
    """XMP stands there as it is, with 258 bytes behind it that lead whoever takes it for sub-blocks to its end.

    Blanks in it would lead elsewhere, so it goes as a whole.
    """
    if data[block.begin + 1] != _GIF_APPLICATION or _gif_application(data, block) != _GIF_XMP:
        return False
    packet = data[block.content + 12 : block.end - _GIF_XMP_TRAILER_BYTES]
    return xmp.without_place(packet) != packet


_EDITS: Mapping[ContentType, Callable[[Bytes, StripMetadata, int], Iterator[_Edit]]] = {
    ContentType.JPEG: _jpeg_edits,
    ContentType.PNG: _png_edits,
    ContentType.GIF: _gif_edits,
    ContentType.WEBP: _webp_edits,
}
