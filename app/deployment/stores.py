"""What a deployment has beside its stack: the bucket of its packages, and what it keeps when it goes."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from app.deployment.package import Package
from app.services.aws import error_code
from app.services.provision import make_private_bucket

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

_GONE = frozenset({"404", "NoSuchBucket", "NoSuchKey", "NotFound", "ResourceNotFoundException"})


class StoreError(Exception):
    """A bucket could not be emptied; the text says why."""


def upload_package(s3: "S3Client", bucket: str, key: str, package: Package, *, region: str) -> bool:
    """Put a package where CloudFormation gets it. False where it is there already."""
    if not _exists(s3, bucket):
        make_private_bucket(s3, bucket, region)
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        _require_gone(error)
    else:
        return False
    s3.upload_file(str(package.path), bucket, key)
    return True


def remove_bucket(s3: "S3Client", bucket: str, *, with_data: bool) -> str | None:
    """Remove a bucket if it is empty, or with all that is in it. What became of it; None where there is none.

    Raises StoreError.
    """
    if not _exists(s3, bucket):
        return None
    keys = _keys(s3, bucket)
    if keys and not with_data:
        return f"kept bucket {bucket}, which holds data"
    while keys:
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True})
        for error in answer.get("Errors", ()):  # in an answer that says 200
            raise StoreError(f"{bucket}: {error.get('Key')} cannot be deleted: {error.get('Message')}")
        keys = _keys(s3, bucket)
    s3.delete_bucket(Bucket=bucket)
    return f"removed bucket {bucket}"


def remove_table(dynamodb: "DynamoDBClient", table: str, *, with_data: bool) -> str | None:
    """Remove a table if it is empty, or with all that is in it. What became of it; None where there is none."""
    try:
        found = dynamodb.scan(TableName=table, Limit=1, ConsistentRead=True)["Items"]
        if found and not with_data:
            return f"kept table {table}, which holds data"
        dynamodb.delete_table(TableName=table)
    except ClientError as error:
        _require_gone(error)
        return None
    return f"removed table {table}"


def _exists(s3: "S3Client", bucket: str) -> bool:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        _require_gone(error)
        return False
    return True


def _keys(s3: "S3Client", bucket: str) -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]


def _require_gone(error: ClientError) -> None:
    if error_code(error) not in _GONE:
        raise error
