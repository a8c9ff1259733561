"""What is counted, when quotas are set, and what the audit does where the count is wrong."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from app.errors import ImageNotFound, QuotaExceeded, UploadRejected
from app.models import Status, Usage
from app.services import build_services
from app.services.audit import AuditOptions, DefectKind
from app.services.aws import AWSClientFactory
from app.services.metadata import RowChanged
from app.services.tables import Counted, usage_key
from app.services.usage import Recount
from app.settings import Settings
from tests.conftest import TestClock
from tests.samples import picture
from tests.unit.test_audit import ALL, REPAIR, Stores

SIZE = len(picture())
ONE = Usage(1, SIZE)


@pytest.fixture
def make(factory: AWSClientFactory, own_settings: Settings, clock: TestClock) -> Callable[..., Stores]:
    """The same stores, seen by services with such quotas."""

    def with_quotas(images: int | None = None, size: int | None = None) -> Stores:
        quotas = {"max_images_per_user": images, "max_bytes_per_user": size}
        settings = own_settings.model_copy(update=quotas)
        return Stores(build_services(settings, clock=clock), factory, settings, clock)

    return with_quotas


@pytest.fixture
def stores(make: Callable[..., Stores]) -> Iterator[Stores]:
    made = make(100)
    yield made
    assert_counted_right(made)


def assert_counted_right(stores: Stores) -> None:
    found = Recount()
    for _ in stores.services.usage.recount(found):
        pass
    assert found.suspects() == []


def used(stores: Stores, user_id: str = "alice") -> Usage:
    return stores.services.usage.of(user_id)


def test_an_image_counts_from_its_upload_to_its_end(stores: Stores) -> None:
    assert used(stores) == Usage()
    first, second = stores.upload(), stores.upload()
    stores.services.images.update("alice", first.image_id, {"title": "Dusk"})
    assert (used(stores), used(stores, "bob")) == (Usage(2, 2 * SIZE), Usage())
    stores.services.images.delete("alice", first.image_id)
    assert used(stores) == ONE
    stores.services.images.delete_many("alice", [first.image_id, second.image_id])
    assert used(stores) == Usage()


def test_a_direct_upload_counts_as_announced_until_it_is_given_up(stores: Stores) -> None:
    image = stores.announce()
    assert used(stores) == ONE
    stores.services.uploads.abandon("alice", image.image_id)
    assert used(stores) == Usage()


def test_a_direct_upload_that_never_comes_counts_until_it_is_swept(stores: Stores) -> None:
    stores.announce()
    stores.an_hour_later()
    assert used(stores) == ONE
    assert len(list(stores.services.uploads.sweep())) == 1
    assert used(stores) == Usage()


def test_a_direct_upload_counts_once_when_it_is_finished(stores: Stores) -> None:
    image = stores.announce()
    stores.put(image.object_key)
    for _ in range(2):
        stores.services.uploads.complete("alice", image.image_id)
    assert used(stores) == ONE


def test_what_was_rejected_does_not_count(stores: Stores) -> None:
    image = stores.announce()
    stores.put(image.object_key, b"x" * SIZE)
    for _ in range(2):
        with pytest.raises(UploadRejected):
            stores.services.uploads.complete("alice", image.image_id)
    assert used(stores) == Usage()
    stores.services.uploads.abandon("alice", image.image_id)
    assert used(stores) == Usage()


@pytest.mark.parametrize(("images", "size"), [(2, None), (None, 2 * SIZE), (2, 2 * SIZE), (2, 9 * SIZE), (9, 2 * SIZE)])
def test_the_last_image_fits_and_one_more_does_not(
    make: Callable[..., Stores], images: int | None, size: int | None
) -> None:
    stores = make(images, size)
    first, _ = stores.upload(), stores.upload()
    before = stores.everything()
    for try_another in (stores.upload, stores.announce):
        with pytest.raises(QuotaExceeded):
            try_another()
    assert stores.everything() == before
    stores.upload("bob")
    stores.services.images.delete("alice", first.image_id)
    stores.upload()
    assert_counted_right(stores)


def test_one_image_larger_than_all_may_be_is_refused(make: Callable[..., Stores]) -> None:
    stores = make(size=SIZE - 1)
    with pytest.raises(QuotaExceeded):
        stores.upload()
    assert used(stores) == Usage()


def test_a_row_that_is_there_already_is_not_counted_again(make: Callable[..., Stores]) -> None:
    """What a repetition meets, and botocore's retry of a write whose answer was lost; also when nothing is left."""
    stores = make(1)
    image = stores.announce()
    assert stores.services.metadata.add(image) == image
    assert used(stores) == ONE
    uploaded = image._replace(status=Status.UPLOADED, expires_at=None)
    for _ in range(2):
        stores.services.metadata.replace(image, uploaded)
    with pytest.raises(RowChanged):
        stores.services.metadata.replace(image, image._replace(status=Status.DELETING))
    assert used(stores) == ONE
    assert stores.services.metadata.remove(uploaded) is True
    assert stores.services.metadata.remove(uploaded) is False
    assert used(stores) == Usage()


def test_a_key_that_met_a_full_quota_can_be_used_at_once_when_there_is_room(make: Callable[..., Stores]) -> None:
    stores = make(1)
    first = stores.upload(key="first")
    for _ in range(2):
        with pytest.raises(QuotaExceeded):
            stores.upload(key="second")
    stores.services.images.delete("alice", first.image_id)
    second = stores.upload(key="second")
    assert stores.upload(key="second") == second
    assert used(stores) == ONE


def test_without_quotas_nothing_is_counted_and_usage_is_added_up(make: Callable[..., Stores]) -> None:
    stores = make()
    images = [stores.upload(), stores.announce(), stores.announce()]
    stores.put(images[2].object_key, b"x" * SIZE)
    with pytest.raises(UploadRejected):
        stores.services.uploads.complete("alice", images[2].image_id)
    stores.upload("bob")
    assert used(stores) == Usage(2, 2 * SIZE)
    assert stores.services.usage.counted("alice") == Counted(Usage(), None)


def before_there_was_a_quota(stores: Stores, plain: Stores) -> None:
    plain.upload()


def gone_while_there_was_none(stores: Stores, plain: Stores) -> None:
    plain.services.images.delete("alice", stores.upload().image_id)


def row_that_dynamodb_forgot(stores: Stores, plain: Stores) -> None:
    stores.lose_row(stores.announce())


def counter_lost(stores: Stores, plain: Stores) -> None:
    stores.upload()
    key = usage_key("alice")
    stores.factory.dynamodb().delete_item(TableName=stores.settings.images_table, Key=key)


DRIFTS = [before_there_was_a_quota, gone_while_there_was_none, row_that_dynamodb_forgot, counter_lost]


@pytest.mark.parametrize("drift", DRIFTS)
@pytest.mark.parametrize("user_id", [None, "alice"])
def test_a_wrong_count_is_found_and_set_right(
    make: Callable[..., Stores], drift: Callable[[Stores, Stores], None], user_id: str | None
) -> None:
    stores, plain = make(100), make()
    stores.upload("bob")
    drift(stores, plain)
    stores.an_hour_later()
    look, repair = AuditOptions(user_id=user_id), AuditOptions(user_id=user_id, repair=True)
    before = stores.everything()
    assert [(it.kind, it.user_id, it.done) for it in stores.audit(look)] == [(DefectKind.USAGE_DRIFT, "alice", False)]
    assert stores.everything() == before
    assert [(it.kind, it.user_id, it.done) for it in stores.audit(repair)] == [(DefectKind.USAGE_DRIFT, "alice", True)]
    assert_counted_right(stores)
    assert stores.audit(ALL) == []
    assert plain.audit(ALL) == []


def test_a_count_that_changed_within_the_grace_period_is_left_alone(make: Callable[..., Stores]) -> None:
    stores = make(100)
    row_that_dynamodb_forgot(stores, make())
    assert stores.audit(REPAIR) == []
    stores.an_hour_later()
    assert len(stores.audit(REPAIR)) == 1


def test_an_upload_after_the_count_was_looked_at_is_not_lost(make: Callable[..., Stores]) -> None:
    stores = make(100)
    seen = stores.services.usage.counted("alice")
    stores.upload()
    assert stores.services.usage.correct("alice", seen, Usage(7, 7)) is False
    assert used(stores) == ONE
    seen = stores.services.usage.counted("alice")
    assert stores.services.usage.correct("alice", seen, Usage(7, 7)) is True
    assert used(stores) == Usage(7, 7)


def test_after_the_tables_are_lost_a_rebuild_counts_again_whatever_the_quota(make: Callable[..., Stores]) -> None:
    stores, smaller = make(100), make(1)
    for _ in range(3):
        stores.upload()
    stores.lose_tables()
    stores.an_hour_later()
    smaller.audit(ALL)
    assert used(smaller) == Usage(3, 3 * SIZE)
    assert_counted_right(stores)


def test_counters_are_in_no_list_and_no_image(stores: Stores) -> None:
    image = stores.upload()
    assert stores.found() == [image.image_id]
    assert [it for page in stores.services.metadata.scan_all() for it in page] == [image]
    with pytest.raises(ImageNotFound):
        stores.services.images.get("alice", usage_key("alice")["image_id"]["S"])


def test_an_audit_with_no_grace_believes_only_what_did_not_change_since_it_began(
    make: Callable[..., Stores],
) -> None:
    stores = make(100)
    before_there_was_a_quota(stores, make())
    stores.upload()
    assert [it.done for it in stores.audit(AuditOptions(repair=True, grace=timedelta()))] == [True]
    assert used(stores) == Usage(2, 2 * SIZE)
