"""Random actions of every type: our digests and signatures are those of the official Python SDK.

The SDK signs an action whose members stand in the order and form that it would write; we are given the
same action as a client may send it: members shuffled, hex digits in any case, flags that are false.
"""

import json
import random
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

pytest.importorskip("hyperliquid", reason="the official SDK is in the dependency group «demo»")

from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from hyperliquid.utils.signing import (
    action_hash,
    construct_phantom_agent,
    l1_payload,
    sign_l1_action,
)

from hyperkms import _core
from hyperkms.hyperliquid.actions import parse_action
from hyperkms.hyperliquid.wire import Numbers, msgpack
from hyperkms.strict_json import parse
from support.commands import key_file
from support.random_actions import MAKERS, Json, as_sent, random_hex, with_false_flags

ACTIONS = 2400
DIGESTS = 100


@pytest.fixture(scope="module")
def key() -> str:
    """A random test key: 64 hex digits below the group order."""
    return f"{secrets.randbelow(2**255) + 1:064x}"


@pytest.fixture(scope="module")
def handle(key: str, tmp_path_factory: pytest.TempPathFactory) -> _core.KeyHandle:
    """The same key, imported, sealed and opened by the core."""
    folder: Path = tmp_path_factory.mktemp("sdk")
    context = _core.Context(wallet="bot", version=1, key_type="secp256k1", network="any", origin="imported")
    root = _core.LocalRootKey.create(folder / "root.key")
    data_key, wrapped = root.new_data_key(context)
    sealed = _core.import_key(key_file(folder / "key", key), context, data_key, wrapped, root.id)
    return _core.open_sealed_key(sealed, context, root.unwrap(wrapped, context))


def _requests(dice: random.Random) -> Iterator[tuple[Json, int, str | None, int | None, bool]]:
    """An action with nonce, vault address, expiry, and whether it is for mainnet."""
    kinds = list(MAKERS)
    weights = [weight for _, weight in MAKERS.values()]
    for kind in dice.choices(kinds, weights, k=ACTIONS):
        nonce = dice.choice((0, 1, 1_700_000_000_000, 2**53 - 1, 2**64 - 1)) or dice.randrange(2**48)
        vault = random_hex(dice, 40) if dice.random() < 0.4 else None
        expiry = dice.randrange(2**48) if dice.random() < 0.4 else None
        yield MAKERS[kind][0](dice), nonce, vault, expiry, dice.random() < 0.5


def _signed_here(handle: _core.KeyHandle, sent: Json, request: Any) -> tuple[str, str]:
    """Through the same parsing and packing as a request."""
    _, nonce, vault, expiry, is_mainnet = request
    action = parse_action(parse(json.dumps(sent).encode()), Numbers.CANONICAL)
    return _core.sign_l1(
        handle,
        msgpack(action.wire),
        nonce=nonce,
        vault=None if vault is None else bytes.fromhex(vault[2:]),
        expires_after=expiry,
        network="mainnet" if is_mainnet else "testnet",
    )


def test_random_actions_are_signed_as_the_official_sdk_signs_them(handle: _core.KeyHandle, key: str) -> None:
    dice = random.Random(42)  # noqa: S311 (test data that can be made again)
    account = Account.from_key("0x" + key)
    signed: Counter[str] = Counter()
    for request in _requests(dice):
        action, nonce, vault, expiry, is_mainnet = request
        sent = as_sent(dice, with_false_flags(dice, action))
        wanted = sign_l1_action(account, action, vault, nonce, expiry, is_mainnet)
        ours, _ = _signed_here(handle, sent, request)
        got = (int(ours[2:66], 16), int(ours[66:130], 16), int(ours[130:], 16))
        assert got == (int(wanted["r"], 16), int(wanted["s"], 16), wanted["v"]), request
        signed[action["type"]] += 1
    assert signed.total() == ACTIONS > 1000
    assert set(signed) == set(MAKERS)
    assert signed["modify"] > 200


def test_the_digest_is_the_one_the_official_sdk_asks_a_wallet_to_sign(handle: _core.KeyHandle) -> None:
    dice = random.Random(43)  # noqa: S311 (as above)
    for _, request in zip(range(DIGESTS), _requests(dice), strict=False):
        action, nonce, vault, expiry, is_mainnet = request
        typed = l1_payload(construct_phantom_agent(action_hash(action, vault, nonce, expiry), is_mainnet))
        message = encode_typed_data(full_message=typed)
        wanted = keccak(b"\x19" + message.version + message.header + message.body)
        _, digest = _signed_here(handle, action, request)
        assert bytes.fromhex(digest[2:]) == wanted, request


def test_every_input_of_the_digest_changes_it(handle: _core.KeyHandle) -> None:
    vault = "0x" + "ab" * 20
    action = {"type": "noop"}
    requests: list[Any] = [
        (action, 1, None, None, True),
        (action, 1, None, None, False),
        (action, 2, None, None, True),
        (action, 1, vault, None, True),
        (action, 1, "0x" + "00" * 20, None, True),
        (action, 1, None, 0, True),
        (action, 1, None, 1, True),
        ({"type": "scheduleCancel"}, 1, None, None, True),
        ({"type": "scheduleCancel", "time": 0}, 1, None, None, True),
    ]
    digests = {_signed_here(handle, request[0], request)[1] for request in requests}
    assert len(digests) == len(requests)
