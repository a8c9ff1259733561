"""Requests and answers: connections, repetition, and the service's problems as exceptions."""

import json
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, SSLError

from app.client.errors import ClientError, NotThisService, Refused, Unavailable, UploadExpired, refusal_class
from app.client.resources import Json, Query, optional, required, several, typed, web_address

MAX_WAIT_SECONDS = 60
"""The longest that Retry-After is obeyed; beyond it the call fails at once."""

_CONNECT_SECONDS = 5
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 8
_PIECE_BYTES = 64 * 1024
_MAX_ANSWER_BYTES = 64 * 1024 * 1024  # far above any page of a list
_MAX_ANSWER_PAUSES = 5  # so many times as long as an answer may pause, it may take in all
_PROBLEM = "application/problem+json"
_S3_CODE = re.compile(rb"<Code>(\w+)</Code>")
_PASSING_STATUSES = frozenset({500, 502, 503, 504})
# A body that did not arrive whole, and an earlier attempt that is still being carried out.
_PASSING_CODES = frozenset({"incomplete_body", "request_in_progress"})


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent, in pieces that are made anew for each attempt."""

    size: int
    content_type: str | None
    pieces: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; `repeated` if an earlier attempt may have been carried out unseen."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    repeated: bool = False

    def json(self) -> Json:
        """The JSON object in it. Raises NotThisService where there is none."""
        try:
            found = json.loads(self.content)
        except (ValueError, RecursionError):
            raise NotThisService from None
        return typed(found, dict)


class Transport:
    """One server, and whatever bucket it points to. Safe to share between threads.

    Each request may be repeated: those that are given here are all safe to, because they change nothing, carry a
    key or a version, or end the same however often they are sent.
    """

    def __init__(
        self,
        server: str,
        *,
        credentials: Mapping[str, str],
        retries: int,
        timeout_seconds: float,
        connections: int,
        sleep: Callable[[float], object],
        notice: Callable[[str], object],
    ) -> None:
        """Makes no connection. Raises ValueError for what is no address."""
        if "://" not in server:
            raise ValueError(f"{server} is not a server's address: it must start with http:// or https://")
        address = urlsplit(server)
        if address.scheme not in {"http", "https"} or not address.hostname or address.query or address.username:
            raise ValueError(f"{server} is not a server's address such as https://images.example.com")
        self._base = server.rstrip("/").removesuffix("/api/v1") + "/api/v1"
        self._credentials = dict(credentials)
        self._retries = retries
        self._max_answer_seconds = _MAX_ANSWER_PAUSES * timeout_seconds
        self._sleep = sleep
        self._notice = notice
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=timeout_seconds),
            retries=False,
            blocksize=_PIECE_BYTES,
            headers={"User-Agent": "image-storage-client"},
        )

    def close(self) -> None:
        self._pool.clear()

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        document: Mapping[str, Any] | None = None,
        body: Body | None = None,
    ) -> Answer:
        """The service's answer to a request, where it is a good one. Raises Refused or Unavailable."""
        if document is not None:
            content = json.dumps(document).encode()
            body = Body(len(content), "application/json", lambda: iter((content,)))
        answer = self._repeated(
            lambda: self._once(method, self._url(path, query), self._credentials | dict(headers or {}), body)
        )
        if answer.status >= 300:
            raise problem(answer)
        return answer

    def ask_bucket(self, method: str, url: str, *, headers: Mapping[str, str], body: Body) -> Answer:
        """The bucket's answer to a presigned request, which carries its rights in itself. Raises Unavailable."""
        return self._repeated(lambda: self._once(method, url, headers, body))

    def ask_in_pieces(self, attempt: Callable[[], Answer]) -> None:
        """Call what reads from `stream`, again where that is worth it. Raises Refused or Unavailable."""
        answer = self._repeated(attempt)
        if answer.status >= 300:
            raise problem(answer)

    @contextmanager
    def stream(self, path: str, headers: Mapping[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
        """The answer to a GET, to be read in pieces. A redirect is followed once, and without the credentials.

        Not repeated: the caller knows from where to go on.
        """
        url = self._url(path, ())
        with self._opened("GET", url, self._credentials | dict(headers)) as response:
            if response.status != 302:
                yield response
                return
            self.whole_of(response)
            location = web_address(response.headers.get("Location", ""), seen_from=url)
        # The bucket has another entity tag for the same bytes.
        kept = {name: value for name, value in headers.items() if name != "If-Range"}
        with self._opened("GET", location, kept) as response:
            yield response

    @contextmanager
    def _opened(
        self, method: str, url: str, headers: Mapping[str, str], pieces: Iterator[bytes] | None = None
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """The answer, of which the body is not read yet."""
        response = self._pool.request(method, url, headers=headers, body=pieces, preload_content=False, redirect=False)
        try:
            yield response
        except BaseException:
            response.close()  # what is left of it would be read as the next answer
            raise
        response.release_conn()

    def whole_of(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """An answer's body, decompressed, where it is no file.

        Raises NotThisService where it is larger than any that this service gives, and Unavailable where it takes too
        long in all, though no pause was too long.
        """
        content = bytearray()
        deadline = time.monotonic() + self._max_answer_seconds
        # `read` would wait until a piece is full.
        while piece := response.read1(_PIECE_BYTES):
            content += piece
            if len(content) > _MAX_ANSWER_BYTES:
                raise NotThisService("The answer is larger than an Image Storage Service would send.")
            if time.monotonic() > deadline:
                raise Unavailable(f"The answer was not whole after {self._max_answer_seconds:g} seconds.")
        return bytes(content)

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: Body | None) -> Answer:
        sent = dict(headers)
        if body is not None:
            sent["Content-Length"] = str(body.size)
            if body.content_type:
                sent["Content-Type"] = body.content_type
        pieces = body.pieces() if body is not None else None
        with self._opened(method, url, sent, pieces) as response:
            return Answer(response.status, response.headers, self.whole_of(response))

    def _repeated(self, attempt: Callable[[], Answer]) -> Answer:
        """The first answer that is not worth another attempt, or the last. Raises Unavailable."""
        failure: HTTPError | None = None
        may_be_done = False
        for number in range(1, self._retries + 2):
            pause: float | None = None
            try:
                answer = replace(attempt(), repeated=may_be_done)
            except SSLError as error:
                raise Unavailable(f"The connection is not safe: {_reason(error)}.") from error
            except HTTPError as error:
                failure = error
                may_be_done = True
            else:
                failure = None
                if not _may_pass(answer):
                    return answer
                may_be_done = may_be_done or answer.status != 429
                pause = _retry_after_seconds(answer)
            if number > self._retries or (pause or 0) > MAX_WAIT_SECONDS:
                break
            if pause is None:
                pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** (number - 1)) * random.uniform(0.5, 1)
            if failure is not None and number == 1:
                self._notice(f"{self._no_answer(failure)}; trying again.")
            self._sleep(pause)
        if failure is not None:
            raise Unavailable(f"{self._no_answer(failure)}.") from failure
        return answer

    def _no_answer(self, failure: HTTPError) -> str:
        return f"{urlsplit(self._base).netloc} does not answer: {_reason(failure)}"

    def _url(self, path: str, query: Query) -> str:
        return self._base + path + ("?" + urlencode(query, errors="replace") if query else "")


def pieces_of(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """An answer's body, decompressed, in pieces of no more than 64 KiB."""
    # Not response.stream: urllib3 2.8 loses most of what is both chunked and compressed.
    while piece := response.read(_PIECE_BYTES):
        yield piece


def problem(answer: Answer) -> ClientError:
    """What an answer that is no good one says, as an exception (problem+json, RFC 9457)."""
    if not _is_problem(answer):
        return NotThisService(f"The answer, with status {answer.status}, is not from an Image Storage Service.")
    said = answer.json()
    code = optional(said, "code", str) or ""
    detail = optional(said, "detail", str) or optional(said, "title", str) or f"The answer was {answer.status}."
    if answer.status > 500:  # 500 itself is about one request, the others about the whole service
        return Unavailable(detail)
    errors = several(said, "errors", dict) if "errors" in said else ()
    return refusal_class(answer.status, code)(
        detail,
        status=answer.status,
        code=code,
        fields={required(item, "field", str): required(item, "message", str) for item in errors},
        request_id=optional(said, "request_id", str),
        repeated=answer.repeated,
    )


def _may_pass(answer: Answer) -> bool:
    if answer.status == 429:
        return "Retry-After" in answer.headers  # else it is a quota, and waiting does not help
    if answer.status in _PASSING_STATUSES:
        return True
    if answer.status not in {400, 409} or not _is_problem(answer):
        return False
    return optional(answer.json(), "code", str) in _PASSING_CODES


def _is_problem(answer: Answer) -> bool:
    return answer.headers.get("Content-Type", "").partition(";")[0] == _PROBLEM


def _retry_after_seconds(answer: Answer) -> float | None:
    """What the header says, if it is a number; a date (RFC 9110 section 10.2.3) depends on two clocks."""
    value = answer.headers.get("Retry-After", "").strip()
    return float(value) if value.isascii() and value.isdigit() else None


def _reason(error: HTTPError) -> str:
    """The innermost words, without the object's address that urllib3 puts before them."""
    inner: BaseException = error
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    words = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return words.rstrip(".")


def refused_by_bucket(answer: Answer) -> Refused | Unavailable:
    """What an answer of S3 to an upload says that is none of success."""
    code = _S3_CODE.search(answer.content)
    word = code[1].decode() if code else str(answer.status)
    if answer.status >= 500:
        return Unavailable(f"The bucket does not answer: {word}.")
    if answer.status == 403:  # too late is the only reason, for a request that is sent as it was given
        return UploadExpired("The bucket no longer accepts the upload.", status=403, code="upload_expired")
    return Refused(f"The bucket refused the upload: {word}.", status=answer.status, code="upload_refused")
