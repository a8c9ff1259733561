from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.errors import BackendUnavailable, ImageNotFound
from app.models import Image, ImageFilter, Status
from app.services import Services
from app.services.aws import AWSClientFactory
from app.services.dynamodb import MAX_ACTIONS
from app.services.metadata import ImageMetadataService, RowChanged
from app.services.rebuild import rebuild_postings
from app.services.tables import MAX_TAGS_AND_WORDS, posting_key, postings_of, row_key
from app.services.usage import UsageCounters
from app.settings import Settings
from app.times import rfc3339
from tests.conftest import TestClock
from tests.unit.test_tables import IMAGE


def test_a_row_is_replaced_only_while_it_is_the_one_that_was_read(services: Services) -> None:
    services.metadata.add(IMAGE)
    second = IMAGE._replace(version=2, title=None, description="text")
    services.metadata.replace(IMAGE, second)
    assert services.metadata.get(IMAGE.image_id) == second
    with pytest.raises(RowChanged):
        services.metadata.replace(IMAGE, IMAGE._replace(version=2, title="Other"))
    assert services.metadata.get(IMAGE.image_id) == second


def test_replacing_a_row_that_is_gone_says_so(services: Services) -> None:
    with pytest.raises(RowChanged):
        services.metadata.replace(IMAGE, IMAGE._replace(version=2))
    with pytest.raises(ImageNotFound):
        services.metadata.get(IMAGE.image_id)


def test_the_same_write_again_is_the_same_write(services: Services) -> None:
    """What a retry does whose first try was carried out, but whose acknowledgement was lost."""
    services.metadata.add(IMAGE)
    second = IMAGE._replace(version=2)
    services.metadata.replace(IMAGE, second)
    services.metadata.replace(IMAGE, second)
    assert services.metadata.get(IMAGE.image_id) == second


def test_attributes_of_later_versions_survive_an_edit(
    services: Services, factory: AWSClientFactory, own_settings: Settings
) -> None:
    services.metadata.add(IMAGE)
    factory.dynamodb().update_item(
        TableName=own_settings.images_table,
        Key=row_key(IMAGE.image_id),
        UpdateExpression="SET from_the_future = :x",
        ExpressionAttributeValues={":x": {"S": "kept"}},
    )
    services.metadata.replace(IMAGE, IMAGE._replace(version=2, title=None))
    row = factory.dynamodb().get_item(TableName=own_settings.images_table, Key=row_key(IMAGE.image_id))["Item"]
    assert row["from_the_future"] == {"S": "kept"}


def test_of_two_removers_one_is_told_that_it_removed(services: Services) -> None:
    services.metadata.add(IMAGE)
    assert services.metadata.remove(IMAGE) is True
    assert services.metadata.remove(IMAGE) is False


def test_a_remover_that_comes_late_leaves_what_has_become_of_the_row(services: Services) -> None:
    services.metadata.add(IMAGE)
    services.metadata.replace(IMAGE, deleting := IMAGE._replace(status=Status.DELETING))
    assert services.metadata.remove(deleting)
    services.metadata.add(IMAGE)
    assert not services.metadata.remove(deleting)
    assert services.metadata.get(IMAGE.image_id) == IMAGE


def listed(services: Services, wanted: ImageFilter, limit: int = 100) -> list[str]:
    """The ids of all that the filter accepts, `limit` at a time."""
    ids: list[str] = []
    after = None
    while True:
        found, _ = services.metadata.find("alice", wanted, limit=limit, after=after, max_candidates=2000)
        ids += [image.image_id for image in found.images]
        after = found.resume_after
        if after is None:
            return ids


@pytest.mark.parametrize("status", [Status.PENDING_UPLOAD, Status.REJECTED, Status.DELETING])
def test_unfinished_images_are_in_no_list_unless_it_asks_for_them(services: Services, status: Status) -> None:
    services.metadata.add(IMAGE._replace(status=status))
    assert listed(services, ImageFilter()) == []
    assert listed(services, ImageFilter(status=status)) == [IMAGE.image_id]
    assert listed(services, ImageFilter(status=status, title=IMAGE.title)) == [IMAGE.image_id]


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
@pytest.mark.parametrize("descending", [True, False])
def test_a_time_range_includes_its_start_and_not_its_end(services: Services, limit: int, descending: bool) -> None:
    for number in range(5):
        created_at = IMAGE.created_at + timedelta(microseconds=number)
        services.metadata.add(IMAGE._replace(image_id=str(number), created_at=created_at))
    wanted = ImageFilter(
        created_after=IMAGE.created_at + timedelta(microseconds=1),
        created_before=IMAGE.created_at + timedelta(microseconds=4),
        descending=descending,
    )
    assert listed(services, wanted, limit) == (["3", "2", "1"] if descending else ["1", "2", "3"])


def test_an_empty_time_range_finds_nothing(services: Services) -> None:
    services.metadata.add(IMAGE)
    assert listed(services, ImageFilter(created_after=IMAGE.created_at, created_before=IMAGE.created_at)) == []


def posting_rows(factory: AWSClientFactory, settings: Settings) -> set[tuple[str, str]]:
    items = factory.dynamodb().scan(TableName=settings.postings_table)["Items"]
    return {(item["term_key"]["S"], item["image_key"]["S"]) for item in items}


def keys(image: Image) -> set[tuple[str, str]]:
    return {(posting_key(it)["term_key"]["S"], posting_key(it)["image_key"]["S"]) for it in postings_of(image)}


def test_postings_follow_the_row(services: Services, factory: AWSClientFactory, own_settings: Settings) -> None:
    pending = IMAGE._replace(status=Status.PENDING_UPLOAD)
    edited = IMAGE._replace(version=2, tags=("sea", "rome"), title="Another")
    services.metadata.add(pending)
    assert posting_rows(factory, own_settings) == set()
    services.metadata.replace(pending, IMAGE)
    assert posting_rows(factory, own_settings) == keys(IMAGE) != set()
    services.metadata.replace(IMAGE, edited)
    assert posting_rows(factory, own_settings) == keys(edited)
    services.metadata.replace(edited, edited._replace(status=Status.DELETING))
    assert posting_rows(factory, own_settings) == set()


def test_as_many_postings_as_an_image_can_have_go_with_its_row(
    services: Services, factory: AWSClientFactory, own_settings: Settings
) -> None:
    most_tags = Settings.model_json_schema()["properties"]["max_tags"]["maximum"]
    tags = tuple(f"tag{number}" for number in range(most_tags))
    words = " ".join(f"word{number}" for number in range(MAX_TAGS_AND_WORDS))
    full = IMAGE._replace(tags=tags, description=words)
    pending = full._replace(status=Status.PENDING_UPLOAD)
    services.metadata.add(pending)
    services.metadata.replace(pending, full)
    assert posting_rows(factory, own_settings) == keys(full)
    assert len(keys(full)) == MAX_TAGS_AND_WORDS + 1
    assert len(keys(full)) + 2 <= MAX_ACTIONS, "with the row and the user's counter"
    services.metadata.replace(full, full._replace(status=Status.DELETING))
    assert posting_rows(factory, own_settings) == set()


def test_a_write_onto_a_changed_row_writes_no_postings(
    services: Services, factory: AWSClientFactory, own_settings: Settings
) -> None:
    services.metadata.add(IMAGE._replace(version=7))
    with pytest.raises(RowChanged):
        services.metadata.replace(IMAGE, IMAGE._replace(version=2, tags=("new",)))
    assert posting_rows(factory, own_settings) == set()


def test_a_repeated_transaction_is_the_same_write(services: Services) -> None:
    services.metadata.add(IMAGE)
    second = IMAGE._replace(version=2, tags=("new",))
    services.metadata.replace(IMAGE, second)
    services.metadata.replace(IMAGE, second)
    assert services.metadata.get(IMAGE.image_id) == second


def test_postings_are_rebuilt_from_the_rows(
    services: Services, factory: AWSClientFactory, own_settings: Settings
) -> None:
    others = IMAGE._replace(image_id="others", user_id="bob")
    pending = IMAGE._replace(image_id="pending", status=Status.PENDING_UPLOAD)
    for image in (IMAGE, others, pending):
        services.metadata.add(image)
    steps = list(rebuild_postings(services.metadata, user_id="alice"))
    assert posting_rows(factory, own_settings) == keys(IMAGE)
    assert sum(step.rows for step in steps) == 1
    list(rebuild_postings(services.metadata))
    assert posting_rows(factory, own_settings) == keys(IMAGE) | keys(others)


def test_a_rebuild_goes_on_behind_what_was_done(
    services: Services, factory: AWSClientFactory, own_settings: Settings
) -> None:
    later = IMAGE._replace(image_id="later", created_at=IMAGE.created_at + timedelta(seconds=1))
    for image in (IMAGE, later):
        services.metadata.add(image)
    after = (rfc3339(IMAGE.created_at), IMAGE.image_id)
    list(rebuild_postings(services.metadata, user_id="alice", after=after))
    assert posting_rows(factory, own_settings) == keys(later)


def test_a_row_that_changed_meanwhile_keeps_the_postings_of_its_change(
    services: Services, factory: AWSClientFactory, own_settings: Settings
) -> None:
    services.metadata.add(IMAGE._replace(version=2, tags=()))
    with pytest.raises(RowChanged):
        services.metadata.restore_postings(IMAGE)
    assert posting_rows(factory, own_settings) == set()


class Interrupted:
    """The factory of somebody who is held up right after a transaction, while another does something."""

    def __init__(self, factory: AWSClientFactory, meanwhile: Callable[[], object]) -> None:
        self._factory, self._meanwhile, self.breaks = factory, meanwhile, False

    def dynamodb(self) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._factory.dynamodb(), name)

    def transact_write_items(self, **parameters: Any) -> Any:
        if self.breaks:
            raise BackendUnavailable("dynamodb")
        answer = self._factory.dynamodb().transact_write_items(**parameters)
        meanwhile, self._meanwhile = self._meanwhile, lambda: None
        meanwhile()
        return answer


@pytest.mark.parametrize("again", [True, False])
def test_an_edit_that_loses_more_than_a_transaction_holds_takes_nothing_from_the_next(
    services: Services, factory: AWSClientFactory, own_settings: Settings, clock: TestClock, again: bool
) -> None:
    words = [" ".join(f"{kind}{number}" for number in range(MAX_TAGS_AND_WORDS)) for kind in ("one", "two")]
    tags = [tuple(f"{kind}{number}" for number in range(30)) for kind in ("a", "b")]
    first = IMAGE._replace(title=None, tags=tags[0], description=words[0])
    second = first._replace(version=2, tags=tags[1], description=words[1])
    third = first._replace(version=3)
    services.metadata.add(first._replace(status=Status.PENDING_UPLOAD))
    services.metadata.replace(first._replace(status=Status.PENDING_UPLOAD), first)

    def edit_back() -> None:
        if again:
            services.metadata.replace(second, third)

    held_up: Any = Interrupted(factory, edit_back)
    usage = UsageCounters(held_up, own_settings, clock=clock)
    ImageMetadataService(held_up, own_settings, usage).replace(first, second)
    wanted = third if again else second
    assert services.metadata.get(first.image_id) == wanted
    assert keys(wanted) <= posting_rows(factory, own_settings)
    assert again or keys(wanted) == posting_rows(factory, own_settings)


def test_an_edit_is_done_although_not_all_that_it_loses_could_be_taken_away(
    services: Services, factory: AWSClientFactory, own_settings: Settings, clock: TestClock
) -> None:
    words = [" ".join(f"{kind}{number}" for number in range(MAX_TAGS_AND_WORDS)) for kind in ("one", "two")]
    tags = [tuple(f"{kind}{number}" for number in range(30)) for kind in ("a", "b")]
    first = IMAGE._replace(title=None, tags=tags[0], description=words[0])
    second = first._replace(version=2, tags=tags[1], description=words[1])
    services.metadata.restore(first)

    def break_down() -> None:
        held_up.breaks = True

    held_up: Any = Interrupted(factory, break_down)
    usage = UsageCounters(held_up, own_settings, clock=clock)
    ImageMetadataService(held_up, own_settings, usage).replace(first, second)
    assert services.metadata.get(first.image_id) == second
    assert keys(second) < posting_rows(factory, own_settings)
