"""From what a client wrote to a request model, or to an InvalidRequest that names each wrong field."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import orjson
from flask import Request
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from app.errors import FieldError, InvalidRequest
from app.plain_words import in_plain_words

TAGS = frozenset({"tags"})
"""The field that may be given repeatedly."""


class RequestModel(BaseModel):
    """Base of what clients send: unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=RequestModel)


def parse(model: type[Model], values: Mapping[str, object]) -> Model:
    """The values as a model. Raises InvalidRequest that names each field which is not right."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidRequest(errors=_field_errors(error, model.model_fields)) from error


def parsed_query(request: Request, model: type[Model], *, lists: frozenset[str] = frozenset()) -> Model:
    """The query string as a model; `lists` are those that may be given repeatedly. Raises InvalidRequest."""
    return parse(model, query_values(request.query_string, lists=lists))


def split_tags(text: str) -> list[Any]:
    """Tags written as a JSON array, or separated by commas."""
    if text.lstrip().startswith("["):
        try:
            parsed: list[Any] = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise PydanticCustomError("tags", "looks like a JSON array but is not valid JSON") from error
        return parsed
    return [part for part in text.split(",") if part.strip()]


def query_values(query: bytes, *, lists: frozenset[str] = frozenset()) -> dict[str, object]:
    """The query string's parameters, as `single_values`. Raises InvalidRequest also where one is not UTF-8."""
    pairs = []
    # Latin-1 maps each byte to a character and back, so that the bytes can be judged one parameter at a time.
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="latin-1"):
        raw_name, raw_value = name.encode("latin-1"), value.encode("latin-1")
        try:
            pairs.append((raw_name.decode(), raw_value.decode()))
        except UnicodeDecodeError as error:
            raise InvalidRequest(errors=[FieldError(raw_name.decode(errors="replace"), "is not UTF-8")]) from error
    return single_values(pairs, lists=lists)


def single_values(pairs: Iterable[tuple[str, str]], *, lists: frozenset[str] = frozenset()) -> dict[str, object]:
    """Form fields or parameters as a mapping; those named in `lists` may be given repeatedly.

    Raises InvalidRequest where another is given twice.
    """
    values: dict[str, object] = {}
    for name, value in pairs:
        if name in lists:
            try:
                so_far = values.setdefault(name, [])
                assert isinstance(so_far, list)
                so_far += split_tags(value)
            except PydanticCustomError as error:
                raise InvalidRequest(errors=[FieldError(name, error.message())]) from error
        elif name in values:
            raise InvalidRequest(errors=[FieldError(name, "is given more than once")])
        else:
            values[name] = value
    return values


def _field_errors(error: ValidationError, known: Collection[str]) -> list[FieldError]:
    return [
        FieldError(
            ".".join(str(part) for part in item["loc"]),
            _unknown(str(item["loc"][-1]), known) if item["type"] == "extra_forbidden" else in_plain_words(item),
        )
        for item in error.errors(include_input=False, include_url=False)
    ]


def _unknown(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return "is not known" + (f"; did you mean {close[0]}?" if close else "")
