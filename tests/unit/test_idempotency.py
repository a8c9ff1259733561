import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from app.errors import BackendUnavailable, IdempotencyConflict, RequestInProgress
from app.models import Image
from app.services.aws import AWSClientFactory
from app.services.idempotency import IdempotencyKeys
from app.settings import Settings
from tests.conftest import TestClock
from tests.unit.test_tables import IMAGE


class Maker:
    """Makes images, or fails, and remembers with which ids it was asked to."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.asked_for: list[str] = []
        self.failure = failure

    def __call__(self, image_id: str) -> Image:
        self.asked_for.append(image_id)
        if self.failure:
            raise self.failure
        return IMAGE._replace(image_id=image_id)


@pytest.fixture
def keys(factory: AWSClientFactory, own_settings: Settings, clock: TestClock) -> IdempotencyKeys:
    ids = (f"id-{number}" for number in range(1000))
    return IdempotencyKeys(factory, own_settings, clock=clock, new_id=lambda: next(ids))


def test_a_repeated_request_gets_the_first_answer_and_makes_nothing(keys: IdempotencyKeys) -> None:
    make = Maker()
    first = keys.once("alice", "key", b"request", make)
    assert keys.once("alice", "key", b"request", make) == first
    assert len(make.asked_for) == 1


def test_without_a_key_every_request_makes_an_image(keys: IdempotencyKeys) -> None:
    make = Maker()
    assert keys.once("alice", None, b"request", make) != keys.once("alice", None, b"request", make)


def test_a_key_is_of_one_user(keys: IdempotencyKeys) -> None:
    make = Maker()
    assert keys.once("alice", "key", b"request", make) != keys.once("bob", "key", b"other", make)


def test_another_request_with_the_same_key_is_refused(keys: IdempotencyKeys) -> None:
    keys.once("alice", "key", b"request", Maker())
    with pytest.raises(IdempotencyConflict):
        keys.once("alice", "key", b"other", Maker())


def test_a_request_that_runs_keeps_its_repetition_away(keys: IdempotencyKeys) -> None:
    make = Maker()

    def make_slowly(image_id: str) -> Image:
        with pytest.raises(RequestInProgress):
            keys.once("alice", "key", b"request", make)
        with pytest.raises(IdempotencyConflict):
            keys.once("alice", "key", b"other", make)
        return IMAGE._replace(image_id=image_id)

    made = keys.once("alice", "key", b"request", make_slowly)
    assert keys.once("alice", "key", b"request", make) == made
    assert make.asked_for == []


def test_a_repetition_waits_for_the_request_that_is_under_way(
    factory: AWSClientFactory, own_settings: Settings, clock: TestClock
) -> None:
    make, repeated, looks = Maker(), [], threading.Semaphore(0)

    def watched_clock() -> datetime:  # looked at for each claim, and again where another's claim was met
        looks.release()
        return clock()

    keys = IdempotencyKeys(factory, own_settings, clock=watched_clock, new_id=lambda: str(uuid.uuid4()))
    with ThreadPoolExecutor(1) as pool:

        def make_while_it_is_repeated(image_id: str) -> Image:
            repeated.append(pool.submit(keys.once, "alice", "key", b"request", make))
            for _ in range(3):
                assert looks.acquire(timeout=20)
            assert not repeated[0].done()
            return IMAGE._replace(image_id=image_id)

        made = keys.once("alice", "key", b"request", make_while_it_is_repeated)
        assert repeated[0].result() == made
    assert make.asked_for == []


@pytest.mark.parametrize("failure", [BackendUnavailable("s3"), BackendUnavailable("dynamodb", contended=True)])
def test_after_a_failure_the_repetition_makes_the_same_image_at_once(
    keys: IdempotencyKeys, failure: BackendUnavailable
) -> None:
    failing, make = Maker(failure), Maker()
    with pytest.raises(BackendUnavailable):
        keys.once("alice", "key", b"request", failing)
    made = keys.once("alice", "key", b"request", make)
    assert failing.asked_for == make.asked_for == [made.image_id]


def test_a_request_that_died_is_taken_over_with_its_image_when_its_lease_is_over(
    keys: IdempotencyKeys, clock: TestClock
) -> None:
    dying, make = Maker(KeyboardInterrupt()), Maker()  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        keys.once("alice", "key", b"request", dying)
    with pytest.raises(RequestInProgress):
        keys.once("alice", "key", b"request", make)
    clock.now += timedelta(seconds=11)
    made = keys.once("alice", "key", b"request", make)
    assert dying.asked_for == make.asked_for == [made.image_id]
    assert keys.once("alice", "key", b"request", make) == made


def test_a_request_that_was_taken_over_does_not_undo_what_its_heir_noted(
    keys: IdempotencyKeys, clock: TestClock
) -> None:
    heirs: list[Image] = []

    def make_very_slowly(image_id: str) -> Image:
        clock.now += timedelta(seconds=11)
        heirs.append(keys.once("alice", "key", b"request", Maker()))
        return IMAGE._replace(image_id=image_id, title="late")

    keys.once("alice", "key", b"request", make_very_slowly)
    assert keys.once("alice", "key", b"request", Maker()) == heirs[0]


def test_a_key_is_forgotten_after_a_day(keys: IdempotencyKeys, clock: TestClock) -> None:
    first = keys.once("alice", "key", b"request", Maker())
    clock.now += timedelta(hours=25)
    assert keys.once("alice", "key", b"other", Maker()) != first
