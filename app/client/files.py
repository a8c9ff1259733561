"""Files on their way: read in pieces, hashed, and put in place without replacing what is there."""

import hashlib
import io
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from app.client.errors import UnreadableFile
from app.client.transport import Body

Progress = Callable[[int], object]
"""Is told how many bytes have been moved. What it raises ends the call."""

Source = Path | bytes
"""Where a file's bytes are: on the disk, or here."""

_PIECE_BYTES = 64 * 1024
_HEAD_BYTES = 12


def no_progress(_: int) -> None:
    """For who does not want to know."""


def sha256_of(source: Source) -> str:
    """The file's SHA-256 in hexadecimal. Raises UnreadableFile."""
    try:
        with _opened(source) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(error) from error


def size_of(source: Source) -> int:
    """In bytes. Raises UnreadableFile."""
    try:
        return len(source) if isinstance(source, bytes) else source.stat().st_size
    except OSError as error:
        raise unreadable(error) from error


def unreadable(error: OSError) -> UnreadableFile:
    return UnreadableFile(f"The file cannot be read: {error.strerror or error}.")


def _opened(source: Source) -> io.BufferedIOBase:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def content_type_of(source: Source) -> str | None:
    """The supported type that the file's first bytes say it is."""
    try:
        with _opened(source) as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise unreadable(error) from error
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None


def file_body(source: Source, size: int, progress: Progress) -> Body:
    """The file as a request's body. Reading it raises UnreadableFile."""
    return Body(size, None, lambda: _pieces(source, size, progress))


def form_body(source: Source, size: int, fields: Mapping[str, str | Sequence[str] | None], progress: Progress) -> Body:
    """The file in the part `file` of a form (RFC 7578), behind its other fields. Reading it raises UnreadableFile."""
    boundary = uuid.uuid4().hex
    parts = []
    for name, value in fields.items():
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(list(value))
            parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n')
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    before, after = "".join(parts).encode("utf-8", "replace"), f"\r\n--{boundary}--\r\n".encode()

    def pieces() -> Iterator[bytes]:
        yield before
        yield from _pieces(source, size, progress)
        yield after

    return Body(len(before) + size + len(after), f"multipart/form-data; boundary={boundary}", pieces)


def _pieces(source: Source, size: int, progress: Progress) -> Iterator[bytes]:
    """Just `size` bytes, as was announced."""
    position = 0
    progress(position)
    try:
        with _opened(source) as file:
            while position < size:
                piece = file.read(min(_PIECE_BYTES, size - position))
                if not piece:
                    raise UnreadableFile("The file became shorter while it was being read.")
                yield piece
                position += len(piece)
                progress(position)
    except OSError as error:
        raise unreadable(error) from error


def part_of(target: Path, image_id: str) -> Path:
    """The hidden file beside the target in which the image's bytes are gathered."""
    return target.with_name(f".{image_id}.part")


def put_in_place(part: Path, target: Path) -> None:
    """Give a finished file its name. Raises FileExistsError where that is taken, and OSError."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: take the name, then fill it
        target.touch(exist_ok=False)
        part.replace(target)
    else:
        part.unlink()
