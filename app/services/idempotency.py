"""Requests that are carried out once, however often they are sent (header Idempotency-Key).

The first request with a key claims it: a row that names the image that the request will make. Whoever
repeats the request makes that same image and no other, so that nothing goes wrong when a request is
taken for dead and is not. When the image is made, its state goes into the claim; a repetition
gets that, whatever has become of the image since. docs/adr/0010-idempotency.md has the reasons.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from app.errors import BackendUnavailable, IdempotencyConflict, RequestInProgress, ServiceError
from app.models import Image
from app.services.attempts import Attempts
from app.services.aws import CONDITION_FAILED, AWSClientFactory, error_code, translated
from app.services.tables import TTL_ATTRIBUTE, Item, from_item, row_key, to_item
from app.settings import Settings
from app.times import Clock, rfc3339

log = logging.getLogger(__name__)

_REMEMBERED = timedelta(hours=24)
_LEASE = timedelta(seconds=10)
"""How long a request that does not come to its end keeps others with its key away."""
_MAX_LOOKS = 40  # at a request that is under way, in two seconds or so; most uploads need less


@dataclass(frozen=True, slots=True)
class _Claim:
    """One key of one user, claimed by this request."""

    row_id: str
    claimant: str
    image_id: str


class IdempotencyKeys:
    """Claims of keys, in the images' table, where DynamoDB forgets them after a day."""

    def __init__(
        self, factory: AWSClientFactory, settings: Settings, *, clock: Clock, new_id: Callable[[], str]
    ) -> None:
        self._factory = factory
        self._table = settings.images_table
        self._clock = clock
        self._new_id = new_id

    def once(self, user_id: str, key: str | None, request: bytes, create: Callable[[str], Image]) -> Image:
        """The image that `create` makes with the id that it is given, made once for this user and key.

        `request` tells requests apart. Without a key, the image is simply made. `create` may be
        called again with the id of an earlier call that failed, or that runs at the same time.
        Raises IdempotencyConflict, RequestInProgress, and what `create` does.
        """
        if key is None:
            return create(self._new_id())
        claim = self._claim(user_id, key, hashlib.sha256(request).hexdigest())
        if isinstance(claim, Image):
            return claim
        try:
            image = create(claim.image_id)
        except ServiceError as error:
            # DynamoDB, where it is what fails, would only let the client wait longer.
            if not (isinstance(error, BackendUnavailable) and error.store == "dynamodb" and not error.contended):
                self._write_down(claim, "leased_until = :value", {"S": rfc3339(self._clock())})
            raise
        self._write_down(claim, "image = :value", {"M": to_item(image)})
        return image

    def _claim(self, user_id: str, key: str, request: str) -> _Claim | Image:
        """The claim, or the image that an earlier request with the key has made."""
        now = self._clock()
        claim = _Claim(_row_id(user_id, key), claimant=self._new_id(), image_id=self._new_id())
        with translated("dynamodb"):
            try:
                self._factory.dynamodb().put_item(
                    TableName=self._table,
                    Item={
                        **row_key(claim.row_id),
                        "request": {"S": request},
                        "reserved_image_id": {"S": claim.image_id},
                        "claimant": {"S": claim.claimant},
                        "leased_until": {"S": rfc3339(now + _LEASE)},
                        "forgotten_at": {"S": rfc3339(now + _REMEMBERED)},
                        TTL_ATTRIBUTE: {"N": str(int((now + _REMEMBERED).timestamp()))},
                    },
                    # DynamoDB may take days to delete what is past its time.
                    ConditionExpression="attribute_not_exists(image_id) OR forgotten_at <= :now",
                    ExpressionAttributeValues={":now": {"S": rfc3339(now)}},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                found: Any = error.response.get("Item")
                if error_code(error) != CONDITION_FAILED or not found:
                    raise
                return self._join(claim, request, found)
        return claim

    def _join(self, claim: _Claim, request: str, found: Item) -> _Claim | Image:
        """What there is to do where the key is claimed already; waits a little for a request that is under way."""
        looks = Attempts(_MAX_LOOKS, at_last=RequestInProgress())
        while True:
            if found["request"]["S"] != request:
                raise IdempotencyConflict
            if "image" in found:
                return from_item(found["image"]["M"])
            earlier = _Claim(claim.row_id, found["claimant"]["S"], found["reserved_image_id"]["S"])
            if earlier.claimant == claim.claimant:  # botocore's retry of a write whose acknowledgement was lost
                return claim
            if found["leased_until"]["S"] <= rfc3339(self._clock()) and (mine := self._taken_over(claim, earlier)):
                return mine
            looks.pause()
            found = self._row(claim)

    def _row(self, claim: _Claim) -> Item:
        """Raises RequestInProgress where DynamoDB has deleted it just now."""
        with translated("dynamodb"):
            answer: Any = self._factory.dynamodb().get_item(
                TableName=self._table, Key=row_key(claim.row_id), ConsistentRead=True
            )
        if "Item" not in answer:
            raise RequestInProgress
        item: Item = answer["Item"]
        return item

    def _taken_over(self, claim: _Claim, earlier: _Claim) -> _Claim | None:
        """The claim of a request that died, or failed, for this one; None where others were quicker."""
        mine = _Claim(claim.row_id, claim.claimant, earlier.image_id)
        with translated("dynamodb"):
            try:
                self._factory.dynamodb().update_item(
                    TableName=self._table,
                    Key=row_key(mine.row_id),
                    UpdateExpression="SET claimant = :mine, leased_until = :until",
                    ConditionExpression="claimant IN (:earlier, :mine) AND attribute_not_exists(image)",
                    ExpressionAttributeValues={
                        ":mine": {"S": mine.claimant},
                        ":earlier": {"S": earlier.claimant},
                        ":until": {"S": rfc3339(self._clock() + _LEASE)},
                    },
                )
            except ClientError as error:
                if error_code(error) != CONDITION_FAILED:
                    raise
                return None
        return mine

    def _write_down(self, claim: _Claim, assignment: str, value: Any) -> None:
        """Note the end of a request. Without it, a repetition takes the claim over when its lease is over."""
        try:
            with translated("dynamodb"):
                self._factory.dynamodb().update_item(
                    TableName=self._table,
                    Key=row_key(claim.row_id),
                    UpdateExpression=f"SET {assignment}",
                    ConditionExpression="claimant = :claimant",
                    ExpressionAttributeValues={":value": value, ":claimant": {"S": claim.claimant}},
                )
        except ClientError as error:
            if error_code(error) != CONDITION_FAILED:  # somebody else has taken over: the end is theirs to note
                raise
        except BackendUnavailable as error:
            log.warning("end of a request not noted", extra={"store": error.store})


def _row_id(user_id: str, key: str) -> str:
    return "idempotency#" + hashlib.sha256(f"{user_id}\0{key}".encode()).hexdigest()
