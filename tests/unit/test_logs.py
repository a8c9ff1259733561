import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app import logs
from app.imaging import inspect
from app.settings import Settings
from tests.samples import png_chunk, with_png_chunks


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


@contextmanager
def configured(level: str) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("", "app", "pyvips")]
    before = [(logger.handlers[:], logger.level) for logger in loggers]
    try:
        logs.configure(level)
        yield
    finally:
        for logger, (handlers, old_level) in zip(loggers, before, strict=True):
            logger.handlers[:] = handlers
            logger.setLevel(old_level)


def test_odd_metadata_in_a_file_do_not_flood_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    odd = b"".join(png_chunk(b"zTXt", b"garbage") for _ in range(100)) + png_chunk(b"iCCP", b"x\0\0garbage")
    data = with_png_chunks(odd)
    with configured("DEBUG"):
        assert inspect(data, Settings().image_limits).width == 64
    assert capfd.readouterr().err == ""


def test_the_level_is_that_of_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    with configured("INFO"):
        logging.getLogger("app.api").info("shown")
        logging.getLogger("botocore").info("hidden")
        logging.getLogger("app.api").debug("hidden")
    events = [json.loads(text)["event"] for text in capsys.readouterr().err.splitlines()]
    assert "shown" in events
    assert "hidden" not in events
