"""The table of postings: which images of a user have a tag, a word or a digest."""

from collections.abc import Collection, Iterator
from typing import Any

from app.models import MAX_TAG_LENGTH
from app.services.aws import AWSClientFactory, translated
from app.services.dynamodb import batch_get, item_pages
from app.services.tables import (
    HIGHEST_CHARACTER,
    TAG_INDEX,
    Posting,
    from_posting_key,
    posting_item,
    posting_key,
)
from app.settings import Settings

_TAGS_PAGE = 25  # what fits into the 4 KB that cost no more than a single one


class PostingsTable:
    """Reads postings; they are written in the transactions of the rows that they belong to."""

    def __init__(self, factory: AWSClientFactory, settings: Settings) -> None:
        self._factory = factory
        self._table = settings.postings_table

    def puts(self, postings: Collection[Posting]) -> list[Any]:
        """The actions of a transaction that write them."""
        return [{"Put": {"TableName": self._table, "Item": posting_item(it)}} for it in sorted(postings)]

    def deletes(self, postings: Collection[Posting]) -> list[Any]:
        """The actions of a transaction that take them away."""
        return [{"Delete": {"TableName": self._table, "Key": posting_key(it)}} for it in sorted(postings)]

    def tags(self, user_id: str, *, prefix: str, limit: int) -> list[str]:
        """The user's tags that start with a prefix, in order, at most `limit`.

        The index holds each tag as often as there are images with it; behind each page it is
        leapt to the next tag, so that the cost is that of the tags alone.
        """
        if len(prefix) > MAX_TAG_LENGTH:
            return []  # no tag is as long, nor may a key be
        found: list[str] = []
        first = prefix or "\0"
        while len(found) < limit:
            with translated("dynamodb"):
                answer = self._factory.dynamodb().query(
                    TableName=self._table,
                    IndexName=TAG_INDEX,
                    KeyConditionExpression="user_id = :user AND tag BETWEEN :first AND :last",
                    ExpressionAttributeValues={
                        ":user": {"S": user_id},
                        ":first": {"S": first},
                        ":last": {"S": prefix + HIGHEST_CHARACTER},
                    },
                    Limit=_TAGS_PAGE,
                )
            found += dict.fromkeys(item["tag"]["S"] for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                break
            first = found[-1] + "\0"
        return found[:limit]

    def existing(self, postings: Collection[Posting]) -> frozenset[Posting]:
        """Those of the postings that are there, read consistently."""
        keys = [posting_key(posting) for posting in postings]
        return frozenset(
            from_posting_key(item)
            for items, _ in batch_get(self._factory, self._table, keys, consistent=True)
            for item in items
        )

    def scan(self, *, user_id: str | None = None) -> Iterator[list[Posting]]:
        """All postings, or those of a user, a page at a time. A user's cost as much as all."""
        query: dict[str, Any] = {"TableName": self._table, "ProjectionExpression": "term_key, image_key"}
        if user_id is not None:
            query |= {
                "FilterExpression": "begins_with(term_key, :user)",
                "ExpressionAttributeValues": {":user": {"S": f"{user_id}#"}},
            }
        for items in item_pages(self._factory, query):
            yield [from_posting_key(item) for item in items]
