"""`images export` and `import`: whole libraries, cut off in the middle and gone on with."""

import hashlib
import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.client import ImageClient
from tests.client.command import Command
from tests.samples import picture
from tests.server import RunningService

KEPT = ("sha256", "filename", "title", "description", "location", "tags", "content_type", "file_size")


@pytest.fixture
def command(server: RunningService, user: str, tmp_path: Path) -> Command:
    return Command(server.url, user, tmp_path / "home")


@pytest.fixture
def other(server: RunningService, user: str, tmp_path: Path) -> Command:
    return Command(server.url, f"other-{user}", tmp_path / "home")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Enough of them to be interrupted."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(24):
        (folder / f"{number:02}.jpg").write_bytes(picture(seed=number))
    return folder


def kept(command: Command) -> Counter[str]:
    """What an import keeps, of each image, as text."""
    return Counter(json.dumps([image[name] for name in KEPT]) for image in command.shown("list"))


def exported(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "images.ndjson").read_bytes().splitlines()]


def assert_whole(directory: Path, images: int) -> None:
    records = exported(directory)
    assert len(records) == images
    files = {record["file"] for record in records}
    assert files == {path.relative_to(directory).as_posix() for path in (directory / "images").iterdir()}
    for record in records:
        assert hashlib.sha256((directory / record["file"]).read_bytes()).hexdigest() == record["sha256"]


def test_a_library_gets_to_another_user_as_it_is(command: Command, other: Command, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(picture())
    with ImageClient(command.server, user_id=command.user) as client:
        client.upload(
            path, filename="Zoë & co.jpg", title="Zoë", description="a\nb", location="Rhodes", tags=["b", "a"]
        )
        client.upload(path, title="the same bytes, another title")
        client.upload(path, title="the same bytes, another title")
    export = command("export", tmp_path / "export")
    assert (export.exit_code, export.stderr) == (0, "3 exported.\n")
    assert_whole(tmp_path / "export", 3)
    manifest = json.loads((tmp_path / "export" / "export.json").read_bytes())
    assert "but not image_id, user_id, created_at" in manifest["note"]
    assert "created_at" in exported(tmp_path / "export")[0]
    first = other("import", tmp_path / "export")
    assert (first.exit_code, first.stderr) == (0, "3 imported.\n")
    assert kept(other) == kept(command)
    assert other("import", tmp_path / "export").stderr == "3 already there.\n"
    assert command("export", tmp_path / "export").stderr == "3 already there.\n"


def test_of_two_that_are_the_same_none_is_lost_where_the_first_failed(
    command: Command, other: Command, tmp_path: Path
) -> None:
    path, export = tmp_path / "a.jpg", tmp_path / "export"
    path.write_bytes(picture())
    with ImageClient(command.server, user_id=command.user) as client:
        for _ in range(2):
            client.upload(path)
    assert command("export", export).exit_code == 0
    (export / exported(export)[0]["file"]).rename(tmp_path / "away.jpg")
    assert other("import", export).exit_code != 0
    (tmp_path / "away.jpg").rename(export / exported(export)[0]["file"])
    assert other("import", export).exit_code == 0
    assert len(other.shown("list")) == 2
    assert other("import", export).stderr == "2 already there.\n"


def test_an_import_after_an_edit_uploads_once_more(command: Command, other: Command, tmp_path: Path) -> None:
    with ImageClient(command.server, user_id=command.user) as client:
        client.upload(picture(), filename="a.jpg")
    assert command("export", tmp_path / "export").exit_code == 0
    assert other("import", tmp_path / "export").exit_code == 0
    (image,) = other.shown("list")
    assert other("edit", image["image_id"], "--title", "Another").exit_code == 0
    assert other("import", tmp_path / "export").stderr == "1 imported.\n"
    assert len(other.shown("list")) == 2


def test_an_export_never_replaces_somebody_elses(
    command: Command, other: Command, photos: Path, tmp_path: Path
) -> None:
    command("upload", photos / "00.jpg", photos / "01.jpg")
    assert command("export", tmp_path / "export").exit_code == 0
    with_none = other("export", tmp_path / "export")
    other("upload", photos / "02.jpg")
    with_one = other("export", tmp_path / "export")
    for refused in (with_none, with_one):
        assert refused.exit_code == 2
        assert f"holds an export of {command.user}'s images" in refused.stderr
    assert_whole(tmp_path / "export", 2)
    assert other("import", tmp_path / "export").stderr == "2 imported.\n"
    (tmp_path / "export" / "images.ndjson").write_text("no JSON")
    assert "images.ndjson is not of an export" in command("export", tmp_path / "export").stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_upload_that_was_interrupted_goes_on(command: Command, photos: Path, how: signal.Signals) -> None:
    code, errors = command.interrupted(5, how, "upload", photos)
    if how is signal.SIGKILL:
        assert code == -9
    else:
        assert code == 128 + how
        assert "uploaded.\nInterrupted. Run the same command again to continue.\n" in errors
    assert len(command.shown("list")) < 24
    assert command("upload", photos).exit_code == 0
    assert len(command.shown("list")) == 24


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_library_is_whole_after_every_step_was_interrupted(
    command: Command, other: Command, photos: Path, tmp_path: Path, how: signal.Signals
) -> None:
    command("upload", photos, "--tag", "sea", "--title-from", "filename", "--jobs", "8")
    directory = tmp_path / "export"
    command.interrupted(5, how, "export", directory)
    assert not (directory / "export.json").exists()
    assert other("import", directory).exit_code == 2
    assert command("export", directory).exit_code == 0
    assert_whole(directory, 24)
    other.interrupted(5, how, "import", directory)
    assert len(other.shown("list")) < 24
    assert other("import", directory).exit_code == 0
    assert kept(other) == kept(command)


def _exported(command: Command, photos: Path, directory: Path) -> None:
    command("upload", photos / "00.jpg", photos / "01.jpg", "--jobs", "1")
    assert command("export", directory).exit_code == 0


def test_a_file_that_was_changed_since_is_not_imported(
    command: Command, other: Command, photos: Path, tmp_path: Path
) -> None:
    _exported(command, photos, tmp_path / "export")
    (tmp_path / "export" / exported(tmp_path / "export")[0]["file"]).write_bytes(picture(seed=9))
    result = other("import", tmp_path / "export")
    assert (result.exit_code, len(other.shown("list"))) == (1, 1)
    assert "The file is not the one that was exported." in result.stderr
    assert command("export", tmp_path / "export").stderr == "1 exported, 1 already there.\n"
    assert_whole(tmp_path / "export", 2)


def test_a_list_that_was_changed_since_is_not_imported(
    command: Command, other: Command, photos: Path, tmp_path: Path
) -> None:
    _exported(command, photos, tmp_path / "export")
    records = tmp_path / "export" / "images.ndjson"
    records.write_bytes(records.read_bytes().splitlines(keepends=True)[0])
    result = other("import", tmp_path / "export")
    assert (result.exit_code, "was changed after the export" in result.stderr) == (2, True)


def test_an_export_cannot_make_an_import_read_other_files(
    command: Command, other: Command, photos: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "export"
    _exported(command, photos, directory)
    records = exported(directory)
    for outside in ("../photos/02.jpg", str(photos / "02.jpg")):
        _forge(directory, "".join(json.dumps(record | {"file": outside}) + "\n" for record in records))
        result = other("import", directory)
        assert (result.exit_code, "is outside the export" in result.stderr) == (2, True)
    assert other.shown("list") == []


def test_what_an_export_that_was_killed_left_beside_a_finished_file_goes(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "export"
    _exported(command, photos, directory)
    for record in exported(directory):
        os.link(directory / record["file"], directory / "images" / f".{record['image_id']}.part")
    assert command("export", directory).exit_code == 0
    assert_whole(directory, 2)


def test_lines_that_are_none_of_an_export_are_named(
    command: Command, other: Command, photos: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "export"
    _exported(command, photos, directory)
    whole, another = (json.dumps(record) for record in exported(directory))
    for line in ("[" * 100_000, "[]", "{}", json.dumps(json.loads(another) | {"title": ["Sea"]})):
        _forge(directory, f"{whole}\n{line}\n")
        result = other("import", directory)
        assert (result.exit_code, "images.ndjson, line 2: " in result.stderr) == (2, True)
    assert other.shown("list") == []


def _forge(directory: Path, lines: str) -> None:
    """Let the export hold these lines, and its manifest say that they are the right ones."""
    (directory / "images.ndjson").write_text(lines)
    manifest = json.loads((directory / "export.json").read_bytes())
    manifest["sha256"] = hashlib.sha256(lines.encode()).hexdigest()
    (directory / "export.json").write_text(json.dumps(manifest))


def test_a_server_that_removes_metadata_from_files_takes_a_library_too(
    server: RunningService, command: Command, tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(with_comment(picture()))
    with ImageClient(command.server, user_id=command.user) as client:
        client.upload(path, title="Turned")
    assert command("export", tmp_path / "export").exit_code == 0
    endpoint = {"AWS_ENDPOINT_URL": server.endpoint_url, "STRIP_METADATA": "all"}
    stripping = RunningService(tmp_path / "stripping", **endpoint).start()
    try:
        there = Command(stripping.url, command.user, tmp_path / "home")
        imported = there("import", tmp_path / "export")
        assert (imported.exit_code, imported.stderr) == (0, "1 imported.\n")
        (image,) = there.shown("list")
        assert (image["title"], image["sha256"] != exported(tmp_path / "export")[0]["sha256"]) == ("Turned", True)
    finally:
        stripping.stop()


def with_comment(jpeg: bytes) -> bytes:
    """The file with a comment in it (ITU-T T.81, B.2.4.5), such as programs leave."""
    comment = b"made by a test"
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]
