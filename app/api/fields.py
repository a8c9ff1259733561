"""What a field of a request may hold, and how it is cleaned before it is judged: parts of the request models."""

import re
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, StringConstraints, ValidationInfo, WithJsonSchema
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from app.api.parsing import split_tags
from app.models import MAX_TAG_LENGTH, cleaned_filename, normalised_tag, search_words
from app.times import parsed_timestamp

MAX_WANTED_TAGS = 20
_MAX_WANTED_WORDS = 10
_DIGEST = "^[0-9A-Fa-f]{64}$"
MAX_WANTED_TEXT = 1000  # characters
_MAX_TAGS_TEXT = 64 * 1024  # characters, of all tags in one string
_MAX_TAGS_WRITTEN = 1000  # before blanks and duplicates are taken out


def blank_as_none(value: object) -> object:
    """Forms send an empty field for "nothing"."""
    return None if isinstance(value, str) and not value.strip() else value


def bare_name(value: object) -> object:
    """A filename without path and control characters; browsers send what the disk has."""
    return cleaned_filename(value) if isinstance(value, str) else value


def required_name(value: object) -> object:
    """As `bare_name`, of which something must be left."""
    name = bare_name(value)
    if isinstance(value, str) and not name:
        raise PydanticCustomError("filename", "names no file")
    return name


NAMES_SOMETHING: JsonDict = {"pattern": r"[^\s./\\\x00-\x1f\x7f-\x9f][^/\\]*$"}
"""Of a filename, for the document: something is left of it without its path, as `bare_name` decides."""


def written_tags(value: object) -> object:
    """Tags in whichever form, not yet cleaned; more text than anyone writes is not taken apart."""
    if value is None:
        return []
    if isinstance(value, str):
        if len(value) > _MAX_TAGS_TEXT:
            raise PydanticCustomError("tags", "is too long")
        value = split_tags(value)
    if isinstance(value, list) and len(value) > _MAX_TAGS_WRITTEN:
        raise PydanticCustomError("tags", "has too many entries")
    return value


def tag_cleaner(max_length: int) -> Callable[[object], object]:
    """Normalises a tag that can still fit into `max_length` characters; others stay as they are, and are refused."""

    def clean(value: object) -> object:
        # In NFC a character stands for at most four, so more than that cannot shrink to the limit.
        return normalised_tag(value) if isinstance(value, str) and len(value.strip()) <= 4 * max_length else value

    return clean


def distinct(max_tags: int) -> Callable[[list[str]], list[str]]:
    """Takes duplicates out, and refuses more than `max_tags` different ones."""

    def check(tags: list[str]) -> list[str]:
        once = list(dict.fromkeys(tags))
        if len(once) > max_tags:
            raise PydanticCustomError("tags", "has more than {max_tags} different tags", {"max_tags": max_tags})
        return once

    return check


def _moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parsed_timestamp(value)
    except ValueError as error:
        raise PydanticCustomError("timestamp", "{problem}", {"problem": str(error)}) from error


def _hexadecimal(value: object) -> object:
    if isinstance(value, str) and not re.match(_DIGEST, value):
        raise PydanticCustomError("digest", "must be 64 hexadecimal digits")
    return value


def plain_number(value: object) -> object:
    """Python reads more as a number than people do: 1_0, +5, 5.0, or with blanks around."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,1000}", value):
        raise PydanticCustomError("number", "must be a whole number, written in digits")
    return value


def json_number(value: object) -> object:
    """JSON has one kind of number: 5.0 is whole too (JSON Schema Validation 2020-12, section 6.1.1), "5" is none."""
    if isinstance(value, str | bool):
        raise PydanticCustomError("number", "must be a whole number")
    return value


def only_without(other: str) -> Callable[[object, ValidationInfo], object]:
    """Refuses a field beside another, which comes before it in the model."""

    def check(value: object, info: ValidationInfo) -> object:
        if value and info.data.get(other):
            raise PydanticCustomError("alone", "cannot be combined with {other}", {"other": other})
        return value

    return check


def one_of(names: Collection[str]) -> Callable[[str], str]:
    """Refuses what is none of the names, and tells them."""

    def check(name: str) -> str:
        if name not in names:
            raise PydanticCustomError("name", "must be one of: {names}", {"names": ", ".join(names)})
        return name

    return check


def with_words(text: str) -> str:
    """Refuses a search in which there is nothing to search for, or too much."""
    found = len(search_words(text))
    if found == 0:
        raise PydanticCustomError("words", "contains no word: at least one letter or digit is needed")
    if found > _MAX_WANTED_WORDS:
        raise PydanticCustomError("words", "may contain at most {most} different words", {"most": _MAX_WANTED_WORDS})
    return text


Digest = Annotated[str, StringConstraints(pattern=_DIGEST, to_lower=True), BeforeValidator(_hexadecimal)]
"""A SHA-256 in hexadecimal, in lower case once it is read."""
WantedText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_WANTED_TEXT)]
WantedTag = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_TAG_LENGTH), BeforeValidator(tag_cleaner(MAX_TAG_LENGTH))
]
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema(
        {
            "type": "string",
            "anyOf": [{"format": "date-time"}, {"format": "date"}],
            "description": "an RFC 3339 time, or a date (midnight UTC)",
        }
    ),
]
