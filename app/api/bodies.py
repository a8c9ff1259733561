"""Request bodies, read to the last announced byte and not one further.

The WSGI server's stream is read directly: gunicorn hands over a body that the client cut short as
if it were whole, and Flask's own helpers pass that on (docs/adr/0004-reading-bodies.md).
"""

import base64
import binascii
import hashlib
import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson
from flask import Request
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from app.api.digests import check_digests, sent_digests
from app.api.parsing import TAGS, parse, parsed_query, single_values
from app.api.request_models import NoQuery, RequestModels, UploadFields
from app.errors import FieldError, ImageTooLarge, IncompleteBody, InvalidRequest, LengthRequired
from app.settings import Settings
from app.spending import spend
from app.spool import Spool

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_MAX_JSON_BYTES = 64 * 1024
_MAX_FORM_BYTES = 256 * 1024  # of a multipart body beside the file: fields, part headers, delimiters
_MAX_FORM_PARTS = 100
_PIECE_BYTES = 64 * 1024
_BASE64_PIECE = 64 * 1024  # a multiple of 4, so that each piece decodes by itself
_DISCARD_BYTES = 64 * 1024 * 1024
_DISCARD_SECONDS = 5
_DISCARD_STALL_SECONDS = 1  # without a byte, after which the answer is there for the client to read
_STALL_SECONDS = 20  # without a byte, after which a client no longer holds a thread
_EXCESS_SECONDS = 0.2  # for what lies behind the announced end: nobody says how much it is
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"')
_EXTENDED_FILENAME = re.compile(r";\s*filename\*\s*=\s*utf-8'[^']*'([^\s;]+)", re.IGNORECASE)  # RFC 8187, section 3.2
# What base64 holds beside letters and digits, as URIs escape it. Undoing any escape takes seconds for a hostile body.
_ESCAPES = (("%2B", "+"), ("%2b", "+"), ("%2F", "/"), ("%2f", "/"), ("%3D", "="), ("%3d", "="))


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file and what was said about it."""

    fields: UploadFields
    spool: Spool


def read_json(request: Request) -> dict[str, Any]:
    """The JSON object in the body. Raises InvalidRequest where there is none."""
    if not request.is_json:  # whichever JSON it calls itself; an edit may be application/merge-patch+json (RFC 7396)
        raise InvalidRequest("Send JSON, with Content-Type: application/json.")
    return _json_object(b"".join(_pieces(request, _MAX_JSON_BYTES)))


def read_upload(request: Request, models: RequestModels, settings: Settings) -> Upload:
    """The file and its fields, in whichever of the three forms they come. The caller closes the spool."""
    if not _is_raw(request):
        parsed_query(request, NoQuery)  # nothing that somebody says is passed over in silence
    spool = Spool(max_bytes=settings.max_body_bytes)
    try:
        if request.mimetype == "multipart/form-data":
            fields = _read_multipart(request, models, spool)
        elif request.is_json:
            fields = _read_base64(request, models, spool)
        elif _is_raw(request):
            fields = _read_raw(request, models, spool)
        else:
            raise InvalidRequest(
                "Send the image as multipart/form-data, as raw bytes (Content-Type: image/* or "
                "application/octet-stream), or as base64 in application/json."
            )
        if spool.size == 0:
            raise InvalidRequest("The image is empty.")
    except ImageTooLarge as error:
        spool.close()
        raise ImageTooLarge(f"{error} Send larger images straight to the bucket: POST /api/v1/uploads.") from error
    except BaseException:
        spool.close()
        raise
    return Upload(fields, spool)


def _is_raw(request: Request) -> bool:
    return request.mimetype.startswith("image/") or request.mimetype == "application/octet-stream"


def _read_raw(request: Request, models: RequestModels, spool: Spool) -> UploadFields:
    fields = parsed_query(request, models.upload_fields, lists=TAGS)
    digests = sent_digests(request)
    for piece in _pieces(request, spool.max_bytes):
        spool.write(piece)
    check_digests(digests, spool.sha256)
    return fields


def _read_multipart(request: Request, models: RequestModels, spool: Spool) -> UploadFields:
    _, options = parse_options_header(request.headers["Content-Type"])
    boundary = options.get("boundary")
    if not boundary:
        raise InvalidRequest("The Content-Type of a multipart body must name its boundary.")
    digests = sent_digests(request)
    body_hash = hashlib.sha256()
    form = _Form(spool)
    parser = PushMultipartParser(boundary, max_segment_count=_MAX_FORM_PARTS)
    try:
        for piece in _pieces(request, spool.max_bytes + _MAX_FORM_BYTES):
            if digests:
                body_hash.update(piece)
            for event in parser.parse(piece):
                form.take(event)
    except MultipartError as error:
        raise InvalidRequest("The multipart body is malformed.") from error
    try:
        parser.close()
    except MultipartError as error:
        if form.started:
            raise IncompleteBody("The multipart body ends before its closing delimiter. Nothing was stored.") from error
    check_digests(digests, spool.sha256, body_hash.digest())
    return parse(models.upload_fields, form.values())


class _Form:
    """A multipart form while it arrives: the part named file goes into the spool, the others are fields."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._part: MultipartSegment | None = None
        self._text = bytearray()
        self._filename: str | None = None
        self._fields: list[tuple[str, str]] = []

    @property
    def started(self) -> bool:
        return self._part is not None

    def take(self, event: MultipartSegment | bytes | None) -> None:
        """The parser's next event: the head of a part, a piece of its content, or None for its end."""
        if isinstance(event, MultipartSegment):
            self._begin(event)
            return
        assert self._part is not None  # the parser announces each part before its content
        name = self._part.name or ""
        if name == "file":
            self._spool.write(event or b"")
        elif event is None:
            self._fields.append((name, self._decoded(name)))
        elif len(self._text) + len(event) > _MAX_JSON_BYTES:
            raise InvalidRequest(errors=[FieldError(name, "is too long")])
        else:
            self._text += event

    def values(self) -> dict[str, object]:
        """The fields. Raises InvalidRequest where no file came with them."""
        if self._filename is None:
            raise InvalidRequest("Send the image in the form field file.", errors=[FieldError("file", "is missing")])
        return {"filename": self._filename} | single_values(self._fields, lists=TAGS)

    def _begin(self, part: MultipartSegment) -> None:
        self._part, self._text = part, bytearray()
        name, filename = part.name or "", _filename(part)
        if name != "file" and filename is not None:
            missing = [FieldError("file", "is missing")] if self._filename is None else []
            wrong = [*missing, FieldError(name, "is a file")]
            raise InvalidRequest("Send the image in the form field file.", errors=wrong)
        if name == "file":
            if self._filename is not None:
                raise InvalidRequest(errors=[FieldError("file", "is given more than once")])
            self._filename = filename or ""

    def _decoded(self, name: str) -> str:
        try:
            return self._text.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest(errors=[FieldError(name, "is not UTF-8")]) from error


def _filename(part: MultipartSegment) -> str | None:
    """The name of a part's file. Some clients send one beyond ASCII as `filename*` (RFC 8187), against RFC 7578."""
    match = _EXTENDED_FILENAME.search(_QUOTED.sub('""', part.header("Content-Disposition", "")))
    if match is None:
        plain: str | None = part.filename
        return plain
    try:
        return unquote(match[1], errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidRequest(errors=[FieldError("filename", "is not UTF-8")]) from error


def _read_base64(request: Request, models: RequestModels, spool: Spool) -> UploadFields:
    # 4 characters for 3 bytes, and as much again in line ends and escapes as anyone would send.
    digests = sent_digests(request)
    body = b"".join(_pieces(request, spool.max_bytes * 3 // 2 + _MAX_FORM_BYTES))
    body_digest = hashlib.sha256(body).digest() if digests else b""
    values = _json_object(body)
    del body
    upload = parse(models.base64_upload, values)
    values.clear()
    encoded = upload.image_data.strip()
    if encoded[:5].lower() == "data:":  # RFC 2397; schemes know no case (RFC 3986 section 3.1)
        head, comma, encoded = encoded.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise InvalidRequest(errors=[FieldError("image_data", "is a data: URI without ;base64,")])
        for escape, character in _ESCAPES:
            encoded = encoded.replace(escape, character)
    if any(blank in encoded for blank in "\r\n \t"):
        encoded = "".join(encoded.split())
    if "=" in encoded[:-2]:
        raise InvalidRequest(errors=[FieldError("image_data", "has padding before its end")])
    try:
        for start in range(0, len(encoded), _BASE64_PIECE):
            spool.write(base64.b64decode(encoded[start : start + _BASE64_PIECE], validate=True))
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(errors=[FieldError("image_data", "is not base64")]) from error
    check_digests(digests, spool.sha256, body_digest)
    return upload.fields()


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("The body is not valid JSON.") from error
    if not isinstance(parsed, dict):
        raise InvalidRequest("The body is not a JSON object.")
    return parsed


def _pieces(request: Request, max_bytes: int) -> Iterator[bytes]:
    """The body in pieces. Raises ImageTooLarge beyond `max_bytes`, IncompleteBody unless all of it comes."""
    max_bytes = min(max_bytes, request.max_content_length or max_bytes)
    announced = request.content_length
    chunked = request.environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked"
    if announced is None and not chunked:
        raise LengthRequired
    if announced is not None and announced > max_bytes:
        raise ImageTooLarge(f"The request body may have at most {max_bytes} bytes.")
    stream = request.environ["wsgi.input"]
    if (connection := request.environ.get("gunicorn.socket")) is not None:
        connection.settimeout(_STALL_SECONDS)  # gunicorn has none of its own and sets it anew for each request
    received, waited = 0, 0.0
    try:
        while announced is None or received < announced:
            wanted = _PIECE_BYTES if announced is None else min(_PIECE_BYTES, announced - received)
            began = time.perf_counter()
            try:
                piece = stream.read(wanted)
            except Exception as error:  # servers raise types of their own for bad chunks and lost connections
                raise IncompleteBody from error
            finally:
                waited += time.perf_counter() - began
            if not piece:
                break
            received += len(piece)
            if received > max_bytes:
                raise ImageTooLarge(f"The request body may have at most {max_bytes} bytes.")
            yield piece
    finally:
        spend("receiving", waited)
    if announced is not None and received < announced:
        raise IncompleteBody
    if announced is not None and _more_follows(request):
        stream.failed = True
        raise IncompleteBody


def discard_rest(environ: "WSGIEnvironment") -> None:
    """Once a refusal is sent, take in what is left of the body, within limits, so that the client gets to read it.

    A client that is still sending when gunicorn closes the connection sees a reset instead of the
    answer. Servers that read whole bodies themselves need no help.
    """
    connection = environ.get("gunicorn.socket")
    if connection is None:
        return
    stream, patience = environ["wsgi.input"], connection.gettimeout()
    deadline = time.monotonic() + _DISCARD_SECONDS
    discarded = 0
    read = stream.read
    if stream.failed:  # stalled, broken, or followed by more: what comes now is not the announced body
        read, deadline = connection.recv, time.monotonic() + _EXCESS_SECONDS
    # Whatever a bad chunk or a lost connection raises, the answer is sent; the server closes after it.
    with suppress(Exception):
        while discarded < _DISCARD_BYTES and (left := deadline - time.monotonic()) > 0:
            connection.settimeout(min(left, _DISCARD_STALL_SECONDS))
            if not (piece := read(_PIECE_BYTES)):
                connection.settimeout(patience)
                return
            discarded += len(piece)
    stream.failed = True  # gunicorn's word for "do not read another request from this connection"


def _more_follows(request: Request) -> bool:
    """Whether bytes lie behind the announced end of the body.

    They would be read as the next request. A client should not send one before it has the answer to a
    request like these (RFC 9112 section 9.3.2), so they are the rest of a body that is longer than it said.
    Only gunicorn lets us look.
    """
    connection = request.environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket) or isinstance(connection, ssl.SSLSocket):
        return False
    unreader = getattr(getattr(request.environ["wsgi.input"], "reader", None), "unreader", None)
    if unreader is not None and unreader.buf.getbuffer().nbytes:
        return True
    patience = connection.gettimeout()
    connection.settimeout(0)  # with a time-out, Python waits before it looks
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except OSError:  # nothing there: BlockingIOError
        return False
    finally:
        connection.settimeout(patience)
