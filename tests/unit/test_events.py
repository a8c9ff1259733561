import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.keys import parsed_object_key
from app.services.events import ObjectCreated, objects_created

ID = "f47ac10b-58cc-4372-a567-0e02b2c3d479"


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


@pytest.mark.parametrize(
    ("key", "named"),
    [
        (f"images/alice/{ID}.jpg", ("alice", ID)),
        (f"uploads/a%40b%7C/{ID}.webp", ("a@b|", ID)),
        (f"records/alice/{ID}.json", None),
        (f"variants/alice/{ID}.webp", None),
        (f"images/alice/{ID}", None),
        (f"images/alice/{ID.upper()}.jpg", None),
        (f"images/alice/x/{ID}.jpg", None),
        (f"images/a@b/{ID}.jpg", None),  # not as the service writes it, so not the service's
        (f"images/%2E%2E/{ID}.jpg", None),
        (f"images/{ID}.jpg", None),
        ("", None),
    ],
)
def test_only_keys_of_the_services_own_name_an_image(key: str, named: tuple[str, str] | None) -> None:
    assert parsed_object_key(key) == named
