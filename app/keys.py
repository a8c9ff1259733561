"""Ids, and the keys under which things lie in the bucket."""

import re
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

from app.models import ContentType, Image

_USER_ID = re.compile(r"[A-Za-z0-9._\-@:+=|]{1,128}")
_IMAGE_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_KEYS = (
    re.compile(rf"(images|uploads)/([^/]+)/({_IMAGE_ID.pattern})\.[a-z]+"),
    re.compile(rf"(records)/([^/]+)/({_IMAGE_ID.pattern})\.json"),
    re.compile(rf"(variants)/()({_IMAGE_ID.pattern})/[0-9a-z.-]+"),
)


class ParsedKey(NamedTuple):
    """What a key of the bucket says. That of a variant does not say whose it is: its `user_id` is empty."""

    room: str
    user_id: str
    image_id: str


def is_user_id(text: str) -> bool:
    return _USER_ID.fullmatch(text) is not None and text not in (".", "..")


def is_image_id(text: str) -> bool:
    """Whether the text is a UUID in canonical lower case (RFC 9562 section 4)."""
    return _IMAGE_ID.fullmatch(text) is not None


def user_prefix(room: Literal["images", "records", "uploads"], user_id: str) -> str:
    """What all keys of a user in this part of the bucket begin with, and no other user's."""
    return f"{room}/{quote(user_id, safe='')}/"


def object_key(user_id: str, image_id: str, content_type: ContentType) -> str:
    return f"{user_prefix('images', user_id)}{image_id}.{content_type.extension}"


def staging_key(key: str) -> str:
    """Where a form's upload, and with STRIP_METADATA any, lies until it is checked and written to this final key."""
    return "uploads/" + key.removeprefix("images/")


def final_key(image: Image) -> str:
    """Where the image's object lies, or will once it is checked."""
    return "images/" + image.object_key.partition("/")[2]


def variant_prefix(image_id: str) -> str:
    """What the keys of all variants of an image begin with, and no other's."""
    return f"variants/{image_id}/"


def record_key(user_id: str, image_id: str) -> str:
    """Where the copy of the image's row lies in the bucket, beside its object."""
    return f"{user_prefix('records', user_id)}{image_id}.json"


def parsed_key(key: str) -> ParsedKey | None:
    """What a key says, or None where the service writes no such key."""
    match = next(filter(None, (pattern.fullmatch(key) for pattern in _KEYS)), None)
    if match is None:
        return None
    room, quoted, image_id = match.groups()
    user_id = unquote(quoted)
    is_ours = room == "variants" or (is_user_id(user_id) and quote(user_id, safe="") == quoted)
    return ParsedKey(room, user_id, image_id) if is_ours else None
