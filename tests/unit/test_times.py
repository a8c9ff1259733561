from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.times import from_rfc3339, parsed_timestamp, rfc3339


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


@given(st.datetimes(timezones=st.timezones()).filter(lambda moment: 1 < moment.year < 9999))
@example(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
def test_moments_are_written_in_utc_with_all_six_digits_and_read_back(moment: datetime) -> None:
    in_utc = moment.astimezone(UTC)
    assert rfc3339(moment) == in_utc.isoformat("T", "microseconds").replace("+00:00", "Z")
    assert from_rfc3339(rfc3339(moment)) == in_utc
