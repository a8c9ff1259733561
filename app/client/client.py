"""`ImageClient`: the service's operations as methods."""

import base64
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Final, Self

from app.client.downloads import download, image_path, read
from app.client.errors import (
    Changed,
    ImageRefused,
    NotFound,
    NotThisService,
)
from app.client.files import (
    Progress,
    Source,
    content_type_of,
    file_body,
    form_body,
    no_progress,
    sha256_of,
    size_of,
)
from app.client.resources import (
    Deletion,
    Image,
    ImageFilter,
    Limits,
    Page,
    UploadRequest,
    normalised_tag,
    required,
    several,
)
from app.client.transport import Transport, refused_by_bucket

_FORM_BYTES = 64 * 1024  # at most, beside the file, of the forms that are sent here
MAX_DELETED_AT_ONCE = 100


class Unchanged(Enum):
    """The one value that stands for "leave it as it is", since None clears."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


class ImageClient:
    """A server as one user sees it. May be shared between threads; close it, or use it in a `with`.

        with ImageClient("http://127.0.0.1:5000", user_id="alice") as client:
            beach = client.upload("beach.jpg", title="Beach", tags=["sea"])
            dusk = client.edit(beach, title="Dusk")
            for image in client.images(ImageFilter(tags=("sea",))):
                client.download(image, f"{image.image_id}.jpg")
            client.delete(dusk.image_id)

    Files are read and written in pieces. What fails in a way that may pass (no connection, 429, 5xx) is tried again
    up to `retries` times, after the seconds that Retry-After says or else a pause that grows; an upload has a key and
    an edit a version, so none of this does anything twice. Every method raises `Refused` (by what was
    wrong: `NotIdentified`, `NotFound`, ...) where the service says no, and `Unavailable` where it does not answer.
    """

    def __init__(
        self,
        server: str,
        *,
        user_id: str | None = None,
        token: str | None = None,
        retries: int = 5,
        timeout_seconds: float = 60,
        connections: int = 8,
        sleep: Callable[[float], object] = time.sleep,  # so that a caller can end the wait
        notice: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Makes no connection. Raises ValueError where the address, user id or token cannot be one.

        `user_id` is for servers that believe the header X-User-ID, `token` for those that want a bearer token.
        `timeout_seconds` is how long an answer may pause; the JSON behind its head may take five times as long in all.
        `sleep` waits so many seconds before a request is tried again; it may raise, to end the wait and the request.
        `notice` is told, as a sentence, when a request got no answer and is tried again.
        """
        for text in (user_id, token):
            if text is not None and not (text.strip() and text.isascii() and text.isprintable()):
                raise ValueError("A user id or token must consist of visible ASCII characters.")
        credentials = {}
        if user_id is not None:
            credentials["X-User-ID"] = user_id
        if token is not None:
            credentials["Authorization"] = f"Bearer {token}"
        self._transport = Transport(
            server,
            credentials=credentials,
            retries=retries,
            timeout_seconds=timeout_seconds,
            connections=connections,
            sleep=sleep,
            notice=notice,
        )
        self._limits: Limits | None = None
        self._limits_lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def limits(self) -> Limits:
        """What the service accepts; asked once."""
        with self._limits_lock:
            if self._limits is None:
                self._limits = Limits.from_json(self._transport.ask("GET", "/limits").json())
            return self._limits

    def upload(
        self,
        source: str | os.PathLike[str] | bytes,
        *,
        filename: str | None = None,
        title: str | None = None,
        description: str | None = None,
        location: str | None = None,
        tags: Sequence[str] = (),
        sha256: str | None = None,
        idempotency_key: str | None = None,
        progress: Progress = no_progress,
    ) -> Image:
        """Upload a file, or its bytes: through the API if it is small enough for that, else straight to the bucket.

        `sha256` (hexadecimal) spares reading the file for it, if the caller knows it. With the same
        `idempotency_key` and arguments, the service makes one image within 24 hours; then the
        answer is that image as it was made, even if it has been deleted since. Also raises
        UnreadableFile, ImageRefused, UploadExpired, and Conflict where the key was used for something else.
        """
        file = source if isinstance(source, bytes) else Path(source)
        size = size_of(file)
        fields: dict[str, Any] = {
            "filename": filename or (file.name if isinstance(file, Path) else "image"),
            "title": title,
            "description": description,
            "location": location,
            "tags": list(tags),
        }
        digest = sha256 or sha256_of(file)
        key = idempotency_key or str(uuid.uuid4())
        limits = self.limits()
        most = limits.max_upload_bytes
        if limits.max_request_bytes is not None:
            most = min(most, limits.max_request_bytes - _FORM_BYTES)
        if size > most and "presigned-put" in limits.upload_routes:
            return self._upload_to_bucket(file, size, fields | {"sha256": digest}, key, progress)
        checksum = base64.b64encode(bytes.fromhex(digest)).decode()
        answer = self._transport.ask(
            "POST",
            "/images/upload",
            headers={"Idempotency-Key": key, "Repr-Digest": f"sha-256=:{checksum}:"},
            body=form_body(file, size, fields, progress),
        )
        return Image.from_json(answer.json())

    def _upload_to_bucket(
        self, file: Source, size: int, fields: Mapping[str, Any], key: str, progress: Progress
    ) -> Image:
        content_type = content_type_of(file)
        if content_type is None:
            raise ImageRefused("The file is not JPEG, PNG, GIF or WebP.", status=415, code="unsupported_image_type")
        document = {**fields, "content_type": content_type, "file_size": size, "method": "PUT"}
        answer = self._transport.ask("POST", "/uploads", headers={"Idempotency-Key": key}, document=document)
        issued = answer.json()
        image = Image.from_json(required(issued, "image", dict))
        request = UploadRequest.from_json(required(issued, "upload", dict))
        put = self._transport.ask_bucket(
            "PUT", request.url, headers=request.headers, body=file_body(file, size, progress)
        )
        # 412: an object is there already, from an attempt whose answer was lost, or from an earlier run.
        if put.status >= 300 and put.status != 412:
            raise refused_by_bucket(put)
        answer = self._transport.ask("POST", f"/uploads/{image.image_id}/complete")
        return Image.from_json(answer.json())

    def images(self, wanted: ImageFilter | None = None) -> Iterator[Image]:
        """All images that pass the filter, read page by page as they are needed."""
        cursor: str | None = None
        followed: set[str] = set()
        while True:
            page = self.page(wanted, limit=self.limits().max_list_limit, cursor=cursor)
            yield from page.images
            cursor = page.next_cursor
            if cursor is None:
                return
            if cursor in followed:
                raise NotThisService("The list does not end: a cursor was repeated.")
            followed.add(cursor)

    def page(self, wanted: ImageFilter | None = None, *, limit: int, cursor: str | None = None) -> Page:
        """One page of a list. `cursor` is that of the page before, for the same filter."""
        query = [*(wanted or ImageFilter()).query(), ("limit", str(limit))]
        if cursor is not None:
            query.append(("cursor", cursor))
        return Page.from_json(self._transport.ask("GET", "/images", query=query).json())

    def get(self, image_id: str) -> Image:
        """What is known about an image. Raises NotFound, NotAllowed."""
        return Image.from_json(self._transport.ask("GET", f"{image_path(image_id)}/metadata").json())

    def download(self, image: Image, target: str | os.PathLike[str], *, progress: Progress = no_progress) -> None:
        """Write an image's bytes to a file that must not exist yet, verified by their SHA-256.

        They are gathered in a hidden file beside it. If the call is interrupted, the next one goes on from there.
        Raises FileExistsError, OSError, WrongChecksum, or NotFound.
        """
        download(self._transport, image, Path(target), progress)

    def read(self, image: Image) -> bytes:
        """An image's bytes, verified by their SHA-256. Raises WrongChecksum, or NotFound."""
        return read(self._transport, image)

    def edit(
        self,
        image: Image,
        *,
        title: str | Unchanged | None = UNCHANGED,
        description: str | Unchanged | None = UNCHANGED,
        location: str | Unchanged | None = UNCHANGED,
        tags: Sequence[str] | Unchanged = UNCHANGED,
    ) -> Image:
        """Change an image that is still in the version given; None clears. Raises Changed where it is in another."""
        named: dict[str, Any] = {"title": title, "description": description, "location": location}
        named["tags"] = tags if isinstance(tags, Unchanged) else list(tags)
        changes = {name: value for name, value in named.items() if value is not UNCHANGED}
        headers = {"If-Match": f'"{image.version}"'}
        try:
            answer = self._transport.ask("PATCH", image_path(image.image_id), headers=headers, document=changes)
        except Changed as error:
            if not error.repeated:
                raise
            # The answer to an earlier attempt was lost, so it may be ourselves who changed it.
            latest = self.get(image.image_id)
            if latest.version != image.version + 1 or not _has(latest, changes):
                raise
            return latest
        return Image.from_json(answer.json())

    def delete(self, image_id: str) -> None:
        """Delete an image for good. Raises NotFound, NotAllowed."""
        try:
            self._transport.ask("DELETE", image_path(image_id))
        except NotFound as error:
            if not error.repeated:  # else an earlier attempt, whose answer was lost, has deleted it
                raise

    def delete_many(self, image_ids: Sequence[str]) -> tuple[Deletion, ...]:
        """Delete images for good, and say what became of each."""
        deletions: list[Deletion] = []
        for start in range(0, len(image_ids), MAX_DELETED_AT_ONCE):
            document = {"image_ids": list(image_ids[start : start + MAX_DELETED_AT_ONCE])}
            answer = self._transport.ask("POST", "/images/batch-delete", document=document)
            for deletion in map(Deletion.from_json, several(answer.json(), "results", dict)):
                # After a lost answer, what is gone may have been deleted by us.
                gone = deletion.status == "not_found" and answer.repeated
                deletions.append(Deletion(deletion.image_id, "deleted") if gone else deletion)
        return tuple(deletions)


def _has(image: Image, changes: Mapping[str, Any]) -> bool:
    """Whether the image shows what was asked for. Texts are trimmed and tags case-folded by the service."""
    for name, value in changes.items():
        shown = getattr(image, name)
        if name == "tags":
            if set(map(normalised_tag, value)) != set(shown):
                return False
        elif (value or "").strip() != (shown or ""):
            return False
    return True
