"""The alarms are made of one list, and look at nothing that is not there."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hyperkms.metrics.catalogue import CODES, FAMILIES, STORED, Family, Kind
from hyperkms.metrics.routes import ROUTES
from support.aws import Aws
from support.filter_patterns import Pattern
from support.log_names import log_names

ROOT = Path(__file__).parents[2]
ALARMS = ROOT / "deploy" / "alarms"
TEMPLATE: Mapping[str, Any] = json.loads((ALARMS / "cloudwatch.json").read_text())
EXPRESSIONS = [
    json.loads(found) for found in re.findall(r"^ +expr: (.+)$", (ALARMS / "prometheus.yml").read_text(), re.MULTILINE)
]
PARAMETERS = {
    **dict.fromkeys(TEMPLATE["Parameters"], "hyperkms"),
    "Topic": "arn:aws:sns:eu-west-1:111122223333:look",
    "UrgentTopic": "arn:aws:sns:eu-west-1:111122223333:wake",
    "RootKey": "arn:aws:kms:eu-west-1:111122223333:key/1",
    "ServiceRole": "arn:aws:iam::111122223333:role/hyperkms",
    "SecretsPrefix": "desk/",
}
_SUFFIXES = {Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}


def _filled(value: Any) -> Any:
    """What CloudFormation makes of Ref and Fn::Sub."""
    if isinstance(value, list):
        return [_filled(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Ref"}:
        return PARAMETERS[value["Ref"]]
    if value.keys() == {"Fn::Sub"}:
        return re.sub(r"\$\{(\w+)\}", lambda name: PARAMETERS[name[1]], value["Fn::Sub"])
    return {name: _filled(each) for name, each in value.items()}


def _resources(kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, resource in TEMPLATE["Resources"].items():
        if resource["Type"] == kind:
            yield name, _filled(resource["Properties"])


def _family(name: str) -> Family:
    for family in FAMILIES:
        if name == family.name or name in [f"{family.name}{end}" for end in _SUFFIXES.get(family.kind, ())]:
            return family
    raise AssertionError(f"no metric {name}")


def test_the_committed_files_are_what_the_list_makes() -> None:
    words = [sys.executable, str(ROOT / "scripts" / "make_alarms.py"), "--check"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_and_label_of_an_expression_is_in_the_catalogue(expression: str) -> None:
    found = re.findall(r"(hyperkms_\w+)(?:\{([^}]*)\})?", expression)
    assert found or 'job="hyperkms"' in expression
    for name, matchers in found:
        family = _family(name)
        for label, sign, value in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', matchers):
            assert label in family.labels
            if family in STORED:
                place = family.labels.index(label)
                known = {series[place] for series in family.series}
                assert set(value.split("|") if "~" in sign else [value]) <= known, (name, label)
    grouped = re.findall(r"by \(([^)]*)\)", expression)
    labels = {label for name, _ in found for label in _family(name).labels}
    assert {word.strip() for group in grouped for word in group.split(",")} <= {*labels, "le"}


def test_histograms_are_asked_for_their_buckets_and_counters_for_their_increase() -> None:
    for expression in EXPRESSIONS:
        for name in re.findall(r"hyperkms_\w+", expression):
            if _family(name).kind is not Kind.GAUGE:
                assert re.search(rf"(rate|increase)\({name}(\{{[^}}]*\}})?\[\d+[mhd]\]", expression), expression


def test_filters_of_the_log_look_at_members_events_codes_and_routes_that_there_are() -> None:
    known = log_names()
    routes = {template for _, template in ROUTES}
    filters = _resources("AWS::Logs::MetricFilter")
    ours = [(name, made) for name, made in filters if "eventSource" not in made["FilterPattern"]]
    assert len(ours) > 10
    for name, made in ours:
        pattern = Pattern(made["FilterPattern"])
        assert {selector[2:] for selector in pattern.selectors} <= known.members, name
        assert pattern.texts.get("$.event", set()) <= known.events, name
        assert pattern.texts.get("$.code", set()) <= set(CODES), name
        assert pattern.texts.get("$.route", set()) <= routes, name
        value = made["MetricTransformations"][0]["MetricValue"]
        assert value == "1" or value[2:] in known.members


def test_every_pattern_is_read_and_no_longer_than_cloudwatch_takes() -> None:
    for name, made in _resources("AWS::Logs::MetricFilter"):
        assert Pattern(made["FilterPattern"]).selectors, name
        assert len(made["FilterPattern"]) <= 1024, name


CALLS: Mapping[str, tuple[Mapping[str, Any], set[str]]] = {
    "the service unwraps": ({"eventName": "Decrypt", "eventSource": "kms.amazonaws.com"}, {"UnusualDecrypts"}),
    "somebody's unwrapping is refused": (
        {"eventName": "Decrypt", "eventSource": "kms.amazonaws.com", "errorCode": "AccessDenied"},
        {"DecryptsRefused", "UnusualDecrypts"},
    ),
    "the key is disabled": ({"eventName": "DisableKey", "eventSource": "kms.amazonaws.com"}, {"RootKeyTouched"}),
    "the service reads a secret": (
        {
            "eventName": "GetSecretValue",
            "eventSource": "secretsmanager.amazonaws.com",
            "requestParameters": {"secretId": "desk/hyperkms/w1/v1"},
        },
        set(),
    ),
    "another role reads it by its ARN": (
        {
            "eventName": "GetSecretValue",
            "eventSource": "secretsmanager.amazonaws.com",
            "requestParameters": {"secretId": "arn:aws:secretsmanager:eu-west-1:1:secret:desk/hyperkms/w1/v1-AbCdEf"},
            "userIdentity": {"sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::111122223333:role/other"}}},
        },
        {"SealedKeysTouchedByAnother"},
    ),
    "a user without a role makes one there": (
        {
            "eventName": "CreateSecret",
            "eventSource": "secretsmanager.amazonaws.com",
            "requestParameters": {"name": "desk/hyperkms/w1/v2"},
            "userIdentity": {"type": "IAMUser"},
        },
        {"SealedKeysTouchedByAnother"},
    ),
    "another program's secret is read": (
        {
            "eventName": "GetSecretValue",
            "eventSource": "secretsmanager.amazonaws.com",
            "requestParameters": {"secretId": "web/password"},
            "userIdentity": {"type": "IAMUser"},
        },
        set(),
    ),
    "the role gets another policy": (
        {
            "eventName": "PutRolePolicy",
            "eventSource": "iam.amazonaws.com",
            "requestParameters": {"roleName": "hyperkms"},
        },
        {"RoleTouched"},
    ),
    "the role is looked at": (
        {"eventName": "GetRole", "eventSource": "iam.amazonaws.com", "requestParameters": {"roleName": "hyperkms"}},
        set(),
    ),
    "the trail is stopped": (
        {"eventName": "StopLogging", "eventSource": "cloudtrail.amazonaws.com"},
        {"TrailTouched"},
    ),
}


@pytest.mark.parametrize("case", CALLS)
def test_an_event_of_the_trail_raises_the_alarms_it_should(case: str) -> None:
    event, expected = CALLS[case]
    whole = {
        "resources": [{"ARN": PARAMETERS["RootKey"]}],
        "userIdentity": {"sessionContext": {"sessionIssuer": {"arn": PARAMETERS["ServiceRole"]}}},
        **event,
    }
    raised = {
        name.removesuffix("Filter")
        for name, made in _resources("AWS::Logs::MetricFilter")
        if "eventSource" in made["FilterPattern"] and Pattern(made["FilterPattern"]).matches(whole)
    }
    assert raised == expected


def test_cloudwatch_takes_every_filter_and_every_alarm(emulated_aws: Aws) -> None:
    logs, cloudwatch = emulated_aws.client("logs"), emulated_aws.client("cloudwatch")
    logs.create_log_group(logGroupName="hyperkms")
    filters = dict(_resources("AWS::Logs::MetricFilter"))
    for name, made in filters.items():
        change = {key[0].lower() + key[1:]: value for key, value in made["MetricTransformations"][0].items()}
        logs.put_metric_filter(
            logGroupName=made["LogGroupName"],
            filterName=name,
            filterPattern=made["FilterPattern"],
            metricTransformations=[change],
        )
    alarms = dict(_resources("AWS::CloudWatch::Alarm"))
    for made in alarms.values():
        cloudwatch.put_metric_alarm(**made)
    standing = {alarm["AlarmName"] for alarm in cloudwatch.describe_alarms(MaxRecords=100)["MetricAlarms"]}
    assert standing == {made["AlarmName"] for made in alarms.values()}
    assert {name.removesuffix("Filter") for name in filters} == {name.removesuffix("Alarm") for name in alarms} - {
        "NotReady"
    }
