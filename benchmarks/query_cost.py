"""What finding costs on DynamoDB as a library grows: read units and requests of each kind of query.

    AWS_ENDPOINT_URL=http://127.0.0.1:4566 .venv/bin/python -m benchmarks.query_cost

The endpoint must count read units as AWS does: DynamoDB Local and LocalStack do, the embedded
emulator does not. Three users get 1,000, 10,000 and 50,000 images; then each query is run once with
the service's own code, and beside it the way of a service that reads all of a user's images and
filters them in memory. Writes docs/query-cost.md and docs/query-cost.png.
"""

import os
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import click
import matplotlib as mpl
from matplotlib import pyplot as plt
from pydantic import SecretStr

from app.models import ContentType, Image, ImageFilter, Status, TagMatch, search_words
from app.services import build_services
from app.services.aws import AWSClientFactory
from app.services.plan import plan
from app.services.provision import provision
from app.services.tables import USER_INDEX, posting_item, postings_of, to_item
from app.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"
SIZES = (1_000, 10_000, 50_000)
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of query: how it is called, and what it asks for."""

    name: str
    wanted: ImageFilter


ALL = TagMatch.ALL
SHAPES = (
    Shape("newest 10", ImageFilter()),
    Shape("title prefix, 10 hits", ImageFilter(title_prefix="zebra", descending=False)),
    Shape("one tag, 10 hits", ImageFilter(tags=("ten",))),
    Shape("one SHA-256, 1 hit", ImageFilter(sha256=f"{500:064x}")),
    Shape("two tags, any", ImageFilter(tags=("common", "twenty"))),
    Shape("two tags, all: 5,000 and 20, 10 hits", ImageFilter(tags=("common", "twenty"), tag_match=ALL)),
    Shape("two tags, all: 5,000 and 5,000, 10 hits", ImageFilter(tags=("common", "other"), tag_match=ALL)),
    Shape("three words: 200, 200 and 200, 10 hits", ImageFilter(words=search_words("amber birch cedar"))),
    Shape("filename substring, 10 hits", ImageFilter(filename="needle")),
)


@dataclass(frozen=True, slots=True)
class Cost:
    read_units: float
    requests: int
    hits: int


def library(user_id: str, size: int) -> Iterator[Image]:
    """Images whose tags and words occur as often as the names of the shapes say, evenly spread over time."""
    long = min(5000, size // 2)  # a library of 1,000 has no 5,000 of anything
    common = [number * size // long for number in range(long)]
    shared = set(common[:: long // 10][:10])
    other = shared | {number + 1 for number in common if number not in shared}
    twenty = shared | {number + 1 for number in shared}
    spread = [number * size // 200 for number in range(200)]
    in_all = set(spread[::20])
    tagged = {"common": set(common), "other": other, "twenty": twenty, "ten": {it + 2 for it in in_all}}
    worded = {
        word: in_all | {number + shift for number in spread if number not in in_all}
        for shift, word in enumerate(("amber", "birch", "cedar"))
    }
    worded["zebra"] = {number + 3 for number in in_all}
    for number in range(size):
        words = [word for word, numbers in worded.items() if number in numbers]
        yield Image(
            image_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{user_id} {number}")),
            user_id=user_id,
            object_key=f"images/{user_id}/{number}.jpg",
            filename="needle.jpg" if number - 4 in in_all else "img.jpg",
            title=" ".join([*sorted(words, reverse=True), "holiday"]),
            description=None,
            location=None,
            tags=tuple(tag for tag, numbers in tagged.items() if number in numbers),
            content_type=ContentType.JPEG,
            file_size=2_000_000,
            width=4000,
            height=3000,
            sha256=f"{number:064x}",
            status=Status.UPLOADED,
            created_at=START + timedelta(minutes=number),
            updated_at=START + timedelta(minutes=number),
            version=1,
        )


def store(factory: AWSClientFactory, settings: Settings, images: Iterator[Image], size: int) -> None:
    def write(requests: Sequence[tuple[str, Any]]) -> None:
        waiting: Any = {}
        for table, item in requests:
            waiting.setdefault(table, []).append({"PutRequest": {"Item": item}})
        while waiting:
            waiting = factory.dynamodb().batch_write_item(RequestItems=waiting)["UnprocessedItems"]

    def items() -> Iterator[tuple[str, Any]]:
        with click.progressbar(images, length=size, label=f"Storing {size:,} images") as bar:
            for image in bar:
                yield settings.images_table, to_item(image)
                for posting in postings_of(image):
                    yield settings.postings_table, posting_item(posting)

    with ThreadPoolExecutor(4) as pool:
        batches = chunks(items(), 25)
        while group := list(islice(batches, 64)):
            list(pool.map(write, group))


def chunks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := list(islice(items, size)):
        yield chunk


def in_memory_cost(factory: AWSClientFactory, settings: Settings, user_id: str) -> Cost:
    """What reading all of a user's rows costs, whatever is looked for."""
    query: dict[str, Any] = {
        "TableName": settings.images_table,
        "IndexName": USER_INDEX.name,
        "KeyConditionExpression": "user_id = :user",
        "ExpressionAttributeValues": {":user": {"S": user_id}},
        "ReturnConsumedCapacity": "TOTAL",
    }
    units, requests, rows = 0.0, 0, 0
    while True:
        answer: Any = factory.dynamodb().query(**query)
        units += answer["ConsumedCapacity"]["CapacityUnits"]
        requests += 1
        rows += answer["Count"]
        if "LastEvaluatedKey" not in answer:
            return Cost(units, requests, rows)
        query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def posting_lists_cost(factory: AWSClientFactory, settings: Settings, user_id: str, wanted: ImageFilter) -> float:
    """What reading all posting lists of a query once costs, in full pages."""
    way = plan(wanted)
    units = 0.0
    for group in getattr(way, "groups", ()):
        for term in group:
            query: dict[str, Any] = {
                "TableName": settings.postings_table,
                "ConsistentRead": True,
                "KeyConditionExpression": "term_key = :term",
                "ExpressionAttributeValues": {":term": {"S": f"{user_id}#{term}"}},
                "ReturnConsumedCapacity": "TOTAL",
                "Limit": 100,
            }
            while True:
                answer: Any = factory.dynamodb().query(**query)
                units += answer["ConsumedCapacity"]["CapacityUnits"]
                if "LastEvaluatedKey" not in answer:
                    break
                query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
    return units


def write_table(costs: dict[str, dict[int, Cost]], lists_once: dict[str, float], in_memory: dict[int, Cost]) -> None:
    """docs/query-cost.md: a row for each shape, read units and requests for each size of the library."""
    sizes = list(in_memory)
    images = ", ".join(f"{size:,}" for size in sizes)
    lines = [
        "# What finding costs",
        "",
        "Read units (and requests) for one page of 10, measured by `.venv/bin/python -m benchmarks.query_cost` on",
        f"DynamoDB Local, for a user with {images} images. A row has about 500 bytes here.",
        "",
        f"| query | {' | '.join(f'{size:,}' for size in sizes)} | largest / smallest | both lists once |",
        "| --- |" + " --- |" * (len(sizes) + 2),
    ]
    for name, by_size in costs.items():
        cells = [f"{cost.read_units:g} ({cost.requests})" for cost in by_size.values()]
        ratio = by_size[sizes[-1]].read_units / by_size[sizes[0]].read_units
        once = f"{lists_once[name]:g}" if lists_once.get(name) else ""
        lines.append(f"| {name} | {' | '.join(cells)} | {ratio:.2f} | {once} |")
    cells = [f"{cost.read_units:g} ({cost.requests})" for cost in in_memory.values()]
    ratio = in_memory[sizes[-1]].read_units / in_memory[sizes[0]].read_units
    lines.append(
        f"| *any of them, by reading all rows and filtering in memory* | {' | '.join(cells)} | {ratio:.2f} | |"
    )
    lines += [
        "",
        "In the library of 1,000, lists of 5,000 are lists of 500. The longer two lists are, the more a join of them",
        "reads, at most both lists once (last column: in pages of 100, for the largest library). A substring has no",
        "index: the service reads up to 2,000 rows, in order of time, and returns what it found with a cursor.",
        "",
        "![Read units by size of the library](query-cost.png)",
        "",
    ]
    (DOCS / "query-cost.md").write_text("\n".join(lines))


def plot(costs: dict[str, dict[int, Cost]], in_memory: dict[int, Cost]) -> None:
    """docs/query-cost.png: read units by size of the library, both axes logarithmic."""
    mpl.use("Agg")
    figure, axes = plt.subplots(figsize=(9, 5.5))
    everything = {size: cost.read_units for size, cost in in_memory.items()}
    axes.loglog(list(everything), list(everything.values()), "k--", label="all rows, filtered in memory")
    for name, by_size in costs.items():
        axes.loglog(list(by_size), [cost.read_units for cost in by_size.values()], "o-", label=name)
    axes.set_xlabel("images of the user")
    axes.set_ylabel("read units of a page of 10")
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1))
    figure.savefig(DOCS / "query-cost.png", dpi=110, bbox_inches="tight")


@click.command()
@click.option("--sizes", default=",".join(map(str, SIZES)), help="Images of each user, separated by commas.")
def main(sizes: str) -> None:
    """Store the libraries, ask for each shape once, and write the table and the plot."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        raise click.UsageError("Set AWS_ENDPOINT_URL to an endpoint that counts read units.")
    name = f"bench-{uuid.uuid4().hex[:12]}"
    settings = Settings(
        stage="bench",
        secret_key=SecretStr("k" * 32),
        aws_endpoint_url=endpoint,
        s3_bucket=name,
        images_table=name,
        postings_table=f"{name}-postings",
        uploads_queue=name,
    )
    factory = AWSClientFactory(settings)
    list(provision(factory, settings))
    services = build_services(settings)
    costs: dict[str, dict[int, Cost]] = {shape.name: {} for shape in SHAPES}
    in_memory: dict[int, Cost] = {}
    lists_once: dict[str, float] = {}
    for size in map(int, sizes.split(",")):
        user_id = f"user-{size}"
        store(factory, settings, library(user_id, size), size)
        for shape in SHAPES:
            page = services.images.list(user_id, shape.wanted, limit=10)
            costs[shape.name][size] = Cost(page.cost.read_units, page.cost.requests, len(page.images))
            lists_once[shape.name] = posting_lists_cost(factory, settings, user_id, shape.wanted)
        in_memory[size] = in_memory_cost(factory, settings, user_id)
        for shape_name, by_size in costs.items():
            click.echo(f"{size:>7,} {shape_name:42} {by_size[size]}")
        click.echo(f"{size:>7,} {'in memory':42} {in_memory[size]}")
    write_table(costs, lists_once, in_memory)
    plot(costs, in_memory)


if __name__ == "__main__":
    main()
