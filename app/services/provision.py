"""Makes the bucket, tables and queue exist, as often as it is called.

For laptops, LocalStack and tests; on AWS a template does this.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from app.errors import BackendUnavailable
from app.services.aws import AWSClientFactory, error_code, translated
from app.services.queue import MAX_RECEIVES, VISIBILITY_SECONDS, dead_letter_queue
from app.services.tables import TTL_ATTRIBUTE, images_table, postings_table
from app.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import CreateTableInputTypeDef
    from mypy_boto3_s3 import S3Client


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
        _require_no_other_listener(factory, settings)
        make_private_bucket(factory.s3(), settings.s3_bucket, settings.aws_region)
        _configure_bucket(factory, settings)
    yield f"bucket {settings.s3_bucket}"
    for definition in (images_table(settings.images_table), postings_table(settings.postings_table)):
        with translated("dynamodb"):
            _make_table(factory, definition)
        yield f"table {definition['TableName']}"
    with translated("dynamodb"):
        _let_rows_expire(factory, settings.images_table)
    with translated("sqs"):
        queue_arn = _make_queue(factory, settings)
    with translated("s3"):
        _send_events(factory, settings, queue_arn)
    yield f"queue {settings.uploads_queue}"


def make_private_bucket(s3: "S3Client", bucket: str, region: str) -> None:
    """Create a bucket that nothing can make public. One that is ours already is only closed."""
    try:
        # us-east-1 is the one region that may not be named (Amazon S3 API Reference, "CreateBucket").
        if region == "us-east-1":
            s3.create_bucket(Bucket=bucket)
        else:  # the type stubs list the regions of their day, a setting may name a newer one
            s3.create_bucket(
                Bucket=bucket,
                CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]
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


def _require_no_other_listener(factory: AWSClientFactory, settings: Settings) -> None:
    """Raises ProvisionError where the bucket reports elsewhere: that deployment would no longer hear of uploads."""
    try:
        found = factory.s3().get_bucket_notification_configuration(Bucket=settings.s3_bucket)
    except ClientError as error:
        if error_code(error) != "NoSuchBucket":
            raise
        return
    listeners = [
        *(it["QueueArn"] for it in found.get("QueueConfigurations", ())),
        *(it["TopicArn"] for it in found.get("TopicConfigurations", ())),
        *(it["LambdaFunctionArn"] for it in found.get("LambdaFunctionConfigurations", ())),
    ]
    if others := [arn for arn in listeners if arn.rpartition(":")[2] != settings.uploads_queue]:
        raise ProvisionError(
            f"bucket {settings.s3_bucket} sends its events to {others[0]}, not to queue {settings.uploads_queue}. "
            "If it is a stack's, use `deploy`; otherwise set UPLOADS_QUEUE, or remove the bucket's notifications."
        )


def _configure_bucket(factory: AWSClientFactory, settings: Settings) -> None:
    s3, bucket = factory.s3(), settings.s3_bucket
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    if not settings.bucket_origins:
        s3.delete_bucket_cors(Bucket=bucket)
        return
    s3.put_bucket_cors(
        Bucket=bucket,
        CORSConfiguration={
            "CORSRules": [
                {
                    "AllowedOrigins": list(settings.bucket_origins),
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
    _require_indexes(factory, definition)


def _require_indexes(factory: AWSClientFactory, definition: "CreateTableInputTypeDef") -> None:
    """A table that an earlier version has made may lack an index, and would fail at some request."""
    name = definition["TableName"]
    found = factory.dynamodb().describe_table(TableName=name)["Table"].get("GlobalSecondaryIndexes", ())
    missing = {it["IndexName"] for it in definition["GlobalSecondaryIndexes"]} - {it["IndexName"] for it in found}
    if missing:
        raise ProvisionError(
            f"table {name} was created by an earlier version and lacks {', '.join(sorted(missing))}. "
            "Add what is missing or, if its images may be lost, delete the table (locally: DATA_DIR)."
        )


def _let_rows_expire(factory: AWSClientFactory, table: str) -> None:
    dynamodb = factory.dynamodb()
    ttl = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if ttl.get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"}:  # enabling it twice is an error
        dynamodb.update_time_to_live(
            TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL_ATTRIBUTE}
        )


def _make_queue(factory: AWSClientFactory, settings: Settings) -> str:
    """The queue with its dead-letter queue; the bucket alone may send to it. Returns its ARN.

    Amazon S3 User Guide, "Granting permissions to publish event notification messages to a
    destination".
    """
    sqs = factory.sqs()
    # Without attributes CreateQueue answers with the queue that is there, whatever attributes that has.
    url = sqs.create_queue(QueueName=settings.uploads_queue)["QueueUrl"]
    dead_url = sqs.create_queue(QueueName=dead_letter_queue(settings.uploads_queue))["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=dead_url, Attributes={"MessageRetentionPeriod": str(14 * 24 * 3600)})
    arn, dead_arn = (
        sqs.get_queue_attributes(QueueUrl=of, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        for of in (url, dead_url)
    )
    _, partition, _, _, account, _ = arn.split(":")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {
                    "ArnEquals": {"aws:SourceArn": f"arn:{partition}:s3:::{settings.s3_bucket}"},
                    "StringEquals": {"aws:SourceAccount": account},
                },
            }
        ],
    }
    sqs.set_queue_attributes(
        QueueUrl=url,
        Attributes={
            "VisibilityTimeout": str(VISIBILITY_SECONDS),
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": MAX_RECEIVES}),
            "Policy": json.dumps(policy),
        },
    )
    return arn


def _send_events(factory: AWSClientFactory, settings: Settings, queue_arn: str) -> None:
    """Tell the queue of each object that may be an image. S3 checks first whether it may send there."""
    factory.s3().put_bucket_notification_configuration(
        Bucket=settings.s3_bucket,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "Id": prefix,
                    "QueueArn": queue_arn,
                    "Events": [
                        "s3:ObjectCreated:Put",
                        "s3:ObjectCreated:Post",
                        "s3:ObjectCreated:CompleteMultipartUpload",
                    ],
                    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": f"{prefix}/"}]}},
                }
                for prefix in ("images", "uploads")
            ]
        },
    )
