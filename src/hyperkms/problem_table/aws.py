"""AWS is away, or says no."""

from hyperkms.errors import Refused, Unavailable, Withdrawn
from hyperkms.problem_table.entry import Problem, Retry, Situation

_LEASES = (
    "Keys that were opened sign on until their lease (HYPERKMS_KEY_LEASE) ends; after it nothing is signed with them"
)

AWS = Situation(
    title="AWS is away, or says no",
    words=(
        "Only where HYPERKMS_ROOT_KEY or HYPERKMS_KEY_STORE is one of AWS. Nothing was signed. No answer repeats AWS's "
        "own words, which name roles and resources: CloudTrail has them."
    ),
    shown_by='curl -i "$URL/ready"; hyperkms doctor --aws --data DIR',
    problems=(
        Problem(
            code="kms-unreachable",
            family=Unavailable,
            title="AWS KMS does not answer",
            cause=f"There was no whole answer in time: the network, a proxy, DNS, TLS or KMS itself. {_LEASES}.",
            next_step="Look at the way to the endpoint of KMS; the answer says how far a connection came.",
            retry=Retry.YES,
        ),
        Problem(
            code="kms-unavailable",
            family=Unavailable,
            title="AWS KMS cannot do it now",
            cause=f"KMS answered that it is busy, throttles this account or has a fault, three times. {_LEASES}.",
            next_step="Wait; look at the quotas of KMS if it is a throttle, and at a longer lease.",
            retry=Retry.YES,
        ),
        Problem(
            code="kms-answer-malformed",
            family=Unavailable,
            title="What answers is not AWS KMS",
            cause="The answer is not one of KMS, was cut off, or has a data key of another length.",
            next_step="Look at AWS_ENDPOINT_URL and at the proxies on the way: something else answers.",
            retry=Retry.YES,
        ),
        Problem(
            code="kms-access-denied",
            family=Withdrawn,
            title="A right on the KMS key is missing",
            cause="The credentials of this service lack the right that `right` names, or the key's policy refuses it.",
            next_step="Give the role that right, with the conditions of the policies in docs/aws.md.",
        ),
        Problem(
            code="kms-key-not-found",
            family=Withdrawn,
            title="There is no such KMS key",
            cause=(
                "The key of HYPERKMS_ROOT_KEY (or AWS_KMS_KEY_ID), or of a kms-native wallet, is not in this region "
                "and account, or was deleted."
            ),
            next_step="Compare region, account and key. A deleted KMS key cannot be had back, nor what it sealed.",
        ),
        Problem(
            code="kms-key-disabled",
            family=Withdrawn,
            title="The KMS key is disabled",
            cause=(
                "Somebody disabled the key or scheduled it for deletion: the root key, whose opened keys end with "
                "their leases, or the key of a kms-native wallet, which signs nothing more."
            ),
            next_step="Find out who, in CloudTrail; cancel the deletion and enable the key. Then it goes on by itself.",
        ),
        Problem(
            code="secrets-unavailable",
            family=Unavailable,
            title="AWS Secrets Manager does not answer",
            cause="Sealed keys are there, and it was away or busy. Keys that are opened already go on signing.",
            next_step="Ask again; what a cut-off call had stored is found by the next one that asks for the same.",
            retry=Retry.YES,
        ),
        Problem(
            code="secrets-answer-malformed",
            family=Unavailable,
            title="What answers is not AWS Secrets Manager",
            cause="The answer is not one of Secrets Manager, or was cut off.",
            next_step="Ask again. If it stays, look at AWS_ENDPOINT_URL and at the proxies on the way.",
            retry=Retry.YES,
        ),
        Problem(
            code="secrets-access-denied",
            family=Withdrawn,
            title="A right on the secrets is missing",
            cause="The credentials of this service lack the right that `right` names on the secrets of its prefix.",
            next_step="Give the role that right on `SECRETS_PREFIX*`.",
        ),
        Problem(
            code="aws-credentials",
            family=Unavailable,
            title="AWS credentials are missing or not accepted",
            cause="The default chain found none, they have expired, or this machine's clock is wrong.",
            next_step="Look at the role of the machine or task, at AWS_PROFILE and at the clock.",
            retry=Retry.YES,
        ),
        Problem(
            code="aws-not-installed",
            family=Unavailable,
            title="The packages for AWS are not installed",
            cause="The settings name AWS, and boto3 is not there.",
            next_step="Install the package with its extra: `pip install hyperkms[aws]`.",
        ),
        Problem(
            code="aws-endpoint-refused",
            family=Refused,
            title="An AWS endpoint is not https",
            cause="AWS_ENDPOINT_URL is http to another machine, which would show what is sent on the way.",
            next_step="Use https; http is for an emulator on this machine.",
        ),
        Problem(
            code="kms-endpoint-refused",
            family=Refused,
            title="AWS KMS would be spoken to in the clear",
            cause="The endpoint of KMS is http to another machine: its answers bear data keys.",
            next_step="Use https; http is for an emulator on this machine.",
        ),
        Problem(
            code="kms-key-unfit",
            family=Refused,
            title="The KMS key is of another kind",
            cause="A root key is a symmetric key for encryption (SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT).",
            next_step="Make one of that kind, and name it in HYPERKMS_ROOT_KEY.",
        ),
    ),
)
