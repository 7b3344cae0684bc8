"""What a data directory is for: a service, or a cosigner. It is settled when the directory is made, for ever."""

from hyperkms.errors import Refused
from hyperkms.mode import Kind
from hyperkms.state import facts
from hyperkms.state.database import Database

_FACT = "kind"


def kind_of(database: Database) -> Kind | None:
    """What it is; None of one that is being made. Of an older release, which knew no cosigners, it is a service's."""
    found = facts.read(database, _FACT)
    if found is None:
        return None if facts.read(database, "root_key_id") is None else Kind.SERVICE
    return Kind(found)


def require_kind(database: Database, wanted: Kind) -> None:
    """Settle it where it is being made; Refused for a directory of the other kind."""
    standing = kind_of(database) or Kind(facts.settle(database, _FACT, wanted.value))
    if standing is not wanted:
        words = f"this data directory belongs to a {standing.value}, and stays one for ever; this is for a"
        raise Refused("wrong-kind", f"{words} {wanted.value}: name another directory with --data")
