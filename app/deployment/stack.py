"""A CloudFormation stack: changed by change sets, watched while it changes, taken up wherever it was left."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import (
        DescribeEventsOutputTypeDef,
        OperationEventTypeDef,
        ParameterTypeDef,
        StackEventTypeDef,
        StackTypeDef,
    )

_NO_CHANGE = ("didn't contain changes", "No updates are to be performed")
# AWS CloudFormation User Guide, "Understand CloudFormation stack creation events", and the stack status codes.
_NEVER_CREATED = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"})
_GOOD_ENDS = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "DELETE_COMPLETE"})


class StackError(Exception):
    """A stack did not get to where it should; the text names the resource and says why."""


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What would be changed: a line for each resource."""

    arn: str
    changes: tuple[str, ...]


def with_literal_names(template: str, *, stack_name: str, account: str, region: str) -> str:
    """The template with the names of its bucket and tables written out.

    Only so CloudFormation sees that they exist already, and takes them up instead of failing
    (CloudFormation User Guide, "Import AWS resources into a CloudFormation stack automatically").
    """
    values = {"AWS::StackName": stack_name, "AWS::AccountId": account, "AWS::Region": region}

    def literal(name: re.Match[str]) -> str:
        return name[1] + re.sub(r"\$\{([^}]+)\}", lambda variable: values[variable[1]], name[2])

    return re.sub(r'^( +(?:BucketName|TableName): )!Sub "([^"]+)"$', literal, template, flags=re.MULTILINE)


def parameter_names(template: str) -> frozenset[str]:
    """The names of a template's parameters. By its indentation: nothing that is installed reads YAML."""
    section = re.search(r"^Parameters:\n(.*?)^(?=\w)", template, re.MULTILINE | re.DOTALL)
    return frozenset(re.findall(r"^  (\w+):", section[1], re.MULTILINE)) if section else frozenset()


class Stack:
    """One stack, by its name. Methods that take time yield lines about what happens meanwhile."""

    def __init__(
        self,
        client: "CloudFormationClient",
        name: str,
        *,
        is_emulated: bool = False,
        sleep: Callable[[float], object] = time.sleep,  # so that its tests need not wait
    ) -> None:
        self._client = client
        self.name = name
        self._sleep = sleep
        self._poll_seconds = 0.2 if is_emulated else 2
        # ministack 1.5.33 refuses, before it begins, a bucket that exists, also where the change set takes it up.
        self._disable_validation = is_emulated

    def status(self) -> str | None:
        """Its status, or None where there is no such stack."""
        found = self._describe(self.name)
        return found["StackStatus"] if found else None

    def outputs(self) -> dict[str, str]:
        found = self._describe(self.name)
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())} if found else {}

    def parameters(self) -> dict[str, str]:
        """The parameters that it was last deployed with, by name; none where it was not."""
        found = self._describe(self.name)
        given = found.get("Parameters", ()) if found else ()
        return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in given}

    def make_ready(self) -> Iterator[str]:
        """Wait for what is under way, and clear away what an earlier failure left. Raises StackError."""
        while (status := self.status()) is not None and status.endswith("_IN_PROGRESS"):
            if status == "REVIEW_IN_PROGRESS":  # only a change set was made
                return
            yield f"{self.name} is {status}; waiting for it to finish"
            self._pause()
        if status in _NEVER_CREATED:
            yield f"{self.name} is {status}; deleting it to start over"
            yield from self.delete()
        elif status == "UPDATE_ROLLBACK_FAILED":
            yield f"{self.name} is {status}; continuing the rollback"
            after = self._newest_event()
            self._client.continue_update_rollback(StackName=self.name)
            yield from self._watch(self.name, after, good={"UPDATE_ROLLBACK_COMPLETE"})

    def propose(
        self, template: str | None, parameters: Mapping[str, str], *, reverts_drift: bool = False
    ) -> ChangeSet | None:
        """Ask what would change; None where nothing would.

        Without a template it stays the one deployed last, and parameters that are not given here keep their values.
        Tables and the bucket that an earlier stack of this name has left are taken up again. What differs from the
        template deployed last is seen only with `reverts_drift` (CloudFormation User Guide, "Using drift-aware change
        sets"). Raises StackError.
        """
        exists = self.status() not in {None, "REVIEW_IN_PROGRESS"}
        given: list[ParameterTypeDef] = [
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ]
        if exists:
            known = None if template is None else parameter_names(template)
            given += [
                {"ParameterKey": name, "UsePreviousValue": True}
                for name in self.parameters()
                if name not in parameters and (known is None or name in known)
            ]
        body: dict[str, Any] = {"UsePreviousTemplate": True} if template is None else {"TemplateBody": template}
        if reverts_drift:
            if not exists:
                raise StackError(f"{self.name} is not there yet, so nothing of it can have drifted.")
            body["DeploymentMode"] = "REVERT_DRIFT"
        made = self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"deploy-{time.time_ns()}",
            ChangeSetType="UPDATE" if exists else "CREATE",
            Parameters=given,
            Capabilities=["CAPABILITY_IAM"],  # the template makes roles
            ImportExistingResources=template is not None,
            DisableValidation=self._disable_validation,
            **body,
        )["Id"]
        while True:
            found = self._client.describe_change_set(ChangeSetName=made, StackName=self.name)
            if found["Status"] == "CREATE_COMPLETE":
                return ChangeSet(made, tuple(self._lines_of(made)))
            if found["Status"] == "FAILED":
                reason = found.get("StatusReason", "")
                is_change = not any(words in reason for words in _NO_CHANGE)
                told = self._client.get_paginator("describe_events")
                refusals = list(self._refusals(told.paginate(ChangeSetName=made))) if is_change else []
                self.discard(made)
                if not is_change:
                    return None
                raise StackError(f"CloudFormation rejected the change: {'; '.join(refusals) or reason}")
            self._pause()

    def discard(self, change_set: str) -> None:
        """Drop a change set, and the stack where there is nothing of it yet but that."""
        self._client.delete_change_set(ChangeSetName=change_set, StackName=self.name)
        if self.status() == "REVIEW_IN_PROGRESS":
            self._client.delete_stack(StackName=self.name)

    def execute(self, change_set: str) -> Iterator[str]:
        """Carry a change set out. Raises StackError, with the first resource that failed and its reason."""
        after = self._newest_event()
        self._client.execute_change_set(ChangeSetName=change_set, StackName=self.name)
        yield from self._watch(self.name, after, good=_GOOD_ENDS)

    def delete(self) -> Iterator[str]:
        """Delete it, if it is there; the template says what of it stays. Raises StackError."""
        found = self._describe(self.name)
        if found is None:
            return
        after = self._newest_event()
        self._client.delete_stack(StackName=self.name)
        # By its id, because the name is nobody's once it is gone.
        yield from self._watch(found["StackId"], after, good={"DELETE_COMPLETE"})

    def _pause(self) -> None:
        """Between two looks at it. botocore's waiters wait in silence, and cannot tell what failed and why."""
        self._sleep(self._poll_seconds)

    def _describe(self, name: str) -> "StackTypeDef | None":
        try:
            found = self._client.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return None
        return None if found["StackStatus"] == "DELETE_COMPLETE" and name == self.name else found

    def _lines_of(self, change_set: str) -> Iterator[str]:
        pages = self._client.get_paginator("describe_change_set")
        for page in pages.paginate(ChangeSetName=change_set, StackName=self.name):
            for change in page.get("Changes", ()):
                of = change.get("ResourceChange", {})
                replaced = " (replaced)" if of.get("Replacement") == "True" else ""
                yield f"{of.get('Action')} {of.get('ResourceType')} {of.get('LogicalResourceId')}{replaced}"

    def _newest_event(self) -> str | None:
        try:
            events = self._client.describe_stack_events(StackName=self.name)["StackEvents"]
        except ClientError:
            return None
        return events[0]["EventId"] if events else None

    def _watch(self, stack: str, after: str | None, *, good: set[str] | frozenset[str]) -> Iterator[str]:
        """Follow a stack to the end of what it does, which began behind an event."""
        failure: str | None = None
        begun = ended = False
        while True:
            for event in self._events(stack, after):
                begun, after = True, event["EventId"]
                if self._is_news(event):
                    yield _line_of(event)
                if event.get("ResourceStatus", "").endswith("_FAILED"):
                    failure = failure or _failure_of(event)
            if ended:
                break
            # Only now, or it could be the end of the last change; and then the events once more, for those between.
            found = self._describe(stack)
            status = found["StackStatus"] if found else "DELETE_COMPLETE"
            ended = status == "DELETE_COMPLETE" or (begun and not status.endswith("_IN_PROGRESS"))
            if not ended:
                self._pause()
        if status not in good:
            told = self._client.get_paginator("describe_events")
            failure = "; ".join(self._refusals(told.paginate(StackName=stack))) or failure
            raise StackError(f"{self.name} is {status}. {failure or (found and found.get('StackStatusReason')) or ''}")

    def _is_news(self, event: "StackEventTypeDef") -> bool:
        """Each resource tells that it begins and that it ends, which would be twice as many lines as matter."""
        begins = event.get("ResourceStatus", "").endswith("_IN_PROGRESS")
        return not begins or event.get("LogicalResourceId") == self.name

    def _refusals(self, pages: "Iterable[DescribeEventsOutputTypeDef]") -> Iterator[str]:
        """What CloudFormation found wrong before it began; a status or an event only says that there was something.

        CloudFormation User Guide, "Validate stack deployments".
        """
        events: list[OperationEventTypeDef] = []
        try:
            for page in pages:
                events += page.get("OperationEvents", ())
        except ClientError:  # an emulator does not know such events
            return
        operation = events[0].get("OperationId") if events else None
        for event in events:
            if event.get("EventType") == "VALIDATION_ERROR" and event.get("OperationId") == operation:
                named, kind = event.get("LogicalResourceId"), event.get("ResourceType")
                yield f"{named} ({kind}): {event.get('ValidationStatusReason')}"

    def _events(self, stack: str, after: str | None) -> "list[StackEventTypeDef]":
        """The events behind one, oldest first."""
        fresh: list[StackEventTypeDef] = []
        try:
            for page in self._client.get_paginator("describe_stack_events").paginate(StackName=stack):
                for event in page["StackEvents"]:
                    if event["EventId"] == after:
                        return fresh[::-1]
                    fresh.append(event)
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
        return fresh[::-1]


def _line_of(event: "StackEventTypeDef") -> str:
    line = f"{event.get('ResourceStatus')} {event.get('LogicalResourceId')}"
    is_failure = event.get("ResourceStatus", "").endswith("_FAILED")
    return f"{line}: {event.get('ResourceStatusReason')}" if is_failure else line


def _failure_of(event: "StackEventTypeDef") -> str:
    return f"{event.get('LogicalResourceId')} ({event.get('ResourceType')}): {event.get('ResourceStatusReason')}"
