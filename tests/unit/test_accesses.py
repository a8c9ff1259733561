"""Each request is written down once, with what it moved and where its time went; slow ones say where."""

import io
import json
import logging
from collections.abc import Iterator

import httpx
import pytest

from app.api import create_app
from app.logs import JsonFormatter
from app.services import Services
from app.settings import Settings
from tests.contract.steps import IMAGES, Json, upload
from tests.samples import picture


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("app.api.accesses")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield written
    logger.removeHandler(handler)
    logger.setLevel(before)


def lines(log: io.StringIO, event: str) -> list[Json]:
    parsed: list[Json] = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in parsed if line["event"] == event]


def client(settings: Settings, services: Services, **changes: object) -> httpx.Client:
    app = create_app(settings.model_copy(update=changes), services)
    return httpx.Client(
        base_url="http://in-process", transport=httpx.WSGITransport(app), headers={"X-User-ID": "alice"}
    )


def test_a_line_says_what_a_request_moved_and_called(
    own_settings: Settings, services: Services, log: io.StringIO
) -> None:
    with client(own_settings, services) as api:
        image = upload(api)
        api.get(f"{IMAGES}/{image['image_id']}")
        api.get("/health")
    uploaded, downloaded = lines(log, "request")
    assert (uploaded["method"], uploaded["status"]) == ("POST", 201)
    assert uploaded["received_bytes"] > image["file_size"]
    assert uploaded["calls"] >= 3
    assert 0 < uploaded["calls_milliseconds"] <= uploaded["milliseconds"]
    assert downloaded["route"] == "/api/v1/images/<image_id:image_id>"
    assert (downloaded["received_bytes"], downloaded["sent_bytes"]) == (0, image["file_size"])
    assert downloaded["calls"] == 2
    assert uploaded["user_id"] == downloaded["user_id"] == "alice"


def test_a_slow_request_says_where_the_time_went(own_settings: Settings, services: Services, log: io.StringIO) -> None:
    with client(own_settings, services, slow_request_seconds=0) as api:
        api.post(IMAGES, files={"file": ("a", picture())})
    (slow,) = lines(log, "slow request")
    spent = slow["spent_milliseconds"]
    assert spent.keys() == {"receiving", "waiting_for_memory", "decoding", "dynamodb", "s3", "sending", "other"}
    assert sum(spent.values()) == pytest.approx(slow["milliseconds"], abs=0.5)


def test_a_request_that_is_not_slow_has_one_line(own_settings: Settings, services: Services, log: io.StringIO) -> None:
    with client(own_settings, services, slow_request_seconds=60) as api:
        api.get(IMAGES)
    assert [len(lines(log, event)) for event in ("request", "slow request")] == [1, 0]


@pytest.mark.parametrize("path", ["/docs", "/docs/swagger-ui.css"])
def test_files_are_written_down_too(own_settings: Settings, services: Services, log: io.StringIO, path: str) -> None:
    with client(own_settings, services) as api:
        assert api.get(path).status_code == 200
    assert len(lines(log, "request")) == 1


def test_a_length_beyond_all_numbers_is_written_down_too(
    own_settings: Settings, services: Services, log: io.StringIO
) -> None:
    with client(own_settings, services) as api:
        api.post(IMAGES, headers={"Content-Length": str(1 << 64), "Content-Type": "image/png"})
    (line,) = lines(log, "request")
    assert (line["status"], line["received_bytes"]) == (413, 1 << 40)
