"""What becomes of one message, and what the log says of it."""

import logging
from typing import NoReturn

import pytest

from app.entrypoints.messages import handled
from app.errors import BackendUnavailable, Overloaded


def test_a_message_that_was_handled_need_not_come_again() -> None:
    bodies: list[str] = []

    assert handled(bodies.append, "id", "body")
    assert bodies == ["body"]


@pytest.mark.parametrize(
    ("failure", "level", "has_trace"),
    [
        (BackendUnavailable("s3"), logging.WARNING, False),
        (Overloaded(), logging.WARNING, False),
        (KeyError("unforeseen"), logging.ERROR, True),
    ],
    ids=["store down", "overloaded", "error of ours"],
)
def test_a_message_that_failed_comes_again_and_only_errors_of_ours_leave_a_trace(
    failure: Exception, level: int, has_trace: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_body: str) -> NoReturn:
        raise failure

    assert not handled(fail, "id", "body")
    (record,) = caplog.records
    assert (record.levelno, record.exc_info is not None) == (level, has_trace)
