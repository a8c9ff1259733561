"""A received file on its way to the bucket: hashed while it arrives, on disk beyond 1 MiB."""

import hashlib
import mmap
import tempfile
from io import BytesIO
from types import TracebackType
from typing import IO, Self

from app.errors import ImageTooLarge

MEMORY_BYTES = 1024 * 1024


class Spool:
    """Collects the bytes of one file. Close it, or use it in a `with` statement.

    Its size, its SHA-256 and its content are there at any time, without a second pass over the
    bytes for the hash.
    """

    def __init__(self, *, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.size = 0
        self._hash = hashlib.sha256()
        self._file: IO[bytes] = BytesIO()

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """Add bytes. Raises ImageTooLarge as soon as they are more than `max_bytes` in all."""
        self.size += len(piece)
        if self.size > self.max_bytes:
            raise ImageTooLarge(f"The file is larger than {self.max_bytes} bytes.")
        if self.size > MEMORY_BYTES and isinstance(self._file, BytesIO):
            on_disk = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
            on_disk.write(self._file.getbuffer())
            self._file = on_disk
        self._hash.update(piece)
        self._file.write(piece)

    @property
    def sha256(self) -> bytes:
        return self._hash.digest()

    def file(self) -> IO[bytes]:
        """The bytes as a file, from the start; it belongs to the spool."""
        self._file.seek(0)
        return self._file

    def buffer(self) -> bytes | mmap.mmap:
        """The bytes as one buffer. What is on disk is mapped, not read into memory."""
        if isinstance(self._file, BytesIO):
            return self._file.getvalue()
        self._file.flush()
        return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
