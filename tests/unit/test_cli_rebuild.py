from datetime import timedelta
from pathlib import Path

import orjson

from app.entrypoints.cli_rebuild import rebuild
from app.models import ImageFilter
from app.services import Services
from app.settings import Settings
from app.times import rfc3339
from tests.unit.test_tables import IMAGE


def test_an_interrupted_rebuild_goes_on_where_it_stopped(
    services: Services, own_settings: Settings, tmp_path: Path
) -> None:
    later = IMAGE._replace(image_id="later", created_at=IMAGE.created_at + timedelta(seconds=1))
    for image in (IMAGE, later):
        services.metadata.add(image)
    settings = own_settings.model_copy(update={"data_dir": tmp_path})
    bookmark = tmp_path / "rebuild-postings.json"
    done_up_to = (rfc3339(IMAGE.created_at), IMAGE.image_id)
    bookmark.write_bytes(orjson.dumps({"user_id": "alice", "done_up_to": done_up_to}))

    rebuild(settings, "alice")
    assert found(services) == ["later"]
    assert not bookmark.exists()

    bookmark.write_bytes(orjson.dumps({"user_id": "somebody else", "done_up_to": done_up_to}))
    rebuild(settings, "alice")
    assert found(services) == ["later", IMAGE.image_id]


def found(services: Services) -> list[str]:
    page, _ = services.metadata.find("alice", ImageFilter(tags=("sea",)), limit=9, after=None, max_candidates=99)
    return [image.image_id for image in page.images]
