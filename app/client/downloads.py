"""An image's bytes, fetched whole or from where an earlier attempt ended, and verified."""

import errno
import io
import os
from pathlib import Path
from typing import IO
from urllib.parse import quote

from app.client.errors import NotFound, WrongChecksum
from app.client.files import Progress, no_progress, part_of, put_in_place, sha256_of
from app.client.resources import Image
from app.client.transport import Answer, Transport, pieces_of


def image_path(image_id: str) -> str:
    """Below the API's root."""
    return f"/images/{quote(image_id, safe='', errors='replace')}"


def download(transport: Transport, image: Image, target: Path, progress: Progress) -> None:
    """As `ImageClient.download`."""
    _require_bytes(image)
    if target.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    part = part_of(target, image.image_id)
    try:
        _gather(transport, image, part, progress)
    except WrongChecksum:
        part.unlink()
        raise
    put_in_place(part, target)


def read(transport: Transport, image: Image) -> bytes:
    """As `ImageClient.read`."""
    _require_bytes(image)
    file = io.BytesIO()
    _fetch(transport, image, file, no_progress)
    data = file.getvalue()
    _require_same(image, sha256_of(data))
    return data


def _gather(transport: Transport, image: Image, part: Path, progress: Progress) -> None:
    """Make the file whole, whatever there is of it."""
    with part.open("ab") as file:
        if file.seek(0, os.SEEK_END) > image.file_size:
            file.truncate(0)
        resumed = file.tell() > 0
        _fetch(transport, image, file, progress)
    found = sha256_of(part)
    if resumed and found != image.sha256:  # what was there was not the beginning of it
        with part.open("wb") as file:
            _fetch(transport, image, file, progress)
        found = sha256_of(part)
    _require_same(image, found)


def _fetch(transport: Transport, image: Image, file: IO[bytes], progress: Progress) -> None:
    """The rest of the bytes, from where the file ends."""

    def attempt() -> Answer:
        position = file.seek(0, os.SEEK_END)
        progress(position)
        headers = {"Range": f"bytes={position}-", "If-Range": f'"{image.sha256}"'} if position else {}
        with transport.stream(image_path(image.image_id), headers) as response:
            if response.status not in {200, 206}:
                return Answer(response.status, response.headers, transport.whole_of(response))
            if response.status == 200:
                position = file.seek(0)
                file.truncate()
            for piece in pieces_of(response):
                position += len(piece)
                if position > image.file_size:
                    raise WrongChecksum("More bytes arrived than were stored.")
                file.write(piece)
                progress(position)
        return Answer(200, {}, b"")

    if file.seek(0, os.SEEK_END) < image.file_size:
        transport.ask_in_pieces(attempt)


def _require_bytes(image: Image) -> None:
    if image.sha256 is None:
        raise NotFound(f"The image is {image.status}: it has no bytes.", status=404, code="image_not_found")


def _require_same(image: Image, found_sha256: str) -> None:
    if found_sha256 != image.sha256:
        raise WrongChecksum("The bytes that arrived differ from those that were stored.")
