import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.events import ObjectCreated, objects_created


def body(*keys: str, name: str = "ObjectCreated:Put", source: str = "aws:s3") -> str:
    records = [
        {"eventSource": source, "eventName": name, "s3": {"bucket": {"name": "b"}, "object": {"key": key}}}
        for key in keys
    ]
    return json.dumps({"Records": records})


@pytest.mark.parametrize("name", ["ObjectCreated:Put", "ObjectCreated:Post", "ObjectCreated:CompleteMultipartUpload"])
def test_a_message_names_the_objects_that_were_created(name: str) -> None:
    assert objects_created(body("x", "y", name=name)) == [ObjectCreated("b", "x"), ObjectCreated("b", "y")]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("images/a%2540b/x+y.png", "images/a%40b/x y.png"),  # as AWS and ministack write it
        ("images%2Fa%2540b%2Fx+y.png", "images/a%40b/x y.png"),  # moto
        ("images/a%2540b/x%20y.png", "images/a%40b/x y.png"),  # LocalStack
        ("images/a%2Bb.png", "images/a+b.png"),
        ("images/Z%C3%BCrich.png", "images/Zürich.png"),
    ],
)
def test_keys_are_decoded_however_they_are_encoded(written: str, key: str) -> None:
    assert objects_created(body(written)) == [ObjectCreated("b", key)]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "garbage {",
        "[]",
        "7",
        "null",
        "{}",
        '{"Records": {}}',
        '{"Records": [7, null, {}, {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": []}]}',
        '{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}',
        body("x", name="ObjectRemoved:Delete"),
        body("x", source="aws:sns"),
    ],
)
def test_any_other_message_names_none(message: str) -> None:
    assert objects_created(message) == []


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["Records", "s3", "object", "key"]), inner),
)


@given(json_values)
def test_no_message_is_an_error(message: Any) -> None:
    objects_created(json.dumps(message))
