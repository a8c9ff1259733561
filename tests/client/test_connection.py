"""Which server, and as whom."""

from pathlib import Path

import click
import pytest

from app.entrypoints.images.connection import DEFAULT_SERVER, Source, chosen, read_config
from tests.client.command import Command
from tests.client.stub import Stub, shows


@pytest.mark.parametrize(
    ("options", "environment", "config", "expected"),
    [
        (Source(user="a"), {"IMAGES_USER": "b"}, Source(user="c"), Source(DEFAULT_SERVER, "a")),
        (Source(), {"IMAGES_USER": "b", "IMAGES_TOKEN": ""}, Source(token="c"), Source(DEFAULT_SERVER, "b")),
        (Source(), {}, Source("http://c", token="t"), Source("http://c", token="t")),
        (Source("http://c"), {}, Source("http://c", token="t"), Source("http://c", token="t")),
        (Source(token="t"), {"IMAGES_SERVER": "http://b"}, Source("http://c", "u"), Source("http://b", token="t")),
    ],
)
def test_options_count_before_the_environment_and_that_before_the_file(
    options: Source, environment: dict[str, str], config: Source, expected: Source
) -> None:
    assert chosen(options, environment, config) == expected


@pytest.mark.parametrize(
    ("options", "environment", "config"),
    [
        (Source(), {}, Source()),
        (Source(user="u", token="t"), {}, Source()),
        (Source("http://elsewhere"), {}, Source("http://c", token="t")),
        (Source(), {"IMAGES_SERVER": "http://elsewhere"}, Source(token="t")),
    ],
)
def test_nobody_or_two_or_a_token_for_another_server_is_a_wrong_command(
    options: Source, environment: dict[str, str], config: Source
) -> None:
    with pytest.raises(click.UsageError):
        chosen(options, environment, config)


def test_the_file_is_read_and_its_token_sent(stub: Stub, tmp_path: Path) -> None:
    config = tmp_path / "image-storage" / "config.toml"
    config.parent.mkdir()
    config.write_text(f'server = "{stub.url}"\ntoken = "secret"\n')
    config.chmod(0o600)
    limits = {"max_upload_bytes": 1, "max_direct_upload_bytes": 1, "max_list_limit": 9, "upload_routes": []}
    stub.will(shows(limits), shows({"images": [], "next_cursor": None}))
    result = Command("", "", tmp_path)("list", "--json")
    assert (result.exit_code, result.output) == (0, "")
    assert stub.asked[1].headers["Authorization"] == "Bearer secret"


def test_a_token_that_others_may_read_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.toml"
    config.write_text('token = "secret"\n')
    config.chmod(0o640)
    assert read_config(config) == Source(token="secret")
    assert capsys.readouterr().err == f"Warning: others can read the token in {config}; protect it with chmod 600.\n"
    config.write_text('user = "alice"\n')
    read_config(config)
    assert capsys.readouterr().err == ""


def test_a_token_that_would_go_unencrypted_is_warned_of(tmp_path: Path) -> None:
    result = Command("http://0.0.0.0:1", "", tmp_path)("list", "--token", "t", "--retries", "0")
    assert "Warning: the token is sent unencrypted; use https.\n" in result.stderr


@pytest.mark.parametrize("text", ["server = ", "sever = 'x'", "user = 5"])
def test_a_file_that_is_wrong_is_a_wrong_command(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    result = Command("", "", tmp_path)("list", "--config", tmp_path / "config.toml")
    assert (result.exit_code, str(tmp_path / "config.toml") in result.stderr) == (2, True)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    assert Command("", "alice", tmp_path)("list", "--config", tmp_path / "none.toml").exit_code == 2
