"""The restore drill: images are stored, both tables are deleted, and everything is brought back from the bucket.

    .venv/bin/python -m benchmarks.restore_drill --images 200

Runs the service on the embedded emulator with data of its own. Ends with an error where one image, its
metadata, its bytes or a search is not as it was before.
"""

import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import click
import httpx

from tests.contract.steps import IMAGES, Json
from tests.samples import picture
from tests.server import ROOT, RunningService


@click.command()
@click.option("--images", "count", default=200, show_default=True, help="How many are stored first.")
def main(count: int) -> None:
    """Store, lose, bring back, compare; and say how long each took."""
    with tempfile.TemporaryDirectory() as home:
        began = time.perf_counter()
        service = RunningService(Path(home)).start()
        click.echo(f"from the command to the first answer: {time.perf_counter() - began:.1f} s")
        try:
            drill(service, count)
        finally:
            service.stop()


def drill(service: RunningService, count: int) -> None:
    with service.client("drill") as api, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: stored(api, number), range(count)))
        before = library(api)
        assert len(before["images"]) == count
        began = time.perf_counter()
        lose_tables(service)
        refused = api.get(IMAGES)
        click.echo(f"both tables are gone: a list answers {refused.status_code}")
        command(service, "provision")
        assert api.get(IMAGES).json()["count"] == 0
        for line in command(service, "audit", "--rebuild", "--grace", "0").splitlines()[-1:]:
            click.echo(f"audit --rebuild: {line}")
        click.echo(f"restored in {time.perf_counter() - began:.1f} s")
        assert library(api) == before
        click.echo(f"{count} images, their metadata, bytes and searches are as they were")
    click.echo(f"audit --verify-bytes: {command(service, 'audit', '--verify-bytes', '--grace', '0').splitlines()[-1]}")


def stored(api: httpx.Client, number: int) -> None:
    fields: dict[str, Any] = {"title": f"Number {number}", "tags": f"every,{'even' if number % 2 == 0 else 'odd'}"}
    image = api.post(IMAGES, files={"file": (f"{number}.png", picture("PNG"))}, data=fields).raise_for_status().json()
    if number % 10 == 0:
        api.patch(f"{IMAGES}/{image['image_id']}", json={"title": f"Edited {number}"}).raise_for_status()


def library(api: httpx.Client) -> dict[str, Any]:
    """All that the user sees: images without their URLs, which depend on the time; hashes of bytes; searches."""
    images = found(api, {})
    return {
        "images": images,
        "bytes": [api.get(f"{IMAGES}/{image['image_id']}").raise_for_status().content for image in images],
        "tags": api.get("/api/v1/tags").json(),
        "searches": [found(api, query) for query in ({"tags": "even"}, {"q": "edited"}, {"title_prefix": "Number 1"})],
    }


def found(api: httpx.Client, query: dict[str, Any]) -> list[Json]:
    images: list[Json] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.get(IMAGES, params={"limit": 100, **query, **cursor}).raise_for_status().json()
        images += [{name: value for name, value in image.items() if "url" not in name} for image in page["images"]]
        if page["next_cursor"] is None:
            return images
        cursor = {"cursor": page["next_cursor"]}


def lose_tables(service: RunningService) -> None:
    dynamodb = boto3.client(
        "dynamodb",
        endpoint_url=service.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    for setting in ("IMAGES_TABLE", "POSTINGS_TABLE"):
        dynamodb.delete_table(TableName=service.environment[setting])


def command(service: RunningService, *arguments: str) -> str:
    done = subprocess.run(
        service.python("-m", "app", *arguments),
        cwd=ROOT,
        env=service.environment | {"AWS_ENDPOINT_URL": service.endpoint_url},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise click.ClickException(done.stdout + done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()
