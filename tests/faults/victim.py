"""A process that carries out what it is told, each time in a child of its own that may be killed.

Everything is imported once and the children are forked, so that a crash costs milliseconds. Reads
lines of JSON from standard input, `{"settings": ..., "operation": ..., "arguments": ...}`; answers
`{"pid": ...}` when the child is about to begin and `{"exit": ...}` when it has ended.
"""

import json
import os
import sys
from contextlib import suppress
from typing import Any

from app.errors import UploadRejected
from app.models import Announcement, ContentType, ImageChanges, NewImage, UploadMethod
from app.services import Services, build_services
from app.settings import Settings
from app.spool import Spool
from tests.samples import picture


def upload(services: Services, user_id: str, key: str) -> None:
    with Spool(max_bytes=10_000_000) as spool:
        spool.write(picture())
        services.images.upload(user_id, NewImage(title="target", tags=("target",)), spool, key=key)


def announce(services: Services, user_id: str, key: str) -> None:
    announced = Announcement(
        new=NewImage(title="target", tags=("target",)),
        content_type=ContentType.JPEG,
        file_size=len(picture()),
        sha256=None,
        method=UploadMethod.PUT,
    )
    services.uploads.issue(user_id, announced, key=key)


def complete(services: Services, user_id: str, image_id: str) -> None:
    with suppress(UploadRejected):
        services.uploads.complete(user_id, image_id)


def abandon(services: Services, user_id: str, image_id: str) -> None:
    services.uploads.abandon(user_id, image_id)


def edit(services: Services, user_id: str, image_id: str) -> None:
    services.images.update(user_id, image_id, ImageChanges(title="edited", tags=("edited",)))


def delete(services: Services, user_id: str, image_id: str) -> None:
    services.images.delete(user_id, image_id)


def delete_many(services: Services, user_id: str, image_ids: list[str]) -> None:
    services.images.delete_many(user_id, image_ids)


def sweep(services: Services) -> None:
    for _ in services.uploads.sweep():
        pass


OPERATIONS = {act.__name__: act for act in (upload, announce, complete, abandon, edit, delete, delete_many, sweep)}


def main() -> None:
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        child = os.fork()
        if child == 0:
            services = build_services(Settings.model_validate(order["settings"]))
            OPERATIONS[order["operation"]](services, **order["arguments"])
            os._exit(0)
        say({"pid": child})
        _, status = os.waitpid(child, 0)
        say({"exit": os.waitstatus_to_exitcode(status)})


def say(answer: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
