import multiprocessing
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from moto import mock_aws

from app.errors import BackendUnavailable
from app.services.aws import AWSClientFactory, translated
from app.services.provision import ProvisionError, provision
from app.services.tables import images_table
from app.settings import Settings
from tests.conftest import test_settings
from tests.scripted_server import answer


def test_a_client_is_made_once_whoever_asks() -> None:
    factory = AWSClientFactory(test_settings())
    with ThreadPoolExecutor(16) as pool:
        clients = set(pool.map(lambda _: id(factory.s3()), range(64)))
    assert clients == {id(factory.s3())}
    assert factory.dynamodb() is factory.dynamodb()
    assert factory.sqs() is factory.sqs()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_process_gets_clients_of_its_own() -> None:
    factory = AWSClientFactory(test_settings())
    inherited = factory.s3()
    fork = multiprocessing.get_context("fork")
    answers = fork.SimpleQueue()
    process = fork.Process(target=lambda: answers.put(factory.s3() is inherited))
    process.start()
    process.join()
    assert answers.get() is False
    assert factory.s3() is inherited


@pytest.mark.parametrize("fast", [True, False])
def test_after_it_is_closed_nothing_is_connected(fast: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        factory = AWSClientFactory(
            test_settings(aws_endpoint_url=f"http://127.0.0.1:{listener.getsockname()[1]}", fast_aws=fast)
        )
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(factory.dynamodb().get_item, TableName="images", Key={"image_id": {"S": "1"}})
            accepted, _ = listener.accept()
            accepted.recv(65536)
            accepted.sendall(answer(body=b"{}"))
            asked.result()
        factory.close()
        with accepted:
            accepted.settimeout(5)
            while accepted.recv(65536):  # the rest of the request; then the end of the connection, or the time-out
                pass


def test_clients_go_to_the_endpoint() -> None:
    factory = AWSClientFactory(test_settings(aws_endpoint_url="http://localhost:4566"))
    assert factory.s3().meta.endpoint_url == "http://localhost:4566"
    assert factory.dynamodb().meta.endpoint_url == "http://localhost:4566"


def test_without_an_endpoint_they_go_to_aws_in_the_region() -> None:
    factory = AWSClientFactory(test_settings(aws_region="eu-west-1"))
    assert factory.dynamodb().meta.endpoint_url == "https://dynamodb.eu-west-1.amazonaws.com"


@pytest.mark.parametrize("service", ["s3", "dynamodb", "sqs"])
def test_all_attempts_of_a_call_end_within_ten_seconds(service: str) -> None:
    config = getattr(AWSClientFactory(test_settings()), service)().meta.config
    attempts = config.retries["total_max_attempts"]
    back_off = sum(2**retry for retry in range(attempts - 1))  # botocore's standard mode waits at most so long
    assert attempts * max(config.read_timeout, config.connect_timeout) + back_off < 10


def client_error(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Op")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    "error",
    [
        client_error("ThrottlingException", 400),
        client_error("ProvisionedThroughputExceededException", 400),
        client_error("SlowDown", 503),
        client_error("ResourceNotFoundException", 400),
        client_error("NoSuchBucket", 404),
        client_error("Whatever", 500),
        ConnectTimeoutError(endpoint_url="http://x"),
        ReadTimeoutError(endpoint_url="http://x"),
    ],
)
def test_down_gone_slow_and_throttling_become_unavailable(error: Exception) -> None:
    with pytest.raises(BackendUnavailable) as caught, translated("s3"):
        raise error
    assert caught.value.store == "s3"
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [client_error("AccessDenied", 403), ParamValidationError(report="x")])
def test_anything_else_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)), translated("s3"):
        raise error


def test_no_credentials_at_all_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    factory = AWSClientFactory(test_settings(aws_access_key_id=None, aws_secret_access_key=None))
    with pytest.raises(NoCredentialsError):
        factory.credentials()


def test_credentials_that_could_not_be_had_at_first_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    factory = AWSClientFactory(test_settings(aws_access_key_id=None, aws_secret_access_key=None))
    with pytest.raises(BackendUnavailable), translated("dynamodb"):
        factory.dynamodb().list_tables()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws(config={"core": {"mock_credentials": False}}):
        assert factory.dynamodb().list_tables()["TableNames"] == []


def test_a_table_of_an_earlier_version_is_named_with_what_it_lacks(own_settings: Settings) -> None:
    definition = images_table(own_settings.images_table)
    definition["GlobalSecondaryIndexes"] = list(definition["GlobalSecondaryIndexes"])[:1]
    definition["AttributeDefinitions"] = [
        it for it in definition["AttributeDefinitions"] if it["AttributeName"] in {"image_id", "user_id", "created_at"}
    ]
    with mock_aws():
        factory = AWSClientFactory(own_settings)
        factory.dynamodb().create_table(**definition)
        with pytest.raises(ProvisionError, match="lacks status-expires_at-index, user_id-title-index"):
            list(provision(factory, own_settings))
