"""What is wrong with one image, and what is wrong with all, in the commands that take several."""

import hashlib
from pathlib import Path

import pytest

from tests.client.command import Command
from tests.client.stub import IMAGE_ID, Reply, Stub, problem, resource, shows
from tests.samples import picture

FOREIGN = "2f1c7a52-7a0f-4b3f-9d3b-0c1f3f1f9b11"
COMMANDS = [["download"], ["tag", "--add", "sun"]]


@pytest.fixture
def command(stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(stub.url, "alice", tmp_path)


@pytest.mark.parametrize("arguments", COMMANDS)
def test_an_image_of_somebody_else_fails_alone(command: Command, stub: Stub, arguments: list[str]) -> None:
    mine = shows(resource(tags=["sun"], sha256=hashlib.sha256(picture()).hexdigest()))
    stub.will(problem(403, "not_owner"), mine, Reply(200, picture()) if arguments == ["download"] else mine)
    result = command(*arguments, FOREIGN, IMAGE_ID)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Failed: {FOREIGN}: As the test wants it.\n1 failed, 1 ")


@pytest.mark.parametrize("arguments", COMMANDS)
@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (problem(401, "invalid_token"), 3),
        (problem(429, "quota_exceeded"), 1),
        (problem(429, "rate_limited", **{"Retry-After": "3600"}), 1),
        (problem(503, "backend_unavailable"), 4),
    ],
)
def test_what_would_fail_for_all_ends_the_command(
    command: Command, stub: Stub, arguments: list[str], reply: Reply, code: int
) -> None:
    stub.will(reply)
    result = command(*arguments, FOREIGN, IMAGE_ID, "--retries", "0")
    assert (result.exit_code, len(stub.asked)) == (code, 1)
    assert result.stderr == "Nothing was done.\nError: As the test wants it.\n"
