"""How the formats are built, and what stands in their metadata: walks over bytes, no decoding.

Costs microseconds for real files. Files made of very many tiny parts, which nobody's camera writes,
are not walked to their end and count as damaged.
"""

import mmap

from app.errors import UnsupportedImageType
from app.models import ContentType

Bytes = bytes | mmap.mmap
Buffer = bytes | memoryview

MAX_PARTS = 100_000
"""Of one file: a photograph has tens, a long animation some ten thousand."""


def sniffed_type(data: Bytes) -> ContentType:
    """The format by its magic bytes. Raises UnsupportedImageType where it is none of the four."""
    head = data[:12]
    if head.startswith(b"\xff\xd8\xff"):
        return ContentType.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ContentType.PNG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return ContentType.GIF
    if head.startswith(b"RIFF") and head[8:] == b"WEBP":
        return ContentType.WEBP
    raise UnsupportedImageType
