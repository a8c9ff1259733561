import time
from datetime import UTC, datetime, timedelta

import pytest

from app.errors import InvalidCursor, InvalidLink
from app.services.cursor import CursorSigner
from app.services.links import LinkSigner

OLD, NEW = "o" * 32, "n" * 32
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
signer = LinkSigner(NEW, lifetime_seconds=3600)
link = signer.sign("id", "ab" * 32, "256x-contain-q80.auto", signer.expires(NOW))


def test_a_link_lives_at_least_half_its_lifetime_and_is_the_same_within_a_slot() -> None:
    start = datetime(2026, 1, 2, tzinfo=UTC)
    moments = [start + timedelta(seconds=second) for second in range(0, 3600, 100)]
    links = [signer.sign("id", "ab" * 32, "x", signer.expires(moment)) for moment in moments]
    assert len(set(links)) == 2
    for second, made in zip(range(0, 3600, 100), links, strict=True):
        assert 1800 <= made.expires - start.timestamp() - second <= 3600


def test_an_expired_link_is_refused() -> None:
    signer.verify(link, datetime.fromtimestamp(link.expires - 1, UTC))
    with pytest.raises(InvalidLink, match="expired"):
        signer.verify(link, datetime.fromtimestamp(link.expires, UTC))


@pytest.mark.parametrize(
    "change",
    [{"image_id": "other"}, {"version": "0"}, {"spec_name": "512x"}, {"expires": link.expires + 1}, {"signature": "é"}],
)
def test_a_link_with_anything_changed_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidLink, match="altered"):
        signer.verify(link._replace(**change), NOW)  # type: ignore[arg-type]


def test_the_key_before_is_good_while_it_is_given() -> None:
    before = LinkSigner(OLD, lifetime_seconds=3600).sign("id", "ab" * 32, "x", signer.expires(NOW))
    rotated = LinkSigner(NEW, OLD, lifetime_seconds=3600)
    rotated.verify(before, NOW)
    assert rotated.sign("id", "ab" * 32, "x", signer.expires(NOW)) != before
    with pytest.raises(InvalidLink):
        signer.verify(before, NOW)


def test_cursors_outlive_a_rotation_too() -> None:
    before = CursorSigner(OLD).sign(("a",), scope="alice")
    assert CursorSigner(NEW, OLD).verify(before, scope="alice") == ("a",)
    with pytest.raises(InvalidCursor):
        CursorSigner(NEW).verify(before, scope="alice")


def test_signing_takes_microseconds() -> None:
    started = time.process_time()
    for number in range(1000):
        signer.sign(str(number), "ab" * 32, "256x-contain-q80.auto", signer.expires(NOW))
    assert time.process_time() - started < 0.1
