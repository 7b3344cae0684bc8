"""Which PostgreSQL database it is: told as far as the server tells, and what counts as a promotion."""

from pathlib import Path

import psycopg
import pytest

from hyperkms.errors import Unavailable
from hyperkms.state import facts
from hyperkms.state.database import Database, open_database
from hyperkms.state.frozen import frozen
from hyperkms.state.incarnation import FACT, UNKNOWN, Incarnation, settle_incarnation
from hyperkms.state.postgresql import accept_promotion, incarnation_of
from support.postgres import postgres

HERE = Incarnation(system="7", timeline="2", oid="16384")


@pytest.mark.parametrize(
    ("before", "is_promoted"),
    [
        (HERE, False),
        (Incarnation(system="7", timeline="1", oid="16384"), True),
        (Incarnation(system="7", timeline="3", oid="16384"), False),
        (Incarnation(system="7", timeline="10", oid="16384"), False),
        (Incarnation(system="8", timeline="1", oid="16384"), False),
        (Incarnation(system="7", timeline="1", oid="16385"), False),
        (Incarnation(system=UNKNOWN, timeline="1", oid="16384"), False),
        (Incarnation(system="7", timeline=UNKNOWN, oid="16384"), False),
    ],
    ids=str,
)
def test_a_promotion_is_a_later_timeline_of_the_same_database(before: Incarnation, is_promoted: bool) -> None:  # noqa: FBT001 (pytest passes it)
    assert HERE.is_promoted(before) is is_promoted
    assert Incarnation.parse(str(before)) == before


def test_what_is_not_known_is_no_promotion() -> None:
    unknown = Incarnation(system=UNKNOWN, timeline=UNKNOWN, oid="16384")
    assert not unknown.is_promoted(unknown)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(postgres().migrated(f"i{abs(hash(tmp_path)) % 10**12}"))


@pytest.mark.parametrize("accepts", [False, True])
@pytest.mark.parametrize("known", [None, "7 2 16384", "7 1 16384", "8 1 16384"])
def test_a_start_freezes_what_is_not_the_database_of_before(
    database: Database,
    known: str | None,
    accepts: bool,  # noqa: FBT001 (pytest passes it)
) -> None:
    if known is not None:
        facts.settle(database, FACT, known)
    accepted = settle_incarnation(database, HERE, now=5, accepts_promotion=accepts)
    assert accepted is (accepts and known == "7 1 16384")
    why = frozen(database)
    assert (why is not None) is (known not in (None, str(HERE)) and not accepted)
    if why is not None:
        assert (why.was, why.restored_at, why.backup) == (known, 5, None)
    assert facts.read(database, FACT) == str(HERE)
    assert not settle_incarnation(database, HERE, now=6, accepts_promotion=accepts), "it is known now"
    assert frozen(database) == why
    database.close()


def test_a_process_refuses_another_database_under_its_address(database: Database) -> None:
    here = incarnation_of(database)
    assert here is not None
    dialect = database.dialect
    later = Incarnation(system=here.system, timeline=str(int(here.timeline) - 1), oid=here.oid)
    dialect.incarnation = later  # type: ignore[attr-defined]  # as if this process had begun before a promotion
    database._engine.dispose()  # noqa: SLF001 (its connections have ended with the server)
    with pytest.raises(Unavailable, match="moved or promoted"), database.read():
        pass
    accept_promotion(database)
    with database.read():
        assert incarnation_of(database) == here
    database.close()


@pytest.mark.parametrize("withheld", [("pg_walfile_name(pg_lsn)",), ("pg_walfile_name(pg_lsn)", "pg_control_system()")])
def test_what_a_server_withholds_is_left_out(tmp_path: Path, withheld: tuple[str, ...]) -> None:
    name = f"w{abs(hash(tmp_path)) % 10**12}"
    address = postgres().migrated(name)
    postgres().execute(name, f"CREATE ROLE {name} LOGIN")
    postgres().execute(name, f"GRANT USAGE ON SCHEMA public TO {name}")
    postgres().execute(name, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
    for function in withheld:
        postgres().execute(name, f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
    whole = open_database(address)
    told = open_database(type(address)(user=name, host=address.host, port=address.port, name=name))
    here, found = incarnation_of(whole), incarnation_of(told)
    assert here is not None
    assert found == Incarnation(system=here.system if len(withheld) == 1 else UNKNOWN, timeline=UNKNOWN, oid=here.oid)
    for each in (whole, told):
        each.close()


def test_the_server_tells_what_it_is(database: Database) -> None:
    here = incarnation_of(database)
    assert here is not None
    address = postgres()
    with psycopg.connect(host="127.0.0.1", port=address.port, user="hyperkms", dbname="postgres") as connection:
        told = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    assert told == (here.system,)
    assert here.timeline == "1"
    assert int(here.oid) > 0
    database.close()
