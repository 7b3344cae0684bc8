"""Every metric by name: what it counts and which labels it has. docs/metrics.md is made of this table.

The values of a label are fixed here or by another table of this release. None is the name of a wallet or a
client, an address or anything else that a caller sends.
"""

from dataclasses import dataclass
from enum import Enum
from itertools import product

from hyperkms.access.limits import What
from hyperkms.metrics.routes import GROUPS, OTHER, ROUTES
from hyperkms.problem_table import SITUATIONS
from hyperkms.wallet import KeyType, VersionState


class Kind(Enum):
    """As Prometheus calls them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, kw_only=True)
class Family:
    """One metric."""

    name: str
    kind: Kind
    words: str
    """One sentence for who reads the page."""
    labels: tuple[str, ...] = ()
    series: tuple[tuple[str, ...], ...] = ((),)
    """The values of the labels, of each series that is counted; a gauge is asked for, and has any of its own."""
    bounds: tuple[float, ...] = ()
    """The upper ends of a histogram's buckets, without the infinite one."""


STATUSES = ("2xx", "4xx", "5xx", OTHER)
OPERATIONS = ("sign-message", "sign-order", "sign-action", OTHER)
CODES = (*(problem.code for found in SITUATIONS if found.over_http for problem in found.problems), OTHER)
LIMITS = tuple(what.name.lower() for what in What)
POOLS = ("signing", "making")
LOCKS = ("memfd_secret", "mlock", "none")
OUTCOMES = ("done", "failed")
AWS_OPERATIONS = (
    ("kms", "DescribeKey"),
    ("kms", "GenerateDataKey"),
    ("kms", "Decrypt"),
    ("secretsmanager", "CreateSecret"),
    ("secretsmanager", "GetSecretValue"),
    ("secretsmanager", "DeleteSecret"),
)
NATIVE_OPERATIONS = (
    ("kms", "CreateKey"),
    ("kms", "GetPublicKey"),
    ("kms", "Sign"),
    ("kms", "DisableKey"),
    ("kms", "ScheduleKeyDeletion"),
    ("kms", "ListKeys"),
    ("kms", "ListResourceTags"),
)
"""Where wallets have keys in AWS KMS, beside those."""
AWS_OUTCOMES = ("ok", "refused", "failed")
STAGE_NAMES = ("parse", "access", "policy", "nonce", "sign", "record")
"""In their order."""

REQUESTS = Family(
    name="hyperkms_requests_total",
    kind=Kind.COUNTER,
    words="Requests that were answered, by route and class of status; every unknown route is other.",
    labels=("method", "route", "status"),
    series=tuple((*route, status) for route in (*ROUTES, (OTHER, OTHER)) for status in STATUSES),
)
DURATIONS = Family(
    name="hyperkms_request_duration_seconds",
    kind=Kind.HISTOGRAM,
    words="Time from the headers of a request to its answer, by group of routes.",
    labels=("group",),
    series=tuple((group,) for group in GROUPS),
    bounds=(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
)
STAGES = Family(
    name="hyperkms_sign_stage_seconds",
    kind=Kind.HISTOGRAM,
    words=(
        "Time of each stage of an action that was signed: parse (read it), access (wallet, key, market), policy "
        "(grants, rules, what counts over time), nonce, sign (hash and sign), record (until its line is durable)."
    ),
    labels=("stage",),
    series=tuple((stage,) for stage in STAGE_NAMES),
    bounds=(0.000005, 0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 1.0),
)
SIGNATURES = Family(
    name="hyperkms_signatures_total",
    kind=Kind.COUNTER,
    words="Signatures, each counted once its record was durable.",
    labels=("key_type", "operation"),
    series=tuple(product((kind.value for kind in KeyType), OPERATIONS)),
)
REFUSALS = Family(
    name="hyperkms_refusals_total",
    kind=Kind.COUNTER,
    words="Requests that were answered with a problem, by its code; docs/errors.md explains each.",
    labels=("code",),
    series=tuple((code,) for code in CODES),
)
FAILED_AUTHENTICATIONS = Family(
    name="hyperkms_failed_authentications_total",
    kind=Kind.COUNTER,
    words="Requests without an API key that is in force.",
)
LIMIT_REFUSALS = Family(
    name="hyperkms_limit_refusals_total",
    kind=Kind.COUNTER,
    words="Requests that went over a limit, by the limit.",
    labels=("limit",),
    series=tuple((limit,) for limit in LIMITS),
)
FALLBACKS = Family(
    name="hyperkms_signing_fallbacks_total",
    kind=Kind.COUNTER,
    words="Work of signing requests that had to wait, and so went from the event loop to a thread.",
)
GROUP_SIZES = Family(
    name="hyperkms_record_group_size",
    kind=Kind.HISTOGRAM,
    words="Records that were made durable together.",
    bounds=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
FSYNCS = Family(
    name="hyperkms_record_fsync_seconds",
    kind=Kind.HISTOGRAM,
    words="Time that the disk took to make a group of records durable.",
    bounds=(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
)
RECORD_FAILURES = Family(
    name="hyperkms_record_failures_total",
    kind=Kind.COUNTER,
    words="Records that could not be made durable; their signatures did not leave.",
)
ANCHOR_FAILURES = Family(
    name="hyperkms_anchor_failures_total",
    kind=Kind.COUNTER,
    words="Times that the anchor of the record (HYPERKMS_AUDIT_ANCHOR) could not be written; signing goes on.",
)
ROWS_ALTERED = Family(
    name="hyperkms_rows_altered_total",
    kind=Kind.COUNTER,
    words="Wallets, clients and policies whose rows in the database were found not to be what was signed.",
)
KEYS_OPENED = Family(
    name="hyperkms_keys_opened_total",
    kind=Kind.COUNTER,
    words="Sealed keys that were opened, each at its first use in a process.",
)
AWS_CALLS = Family(
    name="hyperkms_aws_calls_total",
    kind=Kind.COUNTER,
    words="Calls of AWS, by service, operation and outcome: ok, refused (AWS said no) or failed (away, busy, late).",
    labels=("service", "operation", "outcome"),
    series=tuple((*called, outcome) for called in (*AWS_OPERATIONS, *NATIVE_OPERATIONS) for outcome in AWS_OUTCOMES),
)
AWS_DURATIONS = Family(
    name="hyperkms_aws_call_seconds",
    kind=Kind.HISTOGRAM,
    words=(
        "Time that a call of AWS took, by the same labels. GenerateDataKey and Decrypt: each attempt; the others: with "
        "the attempts, at most three, that botocore made of it."
    ),
    labels=AWS_CALLS.labels,
    series=AWS_CALLS.series,
    bounds=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0),
)
SWEEPS = Family(
    name="hyperkms_sweeps_total",
    kind=Kind.COUNTER,
    words="Runs of the sweep, by outcome.",
    labels=("outcome",),
    series=tuple((outcome,) for outcome in OUTCOMES),
)
LOG_LINES_LOST = Family(
    name="hyperkms_log_lines_lost_total",
    kind=Kind.COUNTER,
    words="Lines of the log that standard output did not take in time; signing did not wait for it.",
)

STORED = (
    REQUESTS,
    DURATIONS,
    STAGES,
    SIGNATURES,
    REFUSALS,
    FAILED_AUTHENTICATIONS,
    LIMIT_REFUSALS,
    FALLBACKS,
    GROUP_SIZES,
    FSYNCS,
    RECORD_FAILURES,
    ANCHOR_FAILURES,
    ROWS_ALTERED,
    KEYS_OPENED,
    AWS_CALLS,
    AWS_DURATIONS,
    SWEEPS,
    LOG_LINES_LOST,
)
"""What is counted in the mapped file, over all processes of the host."""

LAST_SWEEP = Family(
    name="hyperkms_last_sweep_timestamp_seconds",
    kind=Kind.GAUGE,
    words="When the sweep last came to its end; absent before the first time.",
)
READY = Family(
    name="hyperkms_ready",
    kind=Kind.GAUGE,
    words="1 if the worker that was asked can sign, as /ready tells it, else 0.",
)
RECORD_EMERGENCY = Family(
    name="hyperkms_record_emergency",
    kind=Kind.GAUGE,
    words="1 while the disk of the record is full and the worker that was asked signs cancels at most, else 0.",
)
RECORD_EMERGENCY_BYTES = Family(
    name="hyperkms_record_emergency_bytes",
    kind=Kind.GAUGE,
    words="Space that is kept for cancels on a full disk, in pieces that no worker has begun.",
)
WALLETS = Family(
    name="hyperkms_wallets",
    kind=Kind.GAUGE,
    words="Wallets by state: live or retired.",
    labels=("state",),
)
KEY_VERSIONS = Family(
    name="hyperkms_key_versions",
    kind=Kind.GAUGE,
    words=f"Key versions by state: {', '.join(state.value for state in VersionState)}.",
    labels=("state",),
)
CLIENTS = Family(
    name="hyperkms_clients",
    kind=Kind.GAUGE,
    words="Clients by state: in-force, expired or revoked.",
    labels=("state",),
)
THREADS = Family(
    name="hyperkms_threads",
    kind=Kind.GAUGE,
    words="Threads that all workers have for work that may wait, by pool.",
    labels=("pool",),
)
THREADS_IN_USE = Family(
    name="hyperkms_threads_in_use",
    kind=Kind.GAUGE,
    words="Of these, those at work.",
    labels=("pool",),
)
THREADS_WAITED_FOR = Family(
    name="hyperkms_threads_waited_for",
    kind=Kind.GAUGE,
    words="Requests that wait for a thread, by pool.",
    labels=("pool",),
)
WORKERS = Family(
    name="hyperkms_workers",
    kind=Kind.GAUGE,
    words="Workers that run, by what protects the keys in their memory.",
    labels=("memory_protection",),
)
WORKERS_WANTED = Family(
    name="hyperkms_workers_wanted",
    kind=Kind.GAUGE,
    words="Workers that are to run; while fewer do, one died and could not be started again.",
)
WORKER_START = Family(
    name="hyperkms_worker_start_time_seconds",
    kind=Kind.GAUGE,
    words="When a worker started.",
    labels=("worker",),
)
WORKER_RSS = Family(
    name="hyperkms_worker_resident_memory_bytes",
    kind=Kind.GAUGE,
    words="Resident memory of a worker; absent where /proc does not show it.",
    labels=("worker",),
)
UPTIME = Family(
    name="hyperkms_uptime_seconds",
    kind=Kind.GAUGE,
    words="Time since the start of the worker that has run longest.",
)
BUILD = Family(
    name="hyperkms_build_info",
    kind=Kind.GAUGE,
    words="Always 1; the label has the release.",
    labels=("version",),
)

ASKED = (
    LAST_SWEEP,
    READY,
    RECORD_EMERGENCY,
    RECORD_EMERGENCY_BYTES,
    WALLETS,
    KEY_VERSIONS,
    CLIENTS,
    THREADS,
    THREADS_IN_USE,
    THREADS_WAITED_FOR,
    WORKERS,
    WORKERS_WANTED,
    WORKER_START,
    WORKER_RSS,
    UPTIME,
    BUILD,
)
"""What stands as it is when the page is made."""

FAMILIES = (*STORED, *ASKED)
