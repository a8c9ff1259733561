import json
import logging
from collections.abc import Iterator

import pytest

from app import logs


@pytest.fixture(autouse=True)
def outside_of_requests() -> Iterator[None]:
    token = logs.request_id.set(None)
    yield
    logs.request_id.reset(token)


def line(record: logging.LogRecord) -> dict[str, object]:
    text = logs.JsonFormatter().format(record)
    assert "\n" not in text
    parsed: dict[str, object] = json.loads(text)
    return parsed


def record(message: str, **fields: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "app.x", "levelname": "INFO", "msg": message, **fields})


def test_a_line_has_the_event_and_its_fields() -> None:
    parsed = line(record("image uploaded", image_id="1", bytes=5))
    assert {"event": "image uploaded", "image_id": "1", "bytes": 5, "level": "INFO"}.items() <= parsed.items()
    assert "request_id" not in parsed


def test_a_line_of_a_request_has_its_id() -> None:
    logs.request_id.set("abc")
    assert line(record("x"))["request_id"] == "abc"


def test_an_exception_is_one_line_too() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        parsed = line(record("failed", exc_info=(type(error), error, error.__traceback__)))
    assert "first\nsecond" in str(parsed["exception"])


def test_newlines_in_values_forge_no_lines() -> None:
    assert line(record("x", user='a\n{"event": "forged"}'))["event"] == "x"


def test_the_level_is_that_of_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.configure("INFO")
        logging.getLogger("app.api").info("shown")
        logging.getLogger("botocore").info("hidden")
        logging.getLogger("app.api").debug("hidden")
    finally:
        root.handlers[:], root.level = handlers, level
    events = [json.loads(text)["event"] for text in capsys.readouterr().err.splitlines()]
    assert "shown" in events
    assert "hidden" not in events
