"""The filters that CloudWatch is given find in the log of a running service what they are for."""

import json
from pathlib import Path

from support.aws import Aws
from support.aws_faults import spoiled
from support.filter_patterns import Pattern
from support.service import Answer, Service

TEMPLATE = json.loads((Path(__file__).parents[2] / "deploy" / "alarms" / "cloudwatch.json").read_text())
FILTERS = {
    name.removesuffix("Filter"): Pattern(made["Properties"]["FilterPattern"])
    for name, made in TEMPLATE["Resources"].items()
    if made["Type"] == "AWS::Logs::MetricFilter" and made["Properties"]["LogGroupName"] == {"Ref": "ServiceLogGroup"}
}


def counted(service: Service, *answers: Answer) -> list[set[str]]:
    """The alarms that count the line of each answer, once the service is stopped and has written all."""
    lines = {event.get("requestId"): event for event in map(json.loads, service.lines)}
    told = [lines[answer.headers["x-request-id"]] for answer in answers]
    return [{name for name, pattern in FILTERS.items() if pattern.matches(line)} for line in told]


def test_what_bots_do_wrong_and_right_is_counted_by_the_alarms_for_it(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", HYPERKMS_LIMIT_ADMINISTER="1/h") as service:
        service.generate("bytes")
        service.generate("bot", keyType="secp256k1")
        answers = (
            service.post("/wallets/sign", {"walletId": "bytes", "message": "hello"}),
            service.post("/hyperliquid/sign", {"walletId": "bot", "action": {"type": "noop"}}),
            service.get("/wallets", headers={"X-API-Key": "hk_of_nobody"}),
            service.post("/wallets/sign", {"walletId": "bytes", "message": ["hello"]}),
            service.get("/wallets/other/public-key"),
            [service.get("/clients") for _ in range(3)][-1],
            service.get("/health"),
        )
    assert [answer.status for answer in answers] == [200, 200, 401, 400, 404, 429, 200]
    assert counted(service, *answers) == [
        {"UnusualSigning"},
        {"UnusualSigning", "SlowOrders"},
        {"FailedAuthentication"},
        {"Refusals"},
        {"Refusals"},
        {"Limits"},
        set(),
    ]


def test_a_bad_day_at_aws_is_counted(emulated_aws: Aws, tmp_path: Path) -> None:
    prefix = f"{tmp_path.name}/"
    with spoiled(emulated_aws.url) as bad_day:
        settings = emulated_aws.settings(
            SECRETS_PREFIX=prefix,
            AWS_ENDPOINT_URL=bad_day.url,
            HYPERKMS_KEY_LEASE="strict",
            HYPERKMS_KEY_STORE="aws-secrets-manager:",
        )
        with Service.start(tmp_path / "data", **settings) as service:
            service.generate("bytes")
            service.generate("gone")
            emulated_aws.client("secretsmanager").delete_secret(
                SecretId=f"{prefix}hyperkms/gone/v1", ForceDeleteWithoutRecovery=True
            )
            missing = service.post("/wallets/sign", {"walletId": "gone", "message": "hello"})
            bad_day.spoil_all("disabled", "Decrypt")
            refused = service.post("/wallets/sign", {"walletId": "bytes", "message": "hello"})
    assert (missing.status, refused.status) == (500, 503), (missing.body, refused.body)
    assert counted(service, missing, refused) == [{"Tampered", "ServerErrors"}, {"CustodyWithdrawn", "ServerErrors"}]
