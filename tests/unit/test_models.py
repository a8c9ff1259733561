from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.keys import is_image_id, is_user_id
from app.models import cleaned_filename, normalised_tags, normalised_title
from app.times import parsed_timestamp, rfc3339


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
    assert is_image_id("f47ac10b-58cc-4372-a567-0e02b2c3d479")


def test_tags_are_trimmed_folded_normalised_and_kept_once_in_order() -> None:
    tags = [" Sea ", "SUNSET", "sea", "e\u0301", "\u00e9", "Straße"]
    assert normalised_tags(tags) == ("sea", "sunset", "é", "strasse")


@given(st.lists(st.text(min_size=1)))
def test_normalising_tags_twice_changes_nothing(tags: list[str]) -> None:
    once = normalised_tags(tags)
    assert normalised_tags(once) == once


def test_titles_compare_without_case_and_control_characters() -> None:
    assert normalised_title("Das GROSSE\tHAUS") == normalised_title("das große haus")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("beach.jpg", "beach.jpg"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\me\\urlaub.png", "urlaub.png"),
        ("../../x.gif", "x.gif"),
        ("Zürich 北京 🏖.jpg", "Zürich 北京 🏖.jpg"),
        ("a\r\nSet-Cookie: b.jpg", "aSet-Cookie: b.jpg"),
        ("evil\u202egpj.exe", "evilgpj.exe"),
        ("a\x00b.jpg", "ab.jpg"),
        ("..", None),
        ("   ", None),
        ("dir/", None),
    ],
)
def test_filenames_lose_paths_and_control_characters(given: str, expected: str | None) -> None:
    assert cleaned_filename(given) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31", "2026-01-31T00:00:00.000000Z"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000Z"),
        ("2026-01-31t12:00:00.5z", "2026-01-31T12:00:00.500000Z"),
        ("2026-01-31T12:00:00.1234567Z", "2026-01-31T12:00:00.123456Z"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00.000000Z"),
        ("2026-01-31T12:00:00 02:00", "2026-01-31T10:00:00.000000Z"),
        ("2026-01-31T12:00:00-00:30", "2026-01-31T12:30:00.000000Z"),
    ],
)
def test_timestamps_are_read_after_rfc_3339(text: str, expected: str) -> None:
    assert rfc3339(parsed_timestamp(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-13-01",
        "2026-02-30",
        "2026-01-31T12:00:00",
        "2026-01-31T25:00:00Z",
        "20260131",
        "2026-W05-1",
        "2026-01-31T12:00:00+25:00",
        "2026-01-31T12:00:00+02:75",
        "0001-01-01T00:00:00+01:00",
        "\u0662026-01-31",
        "2026-01-31T12:00Z",
    ],
)
def test_what_is_no_timestamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parsed_timestamp(text)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_times_as_text_sort_like_times(one: datetime, other: datetime) -> None:
    assert parsed_timestamp(rfc3339(one)) == one
    assert (rfc3339(one) < rfc3339(other)) == (one < other)
