"""PNG (PNG specification, third edition; XMP Specification Part 3, section 1.1.5)."""

import zlib
from collections.abc import Iterator

from app.formats import Bytes, exif, xmp
from app.formats.png import PngChunk, png_chunks
from app.models import StripMetadata
from app.stripping.edits import Edit, exif_without_place, replaced

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


def png_edits(data: Bytes, strip: StripMetadata, orientation: int) -> Iterator[Edit]:
    """What a PNG loses."""
    chunks = list(png_chunks(data))
    yield from (_bare_png if strip is StripMetadata.ALL else _placeless_png)(data, chunks, orientation)
    yield Edit(chunks[-1].end + 4, len(data))


def _bare_png(data: Bytes, chunks: list[PngChunk], orientation: int) -> Iterator[Edit]:
    told = sorted((it for it in chunks if it.kind in _PNG_TOLD), key=lambda it: it.kind != b"eXIf")
    notices = (_png_copyright(it.kind, data[it.start : it.end]) for it in told)
    wanted = exif.minimal(orientation, next(filter(None, notices), b""))
    old = [(it.start - 8, it.end + 4) for it in chunks if it.kind == b"eXIf"]
    yield from replaced(data, _chunk(b"eXIf", wanted) if wanted else b"", old, _PNG_HEADER_END)
    for kind, start, end in chunks:
        is_critical = kind[0] & 0x20 == 0
        is_copyright = kind in _PNG_TOLD and data[start : start + 10] == b"Copyright\0"
        if not (is_critical or is_copyright or kind in _PNG_SHOWING or kind == b"eXIf"):
            yield Edit(start - 8, end + 4)


def _png_copyright(kind: bytes, content: bytes) -> bytes:
    if kind == b"eXIf":
        return exif.copyright_notice(content)
    found = _png_xmp(kind, content)
    return xmp.copyright_notice(found[1]) if found else b""


def _placeless_png(data: Bytes, chunks: list[PngChunk], orientation: int) -> Iterator[Edit]:
    if orientation != exif.UPRIGHT and not any(it.kind == b"eXIf" for it in chunks):  # one of the texts says it
        yield Edit(_PNG_HEADER_END, _PNG_HEADER_END, _chunk(b"eXIf", exif.minimal(orientation, b"")))
    for kind, start, end in chunks:
        if kind in _PNG_TOLD:
            content = data[start:end]
            changed = exif_without_place(content, orientation) if kind == b"eXIf" else _placeless_text(kind, content)
            if changed != content:
                yield Edit(start - 8, end + 4, _chunk(kind, changed) if changed else b"")


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
