"""A cosigner whose record misses lines goes on, by the word of its operator, with nothing signed before remembered."""

import sqlalchemy as sa

from hyperkms.audit.record import GroupRecord
from hyperkms.cli.assemble_cosigner import LOCK, alone, opened_directory, standing_group
from hyperkms.cli.layout import RECORDS
from hyperkms.cli.operator import actor
from hyperkms.config import Config
from hyperkms.errors import NotFound
from hyperkms.state.peer_heads import Fence, PeerHeads
from hyperkms.threshold.cosigner.remembering import promised_lately


def fence(config: Config) -> Fence:
    """From here on the cosigner signs for no nonce that it could have signed for before; durable on return.

    Unavailable while it runs; NotFound where it is in no group.
    """
    with opened_directory(config, create=False) as directory, alone(config.data / LOCK):
        group = standing_group(config.data)
        if group is None:
            raise NotFound("group-not-found", "this cosigner knows no group yet, and has signed nothing")
        now = directory.parts.clock()
        newest = max((time for time, _ in promised_lately(config.data / RECORDS, now)), default=0)
        made = Fence(at=now, newest=newest)
        line = GroupRecord(
            time=now,
            client=actor().client,
            operation="fence-record",
            group=group.name,
            group_id="0x" + group.id.hex(),
            fingerprint=group.fingerprint,
            member=None,
        )

        def before_commit(_connection: sa.Connection) -> None:
            directory.parts.record.append(line).wait()

        PeerHeads(directory.parts.database).set_fence(made, before_commit)
        return made
