"""`rebuild-postings` after one that was interrupted."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.entrypoints.cli_rebuild import rebuild
from app.models import ImageFilter
from app.services import Services
from app.settings import Settings
from app.times import rfc3339
from tests.unit.test_tables import IMAGE

BOTH = ["later", IMAGE.image_id]
DONE_UP_TO = (rfc3339(IMAGE.created_at), IMAGE.image_id)


@pytest.fixture
def settings(services: Services, own_settings: Settings, tmp_path: Path) -> Settings:
    """Of tables in which two rows have no postings."""
    later = IMAGE._replace(image_id="later", created_at=IMAGE.created_at + timedelta(seconds=1))
    for image in (IMAGE, later):
        services.metadata.add(image)
    return own_settings.model_copy(update={"data_dir": tmp_path})


def leave_bookmark(settings: Settings, user_id: str | None = "alice", **changes: str) -> Path:
    """What a rebuild leaves behind that was interrupted after the first of the rows."""
    names = ("endpoint_url", "aws_region", "images_table", "postings_table")
    of = {name: getattr(settings, name) for name in names} | {"user_id": user_id} | changes
    bookmark = settings.data_dir / "rebuild-postings.json"
    bookmark.write_bytes(orjson.dumps({"of": of, "done_up_to": DONE_UP_TO}))
    return bookmark


def found(services: Services) -> list[str]:
    page, _ = services.metadata.find("alice", ImageFilter(tags=("sea",)), limit=9, after=None, max_candidates=99)
    return [image.image_id for image in page.images]


def test_an_interrupted_rebuild_goes_on_where_it_stopped(services: Services, settings: Settings) -> None:
    bookmark = leave_bookmark(settings)
    rebuild(settings, "alice")
    assert found(services) == ["later"]
    assert not bookmark.exists()


@pytest.mark.parametrize(
    "other",
    [
        {"endpoint_url": "http://127.0.0.1:1"},
        {"aws_region": "eu-central-2"},
        {"images_table": "other"},
        {"postings_table": "other"},
        {"user_id": "somebody else"},
        {"user_id": None},
    ],
)
def test_one_of_something_else_does_not_shorten_it(services: Services, settings: Settings, other: Any) -> None:
    bookmark = leave_bookmark(settings, **other)
    rebuild(settings, "alice")
    assert found(services) == BOTH
    assert not bookmark.exists()


@pytest.mark.parametrize(
    "left",
    [
        b"",
        b"\xff",
        b"[]",
        orjson.dumps({"user_id": "alice", "done_up_to": DONE_UP_TO}),  # as it was before it named the tables
        orjson.dumps({"of": {}, "done_up_to": None}),
    ],
)
def test_a_file_that_does_not_say_how_far_it_came_is_no_obstacle(
    services: Services, settings: Settings, left: bytes
) -> None:
    leave_bookmark(settings).write_bytes(left)
    rebuild(settings, "alice")
    assert found(services) == BOTH
