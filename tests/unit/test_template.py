"""What deploy/template.yaml promises. That it is a valid template, `make check` sees to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import load

from app.deployment.stack import parameter_names
from app.entrypoints import lambda_handler
from app.entrypoints.environment import load_settings
from app.services.queue import MAX_RECEIVES
from app.services.tables import TTL_ATTRIBUTE, images_table, postings_table

PATH = Path(__file__).parents[2] / "deploy" / "template.yaml"
TEMPLATE: dict[str, Any] = load(str(PATH))
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
LAMBDA_PAYLOAD_BYTES = 6 * 1024 * 1024  # AWS Lambda Developer Guide, "Lambda quotas"


def of_type(kind: str) -> dict[str, Any]:
    return {name: resource for name, resource in RESOURCES.items() if resource["Type"] == kind}


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    for role, resource in of_type("AWS::IAM::Role").items():
        for policy in resource["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield role, statement


def test_the_command_knows_its_parameters() -> None:
    assert parameter_names(PATH.read_text()) == set(TEMPLATE["Parameters"])


@pytest.mark.parametrize(
    ("name", "expected"), [("ImagesTable", images_table("t")), ("PostingsTable", postings_table("t"))]
)
def test_the_tables_are_those_that_the_code_knows(name: str, expected: Any) -> None:
    properties = RESOURCES[name]["Properties"]
    assert {key: properties[key] for key in expected if key != "TableName"} == {
        key: value for key, value in expected.items() if key != "TableName"
    }


def test_rows_expire_and_can_be_had_back() -> None:
    expiry = {"AttributeName": TTL_ATTRIBUTE, "Enabled": True}
    assert RESOURCES["ImagesTable"]["Properties"]["TimeToLiveSpecification"] == expiry
    for table in of_type("AWS::DynamoDB::Table").values():
        assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_what_holds_data_stays_when_the_stack_goes() -> None:
    for resource in (of_type("AWS::DynamoDB::Table") | of_type("AWS::S3::Bucket")).values():
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_bucket_is_private_and_encrypted() -> None:
    bucket = RESOURCES["Bucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]


def test_no_role_has_a_wildcard() -> None:
    for role, statement in statements():
        assert statement["Effect"] == "Allow"
        for action in statement["Action"]:
            assert "*" not in action, role
        for resource in statement["Resource"]:
            assert isinstance(resource, dict), role  # made from the ARN of something in this template
            (made,) = resource.values()
            if isinstance(made, str):  # what Fn::Sub makes: the objects of one prefix, the indexes of one table
                assert made.count("*") <= 1, role
                assert "*" not in made.removesuffix("/*"), role
                assert "}/" in made, role


def test_each_function_has_a_role_and_a_log_of_its_own_that_is_not_kept_for_ever() -> None:
    functions = of_type("AWS::Lambda::Function")
    roles = [str(function["Properties"]["Role"]) for function in functions.values()]
    logs = [str(function["Properties"]["LoggingConfig"]["LogGroup"]) for function in functions.values()]
    assert len(functions) == len(set(roles)) == len(set(logs)) == 3
    for group in of_type("AWS::Logs::LogGroup").values():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogDays"}


def test_every_function_is_one_that_the_handlers_module_makes() -> None:
    for function in of_type("AWS::Lambda::Function").values():
        module, _, name = function["Properties"]["Handler"].rpartition(".")
        assert module == lambda_handler.__name__
        assert name in {"api", "s3_events", "sweep"}


def as_deployed(value: Any) -> str:
    """A variable's value where all parameters have their defaults; what AWS knows at deployment only is made up."""
    if isinstance(value, str):
        return value
    default: str = TEMPLATE["Parameters"].get(value.get("Ref"), {}).get("Default", "k" * 32)
    return default


def test_the_functions_variables_are_settings_and_fit_what_lambda_lets_through() -> None:
    for name, function in of_type("AWS::Lambda::Function").items():
        given = function["Properties"]["Environment"]["Variables"]
        settings = load_settings({key: as_deployed(value) for key, value in given.items()})
        assert set(given) <= {field.upper() for field in type(settings).model_fields}
        assert not settings.keeps_records
        if name == "ApiFunction":
            for limit in (settings.max_request_bytes, settings.max_response_bytes):
                assert limit is not None
                assert 0.9 * LAMBDA_PAYLOAD_BYTES < limit * 4 / 3 < LAMBDA_PAYLOAD_BYTES - 100_000


def test_only_what_signs_has_the_key() -> None:
    functions = of_type("AWS::Lambda::Function")
    having = {name for name, it in functions.items() if "SECRET_KEY" in it["Properties"]["Environment"]["Variables"]}
    assert having == {"ApiFunction"}


def test_messages_that_fail_come_again_alone_and_end_in_the_dead_letter_queue_with_an_alarm() -> None:
    source = RESOURCES["EventsSource"]["Properties"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    queue = RESOURCES["Queue"]["Properties"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == MAX_RECEIVES
    assert queue["VisibilityTimeout"] == 6 * RESOURCES["EventsFunction"]["Properties"]["Timeout"]
    assert any("DeadLetterQueue" in str(dimensions) for _, dimensions in alarms())


def test_failures_of_the_api_have_an_alarm() -> None:
    watched = [dimensions for metric, dimensions in alarms() if metric == "5XXError"]
    assert watched == [
        [
            {"Name": "ApiName", "Value": RESOURCES["Api"]["Properties"]["Name"]},
            {"Name": "Stage", "Value": RESOURCES["ApiStage"]["Properties"]["StageName"]},
        ]
    ]


def alarms() -> Iterator[tuple[str, Any]]:
    for alarm in of_type("AWS::CloudWatch::Alarm").values():
        properties = alarm["Properties"]
        yield properties["MetricName"], properties["Dimensions"]


def test_pages_of_other_origins_can_read_what_the_gateway_itself_refuses() -> None:
    for response in of_type("AWS::ApiGateway::GatewayResponse").values():
        headers = response["Properties"]["ResponseParameters"]
        assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'"


def test_a_new_deployment_follows_all_that_belongs_to_the_api() -> None:
    parts = of_type("AWS::ApiGateway::Method") | of_type("AWS::ApiGateway::GatewayResponse")
    (deployment,) = of_type("AWS::ApiGateway::Deployment").values()
    assert set(deployment["DependsOn"]) == set(parts)
