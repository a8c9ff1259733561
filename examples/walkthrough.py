"""The life of an image, step by step, against a running service: a first thing to read, and to run.

    ./startup.sh                                          # in another terminal
    .venv/bin/python -m examples.walkthrough photo.jpg      # any JPEG, PNG, GIF or WebP; or on IMAGES_SERVER

`ImageClient` is a class of this repository; docs/api.md shows the same with nothing but HTTP.
"""

import os
import sys
import tempfile
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

from app.client import (
    Changed,
    ClientError,
    ImageClient,
    ImageFilter,
    ImageRefused,
    NotAllowed,
    NotFound,
    Refused,
    UnreadableFile,
    sha256_of,
)


def main(photo: Path, server: str) -> None:
    # A user is nothing but a name. Nobody else sees what is theirs.
    alice, bob = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("alice", "bob"))

    with ImageClient(server, user_id=alice) as client, ImageClient(server, user_id=bob) as stranger:
        step("Upload. The answer comes when the bytes are in S3, checked, and the row in DynamoDB says so.")
        image = client.upload(photo, title="Beach", tags=["sea", "Sunset"], location="Rimini")
        show(f"{image.image_id}: {image.content_type}, {image.width} x {image.height}, {image.file_size} bytes")
        assert image.sha256 == sha256_of(photo)

        step("Find it: by tags, which are compared folded, by words of any field, by the start of its title.")
        for wanted in (ImageFilter(tags=("SUNSET",)), ImageFilter(q="rimini beach"), ImageFilter(title_prefix="bea")):
            found = [it.image_id for it in client.images(wanted)]
            show(f"{wanted.query()} -> {found}")
            assert found == [image.image_id]

        step("Edit it. Who has not seen the newest version is told, instead of overwriting it.")
        dusk = client.edit(image, title="Dusk")
        refused = refusal(lambda: client.edit(image, title="Dawn"), Changed)
        show(f"{refused} It is version {dusk.version} now, {dusk.title!r}.")

        step("Show it: the bytes by the API or straight from S3, and a thumbnail whose link works in <img>.")
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(directory) / "copy"
            client.download(image, copy)
            assert copy.read_bytes() == photo.read_bytes()
        for link in (str(image.download_url), f"{server}{image.thumbnail_url}"):
            with urllib.request.urlopen(link) as answer:
                show(f"{len(answer.read())} bytes of {answer.headers['Content-Type']}")

        step("Somebody else may not see it, nor learn more than that.")
        show(str(refusal(lambda: stranger.get(image.image_id), NotAllowed)))

        step("What is no image is refused, whatever it calls itself.")
        with tempfile.TemporaryDirectory() as directory:
            fake = Path(directory) / "photo.jpg"
            fake.write_text("<script>alert(1)</script>")
            refused = refusal(lambda: client.upload(fake), ImageRefused)
            show(f"{refused.status} {refused.code}: {refused}")

        step("Delete it. It is gone for everybody at once, with its thumbnails.")
        client.delete(image.image_id)
        show(str(refusal(lambda: client.get(image.image_id), NotFound)))
        assert list(client.images()) == []
    print("\nAll as it should be.")


def refusal(act: Callable[[], object], expected: type[Refused]) -> Refused:
    """How the service says no; that it does is the point."""
    try:
        act()
    except expected as refused:
        return refused
    raise AssertionError("that should have been refused")


def step(text: str) -> None:
    print(f"\n{text}")


def show(text: str) -> None:
    print(f"  {text}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        main(Path(sys.argv[1]), server=os.environ.get("IMAGES_SERVER", "http://127.0.0.1:5000"))
    except (ClientError, ValueError) as error:  # no such file, no image, no server
        sys.exit(f"{sys.argv[1]}: {error}" if isinstance(error, UnreadableFile | ImageRefused) else str(error))
