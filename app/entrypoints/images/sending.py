"""Uploads that several runs of a command may repeat."""

import hashlib
from collections.abc import Container
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from app.client import Conflict, Image, ImageClient, NotFound, Progress, UploadExpired
from app.entrypoints.images.output import json_line


@dataclass(frozen=True, slots=True)
class Details:
    """What is said about an image that is uploaded."""

    filename: str = ""
    title: str | None = None
    description: str | None = None
    location: str | None = None
    tags: tuple[str, ...] = ()


def send(
    client: ImageClient,
    path: Path,
    sha256: str,
    details: Details,
    *,
    progress: Progress,
    source: str = "",
    others: Container[str] = (),
) -> Image:
    """Upload a file, and return the image as it is now.

    The key says what is uploaded. An earlier run that was cut off, and whose upload no list shows yet, has used the
    same key, so that it is found instead of made twice. `source` tells apart what is otherwise the same, and `others`
    are the ids of images that are not meant, though an earlier run may have made them with this key.
    """
    key = hashlib.sha256(json_line({"sha256": sha256, "source": source, **asdict(details)})).hexdigest()
    fields = asdict(details)
    with suppress(Conflict, NotFound, UploadExpired):  # what that run has made may be gone again
        image = client.upload(path, **fields, sha256=sha256, idempotency_key=key, progress=progress)
        if image.image_id not in others:
            return client.get(image.image_id)
    return client.upload(path, **fields, sha256=sha256, progress=progress)
