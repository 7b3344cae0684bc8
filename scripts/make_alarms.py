"""Make the alarms of Prometheus and CloudWatch, and the page about them, of the one list deploy/alarms/alarms.toml.

`make docs` runs it; with --check it only says which file is out of date.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from hyperkms.errors import Tampered
from hyperkms.problem_table import SITUATIONS

ROOT = Path(__file__).parents[1]
ALARMS = ROOT / "deploy" / "alarms"
LIST = ALARMS / "alarms.toml"
NAMESPACE = "hyperkms"
_MADE = "`make docs` makes this of deploy/alarms/alarms.toml; edit that instead."
_PAGE = f"""# Alarms

<!-- {_MADE} -->

[prometheus.yml](../deploy/alarms/prometheus.yml) is a file of rules for Prometheus over the page of
[metrics](metrics.md); [cloudwatch.json](../deploy/alarms/cloudwatch.json) is a template of CloudFormation over the log
of the service, CloudTrail and the load balancer ([aws.md](aws.md#alarms)). Both are made of one list,
[alarms.toml](../deploy/alarms/alarms.toml). Urgent ones are to wake somebody. The thresholds are a start: set them to
what your bots do.

| alarm | urgent | why | what to do | Prometheus | CloudWatch |
|---|---|---|---|---|---|
"""
_PARAMETERS = {
    "ServiceLogGroup": "The log group that has what the service writes to standard output.",
    "TrailLogGroup": "The log group to which CloudTrail delivers; empty: no alarm about the account.",
    "UrgentTopic": "ARN of the SNS topic that wakes somebody.",
    "Topic": "ARN of the SNS topic for the rest; it may be the same.",
    "LoadBalancer": "The load balancer as CloudWatch names it (net/NAME/ID); empty: no alarm about its targets.",
    "TargetGroup": "Its target group as CloudWatch names it (targetgroup/NAME/ID).",
    "RootKey": "ARN of the KMS key.",
    "ServiceRole": "ARN of the role of the service.",
    "ServiceRoleName": "The name of that role.",
    "SecretsPrefix": "SECRETS_PREFIX.",
}
_DEFAULTS = dict.fromkeys(("TrailLogGroup", "LoadBalancer", "RootKey", "ServiceRole", "ServiceRoleName"), "")
_DEFAULTS["TargetGroup"] = "none"
_DEFAULTS["SecretsPrefix"] = "hyperliquid/wallets/"
_NEEDED = {"log": None, "trail": "HasTrail", "balancer": "HasLoadBalancer"}
_LOG_GROUPS = {"log": "ServiceLogGroup", "trail": "TrailLogGroup"}

Resource = Mapping[str, Any]


class Counted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What CloudWatch counts for an alarm, and when that is too much."""

    source: Literal["log", "trail", "balancer"]
    minutes: int
    times: int = 1
    pattern: str = ""
    metric: str = ""
    value: str = "1"
    statistic: str = "Sum"
    over: float | None = None
    unusual: float | None = None


class Alarm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One alarm of the list."""

    name: str
    urgent: bool
    why: str
    do: str
    prometheus: str = ""
    held: str = "0s"
    cloudwatch: Counted | None = None
    without: str = ""


class _List(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alarm: list[Alarm]


def main() -> int:
    """Write the files; with --check only compare, and answer 1 if one differs."""
    alarms = read()
    made = {
        ALARMS / "prometheus.yml": prometheus(alarms),
        ALARMS / "cloudwatch.json": json.dumps(cloudwatch(alarms), indent=2) + "\n",
        ROOT / "docs" / "alarms.md": page(alarms),
    }
    stale = [path for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        if "--check" in sys.argv[1:]:
            sys.stderr.write(f"{path.relative_to(ROOT)} is not what the list of alarms makes: run `make docs`\n")
        else:
            path.write_text(made[path], "utf-8")
    return 1 if stale and "--check" in sys.argv[1:] else 0


def read() -> Sequence[Alarm]:
    """The list, with the codes that stand for changed bytes filled in."""
    problems = [problem for found in SITUATIONS if found.over_http for problem in found.problems]
    codes = "|".join(problem.code for problem in problems if issubclass(problem.family, Tampered))
    found = msgspec.toml.decode(LIST.read_bytes(), type=_List).alarm
    return [
        msgspec.structs.replace(alarm, prometheus=" ".join(alarm.prometheus.replace("$tampered", codes).split()))
        for alarm in found
    ]


def prometheus(alarms: Sequence[Alarm]) -> str:
    """A file of rules."""
    parts = [f"# {_MADE}\ngroups:\n  - name: hyperkms\n    rules:\n"]
    for alarm in alarms:
        if not alarm.prometheus:
            continue
        parts.append(f"      - alert: Hyperkms{alarm.name}\n        expr: {json.dumps(alarm.prometheus)}\n")
        if alarm.held != "0s":
            parts.append(f"        for: {alarm.held}\n")
        parts.append(f"        labels: {{severity: {'urgent' if alarm.urgent else 'ordinary'}}}\n")
        parts.append(f"        annotations:\n          summary: {json.dumps(alarm.why)}\n")
        parts.append(f"          description: {json.dumps(alarm.do)}\n")
    return "".join(parts)


def cloudwatch(alarms: Sequence[Alarm]) -> Mapping[str, Any]:
    """A CloudFormation template: a filter of a log group for what is counted there, and an alarm for each."""
    resources: dict[str, Resource] = {}
    for alarm in alarms:
        if alarm.cloudwatch is not None:
            resources.update(_resources(alarm, alarm.cloudwatch))
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Alarms of hyperkms. {_MADE}",
        "Parameters": {
            name: {"Type": "String", "Description": words, **_default(name)} for name, words in _PARAMETERS.items()
        },
        "Conditions": {
            "HasTrail": {"Fn::Not": [{"Fn::Equals": [{"Ref": "TrailLogGroup"}, ""]}]},
            "HasLoadBalancer": {"Fn::Not": [{"Fn::Equals": [{"Ref": "LoadBalancer"}, ""]}]},
        },
        "Resources": resources,
    }


def page(alarms: Sequence[Alarm]) -> str:
    """docs/alarms.md: what each one means and what to do."""
    parts = [_PAGE]
    for alarm in alarms:
        watched = "-" if alarm.cloudwatch is None else alarm.cloudwatch.source
        seen = "yes" if alarm.prometheus else "-"
        note = f" {alarm.without}" if alarm.without else ""
        urgent = "yes" if alarm.urgent else "no"
        parts.append(f"| {alarm.name} | {urgent} | {alarm.why} | {alarm.do}{note} | {seen} | {watched} |\n")
    return "".join(parts)


def _default(name: str) -> Mapping[str, str]:
    return {"Default": _DEFAULTS[name]} if name in _DEFAULTS else {}


def _resources(alarm: Alarm, counted: Counted) -> Iterator[tuple[str, Resource]]:
    needed = _NEEDED[counted.source]
    condition = {"Condition": needed} if needed else {}
    if counted.source in _LOG_GROUPS:
        yield (
            f"{alarm.name}Filter",
            {"Type": "AWS::Logs::MetricFilter", **condition, "Properties": _filter(alarm, counted)},
        )
    measured = _unusual(alarm, counted) if counted.unusual is not None else _above(alarm, counted)
    properties = {
        "AlarmName": f"hyperkms-{alarm.name}",
        "AlarmDescription": f"{alarm.why} {alarm.do}",
        "AlarmActions": [{"Ref": "UrgentTopic" if alarm.urgent else "Topic"}],
        "EvaluationPeriods": counted.times,
        "TreatMissingData": "breaching" if counted.source == "balancer" else "notBreaching",
        **measured,
    }
    yield f"{alarm.name}Alarm", {"Type": "AWS::CloudWatch::Alarm", **condition, "Properties": properties}


def _filter(alarm: Alarm, counted: Counted) -> Resource:
    has_names = re.search(r"\$\{\w+\}", counted.pattern)
    counts = counted.value == "1"
    change = {
        "MetricNamespace": NAMESPACE,
        "MetricName": alarm.name,
        "MetricValue": counted.value,
        **({"DefaultValue": 0} if counts else {}),
    }
    return {
        "LogGroupName": {"Ref": _LOG_GROUPS[counted.source]},
        "FilterPattern": {"Fn::Sub": counted.pattern} if has_names else counted.pattern,
        "MetricTransformations": [change],
    }


def _metric(alarm: Alarm, counted: Counted) -> Resource:
    if counted.source != "balancer":
        return {"Namespace": NAMESPACE, "MetricName": alarm.name}
    dimensions = [{"Name": name, "Value": {"Ref": name}} for name in ("LoadBalancer", "TargetGroup")]
    return {"Namespace": "AWS/NetworkELB", "MetricName": counted.metric, "Dimensions": dimensions}


def _above(alarm: Alarm, counted: Counted) -> Resource:
    statistic = "Maximum" if counted.source == "balancer" else counted.statistic
    key = "ExtendedStatistic" if statistic.startswith("p") else "Statistic"
    return {
        **_metric(alarm, counted),
        key: statistic,
        "Period": counted.minutes * 60,
        "Threshold": counted.over,
        "ComparisonOperator": "GreaterThanThreshold",
    }


def _unusual(alarm: Alarm, counted: Counted) -> Resource:
    measured = {"Metric": _metric(alarm, counted), "Period": counted.minutes * 60, "Stat": counted.statistic}
    return {
        "Metrics": [
            {"Id": "counted", "MetricStat": measured, "ReturnData": True},
            {"Id": "usual", "Expression": f"ANOMALY_DETECTION_BAND(counted, {counted.unusual:g})", "ReturnData": True},
        ],
        "ThresholdMetricId": "usual",
        "ComparisonOperator": "GreaterThanUpperThreshold",
    }


if __name__ == "__main__":
    sys.exit(main())
