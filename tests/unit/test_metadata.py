import dataclasses
from datetime import timedelta

import pytest

from app.errors import ImageNotFound
from app.models import ImageFilter, Status
from app.services import Services
from app.services.aws import AWSClientFactory
from app.services.metadata import RowChanged
from app.services.tables import row_key
from app.settings import Settings
from tests.unit.test_tables import IMAGE


def test_a_row_is_replaced_only_while_it_is_the_one_that_was_read(services: Services) -> None:
    services.metadata.add(IMAGE)
    second = dataclasses.replace(IMAGE, version=2, title=None, description="text")
    services.metadata.replace(IMAGE, second)
    assert services.metadata.get(IMAGE.image_id) == second
    with pytest.raises(RowChanged):
        services.metadata.replace(IMAGE, dataclasses.replace(IMAGE, version=2, title="Other"))
    assert services.metadata.get(IMAGE.image_id) == second


def test_replacing_a_row_that_is_gone_says_so(services: Services) -> None:
    with pytest.raises(RowChanged):
        services.metadata.replace(IMAGE, dataclasses.replace(IMAGE, version=2))
    with pytest.raises(ImageNotFound):
        services.metadata.get(IMAGE.image_id)


def test_the_same_write_again_is_the_same_write(services: Services) -> None:
    """What a retry does whose first try was carried out, but whose acknowledgement was lost."""
    services.metadata.add(IMAGE)
    second = dataclasses.replace(IMAGE, version=2)
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
    services.metadata.replace(IMAGE, dataclasses.replace(IMAGE, version=2, title=None))
    row = factory.dynamodb().get_item(TableName=own_settings.images_table, Key=row_key(IMAGE.image_id))["Item"]
    assert row["from_the_future"] == {"S": "kept"}


def test_of_two_removers_one_is_told_that_it_removed(services: Services) -> None:
    services.metadata.add(IMAGE)
    assert services.metadata.remove(IMAGE.image_id) is True
    assert services.metadata.remove(IMAGE.image_id) is False


@pytest.mark.parametrize("status", [Status.PENDING_UPLOAD, Status.REJECTED, Status.DELETING])
def test_unfinished_images_are_in_no_list(services: Services, status: Status) -> None:
    services.metadata.add(dataclasses.replace(IMAGE, status=status))
    assert list(services.metadata.uploaded_by("alice", ImageFilter(), page_size=10)) == []


@pytest.mark.parametrize("page_size", [1, 2, 3, 10])
@pytest.mark.parametrize("newest_first", [True, False])
def test_a_time_range_includes_its_start_and_not_its_end(
    services: Services, page_size: int, newest_first: bool
) -> None:
    for number in range(5):
        created_at = IMAGE.created_at + timedelta(microseconds=number)
        services.metadata.add(dataclasses.replace(IMAGE, image_id=str(number), created_at=created_at))
    wanted = ImageFilter(
        created_after=IMAGE.created_at + timedelta(microseconds=1),
        created_before=IMAGE.created_at + timedelta(microseconds=4),
        newest_first=newest_first,
    )
    found = [image.image_id for image in services.metadata.uploaded_by("alice", wanted, page_size=page_size)]
    assert found == (["3", "2", "1"] if newest_first else ["1", "2", "3"])


def test_an_empty_time_range_finds_nothing(services: Services) -> None:
    services.metadata.add(IMAGE)
    wanted = ImageFilter(created_after=IMAGE.created_at, created_before=IMAGE.created_at)
    assert list(services.metadata.uploaded_by("alice", wanted, page_size=10)) == []
