"""The one source of AWS clients, and the one place where AWS failures become ours."""

import os
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoCredentialsError,
    ResponseStreamingError,
)
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from app.errors import BackendUnavailable
from app.services.connections import Connections
from app.services.fast_clients import FastDynamoDB, FastS3, bucket_address
from app.services.observed_calls import ObserveCall, ignore, observed
from app.settings import Settings
from app.times import utc_now

if TYPE_CHECKING:
    from botocore.credentials import Credentials, ReadOnlyCredentials
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

# Attempts x read timeout + backoff (at most 1 s, then 2 s, in botocore's standard mode) stays
# below 10 s, so that a store which stopped answering becomes a 503 while the client still waits.
# Where connecting hangs, each attempt takes up to a second more for each address of the store.
_CONNECT_SECONDS = 1
_BUDGETS = {"s3": (2, 4), "dynamodb": (3, 2), "sqs": (2, 4)}  # attempts, read timeout in seconds
_FAST = frozenset({"s3", "dynamodb"})
_RECEIVING_BUDGET = (1, 25)  # SQS lets a request for messages wait for up to 20 s, and nobody waits for the answer

_UNREACHABLE = (
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoCredentialsError,  # of a machine whose role's credentials cannot be had for a moment, too
    ResponseStreamingError,
)
_TEMPORARY = frozenset(
    {
        "InternalError",
        "InternalServerError",
        "NoSuchBucket",  # a store that is gone is as good as down, whoever has to make it again
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ResourceNotFoundException",  # of DynamoDB: a table that is gone
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)


class AWSClientFactory:
    """Makes the clients of one configuration, each once per process.

    Clients may be shared between threads, but making them is not thread-safe, and a connection
    pool must not be shared between processes: hence the lock, and the process id in the key.
    """

    def __init__(self, settings: Settings, observe: ObserveCall = ignore) -> None:
        """`observe` is told of each call of S3, DynamoDB and SQS."""
        self._settings = settings
        self._observe = observe
        self._lock = threading.Lock()
        self._clients: dict[tuple[int, str, tuple[int, int]], Any] = {}
        self._botocore_session = botocore.session.Session()
        self._session: boto3.Session | None = None
        self._credentials: Credentials | None = None

    def s3(self) -> "S3Client":
        client: S3Client = self._client("s3")
        return client

    def dynamodb(self) -> "DynamoDBClient":
        client: DynamoDBClient = self._client("dynamodb")
        return client

    def sqs(self) -> "SQSClient":
        client: SQSClient = self._client("sqs")
        return client

    def sqs_receiving(self) -> "SQSClient":
        """The client for requests that wait for messages."""
        client: SQSClient = self._client("sqs", _RECEIVING_BUDGET)
        return client

    def close(self) -> None:
        """End the connections of all clients, which nobody may use any more."""
        for client in self._clients.values():
            client.close()

    def credentials(self) -> "ReadOnlyCredentials":
        """The credentials of this moment, refreshed by boto3 where they expire.

        Raises NoCredentialsError, as boto3 does, where there are none at all.
        """
        if self._credentials is None:
            with self._lock:
                self._credentials = self._boto3_session().get_credentials()
            if self._credentials is None:
                raise NoCredentialsError
        frozen: ReadOnlyCredentials = self._credentials.get_frozen_credentials()
        return frozen

    def domain(self) -> str:
        """What the names of AWS's hosts in this region end with: `amazonaws.com`, but not in all of its partitions.

        By botocore's data and the rule of its endpoints: a region that nobody knows is one of the first partition.
        """
        region = self._settings.aws_region
        partitions = self._botocore_session.get_data("partitions")["partitions"]
        found = [it for it in partitions if region in it["regions"] or re.match(it["regionRegex"], region)]
        domain: str = (found or partitions)[0]["outputs"]["dnsSuffix"]
        return domain

    def _client(self, service: str, budget: tuple[int, int] | None = None) -> Any:
        key = (os.getpid(), service, budget or _BUDGETS[service])
        client = self._clients.get(key)
        if client is None:
            with self._lock:
                if key not in self._clients:
                    self._clients[key] = self._make(service, *key[2])
                client = self._clients[key]
        return client

    def _make(self, service: str, attempts: int, read_seconds: int) -> Any:
        session = self._boto3_session()
        if session.get_credentials() is None:  # a client would keep that, also where the next question is answered
            raise NoCredentialsError
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=read_seconds,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=max(10, self._settings.web_threads, self._settings.worker_threads),
            tcp_keepalive=True,
            proxies=proxies_for(self._settings.endpoint_url),
            # The settings decide, not what else boto3 finds in the environment or a profile.
            ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # which the type stubs do not know
            # S3 only: an emulator has no host name per bucket, and hashing a body again to sign it
            # buys nothing when its SHA-256 is sent as a checksum anyway.
            s3={
                "addressing_style": "path" if self._settings.endpoint_url else "auto",
                "payload_signing_enabled": False,
            },
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        # boto3's type stubs know a service by a literal name only; s3(), dynamodb() and sqs() give the types back.
        client = session.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self._settings.endpoint_url,
            config=config,
        )
        observed(client, service, self._observe)
        return self._fast(service, client, config) if self._settings.fast_aws and service in _FAST else client

    def _fast(self, service: str, client: Any, config: Any) -> Any:
        """The client with its hot calls made fast, at the address that boto3 has found for it."""
        bucket = self._settings.s3_bucket
        origin, prefix = client.meta.endpoint_url, ""
        if service == "s3":
            origin, prefix = bucket_address(origin, bucket, in_path=self._settings.endpoint_url is not None)
        if config.proxies is None and get_environ_proxies(origin).get(urlsplit(origin).scheme):  # boto3 knows them
            return client
        if "aws-global" in origin:  # no host: boto3 finds one for each call, as for FIPS in us-east-1
            return client
        shared: Any = {
            "connections": Connections(
                origin,
                connect_seconds=config.connect_timeout,
                read_seconds=config.read_timeout,
                kept=config.max_pool_connections,
                tls=self._tls() if origin.startswith("https://") else None,
            ),
            "region": self._settings.aws_region,
            "credentials": self.credentials,
            "clock": utc_now,
            "observe": self._observe,
        }
        return (
            FastS3(client, bucket=bucket, prefix=prefix, **shared)
            if service == "s3"
            else FastDynamoDB(client, **shared)
        )

    def _tls(self) -> ssl.SSLContext:
        """Certificates are checked against the same authorities as by boto3."""
        authorities = self._botocore_session.get_config_variable("ca_bundle") or get_cert_path(verify=True)
        return ssl.create_default_context(cafile=authorities)

    def _boto3_session(self) -> boto3.Session:
        if self._session is None:
            key, secret, token = self._settings.credentials or (None, None, None)
            self._session = boto3.Session(
                botocore_session=self._botocore_session,
                region_name=self._settings.aws_region,
                aws_access_key_id=key,
                aws_secret_access_key=secret,
                aws_session_token=token,
            )
        return self._session


def proxies_for(endpoint_url: str | None) -> dict[str, str] | None:
    """What botocore's Config takes: none where the endpoint is on this machine, else what the environment says."""
    host = urlsplit(endpoint_url or "").hostname or ""
    return {} if host in {"localhost", "::1"} or host.startswith("127.") else None


CONDITION_FAILED = "ConditionalCheckFailedException"


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def cancellation_reasons(error: ClientError) -> list[dict[str, Any]]:
    """Why a transaction was not carried out, action by action; empty for another error."""
    reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]  # the stubs know what all errors have
    return reasons


def was_retried(error: ClientError) -> bool:
    """Whether botocore sent the request more than once: an earlier one may have had its effect."""
    return int(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)) > 0


@contextmanager
def translated(store: str) -> Iterator[None]:
    """Turns "down, gone, slow or throttling" into BackendUnavailable; anything else passes as it is."""
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        codes = {error_code(error), *(reason.get("Code") for reason in cancellation_reasons(error))}
        if codes & _TEMPORARY or status >= 500:
            raise BackendUnavailable(store) from error
        raise
    except _UNREACHABLE as error:
        raise BackendUnavailable(store) from error
