"""What the service shows, and what one can ask it for, as frozen dataclasses.

Members that a newer server adds are passed over; what an older one does not show yet is None. Whatever else is not
as the contract says raises NotThisService here, so that nothing behind needs to look again.
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self, TypeVar
from urllib.parse import urljoin, urlsplit
from uuid import UUID

from app.client.errors import NotThisService

Json = Mapping[str, Any]
Query = Sequence[tuple[str, str]]
Member = TypeVar("Member", str, int, Json)

_LARGEST = 2**63 - 1  # of the numbers, all of which count something
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2, token


def typed(found: object, kind: type[Member]) -> Member:
    """The value, which must be a text, a number that counts something, or a JSON object. Raises NotThisService."""
    # To Python, true is a number.
    if not isinstance(found, kind) or isinstance(found, bool):
        raise NotThisService
    if isinstance(found, int) and not 0 <= found <= _LARGEST:
        raise NotThisService
    return found


def required(shown: Json, name: str, kind: type[Member]) -> Member:
    """A member of a JSON object. Raises NotThisService where it is missing or of another type."""
    return typed(shown.get(name), kind)


def optional(shown: Json, name: str, kind: type[Member]) -> Member | None:
    """A member that may be null or missing. Raises NotThisService where it is of another type."""
    found = shown.get(name)
    return None if found is None else typed(found, kind)


def several(shown: Json, name: str, kind: type[Member]) -> tuple[Member, ...]:
    """A member that is a list of values of one type. Raises NotThisService."""
    found = shown.get(name)
    if not isinstance(found, list):
        raise NotThisService
    return tuple(typed(item, kind) for item in found)


def web_address(found: str, *, seen_from: str = "") -> str:
    """The HTTP address, made absolute (RFC 3986 section 5). Raises NotThisService where it is none, or empty."""
    try:
        address = urljoin(seen_from, found)
        parts = urlsplit(address)
    except ValueError:
        raise NotThisService from None
    if not found or parts.scheme not in {"http", "https"} or not parts.hostname or not _is_visible(address):
        raise NotThisService
    return address


def _is_visible(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _time(shown: Json, name: str) -> datetime:
    try:
        return datetime.fromisoformat(required(shown, name, str))
    except ValueError:
        raise NotThisService from None


def _image_id(shown: Json) -> str:
    """A UUID in its usual form, since it becomes part of file names."""
    try:
        return str(UUID(required(shown, "image_id", str)))
    except ValueError:
        raise NotThisService from None


def _sha256(shown: Json) -> str | None:
    """Hexadecimal, since it becomes a header."""
    found = optional(shown, "sha256", str)
    if found is not None and not _SHA256.fullmatch(found):
        raise NotThisService
    return found


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why what was uploaded was not accepted."""

    code: str
    detail: str

    @classmethod
    def from_json(cls, shown: Json) -> Self:
        return cls(required(shown, "code", str), required(shown, "detail", str))


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
        """Raises NotThisService where it is no image."""
        rejection = optional(shown, "rejection", dict)
        return cls(
            image_id=_image_id(shown),
            user_id=required(shown, "user_id", str),
            filename=required(shown, "filename", str),
            title=optional(shown, "title", str),
            description=optional(shown, "description", str),
            location=optional(shown, "location", str),
            tags=several(shown, "tags", str),
            content_type=required(shown, "content_type", str),
            file_size=required(shown, "file_size", int),
            width=optional(shown, "width", int),
            height=optional(shown, "height", int),
            sha256=_sha256(shown),
            status=required(shown, "status", str),
            created_at=_time(shown, "created_at"),
            updated_at=_time(shown, "updated_at"),
            captured_at=optional(shown, "captured_at", str),
            version=required(shown, "version", int),
            download_url=optional(shown, "download_url", str),
            thumbnail_url=optional(shown, "thumbnail_url", str),
            rejection=Rejection.from_json(rejection) if rejection else None,
        )


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, and where it goes on."""

    images: tuple[Image, ...]
    next_cursor: str | None

    @classmethod
    def from_json(cls, shown: Json) -> Self:
        images = several(shown, "images", dict)
        return cls(tuple(map(Image.from_json, images)), optional(shown, "next_cursor", str))


@dataclass(frozen=True, slots=True)
class Deletion:
    """What became of one image of several that were to be deleted: `deleted`, `not_found`, `not_owner` or `failed`."""

    image_id: str
    status: str

    @classmethod
    def from_json(cls, shown: Json) -> Self:
        return cls(required(shown, "image_id", str), required(shown, "status", str))


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """The PUT that takes a file straight to the bucket."""

    url: str
    headers: Mapping[str, str]

    @classmethod
    def from_json(cls, shown: Json) -> Self:
        headers = required(shown, "headers", dict)
        for name, value in headers.items():  # a line break in one would begin another
            if not _HEADER_NAME.fullmatch(name) or not _is_visible(typed(value, str)):
                raise NotThisService
        return cls(web_address(required(shown, "url", str)), headers)


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
            max_upload_bytes=required(shown, "max_upload_bytes", int),
            max_direct_upload_bytes=required(shown, "max_direct_upload_bytes", int),
            max_request_bytes=optional(shown, "max_request_bytes", int),
            max_list_limit=required(shown, "max_list_limit", int),
            upload_routes=several(shown, "upload_routes", str),
            changes_files=(optional(shown, "strip_metadata", str) or "none") != "none",
        )


def normalised_tag(tag: str) -> str:
    """A tag as the service keeps it: trimmed, case-folded, in Unicode's NFC form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", tag.strip()).casefold())


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
    sha256: str | None = None
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
            ("sha256", self.sha256),
            ("content_type", self.content_type),
            ("created_after", self.created_after),
            ("created_before", self.created_before),
            ("status", self.status),
            ("order", self.order),
        ]
        # As JSON, in which a tag with a comma is still one.
        tags = [("tags", json.dumps([tag])) for tag in self.tags]
        return tags + [(name, value) for name, value in single if value is not None]
