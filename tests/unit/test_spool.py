import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ImageTooLarge
from app.spool import MEMORY_BYTES, Spool


@given(st.lists(st.binary(max_size=50)))
def test_a_spool_gives_back_what_was_written(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    with Spool(max_bytes=10_000) as spool:
        for piece in pieces:
            spool.write(piece)
        assert spool.size == len(whole)
        assert spool.sha256 == hashlib.sha256(whole).digest()
        assert spool.buffer()[:] == whole
        assert spool.file().read() == whole


def test_a_large_file_goes_to_disk_and_is_the_same() -> None:
    piece = bytes(range(256)) * 256
    with Spool(max_bytes=10 * MEMORY_BYTES) as spool:
        for _ in range(40):
            spool.write(piece)
        assert spool.file().fileno() >= 0  # only a real file has a descriptor
        assert spool.sha256 == hashlib.sha256(piece * 40).digest()
        assert spool.buffer()[:] == piece * 40
        assert spool.file().read() == piece * 40


def test_the_limit_is_exact() -> None:
    with Spool(max_bytes=10) as spool:
        spool.write(b"0123456789")
        with pytest.raises(ImageTooLarge, match="10 bytes"):
            spool.write(b"x")
