"""GIF (GIF89a specification, sections 24 and 26; XMP Specification Part 3, section 1.1.2)."""

from collections.abc import Iterator

from app.formats import Bytes, xmp
from app.formats.gif import EXTENSION, GifBlock, gif_blocks
from app.models import StripMetadata
from app.stripping.edits import Edit

_GIF_COMMENT, _GIF_APPLICATION = 0xFE, 0xFF  # labels of extensions
# Applications that make an animation repeat, and the colour profile.
_GIF_SHOWING = frozenset({b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"})
_GIF_XMP = b"XMP DataXMP"
_GIF_XMP_TRAILER_BYTES = 258


def gif_edits(data: Bytes, strip: StripMetadata, _: int) -> Iterator[Edit]:
    """What a GIF loses."""
    goes = _gif_tells_place if strip is StripMetadata.LOCATION else _is_gif_metadata
    end = len(data)
    for block in gif_blocks(data):
        end = block.end
        if block.introducer == EXTENSION and goes(data, block):
            yield Edit(block.begin, block.end)
    yield Edit(end, len(data))


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
