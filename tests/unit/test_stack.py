"""What a stack's changes are told to have come to, on a CloudFormation that goes on between any two questions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from app.deployment.stack import Stack, StackError

ARN = "arn:aws:cloudformation:us-east-1:000000000000:stack/images/1"


@dataclass
class CloudFormation:
    """A stack whose update begins some questions after it was asked for, and goes wrong."""

    begins_after: int
    asked: int | None = None
    """How many questions came since the update was asked for; None before."""
    events: list[dict[str, str]] = field(default_factory=lambda: [{"EventId": "old"}])

    def execute_change_set(self, **_: str) -> None:
        self.asked = 0

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        return {"Stacks": [{"StackName": "images", "StackStatus": self._now()}]}

    def describe_stack_events(self, **_: str) -> dict[str, Any]:
        self._now()
        return {"StackEvents": self.events[::-1]}

    def get_paginator(self, operation: str) -> "CloudFormation":
        self.operation = operation
        return self

    def paginate(self, **of: str) -> Iterator[Mapping[str, Any]]:
        if self.operation == "describe_events":
            raise ClientError({"Error": {"Code": "InvalidAction"}}, self.operation)
        yield self.describe_stack_events(**of)

    def _now(self) -> str:
        if self.asked is None:
            return "UPDATE_COMPLETE"
        self.asked += 1
        step = self.asked - self.begins_after
        steps = {
            1: ("images", "UPDATE_IN_PROGRESS"),
            2: ("Queue", "UPDATE_FAILED"),
            3: ("images", "UPDATE_ROLLBACK_IN_PROGRESS"),
            4: ("images", "UPDATE_ROLLBACK_COMPLETE"),
        }
        if step in steps:
            name, status = steps[step]
            event = {"LogicalResourceId": name, "ResourceStatus": status, "ResourceStatusReason": "no such thing"}
            self.events.append({"EventId": str(step), "ResourceType": "AWS::SQS::Queue", **event})
        if step < 1:
            return "UPDATE_COMPLETE"
        return "UPDATE_ROLLBACK_COMPLETE" if step > 3 else "UPDATE_IN_PROGRESS"


@pytest.mark.parametrize("begins_after", range(6))
def test_an_update_that_fails_is_never_taken_for_the_one_before_it(begins_after: int) -> None:
    client: Any = CloudFormation(begins_after)
    stack = Stack(client, "images", sleep=lambda _: None)
    with pytest.raises(StackError, match=r"UPDATE_ROLLBACK_COMPLETE\. Queue \(AWS::SQS::Queue\): no such thing"):
        list(stack.execute(ARN))


@dataclass
class Refusing:
    """Refuses any change set, and says why in events only."""

    sent: dict[str, Any] = field(default_factory=dict)
    discarded: bool = False

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        return {"Stacks": [{"StackName": "images", "StackStatus": "UPDATE_COMPLETE"}]}

    def create_change_set(self, **sent: Any) -> dict[str, str]:
        self.sent = sent
        return {"Id": ARN}

    def describe_change_set(self, **_: str) -> dict[str, str]:
        reason = "The following hook(s)/validation failed: [AWS::EarlyValidation::PropertyValidation]."
        return {"Status": "FAILED", "StatusReason": reason}

    def delete_change_set(self, **_: str) -> None:
        self.discarded = True

    def get_paginator(self, operation: str) -> "Refusing":
        assert operation == "describe_events"
        return self

    def paginate(self, **of: str) -> Iterator[Mapping[str, Any]]:
        assert of == {"ChangeSetName": ARN}
        assert not self.discarded
        refusal = {"EventType": "VALIDATION_ERROR", "OperationId": "1", "ResourceType": "AWS::S3::Bucket"}
        yield {"OperationEvents": [{"EventType": "STACK_EVENT", "OperationId": "1"}]}
        yield {
            "OperationEvents": [refusal | {"LogicalResourceId": "Bucket", "ValidationStatusReason": "it has no name"}]
        }


def test_a_change_that_is_refused_says_which_resource_and_why() -> None:
    client: Any = Refusing()
    stack = Stack(client, "images")
    with pytest.raises(StackError, match=r"Bucket \(AWS::S3::Bucket\): it has no name"):
        stack.propose("template", {})
    assert client.discarded


@pytest.mark.parametrize(("reverts", "mode"), [(True, "REVERT_DRIFT"), (False, None)])
def test_what_was_changed_beside_the_stack_is_reverted_on_demand_only(reverts: bool, mode: str | None) -> None:
    client: Any = Refusing()
    with pytest.raises(StackError):
        Stack(client, "images").propose("template", {}, reverts_drift=reverts)
    assert client.sent.get("DeploymentMode") == mode
