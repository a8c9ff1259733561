"""The hot calls of S3 and DynamoDB without boto3, for as long as all goes well.

A call of boto3 takes longer than ten views of Flask. So those of every request are signed, sent and
read here, and whatever comes back that is not a plain success is handed to boto3 as the outcome of
its own first attempt: it decides whether to try again and when, by its budget, and raises what it
always raises. Clients of this module have the methods of boto3's, and are used in their place;
docs/adr/0018-fast-clients.md has the reasons.
"""

import hashlib
import io
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import orjson
from botocore.awsrequest import AWSResponse, HTTPHeaders
from botocore.exceptions import BotoCoreError
from urllib3 import HTTPResponse

from app.services.connections import Answer, Connections
from app.services.observed_calls import Call, ObserveCall, began_at, consumed
from app.services.sigv4 import HeaderSigner
from app.times import Clock

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

Credentials = Callable[[], "ReadOnlyCredentials"]

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_PUT_HEADERS = {
    "CacheControl": "cache-control",
    "ChecksumSHA256": "x-amz-checksum-sha256",
    "ContentDisposition": "content-disposition",
    "ContentLength": "content-length",
    "ContentType": "content-type",
    "IfMatch": "if-match",
    "IfNoneMatch": "if-none-match",
}
_PUT_PARAMETERS = _PUT_HEADERS.keys() | {"Bucket", "Key", "Body"}
_GET_PARAMETERS = frozenset({"Bucket", "Key", "Range"})


class _Handover:
    """Gives boto3 the outcome of an attempt that was made here, as if it had made it itself."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._current = threading.local()
        client.meta.events.register("before-call", self._count_from_its_beginning)
        client.meta.events.register_first("before-send", self._first_outcome)

    def call(
        self, method: str, parameters: Mapping[str, Any], outcome: AWSResponse | BotoCoreError, began: float
    ) -> Any:
        """What boto3 makes of it: after further attempts a result, or what it raises.

        `began` is when the attempt that was made here did, by `time.perf_counter`.
        """
        self._current.outcome, self._current.began = outcome, began
        try:
            return getattr(self._client, method)(**parameters)
        finally:
            self._current.outcome = self._current.began = None

    def _count_from_its_beginning(self, context: dict[str, Any], **_: object) -> None:
        if (began := getattr(self._current, "began", None)) is not None:
            began_at(context, began)

    def _first_outcome(self, **_: object) -> AWSResponse | None:
        """What botocore asks before each attempt: an answer to take instead of sending the request."""
        outcome = getattr(self._current, "outcome", None)
        self._current.outcome = None
        if isinstance(outcome, BotoCoreError):
            raise outcome
        return outcome


def _as_response(answer: Answer, content: bytes, url: str) -> AWSResponse:
    headers = HTTPHeaders.from_dict(answer.headers)
    raw = HTTPResponse(io.BytesIO(content), answer.headers, answer.status, preload_content=False)
    return AWSResponse(url, answer.status, headers, raw)


def _head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """Raises ValueError where a header would be read as two."""
    lines = [f"{name}: {value}" for name, value in headers.items()]
    text = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "\r\n"])
    if text.count("\n") != len(lines) + 2 or text.count("\r") != len(lines) + 2:
        raise ValueError("a header holds a line break")
    return text.encode("latin-1")


class _FastClient:
    """A client of boto3 with some calls made fast; all others, and what else it has, are boto3's."""

    _service: ClassVar[str]

    def __init__(
        self,
        client: Any,
        connections: Connections,
        *,
        region: str,
        credentials: Credentials,
        clock: Clock,
        observe: ObserveCall,
    ) -> None:
        self._client = client
        self._handover = _Handover(client)
        self._connections = connections
        self._signer = HeaderSigner(region=region, service=self._service)
        self._credentials = credentials
        self._clock = clock
        self._observe = observe

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def close(self) -> None:
        self._connections.close()
        self._client.close()


class FastDynamoDB(_FastClient):
    """DynamoDB's client, with the calls for items made fast. Their parameters and results are DynamoDB's own JSON.

    Values of the types B and BS, which boto3 would decode, are not known here.
    """

    _service = "dynamodb"

    def get_item(self, **parameters: Any) -> Any:
        return self._call("GetItem", "get_item", parameters)

    def batch_get_item(self, **parameters: Any) -> Any:
        return self._call("BatchGetItem", "batch_get_item", parameters)

    def query(self, **parameters: Any) -> Any:
        return self._call("Query", "query", parameters)

    def put_item(self, **parameters: Any) -> Any:
        return self._call("PutItem", "put_item", parameters)

    def update_item(self, **parameters: Any) -> Any:
        return self._call("UpdateItem", "update_item", parameters)

    def delete_item(self, **parameters: Any) -> Any:
        return self._call("DeleteItem", "delete_item", parameters)

    def transact_write_items(self, **parameters: Any) -> Any:
        # As boto3 does: by the token DynamoDB knows a transaction that it has carried out already.
        return self._call(
            "TransactWriteItems", "transact_write_items", {"ClientRequestToken": str(uuid.uuid4())} | parameters
        )

    def _call(self, operation: str, method: str, parameters: Mapping[str, Any]) -> Any:
        began = time.perf_counter()
        parameters = {"ReturnConsumedCapacity": "TOTAL", **parameters}
        body = orjson.dumps(parameters)
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "host": self._connections.host,
            "x-amz-target": f"DynamoDB_20120810.{operation}",
        }
        signed = self._signer.sign(
            "POST",
            "/",
            headers,
            hashlib.sha256(body).hexdigest(),
            credentials=self._credentials(),
            moment=self._clock(),
        )
        signed["content-length"] = str(len(body))
        try:
            answer = self._connections.exchange(_head("POST", "/", signed), body)
        except BotoCoreError as error:
            return self._handover.call(method, parameters, error, began)
        if answer.status != 200:
            outcome = _as_response(answer, answer.read(), self._connections.origin)
            return self._handover.call(method, parameters, outcome, began)
        seconds = time.perf_counter() - began
        result = orjson.loads(answer.read())
        self._observe(Call("dynamodb", operation, "ok", seconds, consumed(result)))
        return result


def bucket_address(endpoint: str, bucket: str, *, in_path: bool) -> tuple[str, str]:
    """Origin and path of the bucket: in a host name of its own, unless that would match no certificate."""
    if in_path or "." in bucket:
        return endpoint, f"/{bucket}"
    scheme, _, host = endpoint.partition("://")
    return f"{scheme}://{bucket}.{host}", ""


class FastS3(_FastClient):
    """S3's client for one bucket, with the reading and the storing of objects made fast.

    Results have `Body`, `ContentLength`, `ETag` and `LastModified` of an object, and no more. Calls
    with parameters that are not known here are boto3's.
    """

    _service = "s3"

    def __init__(self, client: Any, connections: Connections, *, bucket: str, prefix: str, **shared: Any) -> None:
        """`prefix` is the path under which the bucket lies at the origin of the connections; the rest as above."""
        super().__init__(client, connections, **shared)
        self._bucket = bucket
        self._prefix = prefix

    def get_object(self, **parameters: Any) -> Any:
        if parameters["Bucket"] != self._bucket or not parameters.keys() <= _GET_PARAMETERS:
            return self._client.get_object(**parameters)
        began = time.perf_counter()
        headers = {"range": parameters["Range"]} if "Range" in parameters else {}
        head = self._signed("GET", parameters["Key"], headers)
        try:
            answer = self._connections.exchange(head, stream=True)
        except BotoCoreError as error:
            return self._handover.call("get_object", parameters, error, began)
        if answer.status not in (200, 206) or not {"content-length", "last-modified"} <= answer.headers.keys():
            outcome = _as_response(answer, answer.read(), self._connections.origin)
            return self._handover.call("get_object", parameters, outcome, began)
        self._observe(Call("s3", "GetObject", "ok", time.perf_counter() - began))
        return {
            "Body": answer,
            "ContentLength": int(answer.headers["content-length"]),
            "ETag": answer.headers.get("etag"),
            "LastModified": parsedate_to_datetime(answer.headers["last-modified"]),
        }

    def put_object(self, **parameters: Any) -> Any:
        body = parameters["Body"]
        if isinstance(body, bytes):
            parameters["ContentLength"] = len(body)
        if (
            parameters["Bucket"] != self._bucket
            or "ContentLength" not in parameters
            or not parameters.keys() <= _PUT_PARAMETERS
        ):
            return self._client.put_object(**parameters)
        headers = {header: str(parameters[name]) for name, header in _PUT_HEADERS.items() if name in parameters}
        head = self._signed("PUT", parameters["Key"], headers)
        began = time.perf_counter()
        start = body.tell() if not isinstance(body, bytes) else 0
        try:
            answer = self._connections.exchange(head, body)
        except BotoCoreError as error:
            outcome: AWSResponse | BotoCoreError = error
        else:
            content = answer.read()
            if answer.status == 200 and not content:  # S3 can say that it failed in the body of a 200
                self._observe(Call("s3", "PutObject", "ok", time.perf_counter() - began))
                return {"ETag": answer.headers.get("etag")}
            outcome = _as_response(answer, content, self._connections.origin)
        if not isinstance(body, bytes):
            body.seek(start)
        return self._handover.call("put_object", parameters, outcome, began)

    def path(self, key: str) -> str:
        """Where an object lies at the origin of the connections."""
        return f"{self._prefix}/{quote(key, safe='/~')}"

    def _signed(self, method: str, key: str, headers: Mapping[str, str]) -> bytes:
        """The head of a request for an object. Its body goes unsigned: TLS and the checksum protect it."""
        path = self.path(key)
        signed = self._signer.sign(
            method,
            path,
            {**headers, "host": self._connections.host, "x-amz-content-sha256": UNSIGNED_PAYLOAD},
            UNSIGNED_PAYLOAD,
            credentials=self._credentials(),
            moment=self._clock(),
        )
        return _head(method, path, signed)
