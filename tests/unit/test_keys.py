import pytest

from app.keys import is_image_id, is_user_id, parsed_key

ID = "f47ac10b-58cc-4372-a567-0e02b2c3d479"


@pytest.mark.parametrize("text", ["alice", "a.b_c-d@e:f+g=h|i", "0", "x" * 128, "..."])
def test_user_ids_of_the_contract_are_accepted(text: str) -> None:
    assert is_user_id(text)


@pytest.mark.parametrize("text", ["", ".", "..", "a b", "a/b", "é", "x" * 129, "a,b", "alice\n", "a%2Fb"])
def test_other_user_ids_are_refused(text: str) -> None:
    assert not is_user_id(text)


@pytest.mark.parametrize(
    "text",
    ["", "abc", "F47AC10B-58CC-4372-A567-0E02B2C3D479", "f47ac10b58cc4372a5670e02b2c3d479", "../../etc/passwd"],
)
def test_only_lower_case_uuids_are_image_ids(text: str) -> None:
    assert not is_image_id(text)
    assert is_image_id(ID)


@pytest.mark.parametrize(
    ("key", "named"),
    [
        (f"images/alice/{ID}.jpg", ("images", "alice", ID)),
        (f"uploads/a%40b%7C/{ID}.webp", ("uploads", "a@b|", ID)),
        (f"records/alice/{ID}.json", ("records", "alice", ID)),
        (f"variants/{ID}/w320-1.webp", ("variants", "", ID)),
        (f"records/alice/{ID}.jpg", None),
        (f"variants/alice/{ID}.webp", None),
        (f"variants/{ID}", None),
        (f"other/alice/{ID}.jpg", None),
        (f"images/alice/{ID}", None),
        (f"images/alice/{ID.upper()}.jpg", None),
        (f"images/alice/x/{ID}.jpg", None),
        (f"images/a@b/{ID}.jpg", None),  # not as the service writes it, so not the service's
        (f"images/%2E%2E/{ID}.jpg", None),
        (f"records/%2E%2E/{ID}.json", None),
        (f"images/{ID}.jpg", None),
        ("", None),
    ],
)
def test_only_keys_of_the_services_own_are_understood(key: str, named: tuple[str, str, str] | None) -> None:
    assert parsed_key(key) == named
