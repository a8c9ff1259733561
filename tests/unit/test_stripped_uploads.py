"""Uploads that lose their metadata on the way, in every state that a crash or a race can leave, on moto."""

import hashlib
import uuid
from datetime import timedelta
from typing import Any

import pytest

from app.errors import BackendUnavailable, UploadRejected
from app.keys import final_key, staging_key
from app.models import Image, NewImage, Status, StripMetadata, UploadMethod
from app.services import Services, build_services
from app.services.audit import Audit, AuditOptions
from app.services.aws import AWSClientFactory
from app.services.cursor import CursorSigner
from app.services.idempotency import IdempotencyKeys
from app.services.images import ImageService
from app.services.uploads import Outcome
from app.settings import Settings
from app.spool import Spool
from tests.conftest import TestClock
from tests.metadata_samples import SECRETS, sample
from tests.samples import picture
from tests.unit.test_uploads import METHODS, Stage, finished_keys, meddled, uploads_on

DATA = sample("PNG")
CAPTURED_AT = "2026-01-02T03:04:05"


@pytest.fixture
def settings(own_settings: Settings) -> Settings:
    return own_settings.model_copy(update={"strip_metadata": StripMetadata.ALL})


@pytest.fixture
def stage(factory: AWSClientFactory, settings: Settings, clock: TestClock) -> Stage:
    return Stage(build_services(settings, clock=clock), factory, settings)


def stored(factory: AWSClientFactory, settings: Settings, image: Image) -> bytes:
    return factory.s3().get_object(Bucket=settings.s3_bucket, Key=final_key(image))["Body"].read()


def assert_finished(stage: Stage, factory: AWSClientFactory, settings: Settings, image: Image) -> None:
    """The image is finished, its row fits its object, nothing is told, and the audit has nothing to say."""
    data, row = stored(factory, settings, image), stage.get(image)
    assert (row.status, row.object_key) == (Status.UPLOADED, final_key(image))
    assert (row.file_size, row.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert not any(secret in data for secret in SECRETS)
    assert stage.objects() == finished_keys(image)
    audit = Audit(stage.services, settings, AuditOptions(verify_bytes=True, grace=timedelta(0)), threads=1)
    assert [finding for step in audit.run() for finding in step.findings] == []


@pytest.mark.parametrize("method", METHODS)
def test_what_the_client_sent_is_checked_and_what_is_left_is_stored(
    stage: Stage, factory: AWSClientFactory, settings: Settings, method: UploadMethod
) -> None:
    image = stage.issue(method, DATA, sha256=hashlib.sha256(DATA).hexdigest())
    assert image.object_key == staging_key(final_key(image))
    stage.arrive(image, DATA)
    finished = stage.uploads.complete("alice", image.image_id)
    assert finished.file_size < len(DATA)
    assert finished.captured_at == CAPTURED_AT
    assert_finished(stage, factory, settings, image)
    assert stage.event(image.object_key) is Outcome.OBJECT_REMOVED
    assert stage.event(final_key(image)) is Outcome.NOTHING_TO_DO
    assert stage.uploads.complete("alice", image.image_id) == finished == stage.get(image)


@pytest.mark.parametrize("method", METHODS)
def test_a_checksum_of_what_would_be_left_is_no_checksum_of_what_was_sent(stage: Stage, method: UploadMethod) -> None:
    image = stage.issue(method, DATA, sha256=hashlib.sha256(picture("PNG")).hexdigest())
    stage.arrive(image, DATA)
    with pytest.raises(UploadRejected, match="checksum_mismatch"):
        stage.uploads.complete("alice", image.image_id)
    assert stage.objects() == set()


class FailingAfterWriting:
    """The storage of somebody who dies, or is cut off, after writing an object to its final key."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def put(self, image: Image, spool: Spool) -> None:
        self._storage.put(image, spool)
        raise BackendUnavailable("s3")

    def put_if_absent(self, image: Image, spool: Spool) -> None:
        self._storage.put_if_absent(image, spool)
        raise KeyboardInterrupt


def die_after_writing(stage: Stage, settings: Settings, image: Image) -> None:
    dying = uploads_on(FailingAfterWriting(stage.services.storage), stage.services, settings)
    with pytest.raises(KeyboardInterrupt):
        dying.complete("alice", image.image_id)
    assert stage.get(image).status is Status.PENDING_UPLOAD


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("event", [True, False])
def test_a_confirmation_that_died_after_writing_is_finished_by_the_next(
    stage: Stage, factory: AWSClientFactory, settings: Settings, method: UploadMethod, event: bool
) -> None:
    image = stage.issue(method, DATA)
    stage.arrive(image, DATA)
    die_after_writing(stage, settings, image)
    written = stored(factory, settings, image)
    if event:
        assert stage.event(image.object_key) is Outcome.UPLOADED
    else:
        stage.uploads.complete("alice", image.image_id)
    assert stored(factory, settings, image) == written
    assert stage.get(image).captured_at == CAPTURED_AT
    assert_finished(stage, factory, settings, image)


@pytest.mark.parametrize("again", [b"x" * len(DATA), DATA[:-1], None])
def test_what_was_written_counts_whatever_the_form_brings_then(
    stage: Stage, factory: AWSClientFactory, settings: Settings, again: bytes | None
) -> None:
    image = stage.issue(UploadMethod.POST, DATA)
    stage.arrive(image, DATA)
    die_after_writing(stage, settings, image)
    if again is None:
        stage.services.storage.delete_object(image.object_key)
    else:
        stage.arrive(image, again)
    assert stage.uploads.complete("alice", image.image_id).captured_at is None
    assert_finished(stage, factory, settings, image)


@pytest.mark.parametrize("method", METHODS)
def test_of_confirmations_at_once_all_agree(
    stage: Stage, factory: AWSClientFactory, settings: Settings, method: UploadMethod
) -> None:
    image = stage.issue(method, DATA)
    stage.arrive(image, DATA)
    winners: list[Image] = []
    loser = meddled(stage, settings, lambda: winners.append(stage.uploads.complete("alice", image.image_id)))
    assert [loser.complete("alice", image.image_id)] == winners
    assert_finished(stage, factory, settings, image)


def test_what_was_announced_before_the_setting_stays_as_it_came(
    stage: Stage, factory: AWSClientFactory, own_settings: Settings, settings: Settings, services: Services
) -> None:
    before = Stage(services, factory, own_settings)
    put, form = before.issue(UploadMethod.PUT, DATA), before.issue(UploadMethod.POST, DATA)
    for image in (put, form):
        stage.arrive(image, DATA)
        stage.uploads.complete("alice", image.image_id)
    assert stored(factory, settings, put) == DATA
    assert len(stored(factory, settings, form)) < len(DATA)


def test_an_upload_that_is_repeated_under_another_setting_has_a_row_that_fits_its_object(
    stage: Stage, factory: AWSClientFactory, own_settings: Settings, settings: Settings, clock: TestClock
) -> None:
    def upload(images: ImageService) -> Image:
        with Spool(max_bytes=len(DATA)) as spool:
            spool.write(DATA)
            return images.upload("alice", NewImage(), spool, key="once")

    before = build_services(own_settings, clock=clock)
    failing = ImageService(
        FailingAfterWriting(before.storage),  # type: ignore[arg-type]  # stands in for it
        before.metadata,
        IdempotencyKeys(factory, own_settings, clock=clock, new_id=lambda: str(uuid.uuid4())),
        CursorSigner(*own_settings.signing_secrets),
        inspector=before.inspector,
        variants=before.variants,
        settings=own_settings,
        clock=clock,
    )
    with pytest.raises(BackendUnavailable):
        upload(failing)
    image = upload(stage.services.images)
    assert image.file_size < len(DATA)
    assert_finished(stage, factory, settings, image)
