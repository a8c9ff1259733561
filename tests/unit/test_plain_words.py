"""What is wrong with a value is said in words for people, not in pydantic's."""

from typing import Any

import pytest

from app.api.parsing import parse
from app.api.request_models import BatchDelete, request_models
from app.entrypoints.environment import load_settings
from app.errors import InvalidRequest
from app.settings import Settings, SettingsError

MODELS = request_models(Settings())


@pytest.mark.parametrize(
    ("model", "values", "field", "message"),
    [
        (MODELS.upload_fields, {"title": "x" * 201}, "title", "has more than 200 characters"),
        (MODELS.upload_fields, {"tags": ["sea", 5]}, "tags.1", "must be a text"),
        (MODELS.list_query, {"limit": "1000"}, "limit", "must be 100 or less"),
        (MODELS.list_query, {"limit": "0"}, "limit", "must be 1 or more"),
        (MODELS.list_query, {"limit": "x"}, "limit", "must be a whole number, written in digits"),
        (MODELS.list_query, {"order": "up"}, "order", "must be 'asc' or 'desc'"),
        (MODELS.list_query, {"explain": "perhaps"}, "explain", "must be true or false"),
        (MODELS.list_query, {"limit": "9" * 30}, "limit", "must be 100 or less"),
        (MODELS.list_query, {"sha256": "x"}, "sha256", "must be 64 hexadecimal digits"),
        (MODELS.list_query, {"content_type": ""}, "content_type", "has fewer than 1 characters"),
        (MODELS.base64_upload, {"image_data": "", "metadata": "x"}, "metadata", "must be a JSON object"),
        (
            MODELS.upload_announcement,
            {"filename": "a/..", "content_type": "image/png", "file_size": 1},
            "filename",
            "names no file",
        ),
        (BatchDelete, {"image_ids": []}, "image_ids", "has too few entries; at least 1 must be given"),
        (BatchDelete, {"image_ids": "x"}, "image_ids", "must be a list"),
        (BatchDelete, {}, "image_ids", "is missing"),
    ],
)
def test_of_a_field(model: Any, values: dict[str, object], field: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(model, values)
    assert [(it.field, it.message) for it in refused.value.errors] == [(field, message)]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "abc", "PORT: must be a whole number"),
        ("MAX_LIST_LIMIT", "0", "MAX_LIST_LIMIT: must be 1 or more"),
    ],
)
def test_of_a_setting(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=f"^{message}$"):
        load_settings({name: value})
