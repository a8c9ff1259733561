"""What the service talks about: images, filters and pages, and the pure rules on them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple, TypedDict

from app.text import folded, words

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # Unicode's category Cc
# These, separators of lines and paragraphs, and marks, embeddings, overrides and isolates (Unicode Annex 9, section 2).
_DECEPTIVE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Status(StrEnum):
    """Where an image is in its life; ARCHITECTURE.md has the picture."""

    PENDING_UPLOAD = "PENDING_UPLOAD"
    UPLOADED = "UPLOADED"
    REJECTED = "REJECTED"
    DELETING = "DELETING"


PublicStatus = Literal[Status.PENDING_UPLOAD, Status.UPLOADED, Status.REJECTED]
"""What a client may see; one that is being deleted is gone for everybody."""


class ContentType(StrEnum):
    """The formats that the service stores."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    GIF = "image/gif"
    WEBP = "image/webp"

    @property
    def extension(self) -> str:
        return _EXTENSIONS[self]


_EXTENSIONS = {
    ContentType.JPEG: "jpg",
    ContentType.PNG: "png",
    ContentType.GIF: "gif",
    ContentType.WEBP: "webp",
}


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an image that was uploaded straight to the bucket is not accepted, as a failure of the API says it."""

    code: str
    detail: str


class Image(NamedTuple):
    """One image as the service knows it. Sizes in bytes and pixels, times in UTC.

    Until it is UPLOADED, type, size and checksum are what the client announced. `width` to `captured_at` come
    from `imaging.ImageFacts`; they are None until then, and all but width and height also in rows that were
    written before they were stored. Only a pending upload straight to the bucket has `expires_at`, when it is
    given up, and `traceparent`, which names the request that announced it if that was traced (W3C Trace Context).

    A tuple, because a frozen dataclass with as many members takes four times as long to make, and a page of a
    list is a hundred.
    """

    image_id: str
    user_id: str
    object_key: str
    filename: str
    title: str | None
    description: str | None
    location: str | None
    tags: tuple[str, ...]
    content_type: ContentType
    file_size: int
    sha256: str | None
    status: Status
    created_at: datetime
    updated_at: datetime
    version: int
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    has_alpha: bool | None = None
    dominant_color: str | None = None
    placeholder: str | None = None
    captured_at: str | None = None
    expires_at: datetime | None = None
    rejection: Rejection | None = None
    traceparent: str | None = None

    @property
    def awaits_object(self) -> bool:
        """Whether its client was told to upload it straight to the bucket, and that is not done yet."""
        return self.status is Status.PENDING_UPLOAD and self.expires_at is not None

    def has_expired(self, now: datetime) -> bool:
        """Whether it is an upload straight to the bucket that was still pending when its time was over."""
        return self.status is Status.PENDING_UPLOAD and self.expires_at is not None and self.expires_at < now


@dataclass(frozen=True, slots=True)
class Usage:
    """How much a user has, or by how much that changes."""

    images: int = 0
    bytes: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.images + other.images, self.bytes + other.bytes)

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(self.images - other.images, self.bytes - other.bytes)


def usage_of(image: Image | None) -> Usage:
    """What an image counts for: its announced size from its first row to its last, but nothing once it was rejected."""
    return Usage() if image is None or image.rejection is not None else Usage(1, image.file_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImage:
    """What a client says about an image that it uploads; the bytes come beside it."""

    filename: str | None = None
    title: str | None = None
    description: str | None = None
    location: str | None = None
    tags: tuple[str, ...] = ()


class UploadMethod(StrEnum):
    """How a client sends an image straight to the bucket: as the body of a PUT, or in a form."""

    PUT = "PUT"
    POST = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What a client promises to upload straight to the bucket: size in bytes, SHA-256 in hex if it knows it."""

    new: NewImage
    content_type: ContentType
    file_size: int
    sha256: str | None
    method: UploadMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """What an image may ask of a decoder: pixels summed over its frames, bytes of metadata once inflated,
    and the memory that decoding it takes, as its header tells."""

    max_pixels: int
    max_side: int
    max_frames: int
    max_scans: int
    max_metadata_bytes: int
    max_decode_bytes: int


class StripMetadata(StrEnum):
    """What is removed from files before they are stored: nothing, what says where they were taken, or all metadata."""

    NONE = "none"
    LOCATION = "location"
    ALL = "all"


class ImageChanges(TypedDict, total=False):
    """An edit: only the members present change, None clears."""

    title: str | None
    description: str | None
    location: str | None
    tags: tuple[str, ...]


class TagMatch(StrEnum):
    ANY = "any"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFilter:
    """Which of a user's images to list, all conditions at once, and in which order.

    The order is that of `created_at`, or with `title_prefix` that of the title and then the time;
    `descending` turns either around. `tags` are each as `normalised_tag` makes it, `words` as
    `search_words` does, `sha256` is of lower-case hexadecimal digits, and every other text is compared folded.
    """

    status: Status = Status.UPLOADED
    content_type: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    title: str | None = None
    title_prefix: str | None = None
    title_contains: str | None = None
    filename: str | None = None
    location: str | None = None
    tags: tuple[str, ...] = ()
    tag_match: TagMatch = TagMatch.ANY
    words: tuple[str, ...] = ()
    sha256: str | None = None
    descending: bool = True
    as_of: datetime | None = None
    """Uploads straight to the bucket whose time was over by then are not listed, though their rows may be there."""

    def accepts(self, image: Image) -> bool:
        """Whether the image passes. This decides, whichever index the image was found by."""
        return (
            image.status is self.status
            and (self.as_of is None or not image.has_expired(self.as_of))
            and (self.content_type is None or image.content_type == self.content_type)
            and (self.sha256 is None or image.sha256 == self.sha256)
            and (self.created_after is None or image.created_at >= self.created_after)
            and (self.created_before is None or image.created_at < self.created_before)
            and self._accepts_texts(image)
            and self._accepts_tags(image)
            and (not self.words or set(self.words) <= image_words(image).keys())
        )

    def _accepts_texts(self, image: Image) -> bool:
        return (
            ((self.title is None and self.title_prefix is None) or self._accepts_title(image.title))
            and _occurs(self.title_contains, image.title)
            and _occurs(self.filename, image.filename)
            and _occurs(self.location, image.location)
        )

    def _accepts_title(self, title: str | None) -> bool:
        if title is None:
            return False
        title = normalised_title(title)
        return (self.title is None or title == normalised_title(self.title)) and (
            self.title_prefix is None or title.startswith(normalised_title(self.title_prefix))
        )

    def _accepts_tags(self, image: Image) -> bool:
        if not self.tags:
            return True
        matches = (tag in image.tags for tag in self.tags)
        return any(matches) if self.tag_match is TagMatch.ANY else all(matches)


@dataclass(slots=True, kw_only=True)
class QueryCost:
    """What a list cost: its way and the work of the stores, for people who want to know."""

    index: str = ""
    lists: tuple[str, ...] = ()
    rows_read: int = 0
    postings_read: int = 0
    read_units: float = 0.0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Some images in order; `next_cursor` is None where the list ends."""

    images: tuple[Image, ...]
    next_cursor: str | None
    cost: QueryCost


class DeleteOutcome(StrEnum):
    DELETED = "deleted"
    NOT_FOUND = "not_found"
    NOT_OWNER = "not_owner"
    FAILED = "failed"


MAX_TAG_LENGTH = 255
"""In characters, however it is set: the 1,020 bytes that they can take are what fits into a sort key of DynamoDB."""


def normalised_tag(tag: str) -> str:
    """Trimmed, case-folded, in Unicode's NFC form."""
    return folded(tag.strip())


def normalised_title(title: str) -> str:
    """The form in which titles are compared and sorted: case-folded, control characters as spaces."""
    return _CONTROL.sub(" ", folded(title))


def image_words(image: Image) -> Mapping[str, None]:
    """The different words of what is said about the image, the long description's last."""
    texts = (image.title, *image.tags, image.location, image.filename, image.description)
    return dict.fromkeys(words(text for text in texts if text))


def search_words(text: str) -> tuple[str, ...]:
    """The different words of what somebody searches for; empty where it holds none."""
    return tuple(dict.fromkeys(words([text])))


def _occurs(part: str | None, text: str | None) -> bool:
    return part is None or (text is not None and folded(part) in folded(text))


def cleaned_filename(filename: str) -> str | None:
    """The last part of the path without control characters, or None if nothing is left of it.

    Both kinds of slash separate, since browsers on Windows have sent whole paths. Line and
    paragraph separators and bidirectional controls (the marks U+061C, U+200E and U+200F among them) go too: they
    make one name look like another.
    """
    name = _DECEPTIVE.sub("", re.split(r"[/\\]", filename)[-1]).strip()
    return None if name in {"", ".", ".."} else name
