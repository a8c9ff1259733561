"""What happens to images while something is crashed, and what must be true of them afterwards."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from app.errors import ImageNotFound
from app.keys import record_key
from app.models import (
    Announcement,
    ContentType,
    Image,
    ImageFilter,
    NewImage,
    Status,
    UploadMethod,
    Usage,
    usage_of,
)
from app.services import Services, build_services
from app.services.audit import Audit, AuditOptions, Finding
from app.services.aws import AWSClientFactory
from app.services.tables import posting_key, postings_of
from app.settings import Settings
from app.spool import Spool
from app.times import utc_now
from tests.samples import picture

LATER = timedelta(hours=3)
"""When uploads have expired, and what was begun has long been given up."""


@functools.cache
def _services_at(settings: Settings, later: timedelta) -> Services:
    return build_services(settings, clock=lambda: utc_now() + later)


@functools.cache
def _clients(settings: Settings) -> AWSClientFactory:
    return AWSClientFactory(settings)


@dataclass
class Stage:
    """One user's stores, seen directly, while a victim works on them through the proxy."""

    settings: Settings
    user_id: str
    factory: AWSClientFactory = field(init=False)
    services: Services = field(init=False)
    bystander: Image = field(init=False)

    def __post_init__(self) -> None:
        self.factory = _clients(self.settings)
        self.services = self.at(timedelta())
        self.bystander = self.upload(title="bystander")

    def at(self, later: timedelta) -> Services:
        """The services as they are some time from now."""
        return _services_at(self.settings, later)

    def upload(self, *, title: str, key: str | None = None, later: timedelta = timedelta()) -> Image:
        with Spool(max_bytes=10_000_000) as spool:
            spool.write(picture())
            new = NewImage(title=title, tags=(title,))
            return self.at(later).images.upload(self.user_id, new, spool, key=key)

    def announce(self, method: UploadMethod, *, key: str | None = None, later: timedelta = timedelta()) -> Image:
        announced = Announcement(
            new=NewImage(title="target", tags=("target",)),
            content_type=ContentType.JPEG,
            file_size=len(picture()),
            sha256=None,
            method=method,
        )
        image, _ = self.at(later).uploads.issue(self.user_id, announced, key=key)
        return image

    def send(self, image: Image, data: bytes | None = None) -> None:
        """Put the object of a direct upload where its client would."""
        body = picture() if data is None else data
        self.factory.s3().put_object(Bucket=self.settings.s3_bucket, Key=image.object_key, Body=body)

    def found(self, **conditions: Any) -> list[Image]:
        page = self.services.images.list(self.user_id, ImageFilter(**conditions), limit=100)
        return [image for image in page.images if image.image_id != self.bystander.image_id]

    def bytes_of(self, image_id: str) -> bytes:
        image = self.services.images.get(self.user_id, image_id)
        return b"".join(self.services.images.open(image))

    def is_gone(self, image_id: str) -> bool:
        try:
            self.services.images.describe(self.user_id, image_id)
        except ImageNotFound:
            return image_id not in {image.image_id for image in self.found()}
        return False

    def require_what_was_promised(self) -> None:
        """What was acknowledged before is untouched, and whatever is shown can be had."""
        assert self.services.images.get(self.user_id, self.bystander.image_id) == self.bystander
        assert [it.image_id for it in self.found_any(tags=("bystander",))] == [self.bystander.image_id]
        for image in (self.bystander, *self.found()):
            assert self.bytes_of(image.image_id) == picture()
        assert self.services.usage.of(self.user_id) == sum(map(usage_of, self.rows()), Usage())

    def found_any(self, **conditions: Any) -> Sequence[Image]:
        return self.services.images.list(self.user_id, ImageFilter(**conditions), limit=100).images

    def rows(self) -> list[Image]:
        """All in the table, also those that are in no list any more."""
        return [image for page in self.services.metadata.scan_all(user_id=self.user_id) for image in page]

    def leftovers(self) -> set[str]:
        """Keys in the bucket and postings in the table that no row accounts for."""
        rows = self.rows()
        keys = {
            key
            for image in rows
            if image.status is Status.UPLOADED
            for key in (image.object_key, record_key(image.user_id, image.image_id))
        }
        user = quote(self.user_id, safe="")
        stored = set()
        for prefix in ("images", "uploads", "records"):
            listed = self.factory.s3().list_objects_v2(Bucket=self.settings.s3_bucket, Prefix=f"{prefix}/{user}/")
            stored |= {item["Key"] for item in listed.get("Contents", ())}
        for variants in self.services.storage.objects("variants/"):
            stored |= {variant.key for variant in variants if not self._is_of_an_image(variant.key)}
        expected = {_posting_name(posting_key(it)) for image in rows for it in postings_of(image)}
        scanned = self.factory.dynamodb().scan(TableName=self.settings.postings_table)["Items"]
        mine = {_posting_name(item) for item in scanned if item["term_key"]["S"].startswith(f"{self.user_id}#")}
        return (stored ^ keys) | (mine ^ expected)

    def _is_of_an_image(self, variant_key: str) -> bool:
        try:
            return self.services.metadata.get(variant_key.split("/")[1]).status is Status.UPLOADED
        except ImageNotFound:
            return False

    def audit(self) -> list[Finding]:
        """Repair whatever is wrong with this user's images, and return what is wrong then."""
        for repair in (True, False):
            options = AuditOptions(user_id=self.user_id, repair=repair, grace=timedelta())
            found = [it for step in Audit(self.at(LATER), self.settings, options).run() for it in step.findings]
        return found


def _posting_name(item: Any) -> str:
    return f"{item['term_key']['S']} {item['image_key']['S']}"
