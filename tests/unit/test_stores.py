"""A deployment's buckets: whose they are, and when they are empty."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from app.deployment.package import Package
from app.deployment.stores import StoreError, remove_bucket, upload_package

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCOUNT = "123456789012"


@pytest.fixture
def s3() -> Iterator["S3Client"]:
    with mock_aws():
        yield boto3.client("s3", region_name="us-east-1")


def test_what_an_image_was_counts_as_data_and_goes_when_that_is_wanted(s3: "S3Client") -> None:
    s3.create_bucket(Bucket="images")
    s3.put_bucket_versioning(Bucket="images", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="images", Key="a", Body=b"1")
    s3.delete_object(Bucket="images", Key="a")
    assert s3.list_objects_v2(Bucket="images")["KeyCount"] == 0
    assert "kept" in (remove_bucket(s3, "images", account=ACCOUNT, with_data=False) or "")
    assert "removed" in (remove_bucket(s3, "images", account=ACCOUNT, with_data=True) or "")
    assert remove_bucket(s3, "images", account=ACCOUNT, with_data=True) is None


def test_a_package_goes_into_no_bucket_of_another_account(s3: "S3Client", tmp_path: Path) -> None:
    package = Package(tmp_path / "package.zip", "0" * 64, 0, 0)
    with Stubber(s3) as aws:
        aws.add_client_error(
            "head_bucket", "403", expected_params={"Bucket": "packages", "ExpectedBucketOwner": ACCOUNT}
        )
        with pytest.raises(StoreError, match="another account"):
            upload_package(s3, "packages", "key", package, region="us-east-1", account=ACCOUNT)
        aws.assert_no_pending_responses()
