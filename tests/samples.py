"""Images for tests, made on the spot: every format, any size, with or without orientation."""

import base64
import hashlib
import io
import struct
import zlib
from typing import Any

from PIL import Image as Pillow

FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}


def picture(
    kind: str = "JPEG", size: tuple[int, int] = (64, 48), *, frames: int = 1, seed: int = 0, **options: Any
) -> bytes:
    """An image file of this kind; another seed makes other bytes."""
    pages = [
        Pillow.linear_gradient("L").resize(size).rotate(37 * (seed + page)).convert("RGB") for page in range(frames)
    ]
    pages[0].putpixel((0, 0), (seed & 255, seed >> 8 & 255, 7))
    target = io.BytesIO()
    extra = {"save_all": True, "append_images": pages[1:]} if frames > 1 else {}
    pages[0].save(target, kind, **extra, **options)
    return target.getvalue()


def picture_of_bytes(length: int, seed: int = 0) -> bytes:
    """A valid PNG of exactly this many bytes, the rest being a private chunk."""
    base = picture("PNG", (8, 8), seed=seed)
    padding = length - len(base) - 12
    assert padding >= 0
    chunk = b"prVt" + seed.to_bytes(4, "big") * (padding // 4 + 1)
    chunk = chunk[: 4 + padding]
    end = base.rindex(b"IEND") - 4
    return base[:end] + struct.pack(">I", padding) + chunk + struct.pack(">I", zlib.crc32(chunk)) + base[end:]


def with_orientation(orientation: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A JPEG with an Exif orientation, as cameras write it."""
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    return picture("JPEG", size, exif=exif)


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def sha256_base64(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
