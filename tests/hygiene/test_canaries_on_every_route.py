"""No key is told anywhere: in no answer, log line, command's words, record, database or temporary file, nor in memory.

Keys that the test knows, of wallets, clients and the root key file, are in a service at LOG_LEVEL=debug. Every route
of the OpenAPI document is asked in every way that `support/asking.py` knows, every command is called, stored rows are
damaged, the database is locked and the disk is full. Then all that was said and written is searched. A planted
canary, the name of a wallet, must be found in each of these places: the search is not blind.

`make hygiene` asks 100,000 times (HYPERKMS_HYGIENE_REQUESTS).
"""

import resource
import sys
from collections.abc import Iterable, Iterator

import pytest

from support.canary_run import REQUESTS, CanaryRun, Searched
from support.memory_scan import Hit

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read through /proc, which is Linux"),
    pytest.mark.timeout(180 + REQUESTS // 30),
]

_CODES = """
invalid-api-key scope-missing malformed-client-name client-not-found client-exists client-ended
malformed malformed-json malformed-body missing-field unknown-field body-too-large
no-such-route method-not-allowed unknown-problem mpc-disabled
malformed-wallet-id wallet-not-found wallet-exists wrong-key-type wrong-network wallet-retired version-not-found
unknown-action integer-key not-canonical invalid-price stale-timestamp nonce-outside-window
market-unavailable database-unavailable record-unwritable
sealed-key-tampered sealed-key-malformed sealed-key-missing row-altered data-key-tampered
"""
PROVOKED = frozenset(_CODES.split())
"""Codes that must be among the answers, so that their texts have been searched."""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (limits[1], limits[1]))
    try:
        yield CanaryRun(tmp_path_factory.mktemp("canaries")).whole()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, limits)


PLACES = ("answer", "refusal", "log", "command", "file")


def _named(found: Iterable[Hit]) -> set[str]:
    return {hit.name for hit in found}


@pytest.mark.parametrize("place", PLACES)
def test_no_private_key_data_key_or_root_key_is_told(searched: Searched, place: str) -> None:
    assert len(searched.canaries) > 40
    assert searched.said.hits(place, searched.canaries) == []


@pytest.mark.parametrize("place", PLACES)
def test_no_api_key_is_told_again(searched: Searched, place: str) -> None:
    assert len(searched.api_keys) > 6
    assert searched.said.hits(place, searched.api_keys) == []


@pytest.mark.parametrize("place", ["refusal", "log", "command", "file"])
def test_what_was_put_where_it_does_not_belong_is_not_repeated(searched: Searched, place: str) -> None:
    assert searched.said.hits(place, {"pasted": searched.pasted}) == []


def test_no_private_key_data_key_or_root_key_is_in_the_memory_of_the_service(searched: Searched) -> None:
    if searched.memory is None:
        pytest.skip("the memory of a process that is not dumpable is for CAP_SYS_PTRACE only")
    assert [hit for hit in searched.memory.hits if hit.name != "planted"] == []
    assert "planted" in _named(searched.memory.hits), "the control"


@pytest.mark.parametrize("place", PLACES)
def test_what_is_in_a_place_is_found_there(searched: Searched, place: str) -> None:
    """The control: a wallet is named as the planted canary is written."""
    assert "planted" in _named(searched.said.hits(place, {"planted": searched.planted}))


def test_keys_are_found_in_the_files_that_are_there_to_hold_them(searched: Searched) -> None:
    held = {**searched.canaries, **searched.api_keys}
    found = searched.said.hits("the file of its own", held)
    assert _named(found) == {"root key", "administrator"}


def test_every_route_was_asked_and_every_listed_refusal_was_heard(searched: Searched) -> None:
    told = [entry for place in ("answer", "refusal") for entry in searched.said.by_place[place]]
    assert len(told) >= REQUESTS
    signed = [what for what, content in searched.said.by_place["answer"] if b'"signature":' in content]
    assert len(signed) >= REQUESTS // 100
    assert searched.codes >= PROVOKED, sorted(PROVOKED - searched.codes)


def test_an_abort_left_no_core_file(searched: Searched) -> None:
    # That an unprotected process leaves one here is looked at in test_memory_of_the_service.py.
    cores = [what for what, content in searched.said.by_place["file"] if content[:4] == b"\x7fELF"]
    assert cores == []
