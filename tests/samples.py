"""Images for tests, made on the spot: every format, any size, with or without orientation."""

import base64
import hashlib
import io
import random
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


def saved(image: Pillow.Image, kind: str, **options: Any) -> bytes:
    """The image as a file of this kind."""
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def picture_of_bytes(length: int, seed: int = 0) -> bytes:
    """A valid PNG of exactly this many bytes, the rest being a private chunk."""
    base = picture("PNG", (8, 8), seed=seed)
    padding = length - len(base) - 12
    assert padding >= 0
    content = seed.to_bytes(4, "big") * (padding // 4 + 1)
    return with_png_chunks(png_chunk(b"prVt", content[:padding]), base)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_png_chunks(chunks: bytes, data: bytes | None = None) -> bytes:
    """The PNG with these behind its header."""
    data = data or picture("PNG")
    return data[:33] + chunks + data[33:]


def photo(**options: Any) -> bytes:
    """A JPEG with as much detail everywhere as a photograph has."""
    noise = Pillow.frombytes("RGB", (32, 24), random.Random(0).randbytes(32 * 24 * 3))
    target = io.BytesIO()
    noise.resize((320, 240), Pillow.Resampling.BICUBIC).save(target, "JPEG", **options)
    return target.getvalue()


def noise(side: int) -> bytes:
    """A PNG of this width and height that no format can make small."""
    target = io.BytesIO()
    Pillow.frombytes("RGB", (side, side), random.Random(0).randbytes(side * side * 3)).save(target, "PNG")
    return target.getvalue()


def with_orientation(orientation: int, size: tuple[int, int] = (64, 48), *, kind: str = "JPEG") -> bytes:
    """A picture with an Exif orientation, as cameras write it."""
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    return picture(kind, size, exif=exif)


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def sha256_base64(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
