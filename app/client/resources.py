"""What the service shows, and what one can ask it for, as frozen dataclasses.

Members that a newer server adds are passed over; what an older one does not show yet is None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

Json = Mapping[str, Any]
Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why what was uploaded was not accepted."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image as its owner sees it. Sizes are bytes and pixels; `sha256` is that of the file, in hexadecimal.

    Until `status` is `UPLOADED`, nothing is known that only the bytes tell.
    """

    image_id: str
    user_id: str
    filename: str
    title: str | None
    description: str | None
    location: str | None
    tags: tuple[str, ...]
    content_type: str
    file_size: int
    width: int | None
    height: int | None
    sha256: str | None
    status: str
    created_at: datetime
    updated_at: datetime
    captured_at: str | None
    version: int
    download_url: str | None
    """Presigned: whoever has it may read the image until it expires. Not for logs."""
    thumbnail_url: str | None
    rejection: Rejection | None

    @classmethod
    def from_json(cls, shown: Json) -> Self:
        """Raises KeyError, TypeError or ValueError where it is no image."""
        rejection = shown.get("rejection")
        return cls(
            image_id=str(UUID(shown["image_id"])),  # becomes part of file names
            user_id=shown["user_id"],
            filename=shown["filename"],
            title=shown["title"],
            description=shown["description"],
            location=shown["location"],
            tags=tuple(shown["tags"]),
            content_type=shown["content_type"],
            file_size=shown["file_size"],
            width=shown["width"],
            height=shown["height"],
            sha256=shown["sha256"],
            status=shown["status"],
            created_at=datetime.fromisoformat(shown["created_at"]),
            updated_at=datetime.fromisoformat(shown["updated_at"]),
            captured_at=shown.get("captured_at"),
            version=shown["version"],
            download_url=shown["download_url"],
            thumbnail_url=shown.get("thumbnail_url"),
            rejection=Rejection(rejection["code"], rejection["detail"]) if rejection else None,
        )


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, and where it goes on."""

    images: tuple[Image, ...]
    next_cursor: str | None

    @classmethod
    def from_json(cls, shown: Json) -> Self:
        return cls(tuple(Image.from_json(image) for image in shown["images"]), shown["next_cursor"])


@dataclass(frozen=True, slots=True)
class Deletion:
    """What became of one image of several that were to be deleted: `deleted`, `not_found`, `not_owner` or `failed`."""

    image_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What the service accepts."""

    max_upload_bytes: int
    max_direct_upload_bytes: int
    max_request_bytes: int | None
    """Of a whole request, where a gateway in front of the service limits it."""
    max_list_limit: int
    upload_routes: tuple[str, ...]
    changes_files: bool
    """Whether it removes metadata from files, so that their SHA-256 becomes another."""

    @classmethod
    def from_json(cls, shown: Json) -> Self:
        return cls(
            max_upload_bytes=shown["max_upload_bytes"],
            max_direct_upload_bytes=shown["max_direct_upload_bytes"],
            max_request_bytes=shown.get("max_request_bytes"),
            max_list_limit=shown["max_list_limit"],
            upload_routes=tuple(shown["upload_routes"]),
            changes_files=shown.get("strip_metadata", "none") != "none",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFilter:
    """Which images to list, and in which order. All conditions must hold; times are RFC 3339 or dates."""

    tags: tuple[str, ...] = ()
    tag_match: Literal["any", "all"] | None = None
    title: str | None = None
    title_prefix: str | None = None
    title_contains: str | None = None
    filename: str | None = None
    location: str | None = None
    q: str | None = None
    content_type: str | None = None
    created_after: str | None = None
    created_before: str | None = None
    status: Literal["PENDING_UPLOAD", "UPLOADED", "REJECTED"] | None = None
    order: Literal["asc", "desc"] | None = None

    def query(self) -> Query:
        """The filter as query parameters."""
        single = [
            ("tag_match", self.tag_match),
            ("title", self.title),
            ("title_prefix", self.title_prefix),
            ("title_contains", self.title_contains),
            ("filename", self.filename),
            ("location", self.location),
            ("q", self.q),
            ("content_type", self.content_type),
            ("created_after", self.created_after),
            ("created_before", self.created_before),
            ("status", self.status),
            ("order", self.order),
        ]
        return [("tags", tag) for tag in self.tags] + [(name, value) for name, value in single if value is not None]
