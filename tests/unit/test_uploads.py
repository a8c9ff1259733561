"""Direct uploads in every state that a crash, a race or a late client can leave, on moto."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.errors import BackendUnavailable, ImageNotFound, UploadExpired, UploadNotPending, UploadRejected
from app.keys import final_key, record_key
from app.models import Announcement, ContentType, Image, ImageFilter, NewImage, Status, UploadMethod
from app.services import Services, build_services
from app.services.aws import AWSClientFactory
from app.services.cursor import CursorSigner
from app.services.events import ObjectCreated
from app.services.idempotency import IdempotencyKeys
from app.services.images import ImageService
from app.services.metadata import RowChanged
from app.services.tables import row_key
from app.services.uploads import DirectUploadService, Outcome
from app.settings import Settings
from app.spool import Spool
from tests.conftest import TestClock
from tests.samples import picture, picture_of_bytes
from tests.unit.test_tables import IMAGE

DATA = picture("PNG")
METHODS = list(UploadMethod)


class Stage:
    """The services with their bucket and table, and what a client or S3 does beside them."""

    def __init__(self, services: Services, factory: AWSClientFactory, settings: Settings) -> None:
        self.services, self.uploads, self._factory, self._settings = services, services.uploads, factory, settings

    def issue(self, method: UploadMethod, data: bytes = DATA, *, sha256: str | None = None) -> Image:
        announced = Announcement(
            new=NewImage(filename="a.png"),
            content_type=ContentType.PNG,
            file_size=len(data),
            sha256=sha256,
            method=method,
        )
        return self.uploads.issue("alice", announced)[0]

    def arrive(self, image: Image, data: bytes = DATA, *, key: str | None = None) -> None:
        self._factory.s3().put_object(Bucket=self._settings.s3_bucket, Key=key or image.object_key, Body=data)

    def event(self, key: str) -> Outcome:
        return self.uploads.confirm_from_event(ObjectCreated(self._settings.s3_bucket, key))[0]

    def objects(self) -> set[str]:
        found = self._factory.s3().list_objects_v2(Bucket=self._settings.s3_bucket)
        return {item["Key"] for item in found.get("Contents", ())}

    def row(self, image: Image) -> Any:
        answer = self._factory.dynamodb().get_item(TableName=self._settings.images_table, Key=row_key(image.image_id))
        return answer.get("Item")

    def get(self, image: Image) -> Image:
        return self.services.metadata.get(image.image_id)


@pytest.fixture
def stage(services: Services, factory: AWSClientFactory, own_settings: Settings) -> Stage:
    return Stage(services, factory, own_settings)


def finished_keys(image: Image) -> set[str]:
    return {final_key(image), record_key(image.user_id, image.image_id)}


@pytest.mark.parametrize("method", METHODS)
def test_a_pending_row_expires_and_a_finished_one_does_not(stage: Stage, method: UploadMethod) -> None:
    image = stage.issue(method)
    assert image.expires_at is not None
    row = stage.row(image)
    assert int(row["ttl"]["N"]) == int((image.expires_at + timedelta(days=1)).timestamp())
    stage.arrive(image)
    assert stage.event(image.object_key) is Outcome.UPLOADED
    row = stage.row(image)
    assert not {"ttl", "expires_at", "rejection"} & row.keys()
    assert row["object_key"]["S"] == final_key(image)
    assert stage.objects() == finished_keys(image)


@pytest.mark.parametrize("method", METHODS)
def test_an_event_that_comes_again_finds_nothing_to_do(stage: Stage, method: UploadMethod) -> None:
    image = stage.issue(method)
    stage.arrive(image)
    stage.event(image.object_key)
    finished = stage.get(image)
    assert stage.event(final_key(image)) is Outcome.NOTHING_TO_DO
    assert stage.event(image.object_key) in {Outcome.NOTHING_TO_DO, Outcome.OBJECT_REMOVED}
    assert stage.get(image) == finished
    assert stage.objects() == finished_keys(image)


def test_an_event_of_a_variant_finds_nothing_to_do(stage: Stage) -> None:
    stage.services.storage.put_variant(IMAGE.image_id, "w320.webp", DATA, "image/webp")
    (key,) = stage.objects()
    assert stage.event(key) is Outcome.NOTHING_TO_DO
    assert stage.objects() == {key}


def test_an_event_before_its_object_changes_nothing(stage: Stage) -> None:
    image = stage.issue(UploadMethod.PUT)
    assert stage.event(image.object_key) is Outcome.NOTHING_TO_DO
    assert stage.get(image) == image


def test_what_was_checked_and_written_counts_and_not_what_the_form_brought_later(stage: Stage) -> None:
    """A confirmation died after it had written the final object; then the form was sent again."""
    first, second = picture_of_bytes(900, seed=1), picture_of_bytes(900, seed=2)
    image = stage.issue(UploadMethod.POST, first)
    stage.arrive(image, second)
    stage.arrive(image, first, key=final_key(image))
    finished = stage.uploads.complete("alice", image.image_id)
    assert finished.sha256 == hashlib.sha256(first).hexdigest()
    assert stage.objects() == finished_keys(image)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("change", ["sha256", "bytes"])
def test_what_is_rejected_goes_after_the_row_says_so(stage: Stage, method: UploadMethod, change: str) -> None:
    image = stage.issue(method, sha256="0" * 64 if change == "sha256" else None)
    stage.arrive(image, DATA if change == "sha256" else b"x" * len(DATA))
    with pytest.raises(UploadRejected):
        stage.uploads.complete("alice", image.image_id)
    code = "checksum_mismatch" if change == "sha256" else "unsupported_image_type"
    rejected = stage.get(image)
    assert rejected.rejection is not None
    assert (rejected.status, rejected.rejection.code) == (Status.REJECTED, code)
    assert stage.objects() == set()
    assert "expires_at" not in stage.row(image)
    stage.arrive(image)  # what a crash between row and removal leaves, or a client that sends again
    assert stage.event(image.object_key) is Outcome.OBJECT_REMOVED
    assert stage.objects() == set()


def test_a_file_of_another_size_is_rejected(stage: Stage) -> None:
    image = stage.issue(UploadMethod.PUT)
    stage.arrive(image, DATA + b"more")
    with pytest.raises(UploadRejected, match="incomplete_body"):
        stage.uploads.complete("alice", image.image_id)


@pytest.mark.parametrize("method", METHODS)
def test_an_expired_upload_looks_gone_and_is_swept(stage: Stage, clock: TestClock, method: UploadMethod) -> None:
    image, other = stage.issue(method), stage.issue(method)
    clock.now += timedelta(seconds=3600)
    with pytest.raises(UploadExpired):
        stage.uploads.complete("alice", image.image_id)
    with pytest.raises(ImageNotFound):
        stage.services.images.describe("alice", image.image_id)
    in_time = stage.issue(method)
    assert sorted(stage.uploads.sweep()) == sorted([image.image_id, other.image_id])
    assert stage.row(image) is None
    assert stage.get(in_time) == in_time
    assert list(stage.uploads.sweep()) == []


@pytest.mark.parametrize("method", METHODS)
def test_what_arrived_in_time_is_kept_however_late_somebody_looks(
    stage: Stage, clock: TestClock, method: UploadMethod
) -> None:
    by_sweep, by_event, by_request = (stage.issue(method) for _ in range(3))
    for image in (by_sweep, by_event, by_request):
        stage.arrive(image)
    clock.now += timedelta(hours=2)
    assert stage.event(by_event.object_key) is Outcome.UPLOADED
    assert stage.uploads.complete("alice", by_request.image_id).status is Status.UPLOADED
    assert list(stage.uploads.sweep()) == [by_sweep.image_id]
    assert stage.get(by_sweep).status is Status.UPLOADED


@pytest.mark.parametrize("by_event", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_what_arrives_too_late_is_removed(stage: Stage, clock: TestClock, method: UploadMethod, by_event: bool) -> None:
    clock.now -= timedelta(hours=2)
    image = stage.issue(method)
    clock.now += timedelta(hours=2)
    stage.arrive(image)
    with pytest.raises(UploadExpired):
        stage.uploads.complete("alice", image.image_id)
    if by_event:
        assert stage.event(image.object_key) is Outcome.EXPIRED
    else:
        assert list(stage.uploads.sweep()) == [image.image_id]
    assert stage.row(image) is None
    assert stage.objects() == set()
    stage.arrive(image)  # later still
    assert stage.event(image.object_key) is Outcome.OBJECT_REMOVED
    assert stage.objects() == set()


@pytest.mark.parametrize("method", METHODS)
def test_an_interrupted_expiry_is_finished_by_the_next_sweep(
    stage: Stage, clock: TestClock, method: UploadMethod
) -> None:
    image = stage.issue(method)
    stage.arrive(image)
    stage.services.metadata.replace(image, image._replace(status=Status.DELETING))
    clock.now += timedelta(hours=2)
    assert list(stage.uploads.sweep()) == [image.image_id]
    assert (stage.row(image), stage.objects()) == (None, set())


@pytest.mark.parametrize("method", METHODS)
def test_abandoning_leaves_nothing_of_what_arrived_or_was_half_confirmed(stage: Stage, method: UploadMethod) -> None:
    image = stage.issue(method)
    stage.arrive(image)
    stage.arrive(image, key=final_key(image))
    stage.arrive(image, b"{}", key=record_key(image.user_id, image.image_id))
    stage.uploads.abandon("alice", image.image_id)
    assert (stage.row(image), stage.objects()) == (None, set())


def test_an_upload_through_the_api_in_flight_is_left_alone(stage: Stage, clock: TestClock) -> None:
    image = stage.issue(UploadMethod.PUT)._replace(expires_at=None, image_id="0" * 8 + "-0000" * 3 + "-" + "0" * 12)
    image = image._replace(object_key=f"images/alice/{image.image_id}.png")
    stage.services.metadata.add(image)
    stage.arrive(image)
    clock.now += timedelta(days=2)
    assert stage.event(image.object_key) is Outcome.NOTHING_TO_DO
    with pytest.raises(UploadNotPending):
        stage.uploads.abandon("alice", image.image_id)
    with pytest.raises(UploadNotPending):
        stage.uploads.complete("alice", image.image_id)
    list(stage.uploads.sweep())
    assert stage.get(image) == image
    assert image.object_key in stage.objects()


class Meddling:
    """The storage, with something done by somebody else just before or after an object is read."""

    def __init__(self, storage: Any, meddle: Callable[[], object], *, before: bool) -> None:
        self._storage, self._meddle, self._before = storage, meddle, before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def fetch(self, key: str, spool: Spool) -> Any:
        if self._before and self._storage.fetch(key, Spool(max_bytes=10**6)) is not None:
            self._meddle_once()
        found = self._storage.fetch(key, spool)
        if found is not None and not self._before:
            self._meddle_once()
        return found

    def _meddle_once(self) -> None:
        meddle, self._meddle = self._meddle, lambda: None
        meddle()


def meddled(stage: Stage, settings: Settings, meddle: Callable[[], object], *, before: bool = False) -> Any:
    """The service of uploads as another process would run it, which somebody gets ahead of."""
    return uploads_on(Meddling(stage.services.storage, meddle, before=before), stage.services, settings)


def uploads_on(storage: object, services: Services, settings: Settings) -> DirectUploadService:
    """The service of uploads with something in the place of the storage."""
    keys = IdempotencyKeys(AWSClientFactory(settings), settings, clock=services.clock, new_id=lambda: "unused")
    return DirectUploadService(
        storage,  # type: ignore[arg-type]
        services.metadata,
        keys,
        services.images,
        inspector=services.inspector,
        variants=services.variants,
        settings=settings,
        clock=services.clock,
    )


class Late:
    """The storage, where a confirmation wrote to the final key long after the form had brought the object."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def fetch(self, key: str, spool: Spool) -> Any:
        stored_at = self._storage.fetch(key, spool)
        return stored_at + timedelta(days=1) if stored_at and key.startswith("images/") else stored_at


def test_a_form_that_came_in_time_is_finished_however_late_the_confirmation_before_died(
    stage: Stage, own_settings: Settings, clock: TestClock
) -> None:
    image = stage.issue(UploadMethod.POST)
    stage.arrive(image)
    stage.arrive(image, key=final_key(image))
    clock.now += timedelta(days=1)
    uploads = uploads_on(Late(stage.services.storage), stage.services, own_settings)
    assert list(uploads.sweep()) == [image.image_id]
    assert stage.get(image).status is Status.UPLOADED
    assert stage.objects() == finished_keys(image)


@pytest.mark.parametrize("method", METHODS)
def test_of_confirmations_at_once_all_agree(stage: Stage, own_settings: Settings, method: UploadMethod) -> None:
    image = stage.issue(method)
    stage.arrive(image)
    winners: list[Image] = []
    loser = meddled(stage, own_settings, lambda: winners.append(stage.uploads.complete("alice", image.image_id)))
    assert [loser.complete("alice", image.image_id)] == winners
    assert stage.get(image) == winners[0]
    assert stage.objects() == finished_keys(image)


@pytest.mark.parametrize("method", METHODS)
def test_a_confirmation_that_an_edit_gets_ahead_of_leaves_the_edit(
    stage: Stage, own_settings: Settings, method: UploadMethod, factory: AWSClientFactory
) -> None:
    image = stage.issue(method)
    stage.arrive(image)

    def confirm_and_edit() -> None:
        stage.uploads.complete("alice", image.image_id)
        stage.services.images.update("alice", image.image_id, {"title": "Edited"})

    assert meddled(stage, own_settings, confirm_and_edit).complete("alice", image.image_id).title == "Edited"
    record = (
        factory.s3()
        .get_object(Bucket=own_settings.s3_bucket, Key=record_key(image.user_id, image.image_id))["Body"]
        .read()
    )
    assert json.loads(record)["title"] == "Edited"


@pytest.mark.parametrize("method", METHODS)
def test_a_confirmation_that_is_abandoned_meanwhile_leaves_nothing(
    stage: Stage, own_settings: Settings, method: UploadMethod
) -> None:
    image = stage.issue(method)
    stage.arrive(image)
    confirming = meddled(stage, own_settings, lambda: stage.uploads.abandon("alice", image.image_id))
    with pytest.raises(ImageNotFound):
        confirming.complete("alice", image.image_id)
    assert (stage.row(image), stage.objects()) == (None, set())


def test_a_read_that_a_rejection_elsewhere_breaks_off_ends_as_the_rejection(
    stage: Stage, own_settings: Settings
) -> None:
    image = stage.issue(UploadMethod.PUT)
    stage.arrive(image, b"x" * len(DATA))

    def reject_and_break() -> None:
        with pytest.raises(UploadRejected):
            stage.uploads.complete("alice", image.image_id)
        raise BackendUnavailable("s3")

    with pytest.raises(UploadRejected):
        meddled(stage, own_settings, reject_and_break).complete("alice", image.image_id)


@pytest.mark.parametrize("method", METHODS)
def test_a_confirmation_that_finds_the_object_gone_looks_who_took_it(
    stage: Stage, own_settings: Settings, method: UploadMethod
) -> None:
    good, bad = stage.issue(method), stage.issue(method)
    stage.arrive(good)
    stage.arrive(bad, b"x" * len(DATA))

    def reject() -> None:
        with pytest.raises(UploadRejected):
            stage.uploads.complete("alice", bad.image_id)

    with pytest.raises(UploadRejected):
        meddled(stage, own_settings, reject, before=True).complete("alice", bad.image_id)
    confirm = meddled(stage, own_settings, lambda: stage.uploads.complete("alice", good.image_id), before=True)
    assert confirm.complete("alice", good.image_id).status is Status.UPLOADED


def test_a_finished_image_is_not_abandoned_by_a_race(stage: Stage, own_settings: Settings) -> None:
    image = stage.issue(UploadMethod.PUT)
    stage.arrive(image)
    stage.uploads.complete("alice", image.image_id)
    with pytest.raises(RowChanged):
        stage.services.metadata.replace(image, image._replace(status=Status.DELETING))
    with pytest.raises(UploadNotPending):
        stage.uploads.abandon("alice", image.image_id)


def test_one_upload_that_cannot_be_swept_does_not_stop_the_others(
    stage: Stage, clock: TestClock, factory: AWSClientFactory, own_settings: Settings
) -> None:
    images = [stage.issue(UploadMethod.PUT) for _ in range(3)]
    factory.dynamodb().update_item(
        TableName=own_settings.images_table,
        Key=row_key(images[0].image_id),
        UpdateExpression="REMOVE filename",
    )
    clock.now += timedelta(hours=2)
    assert sorted(stage.uploads.sweep()) == sorted(image.image_id for image in images[1:])


def test_a_sweep_goes_on_after_rows_that_others_keep_changing(
    stage: Stage, own_settings: Settings, clock: TestClock
) -> None:
    images = [stage.issue(UploadMethod.PUT) for _ in range(4)]
    clock.now += timedelta(hours=2)
    contended = Down(contended=True)
    assert list(uploads_on(contended, stage.services, own_settings).sweep()) == []
    assert contended.asked == 2 * len(images)


class Down:
    """A storage that is down, and counts how often it was asked."""

    def __init__(self, *, contended: bool = False) -> None:
        self.asked = 0
        self._contended = contended

    def __getattr__(self, name: str) -> Any:
        self.asked += 1
        raise BackendUnavailable("s3", contended=self._contended)


def test_a_sweep_ends_where_a_store_is_down(stage: Stage, own_settings: Settings, clock: TestClock) -> None:
    for _ in range(5):
        stage.issue(UploadMethod.PUT)
    clock.now += timedelta(hours=2)
    storage = Down()
    with pytest.raises(BackendUnavailable):
        list(uploads_on(storage, stage.services, own_settings).sweep())
    assert storage.asked <= 4  # for two uploads, each looked for twice


def test_a_repeated_announcement_of_what_has_arrived_meanwhile_is_a_conflict(
    own_settings: Settings, factory: AWSClientFactory
) -> None:
    """Where the first answer was lost before it was noted, the repetition finds the row as it is now."""
    stage = Stage(build_services(own_settings, new_id=lambda: IMAGE.image_id), factory, own_settings)
    image = stage.issue(UploadMethod.PUT)
    assert stage.issue(UploadMethod.PUT) == image
    stage.arrive(image)
    stage.uploads.complete("alice", image.image_id)
    with pytest.raises(UploadNotPending):
        stage.issue(UploadMethod.PUT)


def test_an_upload_whose_time_is_over_is_not_listed_though_nobody_has_swept_it_yet(
    stage: Stage, clock: TestClock
) -> None:
    wanted = ImageFilter(status=Status.PENDING_UPLOAD)
    image = stage.issue(UploadMethod.PUT)
    assert [it.image_id for it in stage.services.images.list("alice", wanted, limit=9).images] == [image.image_id]
    clock.now += timedelta(days=1)
    assert stage.services.images.list("alice", wanted, limit=9).images == ()
    assert stage.row(image)


def test_an_upload_is_not_finished_under_the_hands_of_who_deletes_it(
    own_settings: Settings, factory: AWSClientFactory
) -> None:
    stage = Stage(build_services(own_settings, new_id=lambda: IMAGE.image_id), factory, own_settings)

    def upload() -> Image:
        with Spool(max_bytes=len(DATA)) as spool:
            spool.write(DATA)
            return stage.services.images.upload("alice", NewImage(), spool)

    image = upload()
    assert upload() == image
    stage.services.metadata.replace(image, image._replace(status=Status.DELETING))
    with pytest.raises(BackendUnavailable):
        upload()
    stage.services.images.delete("alice", image.image_id)
    assert upload().image_id == image.image_id


class OnceUnavailable:
    """The storage, one of whose methods fails the first time that it is called."""

    def __init__(self, storage: Any, method: str) -> None:
        self._storage, self._method = storage, method

    def __getattr__(self, name: str) -> Any:
        if name != self._method:
            return getattr(self._storage, name)
        self._method = ""

        def fail(*_: object) -> None:
            raise BackendUnavailable("s3")

        return fail


@pytest.mark.parametrize(("data", "method"), [(DATA, "delete_object"), (b"x" * len(DATA), "delete")])
def test_what_cannot_be_removed_once_the_row_is_written_is_removed_when_the_event_comes_again(
    stage: Stage, own_settings: Settings, data: bytes, method: str
) -> None:
    image = stage.issue(UploadMethod.POST)
    stage.arrive(image, data)
    message = {"bucket": {"name": own_settings.s3_bucket}, "object": {"key": image.object_key}}
    body = json.dumps({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Post", "s3": message}]})
    failing = uploads_on(OnceUnavailable(stage.services.storage, method), stage.services, own_settings)
    with pytest.raises(BackendUnavailable):
        failing.handle(body)
    assert image.object_key in stage.objects()
    assert stage.get(image).status is (Status.UPLOADED if data == DATA else Status.REJECTED)
    failing.handle(body)
    assert stage.objects() == (finished_keys(image) if data == DATA else set())


class DeletedMeanwhile:
    """The storage, where the image is deleted while it is being stored: before or after a call of this name."""

    def __init__(self, services: Services, method: str, *, before: bool) -> None:
        self._services, self._method, self._before = services, method, before

    def __getattr__(self, name: str) -> Any:
        stored = getattr(self._services.storage, name)
        if name != self._method:
            return stored

        def meddled(image: Image, *others: Any) -> None:
            if self._before:
                self._services.images.delete("alice", image.image_id)
            stored(image, *others)
            if not self._before:
                self._services.images.delete("alice", image.image_id)

        return meddled


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("method", ["put", "put_record"])
def test_an_image_that_is_deleted_while_it_is_stored_leaves_nothing(
    stage: Stage, own_settings: Settings, method: str, before: bool
) -> None:
    services, new_id = stage.services, lambda: IMAGE.image_id
    storage: Any = DeletedMeanwhile(services, method, before=before)
    keys = IdempotencyKeys(AWSClientFactory(own_settings), own_settings, clock=services.clock, new_id=new_id)
    images = ImageService(
        storage,
        services.metadata,
        keys,
        CursorSigner("k" * 32),
        inspector=services.inspector,
        variants=services.variants,
        settings=own_settings,
        clock=services.clock,
    )
    with Spool(max_bytes=len(DATA)) as spool:
        spool.write(DATA)
        with pytest.raises(ImageNotFound, match="deleted before it was stored"):
            images.upload("alice", NewImage(), spool)
    assert stage.objects() == set()
    with pytest.raises(ImageNotFound):
        services.metadata.get(IMAGE.image_id)


class Conflicting:
    """The storage, which refuses the first write to a final key, as S3 does while another operation runs on it."""

    def __init__(self, storage: Any) -> None:
        self._storage, self._refused = storage, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def put_if_absent(self, image: Image, spool: Spool) -> bool:
        if self._refused:
            stored: bool = self._storage.put_if_absent(image, spool)
            return stored
        self._refused = True
        return False


def test_a_write_that_s3_refuses_for_a_conflict_is_tried_again_and_not_taken_for_nothing_there(
    stage: Stage, own_settings: Settings, clock: TestClock
) -> None:
    by_request, by_sweep = stage.issue(UploadMethod.POST), stage.issue(UploadMethod.POST)
    for image in (by_request, by_sweep):
        stage.arrive(image)
    uploads = uploads_on(Conflicting(stage.services.storage), stage.services, own_settings)
    with pytest.raises(BackendUnavailable):
        uploads.complete("alice", by_request.image_id)
    assert uploads.complete("alice", by_request.image_id).status is Status.UPLOADED
    clock.now += timedelta(hours=2)
    uploads = uploads_on(Conflicting(stage.services.storage), stage.services, own_settings)
    assert list(uploads.sweep()) == []
    assert list(uploads.sweep()) == [by_sweep.image_id]
    assert stage.get(by_sweep).status is Status.UPLOADED
