"""What crashes, races and losses leave in the stores, and how the audit finds and ends it."""

import dataclasses
import itertools
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import timedelta
from urllib.parse import quote

import pytest

from app.errors import ImageNotFound
from app.keys import record_key
from app.models import Announcement, ContentType, Image, ImageFilter, NewImage, Rejection, Status, UploadMethod
from app.services import Services, build_services
from app.services.audit import Audit, AuditOptions, DefectKind, Finding, Step
from app.services.aws import AWSClientFactory
from app.services.events import ObjectCreated
from app.services.metadata import ImageMetadataService
from app.services.postings import PostingsTable
from app.services.provision import provision
from app.services.tables import Posting, Term, TermKind, from_item, posting_item, postings_of, row_key, to_item
from app.services.uploads import Outcome
from app.services.usage import UsageCounters
from app.settings import Settings
from app.spool import Spool
from app.times import rfc3339
from tests.conftest import TestClock
from tests.samples import picture

REPAIR, REBUILD = AuditOptions(repair=True), AuditOptions(rebuild=True)
ALL = AuditOptions(repair=True, rebuild=True)


@dataclasses.dataclass
class Stores:
    """Both stores, with ways to look at them and to damage them."""

    services: Services
    factory: AWSClientFactory
    settings: Settings
    clock: TestClock

    def upload(self, user_id: str = "alice", *, key: str | None = None, **said: object) -> Image:
        with Spool(max_bytes=10**6) as spool:
            spool.write(picture())
            new = dataclasses.replace(NewImage(filename="beach.jpg", title="Beach", tags=("sea",)), **said)  # type: ignore[arg-type]
            return self.services.images.upload(user_id, new, spool, key=key)

    def announce(self, method: UploadMethod = UploadMethod.PUT) -> Image:
        announced = Announcement(
            new=NewImage(tags=("sea",)),
            content_type=ContentType.JPEG,
            file_size=len(picture()),
            sha256=None,
            method=method,
        )
        return self.services.uploads.issue("alice", announced)[0]

    def put(self, key: str, data: bytes | None = None) -> None:
        self.factory.s3().put_object(Bucket=self.settings.s3_bucket, Key=key, Body=data or picture())

    def delete(self, *keys: str) -> None:
        for key in keys:
            self.factory.s3().delete_object(Bucket=self.settings.s3_bucket, Key=key)

    def write(self, image: Image) -> None:
        self.factory.dynamodb().put_item(TableName=self.settings.images_table, Item=to_item(image))

    def lose_row(self, image: Image) -> None:
        self.factory.dynamodb().delete_item(TableName=self.settings.images_table, Key=row_key(image.image_id))

    def lose_tables(self) -> None:
        for table in (self.settings.images_table, self.settings.postings_table):
            self.factory.dynamodb().delete_table(TableName=table)
        list(provision(self.factory, self.settings))

    def put_posting(self, posting: Posting) -> None:
        self.factory.dynamodb().put_item(TableName=self.settings.postings_table, Item=posting_item(posting))

    def objects(self) -> dict[str, bytes]:
        s3, bucket = self.factory.s3(), self.settings.s3_bucket
        listed = s3.list_objects_v2(Bucket=bucket).get("Contents", ())
        return {it["Key"]: s3.get_object(Bucket=bucket, Key=it["Key"])["Body"].read() for it in listed}

    def everything(self) -> object:
        tables = (self.settings.images_table, self.settings.postings_table)
        rows = [
            sorted(repr(sorted(item.items())) for item in self.factory.dynamodb().scan(TableName=table)["Items"])
            for table in tables
        ]
        return rows, self.objects()

    def audit(self, options: AuditOptions = AuditOptions()) -> list[Finding]:  # noqa: B008 - frozen
        return [finding for step in self.auditing(options) for finding in step.findings]

    def auditing(self, options: AuditOptions) -> Iterator[Step]:
        return Audit(self.services, self.settings, options, threads=1).run()  # moto is not thread-safe

    def an_hour_later(self) -> None:
        self.clock.now += timedelta(hours=1, minutes=1)

    def found(self, **wanted: object) -> list[str]:
        page = self.services.images.list("alice", ImageFilter(**wanted), limit=100)  # type: ignore[arg-type]
        return [image.image_id for image in page.images]


@pytest.fixture
def stores(services: Services, factory: AWSClientFactory, own_settings: Settings, clock: TestClock) -> Stores:
    return Stores(services, factory, own_settings, clock)


def object_missing(stores: Stores) -> None:
    stores.delete(stores.upload().object_key)


def postings_missing(stores: Stores) -> None:
    image = stores.upload()
    stores.services.metadata.remove_strays(image.image_id, image, list(postings_of(image))[:2])


def record_missing(stores: Stores) -> None:
    image = stores.upload()
    edited = stores.services.images.update("alice", image.image_id, {"title": "Dusk"})
    stores.delete(record_key("alice", edited.image_id))


def record_cut_short(stores: Stores) -> None:
    stores.put(record_key("alice", stores.upload().image_id), b'{"image_id"')


def record_older_than_its_row(stores: Stores) -> None:
    image = stores.upload()
    stores.services.metadata.replace(image, image._replace(version=2, title="Dusk"))


def upload_that_died_after_its_row(stores: Stores) -> None:
    image = stores.upload()
    stores.services.images.delete("alice", image.image_id)
    stores.write(image._replace(status=Status.PENDING_UPLOAD))


def upload_that_died_before_its_last_write(stores: Stores) -> None:
    image = stores.upload()
    stores.services.metadata.remove_strays(image.image_id, image, postings_of(image))
    stores.write(image._replace(status=Status.PENDING_UPLOAD))


def direct_upload_that_never_came(stores: Stores) -> None:
    stores.announce()
    stores.an_hour_later()


def direct_upload_that_nobody_confirmed(stores: Stores) -> None:
    stores.put(stores.announce().object_key)
    stores.an_hour_later()


def delete_that_only_marked(stores: Stores) -> None:
    image = stores.upload()
    stores.services.metadata.replace(image, image._replace(status=Status.DELETING, updated_at=stores.clock()))


def delete_that_did_not_remove_the_row(stores: Stores) -> None:
    delete_that_only_marked(stores)
    stores.delete(*(key for key in stores.objects() if "/alice/" in key))


def orphan(stores: Stores) -> None:
    stores.put(f"images/alice/{uuid.uuid4()}.jpg")


def staged_orphan(stores: Stores) -> None:
    stores.put(f"uploads/alice/{uuid.uuid4()}.jpg")


def record_of_nothing(stores: Stores) -> None:
    image = stores.upload()
    record = stores.objects()[record_key("alice", image.image_id)]
    stores.services.images.delete("alice", image.image_id)
    stores.put(record_key("alice", image.image_id), record)


def form_sent_again_after_its_image_was_finished(stores: Stores) -> None:
    image = stores.announce(UploadMethod.POST)
    stores.put(image.object_key)
    stores.services.uploads.complete("alice", image.image_id)
    stores.put(image.object_key)


def object_of_a_rejected_upload(stores: Stores) -> None:
    image = stores.announce()
    stores.put(image.object_key)
    rejection = Rejection("invalid_image", "no")
    stores.write(image._replace(status=Status.REJECTED, rejection=rejection, expires_at=None))


def object_under_the_wrong_user(stores: Stores) -> None:
    stores.put(stores.upload().object_key.replace("alice", "mallory"))


def stray_posting(stores: Stores) -> None:
    image = stores.upload()
    stores.put_posting(Posting("alice", Term(TermKind.TAG, "moon"), rfc3339(image.created_at), image.image_id))


def posting_of_no_image(stores: Stores) -> None:
    stores.put_posting(Posting("alice", Term(TermKind.WORD, "moon"), rfc3339(stores.clock()), str(uuid.uuid4())))


DAMAGES = [
    (object_missing, DefectKind.OBJECT_MISSING, REPAIR),
    (postings_missing, DefectKind.POSTINGS_MISSING, REPAIR),
    (record_missing, DefectKind.RECORD_OUTDATED, REPAIR),
    (record_cut_short, DefectKind.RECORD_OUTDATED, REPAIR),
    (record_older_than_its_row, DefectKind.RECORD_OUTDATED, REPAIR),
    (upload_that_died_after_its_row, DefectKind.UPLOAD_DIED, REPAIR),
    (upload_that_died_before_its_last_write, DefectKind.UPLOAD_DIED, REPAIR),
    (direct_upload_that_never_came, DefectKind.UPLOAD_EXPIRED, REPAIR),
    (direct_upload_that_nobody_confirmed, DefectKind.UPLOAD_EXPIRED, REPAIR),
    (delete_that_only_marked, DefectKind.DELETE_UNFINISHED, REPAIR),
    (delete_that_did_not_remove_the_row, DefectKind.DELETE_UNFINISHED, REPAIR),
    (orphan, DefectKind.ORPHAN, REPAIR),
    (staged_orphan, DefectKind.ORPHAN, REPAIR),
    (record_of_nothing, DefectKind.ORPHAN, REPAIR),
    (form_sent_again_after_its_image_was_finished, DefectKind.LEFTOVER, REPAIR),
    (object_of_a_rejected_upload, DefectKind.LEFTOVER, REPAIR),
    (object_under_the_wrong_user, DefectKind.LEFTOVER, REPAIR),
    (stray_posting, DefectKind.STRAY_POSTINGS, REPAIR),
    (posting_of_no_image, DefectKind.STRAY_POSTINGS, REPAIR),
]


def names(cases: Sequence[tuple[Callable[[Stores], None], DefectKind, AuditOptions]]) -> list[str]:
    return [damage.__name__ for damage, _, _ in cases]


@pytest.mark.parametrize(("damage", "kind", "options"), DAMAGES, ids=names(DAMAGES))
def test_damage_is_found_left_alone_unless_told_otherwise_and_then_ended(
    stores: Stores, damage: Callable[[Stores], None], kind: DefectKind, options: AuditOptions
) -> None:
    bystander = stores.upload("bob")
    damage(stores)
    before = stores.everything()
    stores.an_hour_later()
    assert [(it.kind, it.done) for it in stores.audit()] == [(kind, False)]
    assert stores.everything() == before
    assert [(it.kind, it.done) for it in stores.audit(options)] == [(kind, True)]
    after = stores.everything()
    assert stores.audit(options) == []
    assert stores.everything() == after != before
    assert stores.services.images.get("bob", bystander.image_id) == bystander


@pytest.mark.parametrize(("damage", "kind", "options"), DAMAGES, ids=names(DAMAGES))
def test_nothing_is_found_within_the_grace_period(
    stores: Stores, damage: Callable[[Stores], None], kind: DefectKind, options: AuditOptions
) -> None:
    damage(stores)
    before = stores.everything()
    findings = stores.audit(dataclasses.replace(ALL, grace=timedelta(days=1)))
    if damage is not posting_of_no_image:  # a posting has no time of its own, and none comes before its row
        assert findings == []
        assert stores.everything() == before


def test_finished_images_stay_as_they_are(stores: Stores) -> None:
    for user_id in ("alice", "al", "a:b@c|d=e+f"):
        stores.upload(user_id)
    image = stores.announce(UploadMethod.POST)
    stores.put(image.object_key)
    stores.services.uploads.complete("alice", image.image_id)
    stores.an_hour_later()
    before = stores.everything()
    assert stores.audit(dataclasses.replace(ALL, verify_bytes=True)) == []
    assert stores.everything() == before


def test_an_upload_that_died_leaves_nothing(stores: Stores) -> None:
    upload_that_died_before_its_last_write(stores)
    stores.an_hour_later()
    stores.audit(REPAIR)
    assert stores.everything() == ([[], []], {})


def test_a_direct_upload_that_arrived_in_time_is_finished_however_late(stores: Stores) -> None:
    image = stores.announce()
    stores.put(image.object_key)
    stores.clock.now += timedelta(hours=9)
    stores.audit(REPAIR)
    assert stores.found(tags=("sea",)) == [image.image_id]


def test_damaged_bytes_are_only_told(stores: Stores) -> None:
    image, other = stores.upload(), stores.upload()
    stores.put(image.object_key, b"short")
    stores.put(other.object_key, bytes(reversed(picture())))
    stores.an_hour_later()
    before = stores.everything()
    assert {it.image_id for it in stores.audit(ALL)} == {image.image_id}
    found = stores.audit(dataclasses.replace(ALL, verify_bytes=True))
    assert {(it.image_id, it.kind, it.done) for it in found} == {
        (image.image_id, DefectKind.OBJECT_DAMAGED, False),
        (other.image_id, DefectKind.OBJECT_DAMAGED, False),
    }
    assert stores.everything() == before


def test_an_image_from_before_digests_had_postings_is_found_by_its_own_after_a_repair(stores: Stores) -> None:
    image = stores.upload()
    digests = [it for it in postings_of(image) if it.term.kind is TermKind.SHA256]
    stores.services.metadata.remove_strays(image.image_id, image, digests)
    stores.an_hour_later()
    assert stores.found(sha256=image.sha256) == []
    assert [it.detail for it in stores.audit(REPAIR)] == [f"1 of 5: sha256:{image.sha256}"]
    assert stores.found(sha256=image.sha256) == [image.image_id]
    assert stores.audit() == []


def test_an_unknown_object_is_only_told(stores: Stores) -> None:
    stores.put("images/readme.txt")
    stores.an_hour_later()
    assert [(it.kind, it.done) for it in stores.audit(ALL)] == [(DefectKind.UNKNOWN_OBJECT, False)]
    assert "images/readme.txt" in stores.objects()


@pytest.mark.parametrize("user_id", ["al", "alice", "alice:1", "a+b=c|d@e"])
def test_one_user_is_one_user(stores: Stores, user_id: str) -> None:
    for owner in ("al", "alice", "alice:1", "a+b=c|d@e"):
        stores.upload(owner)
        image = stores.upload(owner)
        stores.delete(image.object_key)
        key = f"{quote(owner, safe='')}/{uuid.uuid4()}"
        stores.put(f"images/{key}.jpg")
        stores.put(f"uploads/{key}.jpg")
        stores.write(image._replace(image_id=str(uuid.uuid4()), status=Status.PENDING_UPLOAD))
        stores.put_posting(Posting(owner, Term(TermKind.TAG, "moon"), rfc3339(stores.clock()), str(uuid.uuid4())))
    stores.an_hour_later()
    found = stores.audit(dataclasses.replace(REPAIR, user_id=user_id))
    assert [it.user_id for it in found] == [user_id] * 5
    assert all(it.done for it in found)
    assert {it.user_id for it in stores.audit()} == {"al", "alice", "alice:1", "a+b=c|d@e"} - {user_id}


def test_a_lost_row_is_never_repaired_away_and_comes_back_as_it_was(stores: Stores) -> None:
    image = stores.upload(description="by the sea", location="Rome")
    edited = stores.services.images.update("alice", image.image_id, {"title": "Dusk", "tags": ("moon", "night")})
    stores.lose_row(image)
    stores.services.metadata.remove_strays(image.image_id, None, postings_of(edited))
    stores.an_hour_later()
    objects = stores.objects()
    assert [(it.kind, it.done) for it in stores.audit(REPAIR)] == [(DefectKind.ROW_LOST, False)]
    assert stores.objects() == objects
    assert [(it.kind, it.done) for it in stores.audit(REBUILD)] == [(DefectKind.ROW_LOST, True)]
    assert stores.services.images.get("alice", image.image_id) == edited
    assert stores.found(tags=("moon",)) == stores.found(words=("dusk", "rome")) == [image.image_id]
    assert stores.audit(ALL) == []


def test_an_event_that_comes_when_the_row_is_lost_does_not_cost_the_object(stores: Stores) -> None:
    image = stores.upload()
    stores.lose_row(image)
    event = ObjectCreated(stores.settings.s3_bucket, image.object_key)
    assert stores.services.uploads.confirm_from_event(event)[0] is Outcome.NOTHING_TO_DO
    assert image.object_key in stores.objects()


def test_after_the_tables_are_lost_every_image_is_back_as_it_was_last_acknowledged(stores: Stores) -> None:
    images = [stores.upload(user_id) for user_id in ("alice", "bob", "a|b", "alice")]
    images[0] = stores.services.images.update("alice", images[0].image_id, {"title": None, "tags": ("moon",)})
    stores.services.images.delete("alice", stores.upload().image_id)
    direct = stores.announce(UploadMethod.POST)
    stores.put(direct.object_key)
    images.append(stores.services.uploads.complete("alice", direct.image_id))
    stores.an_hour_later()
    before = stores.everything()
    stores.lose_tables()
    found = stores.audit(ALL)
    assert {(it.kind, it.done) for it in found} == {(DefectKind.ROW_LOST, True)}
    assert {it.image_id for it in found} == {image.image_id for image in images}
    assert stores.everything() == before


def test_an_object_without_a_record_comes_back_with_what_its_bytes_tell(stores: Stores) -> None:
    image = stores.upload()
    stores.delete(record_key("alice", image.image_id))
    stores.put(f"images/alice/{uuid.uuid4()}.jpg", b"no image")
    stores.lose_tables()
    stores.an_hour_later()
    found = stores.audit(ALL)
    assert sorted((it.kind, it.done) for it in found) == [(DefectKind.ROW_LOST, False), (DefectKind.ROW_LOST, True)]
    back = stores.services.images.get("alice", image.image_id)
    told = ("object_key", "content_type", "file_size", "width", "height", "sha256", "status")
    assert [getattr(back, name) for name in told] == [getattr(image, name) for name in told]
    assert (back.filename, back.title, back.tags, back.version) == ("image.jpg", None, (), 1)
    assert len(stores.objects()) == 3  # what is no image was left, and the record is written


def test_a_record_newer_than_its_row_is_the_image(stores: Stores) -> None:
    image = stores.upload()
    edited = stores.services.images.update("alice", image.image_id, {"tags": ("moon",)})
    stores.services.metadata.remove_strays(image.image_id, edited, postings_of(edited))
    stores.write(image)
    stores.services.metadata.restore_postings(image)
    stores.an_hour_later()
    assert [(it.kind, it.done) for it in stores.audit(REPAIR)] == [(DefectKind.ROW_OUTDATED, False)]
    assert [(it.kind, it.done) for it in stores.audit(REBUILD)] == [(DefectKind.ROW_OUTDATED, True)]
    assert stores.services.images.get("alice", image.image_id) == edited
    assert (stores.found(tags=("sea",)), stores.found(tags=("moon",))) == ([], [image.image_id])
    assert stores.audit(ALL) == []


def test_an_upload_that_was_finished_after_its_row_was_lost_is_finished_again(stores: Stores) -> None:
    pending = stores.announce(UploadMethod.POST)
    stores.put(pending.object_key)
    image = stores.services.uploads.complete("alice", pending.image_id)
    stores.write(pending)
    found = stores.audit(dataclasses.replace(ALL, grace=timedelta(seconds=-5)))
    assert [(it.kind, it.done) for it in found] == [(DefectKind.ROW_OUTDATED, True)]
    assert stores.services.images.get("alice", image.image_id) == image


def test_without_records_a_lost_table_is_not_a_bucket_of_orphans(
    factory: AWSClientFactory, own_settings: Settings, clock: TestClock
) -> None:
    settings = own_settings.model_copy(update={"metadata_records": False})
    stores = Stores(build_services(settings, clock=clock), factory, settings, clock)
    image = stores.upload()
    stores.lose_tables()
    stores.an_hour_later()
    assert [(it.kind, it.done) for it in stores.audit(REPAIR)] == [(DefectKind.ROW_LOST, False)]
    assert list(stores.objects()) == [image.object_key]
    others = [stores.upload("bob").object_key for _ in range(2)]
    stores.an_hour_later()
    assert [(it.kind, it.done) for it in stores.audit(REPAIR)] == [(DefectKind.ORPHAN, True)]
    assert sorted(stores.objects()) == sorted(others)


def test_a_lost_table_is_noticed_also_where_records_came_later_and_new_rows_are_in_it(
    factory: AWSClientFactory, own_settings: Settings, clock: TestClock
) -> None:
    recordless = own_settings.model_copy(update={"metadata_records": False})
    before = Stores(build_services(recordless, clock=clock), factory, recordless, clock)
    lost = [before.upload().object_key for _ in range(3)]
    before.lose_tables()
    stores = Stores(build_services(own_settings, clock=clock), factory, own_settings, clock)
    stores.upload("bob")
    for number in range(9):
        stores.put(f"images/alice/copy-{number}.txt")
    stores.an_hour_later()
    found = [it for it in stores.audit(REPAIR) if it.kind is not DefectKind.UNKNOWN_OBJECT]
    assert [(it.kind, it.done) for it in found] == [(DefectKind.ROW_LOST, False)] * 3
    assert set(lost) <= set(stores.objects())


def test_an_empty_bucket_may_be_the_wrong_one(stores: Stores) -> None:
    image = stores.upload()
    stores.delete(image.object_key)
    stores.an_hour_later()
    assert [(it.kind, it.done) for it in stores.audit(REPAIR)] == [(DefectKind.OBJECT_MISSING, False)]
    assert stores.services.images.get("alice", image.image_id) == image


def test_an_image_whose_row_was_made_again_is_found_once(
    factory: AWSClientFactory, own_settings: Settings, clock: TestClock
) -> None:
    settings = own_settings.model_copy(update={"metadata_records": False})
    stores = Stores(build_services(settings, clock=clock), factory, settings, clock)
    image = stores.upload(filename=None)
    stores.lose_row(image)
    clock.now += timedelta(days=1)
    stores.audit(REBUILD)
    assert stores.found(words=("image",)) == stores.found(sha256=image.sha256) == [image.image_id]


def test_rows_of_other_things_than_images_are_passed_over(stores: Stores) -> None:
    item = {"image_id": {"S": "idempotency#alice#1"}, "user_id": {"S": "alice"}, "created_at": {"S": "2026"}}
    stores.factory.dynamodb().put_item(TableName=stores.settings.images_table, Item=item)
    stores.an_hour_later()
    assert stores.audit(ALL) == stores.audit(dataclasses.replace(ALL, user_id="alice")) == []


def test_a_rejected_upload_leaves_by_itself_after_a_week(stores: Stores) -> None:
    image = stores.announce()
    stores.put(image.object_key, b"x" * len(picture()))
    rejected = image._replace(status=Status.REJECTED, expires_at=None)
    item = to_item(rejected)
    assert int(item["ttl"]["N"]) == int((image.updated_at + timedelta(days=7)).timestamp())
    assert from_item(item) == rejected


class Meddler:
    """Lets somebody else do something, once, right after a row was read consistently for the last time."""

    def __init__(self) -> None:
        self.meddle: Callable[[], object] | None = None

    def take_turn(self) -> None:
        if self.meddle is not None:
            meddle, self.meddle = self.meddle, None
            meddle()


class MeddledPostings(PostingsTable):
    meddler: Meddler

    def existing(self, postings: Collection[Posting]) -> frozenset[Posting]:
        existing = super().existing(postings)
        self.meddler.take_turn()
        return existing


class MeddledMetadata(ImageMetadataService):
    meddler: Meddler

    def get(self, image_id: str) -> Image:
        image = super().get(image_id)
        self.meddler.take_turn()
        return image


@pytest.fixture
def meddled(stores: Stores) -> tuple[Stores, Meddler]:
    meddler = Meddler()
    usage = UsageCounters(stores.factory, stores.settings, clock=stores.clock)
    metadata = MeddledMetadata(stores.factory, stores.settings, usage)
    metadata.meddler = meddler
    metadata.postings = postings = MeddledPostings(stores.factory, stores.settings)
    postings.meddler = meddler
    services = dataclasses.replace(stores.services, metadata=metadata)
    return dataclasses.replace(stores, services=services), meddler


def test_an_edit_between_reading_and_removing_a_posting_keeps_its_postings(
    meddled: tuple[Stores, Meddler],
) -> None:
    stores, meddler = meddled
    image = stores.upload()
    stray_posting(stores)
    stores.services.images.delete("alice", image.image_id)
    stores.an_hour_later()
    (image_id,) = stores.found()
    # The stray becomes right just after it was found to be wrong.
    meddler.meddle = lambda: stores.services.images.update("alice", image_id, {"tags": ("moon",)})
    assert stores.audit(dataclasses.replace(REPAIR, grace=timedelta(seconds=-5))) == []
    assert stores.found(tags=("moon",)) == [image_id]


def test_an_edit_between_reading_and_removing_a_row_keeps_it(meddled: tuple[Stores, Meddler]) -> None:
    stores, meddler = meddled
    stores.upload("bob")
    image = stores.upload()
    stores.delete(image.object_key)
    stores.an_hour_later()
    meddler.meddle = lambda: stores.services.images.update("alice", image.image_id, {"title": "Dusk"})
    assert stores.audit(REPAIR) == []
    assert stores.services.images.get("alice", image.image_id).title == "Dusk"


def test_a_delete_while_it_is_looked_at_is_no_finding(meddled: tuple[Stores, Meddler]) -> None:
    stores, meddler = meddled
    image = stores.upload()
    record_older_than_its_row(stores)
    stores.an_hour_later()
    meddler.meddle = lambda: stores.services.images.delete("alice", image.image_id)
    stores.audit(REPAIR)
    with pytest.raises(ImageNotFound):
        stores.services.images.get("alice", image.image_id)


def test_two_repairs_at_once_end_as_one(stores: Stores) -> None:
    for damage, _, _ in DAMAGES:
        damage(stores)
    stores.an_hour_later()
    stores.an_hour_later()
    for _ in itertools.zip_longest(stores.auditing(REPAIR), stores.auditing(REPAIR)):
        pass
    assert stores.audit() == []


def test_a_repair_that_is_cut_off_is_finished_by_the_next(stores: Stores) -> None:
    for damage, _, _ in DAMAGES:
        damage(stores)
    stores.an_hour_later()
    for cut_after in range(1, 5):
        for number, _ in enumerate(stores.auditing(REPAIR), 1):
            if number == cut_after:
                break
    stores.audit(REPAIR)
    assert stores.audit() == []
