"""WebP (WebP Container Specification, "Extended File Format")."""

from collections.abc import Iterator
from itertools import starmap

from app.formats import Bytes, exif, xmp
from app.formats.webp import WebpChunk, webp_chunks, webp_end
from app.models import StripMetadata
from app.stripping.edits import Edit, exif_without_place, replaced

_WEBP_SHOWING = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
_WEBP_TOLD = frozenset({b"EXIF", b"XMP "})
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04  # flags of VP8X


def webp_edits(data: Bytes, strip: StripMetadata, orientation: int) -> Iterator[Edit]:
    """What a WebP loses."""
    end = webp_end(data)
    chunks = list(webp_chunks(data))
    is_extended = chunks[0].kind == b"VP8X"  # else there is no metadata, and no flag that would tell of it
    told = {it: data[it.start : it.end] for it in chunks if it.kind in _WEBP_TOLD}
    edits: list[Edit] = []
    kinds: set[bytes] = set()
    if strip is StripMetadata.ALL:
        wanted = exif.minimal(orientation, next(filter(None, starmap(_webp_copyright, sorted(told.items()))), b""))
        new = _webp_chunk(b"EXIF", wanted) if wanted and is_extended else b""
        kinds = {b"EXIF"} if new else set()
        edits += replaced(data, new, [_webp_span(it, end) for it in chunks if it.kind == b"EXIF"], end)
        edits += [Edit(*_webp_span(it, end)) for it in chunks if it.kind not in _WEBP_SHOWING and it.kind != b"EXIF"]
    else:
        for chunk, content in told.items():
            is_exif = chunk.kind == b"EXIF"
            changed = exif_without_place(content, orientation) if is_exif else xmp.without_place(content)
            if changed:
                kinds.add(chunk.kind)
            if changed != content:
                edits.append(Edit(*_webp_span(chunk, end), _webp_chunk(chunk.kind, changed) if changed else b""))
    yield from edits
    if is_extended:
        flags = data[chunks[0].start] & ~(_WEBP_EXIF | _WEBP_XMP)
        flags |= (b"EXIF" in kinds) * _WEBP_EXIF | (b"XMP " in kinds) * _WEBP_XMP
        yield Edit(chunks[0].start, chunks[0].start + 1, bytes((flags,)))
    grown = sum(len(edit.content) - (edit.end - edit.start) for edit in edits)
    yield Edit(4, 8, (end - 8 + grown).to_bytes(4, "little"))
    yield Edit(end, len(data))


def _webp_copyright(chunk: WebpChunk, content: bytes) -> bytes:
    return exif.copyright_notice(content) if chunk.kind == b"EXIF" else xmp.copyright_notice(content)


def _webp_span(chunk: WebpChunk, end: int) -> tuple[int, int]:
    return chunk.start - 8, min(chunk.end + (chunk.end - chunk.start) % 2, end)


def _webp_chunk(kind: bytes, content: bytes) -> bytes:
    return kind + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)
