"""From nothing to a deployed API and back. One story, in the order of its tests."""

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import boto3
import httpx
import pytest
from click.testing import CliRunner

from app.entrypoints.cli_deploy import deploy
from tests.contract.steps import IMAGES, UPLOADS, Json, assert_problem, upload
from tests.deployment import STACK, Emulator, address_in
from tests.samples import base64_text, picture, picture_of_bytes
from tests.server import ROOT

ARRIVES_SECONDS = 30


@pytest.fixture(scope="module")
def deployed(emulator: Emulator) -> str:
    """The first deployment's address."""
    output = emulator.deploy()
    assert "CREATE_COMPLETE ApiFunction" in output  # progress is shown
    return address_in(output)


@pytest.fixture
def api(emulator: Emulator, deployed: str, user: str) -> Iterator[httpx.Client]:
    with emulator.client(deployed, user) as client:
        yield client


@pytest.mark.long
def test_a_dry_run_shows_what_would_be_made_and_makes_nothing(emulator: Emulator) -> None:
    other = ("--stack-name", "never-made")
    assert "Add AWS::S3::Bucket Bucket" in emulator.deploy("--dry-run", *other)
    assert "no stack" in emulator.deploy("--code-only", *other, succeeds=False)
    assert "cannot be combined with --set" in emulator.deploy("--code-only", "--set", "LogLevel=DEBUG", succeeds=False)


def test_deploying_the_same_again_changes_nothing(emulator: Emulator, deployed: str) -> None:
    again = emulator.deploy()
    assert f"{STACK}: no change" in again
    assert address_in(again) == deployed


def test_the_api_serves_and_reaches_its_stores_with_its_role(api: httpx.Client) -> None:
    assert api.get("/health").json()["status"] == "healthy"
    assert api.get("/ready").status_code == 200


def test_all_three_forms_of_upload_get_through(api: httpx.Client, deployed: str) -> None:
    data = picture()
    in_form = upload(api, data, title="Beach", tags="sea,sun")
    raw = api.post(IMAGES, content=data, params={"title": "Dusk"}, headers={"Content-Type": "image/jpeg"})
    assert raw.headers["Location"] == f"{httpx.URL(deployed).path}{IMAGES}/{raw.json()['image_id']}"
    in_json = api.post(IMAGES, json={"image_data": base64_text(data), "title": "Night"})
    assert (raw.status_code, in_json.status_code) == (201, 201)
    assert [image["title"] for image in api.get(IMAGES).json()["images"]] == ["Night", "Dusk", "Beach"]
    assert api.get(IMAGES, params={"tags": "sea"}).json()["images"][0]["image_id"] == in_form["image_id"]


def test_the_gallery_is_in_the_package(api: httpx.Client, deployed: str) -> None:
    page = api.get("/")
    assert f'data-root="{httpx.URL(deployed).path.rstrip("/")}/"' in page.text
    loaded = re.findall(r'(?:href|src)="[^"]*(/gallery/[^"]+)"', page.text)
    assert loaded
    assert {api.get(path).status_code for path in loaded[:3]} == {200}


def test_an_image_is_read_edited_and_deleted(api: httpx.Client) -> None:
    data = picture("PNG")
    image = f"{IMAGES}/{upload(api, data, filename='p.png', tags='a')['image_id']}"
    answer = api.get(image)
    assert answer.content == data
    assert answer.headers["Content-Type"] == "image/png"
    assert api.get(image, headers={"Range": "bytes=1-3"}).content == data[1:4]
    assert api.get(image, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert api.patch(image, json={"title": "New", "tags": ["b"]}).json()["version"] == 2
    assert api.delete(image).status_code == 200
    assert_problem(api.get(image), 404, "image_not_found")


def test_what_does_not_fit_goes_straight_to_the_bucket_and_comes_from_there(api: httpx.Client) -> None:
    data = picture_of_bytes(7_000_000)
    refused = api.post(IMAGES, content=data, headers={"Content-Type": "image/png"})
    assert UPLOADS in assert_problem(refused, 413, "image_too_large")["detail"]

    announced = {"filename": "p.png", "content_type": "image/png", "file_size": len(data)}
    issued = api.post(UPLOADS, json=announced).json()
    request = issued["upload"]
    httpx.put(request["url"], content=data, headers=request["headers"], trust_env=False).raise_for_status()
    image = wait_for_status(api, issued["image"]["image_id"], "UPLOADED")  # by way of event, queue and function

    redirect = api.get(f"{IMAGES}/{image['image_id']}")
    assert redirect.status_code == 302
    assert httpx.get(redirect.headers["Location"], trust_env=False).content == data


def test_what_is_no_image_is_rejected_by_the_events_function(api: httpx.Client) -> None:
    announced = {"filename": "p.png", "content_type": "image/png", "file_size": 4, "method": "POST"}
    issued = api.post(UPLOADS, json=announced).json()
    form = issued["upload"]
    files = {"file": ("p.png", b"none", "image/png")}
    httpx.post(form["url"], data=form["fields"], files=files, trust_env=False).raise_for_status()
    assert wait_for_status(api, issued["image"]["image_id"], "REJECTED")["rejection"]


def test_the_sweep_may_do_what_it_has_to(emulator: Emulator, api: httpx.Client) -> None:
    with closing(boto3.client("lambda", **emulator.access)) as functions:
        answer = functions.invoke(FunctionName=f"{STACK}-sweep", Payload=b"{}")
        assert "FunctionError" not in answer
        assert b'"swept"' in answer["Payload"].read()


def test_code_only_updates_the_functions_and_nothing_else(
    emulator: Emulator, deployed: str, api: httpx.Client, tmp_path: Path
) -> None:
    assert "no change" in emulator.deploy("--code-only")
    with (copy_of_sources(tmp_path) / "app" / "__init__.py").open("a") as file:
        file.write("# another line\n")
    template = tmp_path / "deploy" / "template.yaml"
    template.write_text(template.read_text().replace("Timeout: 29", "Timeout: 28"))

    with closing(boto3.client("lambda", **emulator.access)) as functions:
        before = functions.get_function_configuration(FunctionName=f"{STACK}-api")
        assert "UPDATE_COMPLETE ApiFunction" in emulator.deploy("--code-only", directory=tmp_path)
        after = functions.get_function_configuration(FunctionName=f"{STACK}-api")
    assert after["CodeSha256"] != before["CodeSha256"]
    assert after["Timeout"] == before["Timeout"]
    assert api.get("/ready").status_code == 200
    assert "UPDATE_COMPLETE ApiFunction" in emulator.deploy()  # back to what is here


def test_parameters_keep_their_values_until_others_are_given(emulator: Emulator, deployed: str) -> None:
    assert "UPDATE_COMPLETE ApiFunction" in emulator.deploy("--set", "MaxImagesPerUser=7", "--python", "3.12")
    assert "no change" in emulator.deploy()
    back = emulator.deploy("--set", "MaxImagesPerUser=", "--python", "3.13")
    assert "UPDATE_COMPLETE ApiFunction" in back
    assert "no change" in emulator.deploy()


def test_a_change_that_fails_names_the_resource_and_the_reason_and_can_be_made_good(
    emulator: Emulator, deployed: str
) -> None:
    assert "LogDays" in emulator.deploy("--set", "LogDays=8", succeeds=False)  # refused before it begins
    failed = emulator.deploy("--set", "CodeKey=nothing.zip", succeeds=False)
    assert re.search(r"UPDATE_ROLLBACK_COMPLETE\. \w+Function \(AWS::Lambda::Function\): ", failed)
    assert "nothing.zip" in failed
    assert "no change" in emulator.deploy()


@pytest.mark.long
def test_a_first_deployment_that_fails_half_way_is_taken_up_again(emulator: Emulator, tmp_path: Path) -> None:
    other = ("--stack-name", "half-made")
    template = copy_of_sources(tmp_path) / "deploy" / "template.yaml"
    layer = "no-layer"
    template.write_text(
        template.read_text().replace("      Timeout: 240\n", f"      Timeout: 240\n      Layers: [{layer}]\n")
    )
    failed = emulator.deploy(*other, succeeds=False, directory=tmp_path)
    assert "half-made is ROLLBACK_COMPLETE. SweepFunction (AWS::Lambda::Function): " in failed
    resumed = emulator.deploy(*other)
    assert "deleting it to start over" in resumed
    assert address_in(resumed)
    removed = emulator.app("teardown", *other)
    assert "removed table half-made-images" in removed  # it holds nothing
    assert "removed bucket half-made-images" in removed


@pytest.mark.long
def test_teardown_keeps_what_holds_data_and_a_new_deployment_takes_it_up(
    emulator: Emulator, api: httpx.Client, user: str
) -> None:
    image_id = upload(api)["image_id"]
    torn_down = emulator.app("teardown")
    assert f"kept table {STACK}-images" in torn_down
    assert "kept bucket" in torn_down
    assert "is gone" in torn_down

    with emulator.client(address_in(emulator.deploy()), user) as again:
        assert [image["image_id"] for image in again.get(IMAGES).json()["images"]] == [image_id]
        assert again.get(f"{IMAGES}/{image_id}").content


def test_data_is_deleted_only_when_that_is_said_twice(emulator: Emulator, deployed: str) -> None:
    assert "twice" in emulator.app("teardown", "--delete-data", succeeds=False)
    removed = emulator.app("teardown", "--delete-data", "--delete-data")
    assert f"removed table {STACK}-images" in removed
    assert f"There is no deployment {STACK} in us-east-1" in emulator.app("teardown")
    with (
        closing(boto3.client("s3", **emulator.access)) as s3,
        closing(boto3.client("dynamodb", **emulator.access)) as dynamodb,
    ):
        assert s3.list_buckets()["Buckets"] == []
        assert dynamodb.list_tables()["TableNames"] == []


@pytest.mark.long
def test_names_and_parameters_that_will_not_do_are_refused_before_anything_is_made(emulator: Emulator) -> None:
    for options, reason in (
        (("--stage", "local"), "startup.sh"),
        (("--stage", "Dev"), "not 'Dev'"),
        (("--stage", "a" * 30), "too long for the name of a bucket"),
        (("--stage", "production"), "AuthMode=header believes any X-User-ID"),
        (("--set", "PlainHttp=false"), "AuthMode=header believes any X-User-ID"),  # as on AWS
        (("--set", "AuthMode=jwt"), "AuthMode=jwt needs JwtIssuer"),
    ):
        assert reason in emulator.deploy("--dry-run", *options, succeeds=False)


def test_an_api_that_would_believe_anybody_is_refused_before_a_bucket_is_made(emulator: Emulator) -> None:
    as_on_aws = ("--stack-name", "open-to-all", "--set", "PlainHttp=false")
    refused = emulator.deploy(*as_on_aws, succeeds=False)
    assert "Set AuthMode=jwt" in refused
    assert "or TrustedProxy=true" in refused
    with closing(boto3.client("s3", **emulator.access)) as s3:
        assert not [bucket for bucket in s3.list_buckets()["Buckets"] if "open-to-all" in bucket["Name"]]
    assert "none of them made" in emulator.deploy("--dry-run", *as_on_aws, "--set", "TrustedProxy=true")


@pytest.mark.parametrize(
    ("wrong", "said"), [("LogDay=7", "did you mean LogDays?"), ("Nope=1", "there are AlarmTopic, ")]
)
def test_a_parameter_that_the_template_does_not_have_is_refused_before_anything_is_sent(wrong: str, said: str) -> None:
    nowhere = ["--stage", "dev", "--endpoint-url", "http://127.0.0.1:1"]
    result = CliRunner().invoke(deploy, [*nowhere, "--set", wrong])
    assert (result.exit_code, said in result.output) == (1, True)


def test_who_has_no_credentials_is_told_how_to_give_them(tmp_path: Path) -> None:
    nothing = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"))
    files = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"), "AWS_CONFIG_FILE": str(tmp_path / "none")}
    environment = nothing | files | {"AWS_EC2_METADATA_DISABLED": "true"}
    result = CliRunner().invoke(deploy, ["--stage", "dev"], env=environment)
    assert (result.exit_code, "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID" in result.output) == (1, True)


def copy_of_sources(directory: Path) -> Path:
    for name in ("app", "deploy"):
        shutil.copytree(ROOT / name, directory / name)
    return directory


def wait_for_status(api: httpx.Client, image_id: str, status: str) -> Json:
    deadline = time.monotonic() + ARRIVES_SECONDS
    while True:
        found: Json = api.get(f"{IMAGES}/{image_id}/metadata").json()
        if found["status"] == status:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
