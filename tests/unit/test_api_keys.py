"""API keys: kept as hashes, compared in constant time, in force exactly as long as they should be."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hyperkms.access.api_keys import NEEDS_LOADING, ConfiguredKey
from hyperkms.access.clients import LEGACY, Client, Operation, Role, client
from hyperkms.errors import Unauthorized
from support.access import DAY_MS, Access

pytestmark = pytest.mark.usefixtures("each_database")


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(tmp_path)


def _refused(access: Access, key: str | None) -> None:
    for ask in (access.api_keys.authenticate, _inline(access)):
        with pytest.raises(Unauthorized) as refused:
            ask(key)
        assert (refused.value.code, refused.value.message) == ("invalid-api-key", "Unauthorized: Invalid API key")
        assert dict(refused.value.details) == {}


def _inline(access: Access) -> Callable[[str | None], Client]:
    """`known` where it suffices, as the event loop asks."""

    def ask(key: str | None) -> Client:
        found = access.api_keys.known(key)
        if isinstance(found, Client):
            return found
        return access.api_keys.authenticate(key)

    return ask


def test_only_the_exact_key_is_accepted(access: Access) -> None:
    key = access.make("bot").key
    assert access.api_keys.authenticate(key).name == "bot"
    changed = [key[:at] + ("A" if key[at] != "A" else "B") + key[at + 1 :] for at in range(len(key))]
    for wrong in [None, "", key[:-1], key + "x", key.upper(), key[:11], "hk_", "\u00e9" * 40, "\ud800", *changed]:
        _refused(access, wrong)


def test_a_key_has_256_random_bits_and_its_own_prefix(access: Access) -> None:
    keys = [access.make(f"bot-{number}").key for number in range(20)]
    assert all(len(key) == 55 and key.startswith("hk_") for key in keys)
    assert len({key[:11] for key in keys}) == len({key[12:] for key in keys}) == 20


def test_neither_database_nor_texts_of_values_hold_a_key(access: Access, tmp_path: Path) -> None:
    issued = access.make("bot")
    rotated = access.rotate("bot", overlap=DAY_MS)
    configured = ConfiguredKey("a configured key", client("API_KEY", Role.ADMINISTRATOR))
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    shown = repr([issued, rotated, access.clients.list(), configured])
    for key in (issued.key, rotated.key, configured.key):
        secret = key[12:] if key.startswith("hk_") else key
        assert secret.encode() not in stored
        assert secret not in shown


def test_the_configured_key_is_its_client(tmp_path: Path) -> None:
    legacy = client(LEGACY, Role.LEGACY)
    access = Access(tmp_path, ConfiguredKey("a configured key", legacy))
    assert access.api_keys.authenticate("a configured key") == legacy
    assert legacy.number == 0
    _refused(access, "a configured keys")


def test_a_client_is_known_without_the_database_until_clients_change(access: Access) -> None:
    key = access.make("bot").key
    assert access.api_keys.known(key) is NEEDS_LOADING
    access.api_keys.authenticate(key)
    assert isinstance(access.api_keys.known(key), Client)
    assert access.api_keys.known("wrong") is None, "a refusal asks no database either"
    access.make("another")
    assert access.api_keys.known(key) is NEEDS_LOADING


def test_nothing_is_remembered_while_a_change_is_under_way(access: Access) -> None:
    key = access.make("bot").key
    access.api_keys.authenticate(key)
    with pytest.raises(ZeroDivisionError):
        _die_in_a_change(access)
    assert access.api_keys.known(key) is NEEDS_LOADING
    assert access.api_keys.authenticate(key).name == "bot"
    assert access.api_keys.known(key) is NEEDS_LOADING


def _die_in_a_change(access: Access) -> None:
    """As a process that is killed between its ticket and its commit."""
    from hyperkms._core import SharedCounters  # noqa: PLC0415 (only here)
    from hyperkms.state.generation import CLIENT_CHANGES  # noqa: PLC0415 (only here)

    SharedCounters.open(access.folder / "shared").add(CLIENT_CHANGES, amount=1)
    raise ZeroDivisionError


def test_a_revoked_client_is_refused_by_every_process_from_the_next_request_on(access: Access) -> None:
    other = access.another()
    key = access.make("bot").key
    assert access.api_keys.authenticate(key) == other.api_keys.authenticate(key)
    access.revoke("bot")
    _refused(other, key)
    _refused(access, key)


def test_a_rotated_key_overlaps_with_the_one_before_it_and_no_longer(access: Access) -> None:
    old = access.make("bot").key
    new = access.rotate("bot", overlap=DAY_MS).key
    assert access.api_keys.authenticate(old) == access.api_keys.authenticate(new)
    access.clock.now += DAY_MS - 1
    assert access.api_keys.authenticate(old) == access.api_keys.authenticate(new)
    access.clock.now += 1
    _refused(access, old)
    assert access.api_keys.authenticate(new).name == "bot"


def test_a_rotation_without_overlap_ends_the_old_key_at_once(access: Access) -> None:
    old = access.make("bot").key
    new = access.rotate("bot", overlap=0).key
    _refused(access, old)
    assert access.api_keys.authenticate(new).name == "bot"


def test_a_later_rotation_does_not_lengthen_an_overlap(access: Access) -> None:
    first = access.make("bot").key
    second = access.rotate("bot", overlap=10).key
    third = access.rotate("bot", overlap=DAY_MS).key
    access.clock.now += 10
    _refused(access, first)
    assert access.api_keys.authenticate(second) == access.api_keys.authenticate(third)


def test_a_client_expires_with_all_its_keys(access: Access) -> None:
    issued = access.make("bot", Operation.TRADE, expires_at=access.clock() + DAY_MS)
    rotated = access.rotate("bot", overlap=10 * DAY_MS)
    access.clock.now += DAY_MS - 1
    assert access.api_keys.authenticate(issued.key) == access.api_keys.authenticate(rotated.key)
    access.clock.now += 1
    _refused(access, issued.key)
    _refused(access, rotated.key)
