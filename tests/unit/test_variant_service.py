"""Variants in the bucket: made once, and gone with their image, whatever happens at once."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from app.errors import BackendUnavailable, ImageNotFound
from app.models import Image, NewImage
from app.services import Services
from app.services.audit import Audit, AuditOptions, DefectKind, Finding
from app.services.aws import AWSClientFactory
from app.services.events import ObjectCreated
from app.services.uploads import Outcome
from app.services.variants import VariantService
from app.settings import Settings
from app.spool import Spool
from app.variant_specs import Rendition, VariantFormat, VariantSpec
from tests.conftest import TestClock
from tests.samples import picture


def upload(services: Services) -> Image:
    with Spool(max_bytes=10**6) as spool:
        spool.write(picture(size=(300, 200)))
        return services.images.upload("alice", NewImage(), spool)


@pytest.fixture
def image(services: Services) -> Image:
    return upload(services)


def rendition(image: Image, width: int = 64) -> Rendition:
    assert image.width is not None
    assert image.height is not None
    return VariantSpec(width=width).rendition(image.width, image.height, VariantFormat.PNG)


class Bucket:
    def __init__(self, factory: AWSClientFactory, settings: Settings) -> None:
        self.s3, self.name = factory.s3(), settings.s3_bucket

    def listed(self, prefix: str = "variants/") -> Iterator[str]:
        for found in self.s3.list_objects_v2(Bucket=self.name, Prefix=prefix).get("Contents", ()):
            yield found["Key"]

    def put(self, key: str, data: bytes = b"x") -> None:
        self.s3.put_object(Bucket=self.name, Key=key, Body=data)


@pytest.fixture
def bucket(factory: AWSClientFactory, own_settings: Settings) -> Bucket:
    return Bucket(factory, own_settings)


def test_a_variant_is_kept_and_not_made_again(services: Services, image: Image, bucket: Bucket) -> None:
    made = services.variants.data(image, rendition(image))
    key = f"variants/{image.image_id}/64x43.png"
    assert list(bucket.listed()) == [key]
    bucket.put(key, b"what is stored is what is shown")
    assert services.variants.data(image, rendition(image)) == b"what is stored is what is shown" != made


def test_a_delete_takes_the_variants_along(services: Services, image: Image, bucket: Bucket) -> None:
    other = upload(services)
    for one in (image, other):
        for width in (64, 128):
            services.variants.data(one, rendition(one, width))
    services.images.delete("alice", image.image_id)
    assert {key.split("/")[1] for key in bucket.listed()} == {other.image_id}
    assert [services.images.delete_many("alice", [other.image_id])[other.image_id]] == ["deleted"]
    assert list(bucket.listed("")) == []


def test_a_variant_that_is_made_while_its_image_is_deleted_does_not_stay(
    services: Services, image: Image, bucket: Bucket
) -> None:
    def delete_it(**_: object) -> None:
        events.unregister("before-call.s3.PutObject", delete_it)
        services.images.delete("alice", image.image_id)

    events = services.storage._factory.s3().meta.events
    events.register("before-call.s3.PutObject", delete_it)
    with pytest.raises(ImageNotFound):
        services.variants.data(image, rendition(image))
    assert list(bucket.listed("")) == []


def test_of_two_processes_that_make_the_same_the_first_counts(services: Services, image: Image, bucket: Bucket) -> None:
    def be_first(**_: object) -> None:
        events.unregister("before-call.s3.PutObject", be_first)
        bucket.put(f"variants/{image.image_id}/64x43.png", b"the other's")

    events = services.storage._factory.s3().meta.events
    events.register("before-call.s3.PutObject", be_first)
    assert services.variants.data(image, rendition(image)) == b"the other's"


def test_an_image_without_its_object_is_not_called_gone(services: Services, image: Image, bucket: Bucket) -> None:
    bucket.s3.delete_object(Bucket=bucket.name, Key=image.object_key)
    with pytest.raises(BackendUnavailable):
        services.variants.data(image, rendition(image))


def test_a_link_is_bound_to_the_bytes(services: Services, image: Image) -> None:
    assert image.sha256 is not None
    assert services.variants.linked(image.image_id, image.sha256[:12]) == image
    for image_id, version in ((image.image_id, "0" * 12), ("nonsense", image.sha256[:12])):
        with pytest.raises(ImageNotFound):
            services.variants.linked(image_id, version)


def test_events_of_variants_change_nothing(
    services: Services, image: Image, bucket: Bucket, own_settings: Settings
) -> None:
    services.variants.data(image, rendition(image))
    (key,) = bucket.listed()
    event = ObjectCreated(bucket=own_settings.s3_bucket, key=key)
    assert services.uploads.confirm_from_event(event) == (Outcome.NOTHING_TO_DO, None)
    assert list(bucket.listed()) == [key]


def audited(services: Services, settings: Settings, **options: object) -> list[Finding]:
    steps = Audit(services, settings, AuditOptions(**options), threads=1).run()  # type: ignore[arg-type]
    return [finding for step in steps for finding in step.findings]


def test_the_audit_deletes_variants_of_no_image_and_leaves_the_others(
    services: Services, image: Image, bucket: Bucket, own_settings: Settings, clock: TestClock
) -> None:
    services.variants.data(image, rendition(image))
    (kept,) = bucket.listed()
    stray = "variants/f47ac10b-58cc-4372-a567-0e02b2c3d479/64x43.png"
    bucket.put(stray)
    assert audited(services, own_settings, repair=True) == []
    clock.now += timedelta(hours=1, minutes=1)
    (found,) = audited(services, own_settings)
    assert (found.kind, found.detail, found.done) == (DefectKind.ORPHAN, "a variant only", False)
    assert audited(services, own_settings, repair=True, user_id="alice") == []
    (found,) = audited(services, own_settings, repair=True)
    assert found.done
    assert list(bucket.listed()) == [kept]
    bucket.put("variants/what is this")
    clock.now += timedelta(hours=1, minutes=1)
    assert [found.kind for found in audited(services, own_settings, repair=True)] == [DefectKind.UNKNOWN_OBJECT]


def test_services_share_what_is_in_the_bucket_and_not_each_other(services: Services, image: Image) -> None:
    other = VariantService(services.storage, services.metadata, services.inspector.budget)
    assert other.data(image, rendition(image)) == services.variants.data(image, rendition(image))
