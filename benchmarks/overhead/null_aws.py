"""Builds and runs null_aws.c, and prepares the answers that it gives."""

import base64
import hashlib
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from app.keys import object_key
from app.models import ContentType, Image, Status
from app.services.tables import to_item
from tests.samples import picture_of_bytes

SOURCE = Path(__file__).with_name("null_aws.c")
USER = "bench"
SMALL_BYTES, LARGE_BYTES = 100_000, 5_000_000
_DDB = "application/x-amz-json-1.0"


@dataclass(frozen=True, slots=True)
class Sample:
    """An image that is stored already, with its bytes."""

    image: Image
    data: bytes


def sample(number: int, size: int) -> Sample:
    """An image with all that people say about images. It has few pixels: imaging.py measures decoding."""
    data = picture_of_bytes(size, number)
    image_id = f"00000000-0000-4000-8000-{number:012d}"
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC) - timedelta(minutes=number)
    return Sample(
        Image(
            image_id=image_id,
            user_id=USER,
            object_key=object_key(USER, image_id, ContentType.PNG),
            filename=f"beach-{number}.png",
            title=f"Beach {number}",
            description="Three of us on the way to the lighthouse, in the evening.",
            location="Sylt",
            tags=("sea", "sunset", "holiday"),
            content_type=ContentType.PNG,
            file_size=size,
            width=8,
            height=8,
            frames=1,
            has_alpha=False,
            dominant_color="#8899aa",
            placeholder="3OcRJYB4d3h/iIeHeEh3eIhw+j2w",
            captured_at="2026-01-02T03:04:05",
            sha256=hashlib.sha256(data).hexdigest(),
            status=Status.UPLOADED,
            created_at=moment,
            updated_at=moment,
            version=1,
        ),
        data,
    )


SMALL, LARGE = sample(1, SMALL_BYTES), sample(2, LARGE_BYTES)


def listed(count: int) -> list[Image]:
    """The images of a page."""
    numbers = range(1000, 1000 + count)
    first = SMALL.image
    return [
        first._replace(
            image_id=f"00000000-0000-4000-8000-{number:012d}",
            filename=f"beach-{number}.png",
            title=f"Beach {number}",
            created_at=first.created_at - timedelta(seconds=number),
        )
        for number in numbers
    ]


def _http(body: bytes, headers: Mapping[str, str], status: str = "200 OK") -> bytes:
    fields = {
        "Date": "Fri, 02 Jan 2026 03:04:05 GMT",
        "x-amzn-RequestId": "0123456789ABCDEF0123456789ABCDEF",
        **headers,
        "Content-Length": str(len(body)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def _dynamodb(answer: object) -> bytes:
    return _http(orjson.dumps(answer), {"Content-Type": _DDB})


def _page(count: int) -> bytes:
    rows = listed(count)
    last = rows[-1]
    key = {name: to_item(last)[name] for name in ("image_id", "user_id", "created_at")}
    return _dynamodb(
        {
            "Items": [to_item(image) for image in rows],
            "Count": count,
            "ScannedCount": count,
            "LastEvaluatedKey": key,
            "ConsumedCapacity": {"TableName": "images-metadata", "CapacityUnits": count / 8},
        }
    )


def _object(sample: Sample) -> bytes:
    sha256 = base64.b64encode(hashlib.sha256(sample.data).digest()).decode()
    return _http(
        sample.data,
        {
            "Content-Type": "image/png",
            "ETag": f'"{hashlib.md5(sample.data).hexdigest()}"',
            "Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT",
            "Accept-Ranges": "bytes",
            "x-amz-checksum-sha256": sha256,
            "x-amz-server-side-encryption": "AES256",
        },
    )


def _answers() -> Iterator[tuple[str, str, bytes]]:
    """A word of the head, a word of the head or the body, and what is answered where both occur."""
    for found in (SMALL, LARGE):
        yield ".GetItem", found.image.image_id, _dynamodb({"Item": to_item(found.image)})
        yield "GET /", f"{found.image.image_id}.png", _object(found)
    for count in (101, 100, 11, 10):
        for separator in (":", ": "):  # with and without the space that the standard library's json writes
            yield ".Query", f'"Limit"{separator}{count}', _page(count)
    for operation in ("PutItem", "UpdateItem", "TransactWriteItems"):
        yield f".{operation}", "HTTP/1.1", _dynamodb({})
    yield "PUT /", "HTTP/1.1", _http(b"", {"ETag": '"00000000000000000000000000000000"'})


@contextmanager
def running(directory: Path, *, delay_seconds: float = 0) -> Iterator[str]:
    """Build and start the server; its URL. The directory takes the program and its answers.

    Each answer is kept back for a while, as by a store that is some way off.
    """
    program = directory / "null_aws"
    subprocess.run(["cc", "-O2", "-pthread", str(SOURCE), "-o", str(program)], check=True)
    lines = []
    for number, (head_word, any_word, answer) in enumerate(_answers()):
        path = directory / f"answer-{number}"
        path.write_bytes(answer)
        lines.append(f"{head_word}\t{any_word}\t{path}\n")
    routes = directory / "routes"
    routes.write_text("".join(lines))
    command = [str(program), str(routes), str(round(delay_seconds * 1e6))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
