"""Ids, and the keys under which things lie in the bucket."""

import re
from typing import Literal
from urllib.parse import quote, unquote

from app.models import ContentType, Image

_USER_ID = re.compile(r"[A-Za-z0-9._\-@:+=|]{1,128}")
_IMAGE_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_OBJECT_KEY = re.compile(rf"(?:images|uploads)/([^/]+)/({_IMAGE_ID.pattern})\.[a-z]+")
_VARIANT_KEY = re.compile(rf"variants/({_IMAGE_ID.pattern})/[0-9a-z.-]+")
_RECORD_KEY = re.compile(rf"records/([^/]+)/({_IMAGE_ID.pattern})\.json")


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


def staging_key(final_key: str) -> str:
    """Where a form puts what is to become the object of this key."""
    return "uploads/" + final_key.removeprefix("images/")


def final_key(image: Image) -> str:
    """Where the image's object lies, or will once it is checked."""
    return "images/" + image.object_key.partition("/")[2]


def parsed_object_key(key: str) -> tuple[str, str] | None:
    """The user and the image that a key names, or None where it is no key of an image's object."""
    return _named(_OBJECT_KEY.fullmatch(key))


def parsed_record_key(key: str) -> tuple[str, str] | None:
    """The user and the image that a key names, or None where it is no key of a record."""
    return _named(_RECORD_KEY.fullmatch(key))


def variant_prefix(image_id: str) -> str:
    """What the keys of all variants of an image begin with, and no other's."""
    return f"variants/{image_id}/"


def parsed_variant_key(key: str) -> str | None:
    """The image that a key names, or None where it is no key of a variant."""
    match = _VARIANT_KEY.fullmatch(key)
    return match[1] if match else None


def _named(match: re.Match[str] | None) -> tuple[str, str] | None:
    if match is None:
        return None
    user_id = unquote(match[1])
    return (user_id, match[2]) if is_user_id(user_id) and quote(user_id, safe="") == match[1] else None


def record_key(user_id: str, image_id: str) -> str:
    """Where the copy of the image's row lies in the bucket, beside its object."""
    return f"{user_prefix('records', user_id)}{image_id}.json"
