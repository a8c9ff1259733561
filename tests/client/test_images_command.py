"""`python -m app images` against the real service, from outside."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.client import ImageClient
from tests.client.command import Command
from tests.client.stub import IMAGE_ID, LIMITS, Stub, problem, resource, shows
from tests.samples import picture, picture_of_bytes
from tests.server import ROOT, RunningService


@pytest.fixture
def command(server: RunningService, user: str, tmp_path: Path) -> Command:
    return Command(server.url, user, tmp_path / "home")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five photos in a folder, beside what is none."""
    folder = tmp_path / "photos"
    (folder / "deeper").mkdir(parents=True)
    for number in range(4):
        (folder / f"photo {number}.jpg").write_bytes(picture(seed=number))
    (folder / "deeper" / "Zoë.PNG").write_bytes(picture("PNG"))
    (folder / "notes.txt").write_text("none")
    (folder / ".hidden.jpg").write_bytes(picture(seed=9))
    return folder


def lines(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def test_a_folder_goes_up_once(command: Command, photos: Path) -> None:
    first = command("upload", photos, "--tag", "sea", "--tag", "Sun", "--title-from", "filename")
    passed_over = "Passed over, as not called like JPEG, PNG, GIF or WebP: 1 (.txt).\n"
    assert (first.exit_code, first.stderr) == (0, passed_over + "5 uploaded.\n")
    assert [(outcome, Path(path).name) for outcome, _, path in lines(first.stdout)] == [
        ("uploaded", name) for name in ("photo 0.jpg", "photo 1.jpg", "photo 2.jpg", "photo 3.jpg", "Zoë.PNG")
    ]
    again = command("upload", photos)
    assert (again.exit_code, again.stderr) == (0, passed_over + "5 already there.\n")
    assert [line[1] for line in lines(again.stdout)] == [line[1] for line in lines(first.stdout)]
    shown = command.shown("list")
    assert {image["title"] for image in shown} == {"photo 0", "photo 1", "photo 2", "photo 3", "Zoë"}
    assert all(image["tags"] == ["sea", "sun"] for image in shown)


def test_patterns_are_expanded_and_doubles_go_up_once(command: Command, photos: Path) -> None:
    (photos / "photo 9.jpg").write_bytes(picture(seed=1))
    result = command("upload", f"{photos}/*.jpg", photos / "photo 1.jpg")
    assert result.exit_code == 0
    assert sorted(result.stderr.rstrip(".\n").split(", ")) == ["1 already there", "4 uploaded"]
    assert len({image_id for _, image_id, _ in lines(result.stdout)}) == 4
    assert command("upload", "--again", photos / "photo 1.jpg").stderr == "1 uploaded.\n"
    assert len(command.shown("list")) == 5


def test_only_the_digests_of_the_files_are_asked_for(stub: Stub, tmp_path: Path) -> None:
    (tmp_path / "there.jpg").write_bytes(picture())
    (tmp_path / "twin.jpg").write_bytes(picture())
    stub.will(shows({"images": [resource()], "next_cursor": "more"}))
    result = Command(stub.url, "alice", tmp_path)("upload", tmp_path, "--jobs", "1")
    assert (result.exit_code, result.stderr) == (0, "2 already there.\n")
    assert [line[1] for line in lines(result.stdout)] == [IMAGE_ID] * 2
    digest = hashlib.sha256(picture()).hexdigest()
    assert [asked.path for asked in stub.asked] == [f"/api/v1/images?sha256={digest}&limit=1"]


def test_a_bad_file_among_good_ones_fails_alone(command: Command, photos: Path) -> None:
    (photos / "bad.jpg").write_text("no image")
    result = command("upload", photos, photos / "missing.jpg")
    assert result.exit_code == 1
    assert f"Failed: {photos}/bad.jpg: The bytes are not a JPEG, PNG, GIF or WebP image.\n" in result.stderr
    assert f"Failed: {photos}/missing.jpg: The file cannot be read: No such file or directory.\n" in result.stderr
    assert len(lines(result.stdout)) == 5


def test_an_image_that_was_deleted_goes_up_again(command: Command, photos: Path) -> None:
    photo = photos / "photo 0.jpg"
    (first,) = lines(command("upload", photo).stdout)
    assert command("delete", first[1], "--yes").exit_code == 0
    (second,) = lines(command("upload", photo).stdout)
    assert (second[0], second[1] != first[1]) == ("uploaded", True)
    assert [image["image_id"] for image in command.shown("list")] == [second[1]]


def test_a_large_file_goes_up_and_comes_down(command: Command, tmp_path: Path) -> None:
    data = picture_of_bytes(10 * 1024 * 1024 + 1)
    (tmp_path / "large.png").write_bytes(data)
    assert command("upload", tmp_path / "large.png").exit_code == 0
    assert command("download", "--all", "--into", tmp_path / "down").exit_code == 0
    assert (tmp_path / "down" / "large.png").read_bytes() == data


def test_lists_are_tables_ndjson_or_csv_and_take_filters(command: Command, photos: Path) -> None:
    command("upload", photos, "--title-from", "filename", "--location", "Rhodes")
    table = command("list", "--type", "image/png")
    assert table.stdout.splitlines()[0].split() == [
        "ID",
        "Title",
        "Filename",
        "Tags",
        "Size",
        "Pixels",
        "Created",
        "(UTC)",
    ]
    assert "Zoë.PNG" in table.stdout
    assert len(table.stdout.splitlines()) == 2
    rows = list(
        csv.DictReader(io.StringIO(command("list", "--csv", "--title-prefix", "photo", "--order", "desc").stdout))
    )
    assert [row["title"] for row in rows] == ["photo 3", "photo 2", "photo 1", "photo 0"]
    (shown,) = command.shown(
        "list", "--limit", "1", "--q", "rhodes zoe", "--after", "2020-01-01", "--status", "UPLOADED"
    )
    assert (shown["filename"], shown["location"]) == ("Zoë.PNG", "Rhodes")
    assert "download_url" not in shown
    (with_links,) = command.shown("list", "--links", "--title", "zoë")
    assert with_links["download_url"].startswith("http")
    (by_digest,) = command.shown("list", "--sha256", shown["sha256"].upper())
    assert by_digest == shown
    assert command("list", "--csv", "--json").exit_code == 2
    refused = command("list", "--after", "yesterday")
    assert (refused.exit_code, "created_after" in refused.stderr) == (2, True)


def test_a_tag_is_itself_whatever_it_holds(command: Command, photos: Path) -> None:
    decomposed, composed = "cafe\u0301", "caf\u00e9"
    tags = ("Paris, France", "paris", "[old]", decomposed)
    for number, tag in enumerate(tags):
        command("upload", photos / f"photo {number}.jpg", "--tag", tag)
    for number, tag in enumerate(tags):
        assert [image["filename"] for image in command.shown("list", "--tag", tag)] == [f"photo {number}.jpg"]
    (shown,) = command.shown("list", "--tag", composed)
    assert command("tag", shown["image_id"], "--remove", decomposed).exit_code == 0
    assert command.shown("show", shown["image_id"])[0]["tags"] == []


def test_an_image_is_shown_edited_tagged_and_deleted(command: Command, photos: Path) -> None:
    ((_, image_id, _),) = lines(command("upload", photos / "photo 0.jpg", "--title", "Beach", "--tag", "sea").stdout)
    assert "title        Beach\n" in command("show", image_id).stdout
    edited = command("edit", image_id, "--title", "Dusk", "--location", "Rhodes", "--clear", "tags")
    assert (edited.exit_code, edited.stdout) == (0, f"edited\t{image_id}\tversion 2\n")
    assert command("tag", image_id, "--add", "Sun", "--add", "sand", "--remove", "sea").exit_code == 0
    assert command("tag", image_id, "--remove", " SAND ").exit_code == 0
    (shown,) = command.shown("show", image_id)
    assert (shown["title"], shown["location"], shown["tags"], shown["version"]) == ("Dusk", "Rhodes", ["sun"], 4)
    late = command("edit", image_id, "--title", "Dawn", "--if-version", "1")
    assert (late.exit_code, late.stderr) == (1, "Error: The image has version 4, not 1.\n")
    for wrong in (["edit", image_id], ["edit", image_id, "--title", "x", "--clear", "title"], ["tag", image_id]):
        assert command(*wrong).exit_code == 2
    kept = command("delete", image_id, typed="n\n")
    assert (kept.exit_code, kept.stdout, len(command.shown("list"))) == (1, "", 1)
    gone = command("delete", image_id, typed="y\n")
    assert (gone.exit_code, gone.stdout) == (0, f"deleted\t{image_id}\n")
    again = command("delete", image_id, "--yes")
    assert (again.exit_code, again.stdout) == (1, "")


def test_ids_come_from_another_command(command: Command, photos: Path) -> None:
    command("upload", photos)
    ids = "\n".join(image["image_id"] for image in command.shown("list"))
    assert command("tag", "-", "--add", "sea", typed=ids).stderr == "5 tagged.\n"
    assert command("delete", "-", typed=ids).exit_code == 2
    assert command("delete", "-", "--yes", typed=ids).stderr == "5 deleted.\n"


def test_downloads_get_safe_names_of_their_own_and_replace_nothing(command: Command, tmp_path: Path) -> None:
    with ImageClient(command.server, user_id=command.user) as client:
        for seed, name in enumerate(["Beach.jpg", "Beach.jpg", "..\\..\\con.jpg", ".bashrc"]):
            (tmp_path / "one").write_bytes(picture(seed=seed))
            client.upload(tmp_path / "one", filename=name)
    into = tmp_path / "down"
    into.mkdir()
    (into / "Beach.jpg").write_text("mine")
    result = command("download", "--all", "--into", into, "--jobs", "1")
    assert (result.exit_code, result.stderr) == (0, "4 downloaded.\n")
    names = {path.name for path in into.iterdir()}
    assert names == {"Beach.jpg", "Beach (2).jpg", "Beach (3).jpg", "_con.jpg", "_bashrc.jpg"}
    assert (into / "Beach.jpg").read_text() == "mine"
    assert (into / "_bashrc.jpg").read_bytes() == picture(seed=3)
    assert command("download", "--all", "--into", into).stderr == "4 already there.\n"
    assert {path.name for path in into.iterdir()} == names


def test_some_are_downloaded_by_id_or_filter(command: Command, photos: Path, tmp_path: Path) -> None:
    command("upload", photos)
    (zoe,) = command.shown("list", "--type", "image/png")
    assert command("download", "--type", "image/png", "--into", tmp_path / "a").exit_code == 0
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["Zoë.PNG"]
    some = command("download", zoe["image_id"], IMAGE_ID, "--into", tmp_path / "b")
    assert (some.exit_code, some.stderr) == (
        1,
        f"Failed: {IMAGE_ID}: There is no such image.\n1 failed, 1 downloaded.\n",
    )
    for wrong in ([], ["--all", zoe["image_id"]], ["--all", "--tag", "sea"]):
        assert command("download", *wrong).exit_code == 2


def test_an_order_goes_with_all_and_does_not_stand_for_it(stub: Stub, tmp_path: Path) -> None:
    stub.will(shows(LIMITS), shows({"images": [], "next_cursor": None}))
    command = Command(stub.url, "alice", tmp_path)
    assert command("download", "--order", "desc", "--tag-match", "all").exit_code == 2
    assert command("download", "--all", "--order", "desc", "--into", tmp_path).exit_code == 0
    assert stub.asked[-1].path == "/api/v1/images?order=desc&limit=100"


@pytest.mark.parametrize(
    "arguments", [["list"], ["upload", "."], ["show", IMAGE_ID], ["export", "x"], ["delete", "--yes", IMAGE_ID]]
)
def test_a_server_that_is_down_is_4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.jpg").write_bytes(picture())
    result = Command("http://127.0.0.1:1", "alice", tmp_path)(*arguments, "--retries", "0")
    assert result.exit_code == 4
    assert "Error: 127.0.0.1:1 does not answer: Connection refused.\n" in result.stderr


def test_who_waits_for_a_server_is_told_at_once_why(tmp_path: Path) -> None:
    result = Command("http://127.0.0.1:1", "alice", tmp_path)("list", "--retries", "1")
    reason = "127.0.0.1:1 does not answer: Connection refused"
    assert result.stderr == f"{reason}; trying again.\nError: {reason}.\n"


def test_an_address_without_its_scheme_is_a_wrong_command(tmp_path: Path) -> None:
    result = Command("127.0.0.1:5000", "alice", tmp_path)("list")
    assert (result.exit_code, "must start with http:// or https://" in result.stderr) == (2, True)


@pytest.mark.parametrize("arguments", [["show"], ["edit", "--title", "x"]])
def test_an_image_that_is_not_there_is_named(command: Command, arguments: list[str]) -> None:
    result = command(*arguments, "nope")
    assert (result.exit_code, result.stderr) == (1, "Error: nope: There is no such image.\n")


def test_what_is_there_already_keeps_its_title_and_the_command_says_so(command: Command, photos: Path) -> None:
    photo = photos / "photo 0.jpg"
    command("upload", photo, "--title", "Beach")
    silent = command("upload", photo)
    assert silent.stderr == "1 already there.\n"
    again = command("upload", photo, "--title", "Dusk")
    assert again.stderr.startswith("Images that were already there are unchanged")
    assert [image["title"] for image in command.shown("list")] == ["Beach"]


def test_a_server_that_goes_away_meanwhile_ends_all_and_tells_what_was_done(
    tmp_path: Path, stub: Stub, photos: Path
) -> None:
    limits = shows(
        {"max_upload_bytes": 10**6, "max_direct_upload_bytes": 10**6, "max_list_limit": 9, "upload_routes": []}
    )
    stub.will(shows({"images": [], "next_cursor": None}), limits, shows(resource(), 201), shows(resource()))
    stub.will(*[problem(503, "backend_unavailable")] * 5)
    result = Command(stub.url, "alice", tmp_path)("upload", photos, "--jobs", "1", "--retries", "0")
    assert result.exit_code == 4
    assert result.stderr == "1 uploaded.\nError: As the test wants it.\n"
    assert len(stub.asked) < 9


def test_who_is_not_believed_or_not_allowed_is_3(command: Command, stub: Stub, photos: Path) -> None:
    ((_, image_id, _),) = lines(command("upload", photos / "photo 0.jpg").stdout)
    assert command("show", image_id, "--user", "stranger").exit_code == 3
    unasked = command("list", "--token", "t")
    assert (unasked.exit_code, unasked.stderr.endswith("This server asks for --user.\n")) == (3, True)
    stub.will(problem(401, "invalid_token"))
    wrong = command("list", "--token", "t", "--server", stub.url)
    assert (wrong.exit_code, wrong.stderr) == (3, "Error: As the test wants it.\n")
    stub.will(problem(401, "missing_user"))
    unasked = command("list", "--server", stub.url)
    assert (unasked.exit_code, unasked.stderr) == (3, "Error: As the test wants it. This server asks for --token.\n")


def test_texts_of_others_do_not_act_on_a_terminal(stub: Stub, tmp_path: Path) -> None:
    page = {"images": [resource(title="\x1b[2Jgone\u202e", filename="a\tb\n.jpg")], "next_cursor": None}
    limits = {"max_upload_bytes": 1, "max_direct_upload_bytes": 1, "max_list_limit": 9, "upload_routes": []}
    stub.will(shows(limits), shows(page))
    shown = Command(stub.url, "alice", tmp_path)("list").stdout
    assert "?[2Jgone?" in shown
    assert "a?b?.jpg" in shown


def test_json_is_exact_and_does_not_act_on_a_terminal_either(stub: Stub, tmp_path: Path) -> None:
    title = '\x1b\x9b\u202e\x7f\n,"ü'
    limits = {"max_upload_bytes": 1, "max_direct_upload_bytes": 1, "max_list_limit": 9, "upload_routes": []}
    stub.will(shows(limits), shows({"images": [resource(title=title)], "next_cursor": None}))
    written = Command(stub.url, "alice", tmp_path)("list", "--json").stdout
    assert json.loads(written)["title"] == title
    assert not set(written) & {"\x1b", "\x9b", "\u202e", "\x7f"}
    assert "ü" in written


@pytest.mark.parametrize(
    ("title", "cell"),
    [
        ('a,"b"; ü = 1', 'a,"b"; ü = 1'),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\uff1d1", "'\uff1d1"),
        ("\t=1", "?=1"),
        ("\r\n =1", "'  =1"),
        ("first\r\nsecond", "first second"),
        ("\x1b[2J\u202e\ud800", "?[2J??"),
    ],
)
def test_csv_is_safe_to_open_in_a_spreadsheet(stub: Stub, tmp_path: Path, title: str, cell: str) -> None:
    limits = {"max_upload_bytes": 1, "max_direct_upload_bytes": 1, "max_list_limit": 9, "upload_routes": []}
    stub.will(shows(limits), shows({"images": [resource(title=title)], "next_cursor": None}))
    (row,) = csv.DictReader(io.StringIO(Command(stub.url, "alice", tmp_path)("list", "--csv").stdout))
    assert row["title"] == cell


def test_a_place_that_cannot_be_written_to_is_named(command: Command, photos: Path) -> None:
    result = command("download", "--all", "--into", photos / "photo 0.jpg" / "x")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: [Errno 20] Not a directory")


def test_without_rich_it_says_what_to_install() -> None:
    program = "import sys; sys.modules['rich'] = None; from app.entrypoints.cli import main; main(['images', 'list'])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: `images` needs the package rich")


def test_it_is_a_command_of_the_application(command: Command) -> None:
    with command.start("list", "--json") as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (0, "", "")


def test_a_folder_that_cannot_be_looked_into_is_a_failure(command: Command, photos: Path) -> None:
    locked = photos / "locked"
    locked.mkdir()
    locked.chmod(0)
    try:
        if os.access(locked, os.R_OK):
            pytest.skip("whoever runs this may read everything")
        result = command("upload", photos)
    finally:
        locked.chmod(0o700)
    assert result.exit_code == 1
    assert f"Failed: {locked}: Permission denied" in result.stderr


@pytest.mark.parametrize("form", ["--csv", "--json", None])
def test_a_pipe_gets_utf8_whatever_the_machine_writes(
    command: Command, server: RunningService, user: str, form: str | None
) -> None:
    with ImageClient(server.url, user_id=user) as client:
        client.upload(picture(), filename="\u6d77.jpg")
    with command.start("list", *([form] if form else []), PYTHONIOENCODING="cp1252") as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert "\u6d77.jpg" in output


def test_json_tells_what_became_of_each(command: Command, photos: Path, tmp_path: Path) -> None:
    uploaded = command.shown("upload", photos)
    assert [line["outcome"] for line in uploaded] == ["uploaded"] * 5
    assert uploaded[0]["image"]["filename"] == "photo 0.jpg"
    downloaded = command.shown("download", "--all", "--into", tmp_path / "down")
    assert all(Path(line["path"]).is_file() for line in downloaded)
