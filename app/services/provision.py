"""Makes the bucket, tables and queue exist, as often as it is called.

For laptops, LocalStack and tests; on AWS a template does this.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from app.errors import BackendUnavailable
from app.services.aws import AWSClientFactory, error_code, translated
from app.services.tables import images_table, postings_table
from app.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import CreateTableInputTypeDef


class ProvisionError(Exception):
    """AWS refused to make something; the text says what it answered."""


def provision(factory: AWSClientFactory, settings: Settings) -> Iterator[str]:
    """Create what is missing, yielding the name of each thing once it is there.

    Raises BackendUnavailable, or ProvisionError.
    """
    try:
        yield from _provision(factory, settings)
    except (ClientError, BotoCoreError) as error:
        raise ProvisionError(str(error)) from error


def _provision(factory: AWSClientFactory, settings: Settings) -> Iterator[str]:
    with translated("s3"):
        _make_bucket(factory, settings)
    yield f"bucket {settings.s3_bucket}"
    for definition in (images_table(settings.images_table), postings_table(settings.postings_table)):
        with translated("dynamodb"):
            _make_table(factory, definition)
        yield f"table {definition['TableName']}"
    with translated("sqs"):
        # Without attributes CreateQueue answers with the queue that is there.
        factory.sqs().create_queue(QueueName=settings.uploads_queue)
    yield f"queue {settings.uploads_queue}"


def _make_bucket(factory: AWSClientFactory, settings: Settings) -> None:
    s3, bucket = factory.s3(), settings.s3_bucket
    try:
        # us-east-1 is the one region that may not be named (Amazon S3 API Reference, "CreateBucket").
        if settings.aws_region == "us-east-1":
            s3.create_bucket(Bucket=bucket)
        else:  # the type stubs list the regions of their day, a setting may name a newer one
            s3.create_bucket(
                Bucket=bucket,
                CreateBucketConfiguration={"LocationConstraint": settings.aws_region},  # type: ignore[typeddict-item]
            )
    except ClientError as error:
        if error_code(error) != "BucketAlreadyOwnedByYou":
            raise
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    if not settings.bucket_cors_origins:
        s3.delete_bucket_cors(Bucket=bucket)
        return
    s3.put_bucket_cors(
        Bucket=bucket,
        CORSConfiguration={
            "CORSRules": [
                {
                    "AllowedOrigins": list(settings.bucket_cors_origins),
                    "AllowedMethods": ["GET", "HEAD", "PUT", "POST"],
                    "AllowedHeaders": ["*"],
                    "ExposeHeaders": ["ETag", "Content-Length", "Content-Disposition"],
                    "MaxAgeSeconds": 3600,
                }
            ]
        },
    )


def _make_table(factory: AWSClientFactory, definition: "CreateTableInputTypeDef") -> None:
    dynamodb = factory.dynamodb()
    try:
        dynamodb.create_table(**definition)
    except ClientError as error:
        if error_code(error) != "ResourceInUseException":
            raise
    try:
        dynamodb.get_waiter("table_exists").wait(
            TableName=definition["TableName"], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
    except WaiterError as error:
        raise BackendUnavailable("dynamodb") from error
