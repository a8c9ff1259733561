"""What the log says where a request could not be served."""

import logging

import httpx
import pytest

from app.api import create_app
from app.models import Status
from app.services import Services, build_services
from app.settings import Settings
from tests.conftest import client_beside
from tests.contract.steps import IMAGES, assert_problem, upload
from tests.samples import picture
from tests.unit.test_tables import IMAGE


def problems_in(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str, object]]:
    return [
        (record.levelno, record.getMessage(), vars(record).get("cause"))
        for record in caplog.records
        if record.name == "app.api.problems"
    ]


def test_a_race_that_was_lost_is_no_failure_of_a_store(
    services: Services, own_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    services.metadata.add(IMAGE)
    services.metadata.replace(IMAGE, IMAGE._replace(status=Status.DELETING))
    app = create_app(own_settings, build_services(own_settings, new_id=lambda: IMAGE.image_id))
    with httpx.Client(base_url="http://in-process", transport=httpx.WSGITransport(app)) as api:
        headers = {"X-User-ID": IMAGE.user_id, "Content-Type": "image/jpeg"}
        answer = api.post(IMAGES, content=picture(), headers=headers)
    assert_problem(answer, 503, "backend_unavailable")
    assert answer.headers["Retry-After"]
    assert problems_in(caplog) == [(logging.INFO, "others were changing the same image", None)]


def test_a_store_that_is_gone_is_an_error_with_its_cause(
    services: Services, own_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    assert services  # its AWS is there
    with client_beside(own_settings.model_copy(update={"images_table": "of-nobody"}), "alice") as api:
        assert_problem(api.get(IMAGES), 503, "backend_unavailable")
    assert problems_in(caplog) == [(logging.ERROR, "store unavailable", "ResourceNotFoundException")]


def test_a_store_that_answers_without_what_it_should_have_is_an_error_of_no_cause(
    services: Services, own_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with client_beside(own_settings, "alice") as api:
        image = services.metadata.get(upload(api)["image_id"])
        services.storage.delete_object(image.object_key)
        assert_problem(api.get(f"{IMAGES}/{image.image_id}"), 503, "backend_unavailable")
    assert problems_in(caplog) == [(logging.ERROR, "store unavailable", None)]
