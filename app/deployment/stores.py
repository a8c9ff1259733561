"""What a deployment has beside its stack: the bucket of its packages, and what it keeps when it goes."""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from app.deployment.package import Package
from app.services.aws import error_code
from app.services.provision import make_private_bucket

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

_GONE = frozenset({"404", "NoSuchBucket", "NoSuchKey", "NotFound", "ResourceNotFoundException"})
_FORBIDDEN = frozenset({"403", "AccessDenied", "Forbidden"})


class StoreError(Exception):
    """A bucket could not be used or emptied; the text says why."""


def upload_package(s3: "S3Client", bucket: str, key: str, package: Package, *, region: str, account: str) -> bool:
    """Put a package where CloudFormation gets it. False where it is there already.

    Only into a bucket of this account: its name can be guessed, and Lambda will run what lies there. Raises StoreError.
    """
    if not _exists(s3, bucket, account=account):
        make_private_bucket(s3, bucket, region)
    try:
        s3.head_object(Bucket=bucket, Key=key, ExpectedBucketOwner=account)
    except ClientError as error:
        _require_gone(error)
    else:
        return False
    s3.upload_file(str(package.path), bucket, key, ExtraArgs={"ExpectedBucketOwner": account})
    return True


def remove_bucket(s3: "S3Client", bucket: str, *, account: str, with_data: bool) -> str | None:
    """Remove a bucket if it is empty, or with all that is or was in it. What became of it; None where there is none.

    Raises StoreError.
    """
    if not _exists(s3, bucket, account=account):
        return None
    versions = _versions(s3, bucket)
    if versions and not with_data:
        return f"kept bucket {bucket}, which holds data"
    while versions:
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
        for error in answer.get("Errors", ()):  # in an answer that says 200
            raise StoreError(f"{bucket}: {error.get('Key')} cannot be deleted: {error.get('Message')}")
        versions = _versions(s3, bucket)
    s3.delete_bucket(Bucket=bucket)
    return f"removed bucket {bucket}"


def remove_table(dynamodb: "DynamoDBClient", table: str, *, with_data: bool) -> str | None:
    """Remove a table if it is empty, or with all that is in it. What became of it; None where there is none."""
    try:
        found = dynamodb.scan(TableName=table, Limit=1, ConsistentRead=True)["Items"]
        if found and not with_data:
            return f"kept table {table}, which holds data"
        dynamodb.delete_table(TableName=table)
        # Until it is gone, it can be neither made again nor taken up.
        dynamodb.get_waiter("table_not_exists").wait(TableName=table, WaiterConfig={"Delay": 2, "MaxAttempts": 150})
    except ClientError as error:
        _require_gone(error)
        return None
    return f"removed table {table}"


def _exists(s3: "S3Client", bucket: str, *, account: str) -> bool:
    try:
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
    except ClientError as error:
        if error_code(error) in _FORBIDDEN:
            raise StoreError(
                f"There is a bucket {bucket}, but you may not use it, or it is another account's."
            ) from error
        _require_gone(error)
        return False
    return True


def _versions(s3: "S3Client", bucket: str) -> list[Any]:
    """Some of what is in a bucket, of a bucket with versioning also what was: a bucket goes only without any of it."""
    found = s3.list_object_versions(Bucket=bucket)
    return [
        {"Key": version["Key"], "VersionId": version["VersionId"]}
        for version in (*found.get("Versions", ()), *found.get("DeleteMarkers", ()))
    ]


def _require_gone(error: ClientError) -> None:
    if error_code(error) not in _GONE:
        raise error
