"""The images' bytes, in S3."""

import base64
import logging
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from app.errors import ImageNotFound
from app.keys import final_key, record_key, variant_prefix
from app.models import Image, UploadMethod
from app.services.aws import AWSClientFactory, error_code, translated
from app.services.bucket_urls import CACHE_CONTROL, BucketUrls, short_disposition
from app.services.presign import ExpectedObject, PresignedUpload, Presigner
from app.services.records import Record, from_record, to_record
from app.settings import Settings
from app.spool import Spool

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

    from app.services.connections import Answer

log = logging.getLogger(__name__)

PIECE_BYTES = 256 * 1024
_MAX_KEYS_PER_DELETE = 1000  # Amazon S3 API Reference, "DeleteObjects"
_GONE = frozenset({"NoSuchKey", "404"})
# The last where an object is to be replaced that is not there (Amazon S3 User Guide, "Conditional writes").
_CONDITION_FAILED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of the bucket: its key, its size in bytes, and to the second when it was stored."""

    key: str
    size: int
    stored_at: datetime


class ObjectStream(Iterator[bytes]):
    """The bytes of an object, or of a part of it, in pieces. Close it when it is not read to the end."""

    def __init__(self, body: "StreamingBody | Answer", length: int) -> None:
        self._body = body
        self.length = length

    def __next__(self) -> bytes:
        with translated("s3"):
            piece = self._body.read(PIECE_BYTES)
        if not piece:
            raise StopIteration
        return piece

    def close(self) -> None:
        """Give the connection back, or end it if bytes are left on it."""
        self._body.close()


class ImageStorageService:
    """Objects of images, their records beside them, and presigned URLs to them."""

    def __init__(self, factory: AWSClientFactory, settings: Settings) -> None:
        self._factory = factory
        self._bucket = settings.s3_bucket
        self._url_seconds = settings.download_url_seconds
        self._presigner = Presigner(factory, settings)

    @property
    def public_origin(self) -> str:
        """Where clients reach the bucket with presigned URLs: scheme, host and port."""
        return self._presigner.origin

    def put(self, image: Image, spool: Spool) -> None:
        """Store an image's bytes; S3 checks them against the SHA-256 that was computed on arrival."""
        self._put_image(image, spool)

    def put_if_absent(self, image: Image, spool: Spool) -> bool:
        """As `put`, but leaves an object that is there already; False where there is one."""
        return self._put_image(image, spool, IfNoneMatch="*")

    def _put_image(self, image: Image, spool: Spool, **condition: Any) -> bool:
        return self._put(
            Key=image.object_key,
            Body=spool.file(),
            ContentLength=spool.size,
            ContentType=image.content_type,
            ContentDisposition=short_disposition("inline", image.filename),
            CacheControl=CACHE_CONTROL,
            ChecksumSHA256=base64.b64encode(spool.sha256).decode(),
            **condition,
        )

    def _put(self, **options: Any) -> bool:
        """Whether the object was written: False where the condition among the options did not hold."""
        with translated("s3"):
            try:
                self._factory.s3().put_object(Bucket=self._bucket, **options)
            except ClientError as error:
                if error_code(error) not in _CONDITION_FAILED:
                    raise
                return False
        return True

    def _get(self, key: str, **options: Any) -> "GetObjectOutputTypeDef | None":
        """What lies at this key; None where nothing does."""
        with translated("s3"):
            try:
                return self._factory.s3().get_object(Bucket=self._bucket, Key=key, **options)
            except ClientError as error:
                if error_code(error) not in _GONE:
                    raise
        return None

    def fetch(self, key: str, spool: Spool) -> datetime | None:
        """Read an object into the spool. When it was stored, to the second; None where there is none.

        Raises ImageTooLarge where it is larger than the spool takes.
        """
        answer = self._get(key)
        if answer is None:
            return None
        with closing(ObjectStream(answer["Body"], answer["ContentLength"])) as stream:
            for piece in stream:
                spool.write(piece)
        return answer["LastModified"]

    def open(self, image: Image, byte_range: tuple[int, int] | None = None) -> ObjectStream:
        """The image's bytes, or those from the first offset up to but not including the second.

        Raises ImageNotFound where the object is gone.
        """
        ranged = {"Range": f"bytes={byte_range[0]}-{byte_range[1] - 1}"} if byte_range else {}
        answer = self._get(image.object_key, **ranged)
        if answer is None:
            raise ImageNotFound
        return ObjectStream(answer["Body"], answer["ContentLength"])

    def delete(self, images: Iterable[Image]) -> set[str]:
        """Delete all that lies in the bucket of these images. Returns the ids of those that are gone.

        S3 answers 200 and names inside what it could not delete, so the answer is read. Which
        variants were made is written nowhere but in the bucket, so that is asked for each image.
        """
        owners = {
            key: image.image_id
            for image in images
            for key in (
                image.object_key,
                final_key(image),
                record_key(image.user_id, image.image_id),
                *self._variant_keys(image.image_id),
            )  # often the first two are one
        }
        keys, failed = list(owners), set()
        for start in range(0, len(keys), _MAX_KEYS_PER_DELETE):
            batch = keys[start : start + _MAX_KEYS_PER_DELETE]
            with translated("s3"):
                answer = self._factory.s3().delete_objects(
                    Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True}
                )
            for error in answer.get("Errors", ()):
                log.warning("object not deleted", extra={"image_id": owners[error["Key"]], "code": error.get("Code")})
                failed.add(owners[error["Key"]])
        return set(owners.values()) - failed

    def _variant_keys(self, image_id: str) -> Iterator[str]:
        for page in self.objects(variant_prefix(image_id)):
            yield from (stored.key for stored in page)

    def delete_variants(self, image_id: str) -> None:
        """Delete what variants there are of an image."""
        for key in self._variant_keys(image_id):
            self.delete_object(key)

    def variant(self, image_id: str, name: str) -> bytes | None:
        """The variant of this name; None where it was not made yet."""
        answer = self._get(variant_prefix(image_id) + name)
        return None if answer is None else _content(answer)

    def put_variant(self, image_id: str, name: str, data: bytes, media_type: str) -> bool:
        """Store a variant. False where it was made meanwhile; that one stays."""
        return self._put(Key=variant_prefix(image_id) + name, Body=data, ContentType=media_type, IfNoneMatch="*")

    def delete_object(self, key: str) -> None:
        """Delete what lies at this one key, if anything does."""
        with translated("s3"):
            self._factory.s3().delete_object(Bucket=self._bucket, Key=key)

    def put_record(self, image: Image, *, may_be_missing: bool = False) -> None:
        """Keep a copy of the image's row beside its object, so that the bucket alone can rebuild the table.

        Of several edits at once the newest stays: the record is only replaced while it is the one
        that was looked at. One that is missing was taken away by a delete, and is not brought back
        unless this is the image's first version, or it is known that it `may_be_missing`.
        """
        if (image.version == 1 or may_be_missing) and self._put_record(image, IfNoneMatch="*"):
            return
        while (found := self.record(image.user_id, image.image_id)) is not None:
            is_older = found.image is None or found.image.version < image.version
            if not is_older or self._put_record(image, IfMatch=found.etag):
                return

    def _put_record(self, image: Image, **condition: Any) -> bool:
        """Whether the record was written: False where the condition did not hold."""
        key = record_key(image.user_id, image.image_id)
        return self._put(Key=key, Body=to_record(image), ContentType="application/json", **condition)

    def record(self, user_id: str, image_id: str) -> Record | None:
        """The record of an image as it lies in the bucket; None where there is none."""
        key = record_key(user_id, image_id)
        answer = self._get(key)
        if answer is None:
            return None
        image = from_record(_content(answer))
        if image is not None and record_key(image.user_id, image.image_id) != key:
            image = None  # it tells of another
        return Record(image, answer["LastModified"], answer["ETag"])

    def find(self, key: str) -> StoredObject | None:
        """What lies at this key, without its bytes; None where nothing does."""
        with translated("s3"):
            try:
                answer = self._factory.s3().head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if error_code(error) not in _GONE:
                    raise
                return None
        return StoredObject(key, answer["ContentLength"], answer["LastModified"])

    def objects(self, prefix: str) -> Iterator[list[StoredObject]]:
        """What lies under keys that begin like this, a page of at most a thousand at a time."""
        query: dict[str, Any] = {"Bucket": self._bucket, "Prefix": prefix}
        while True:
            with translated("s3"):
                answer = self._factory.s3().list_objects_v2(**query)
            yield [
                StoredObject(found["Key"], found["Size"], found["LastModified"]) for found in answer.get("Contents", ())
            ]
            if not answer["IsTruncated"]:
                return
            query["ContinuationToken"] = answer["NextContinuationToken"]

    def urls(self, now: datetime) -> BucketUrls:
        """Presigned URLs of images and variants, as of now."""
        return BucketUrls(self._presigner, now, lifetime_seconds=self._url_seconds)

    def presigned_upload(self, image: Image, method: UploadMethod, signed_at: datetime) -> PresignedUpload:
        """The request with which a client stores the image's object itself, good until the image expires."""
        assert image.expires_at is not None  # else nobody uploads it straight to the bucket
        sign = self._presigner.put if method is UploadMethod.PUT else self._presigner.post
        expected = ExpectedObject(
            key=image.object_key,
            content_type=image.content_type,
            file_size=image.file_size,
            sha256=bytes.fromhex(image.sha256) if image.sha256 is not None else None,
        )
        return sign(
            expected, signed_at=signed_at, expires_in_seconds=int((image.expires_at - signed_at).total_seconds())
        )

    def ping(self) -> None:
        """Returns if the bucket answers. Raises BackendUnavailable, or botocore's ClientError."""
        with translated("s3"):
            self._factory.s3().head_bucket(Bucket=self._bucket)


def _content(answer: "GetObjectOutputTypeDef") -> bytes:
    with translated("s3"):
        return answer["Body"].read()
