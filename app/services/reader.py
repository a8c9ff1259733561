"""Reading DynamoDB for one search, with its cost written down."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.models import Image, QueryCost
from app.services.aws import AWSClientFactory, translated
from app.services.dynamodb import batch_get
from app.services.plan import IndexSpan
from app.services.tables import Position, Term, from_item, index_key, row_key, term_key

_LARGEST_PAGE = 1000


class DynamoDBReader:
    """What `query.find` reads, for one user. Raises BackendUnavailable."""

    def __init__(self, factory: AWSClientFactory, images_table: str, postings_table: str, user_id: str) -> None:
        self._factory = factory
        self._images_table = images_table
        self._postings_table = postings_table
        self._user_id = user_id
        self.cost = QueryCost()

    def rows(self, span: IndexSpan, *, after: Position | None, page_size: int) -> Iterator[tuple[Position, Image]]:
        """As `Reader.rows`; each page is twice as large as the one before, for a search that goes on and on."""
        sort_key = span.index.sort_key
        start = index_key(span.index, self._user_id, *after) if after is not None else None
        for item in self._query(
            {
                "TableName": self._images_table,
                "IndexName": span.index.name,
                "KeyConditionExpression": f"user_id = :user AND {sort_key} BETWEEN :first AND :last",
                "ExpressionAttributeValues": {
                    ":user": {"S": self._user_id},
                    ":first": {"S": span.first},
                    ":last": {"S": span.last},
                },
                "ScanIndexForward": not span.descending,
                "Limit": page_size,
            },
            start,
        ):
            self.cost.rows_read += 1
            yield (item[sort_key]["S"], item["image_id"]["S"]), from_item(item)

    def postings(self, term: Term, first: str, last: str, *, descending: bool, limit: int) -> Sequence[str]:
        keys: list[str] = []
        for item in self._query(
            {
                "TableName": self._postings_table,
                # Consistent, so that a search misses nothing that was acknowledged.
                "ConsistentRead": True,
                "KeyConditionExpression": "term_key = :term AND image_key BETWEEN :first AND :last",
                "ExpressionAttributeValues": {
                    ":term": {"S": term_key(self._user_id, term)},
                    ":first": {"S": first},
                    ":last": {"S": last},
                },
                "ProjectionExpression": "image_key",
                "ScanIndexForward": not descending,
                "Limit": limit,
            },
            None,
        ):
            keys.append(item["image_key"]["S"])
            if len(keys) == limit:
                break
        self.cost.postings_read += len(keys)
        return keys

    def images(self, image_ids: Sequence[str], *, consistent: bool = False) -> Mapping[str, Image]:
        found: dict[str, Image] = {}
        keys = [row_key(image_id) for image_id in dict.fromkeys(image_ids)]  # DynamoDB takes none twice
        for items, capacities in batch_get(self._factory, self._images_table, keys, consistent=consistent):
            self._count(capacities)
            found |= {item["image_id"]["S"]: from_item(item) for item in items}
        self.cost.rows_read += len(found)
        return found

    def _query(self, query: dict[str, Any], start: Any) -> Iterator[Any]:
        while True:
            more = {"ExclusiveStartKey": start} if start else {}
            with translated("dynamodb"):
                answer = self._factory.dynamodb().query(**query, **more)
            self._count([answer["ConsumedCapacity"]] if "ConsumedCapacity" in answer else ())
            yield from answer["Items"]
            if not (start := answer.get("LastEvaluatedKey")):
                return
            query["Limit"] = min(query["Limit"] * 2, _LARGEST_PAGE)

    def _count(self, capacities: Sequence[Any]) -> None:
        self.cost.requests += 1
        self.cost.read_units += sum(capacity["CapacityUnits"] for capacity in capacities)
