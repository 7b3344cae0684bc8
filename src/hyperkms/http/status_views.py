"""The status as the body of an answer."""

from importlib.metadata import version

import msgspec

from hyperkms.http.schemas import AnswerBody
from hyperkms.mode import Mode
from hyperkms.operations.status import Status
from hyperkms.state.census import Standing
from hyperkms.wallet import iso_time


class NotReadyView(AnswerBody, frozen=True):
    """Why it cannot sign."""

    code: str
    error: str


class WalletCounts(AnswerBody, frozen=True):
    """Wallets that sign, and tombstones."""

    live: int
    retired: int


class PendingView(AnswerBody, frozen=True):
    """A version that waits for its activation."""

    wallet_id: str
    version: int
    created_at: str


class GraceView(AnswerBody, frozen=True):
    """A version that signs, for who names it, until `expiresAt`."""

    wallet_id: str
    version: int
    expires_at: str


class PendingVersions(AnswerBody, frozen=True):
    """`first` are at most 100, the oldest first."""

    count: int
    first: list[PendingView]


class GraceVersions(AnswerBody, frozen=True):
    """`first` are at most 100, those that end first."""

    count: int
    first: list[GraceView]


class ClientCounts(AnswerBody, frozen=True):
    """Clients in force; and revoked or expired ones."""

    active: int
    ended: int


class RecordView(AnswerBody, frozen=True):
    """The folder of the record; `newest` is the file that was begun last."""

    files: int
    bytes: int
    durability: str
    """fsync, or os: a signature leaves before its record is on the disk."""
    newest: str | None = None


class StatusAnswer(AnswerBody, frozen=True):
    """Whether it can sign, and what it holds; `notReady` says why not."""

    ready: bool
    not_ready: NotReadyView | None
    version: str
    mode: str
    service: str
    memory: str
    wallets: WalletCounts
    pending: PendingVersions
    in_grace: GraceVersions
    clients: ClientCounts
    last_sweep_at: str | None
    records: RecordView


def status_view(found: Status, mode: Mode) -> StatusAnswer:
    """The status as it is shown."""
    wallets, versions, clients = found.numbers.wallets, found.numbers.key_versions, found.numbers.clients
    wrong = found.why_not_ready
    return StatusAnswer(
        ready=wrong is None,
        not_ready=None if wrong is None else NotReadyView(code=wrong.code, error=wrong.message),
        version=version("hyperkms"),
        mode=mode.value,
        service=found.service,
        memory=found.memory,
        wallets=WalletCounts(live=wallets["live"], retired=wallets["retired"]),
        pending=PendingVersions(count=versions["pending"], first=[_pending(one) for one in found.pending]),
        in_grace=GraceVersions(count=versions["retiring"], first=[_in_grace(one) for one in found.in_grace]),
        clients=ClientCounts(active=clients["in-force"], ended=clients["expired"] + clients["revoked"]),
        last_sweep_at=None if found.last_sweep is None else iso_time(found.last_sweep),
        records=RecordView(
            files=found.records.files,
            bytes=found.records.size,
            newest=found.records.newest,
            durability=found.records.durability,
        ),
    )


def _pending(one: Standing) -> PendingView:
    return PendingView(wallet_id=one.wallet, version=one.version, created_at=iso_time(one.since))


def _in_grace(one: Standing) -> GraceView:
    return GraceView(wallet_id=one.wallet, version=one.version, expires_at=iso_time(one.expires_at or 0))


STATUS_BODIES: tuple[type[msgspec.Struct], ...] = (StatusAnswer,)
