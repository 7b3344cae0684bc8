"""Random user-signed actions of every type: our digests and signatures are those of the official Python SDK."""

import json
import random
import secrets
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

pytest.importorskip("hyperliquid", reason="the official SDK is in the dependency group «demo»")

from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from hyperliquid.utils import signing as sdk

from hyperkms import _core
from hyperkms.errors import Malformed, Refused
from hyperkms.hyperliquid.actions import ACTIONS, parse_action
from hyperkms.hyperliquid.digest_input import DigestInput
from hyperkms.hyperliquid.user_signed import completed
from hyperkms.hyperliquid.wire import Numbers
from hyperkms.operations.signed_form import sign_form
from hyperkms.strict_json import parse
from hyperkms.wallet import Network
from support.commands import key_file
from support.random_actions import Json
from support.random_user_actions import TYPES, random_user_action, typed_fields

EACH = 40


@pytest.fixture(scope="module")
def key() -> str:
    return f"{secrets.randbelow(2**255) + 1:064x}"


@pytest.fixture(scope="module")
def handles(key: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, _core.KeyHandle]:
    """The key, bound to each network."""
    folder: Path = tmp_path_factory.mktemp("sdk")
    root = _core.LocalRootKey.create(folder / "root.key")
    file = key_file(folder / "key", key)

    def opened(network: Any) -> _core.KeyHandle:
        context = _core.Context(wallet="w", version=1, key_type="secp256k1", network=network, origin="imported")
        data_key, wrapped = root.new_data_key(context)
        sealed = _core.import_key(file, context, data_key, wrapped, root.id)
        return _core.open_sealed_key(sealed, context, root.unwrap(wrapped, context))

    return {network: opened(network) for network in ("mainnet", "testnet")}


def _ours(handles: dict[str, _core.KeyHandle], action: Json, network: Network, nonce: int) -> tuple[str, str]:
    """Through the same parsing, completing and signing as a request."""
    read = parse_action(parse(json.dumps(action).encode()), Numbers.CANONICAL)
    wire = completed(ACTIONS[read.type], read.wire, network, nonce)
    name: Any = network.value
    given = DigestInput(wire=wire, nonce=nonce, vault_address=None, expires_after=None, network=name)
    return sign_form(handles[name], given)


@pytest.mark.parametrize("name", TYPES)
def test_random_actions_are_signed_as_the_official_sdk_signs_them(
    name: str, handles: dict[str, _core.KeyHandle], key: str
) -> None:
    dice = random.Random(name)  # noqa: S311 (test data that can be made again)
    account = Account.from_key("0x" + key)
    networks: Counter[Network] = Counter()
    for _ in range(EACH):
        action, network = random_user_action(dice, name), dice.choice((Network.MAINNET, Network.TESTNET))
        numbered_by = "time" if "time" in action else "nonce"
        posted = {**action, "hyperliquidChain": "Mainnet" if network is Network.MAINNET else "Testnet"}
        if name == "sendToEvmWithData":  # eth_account wants bytes as such
            posted["data"] = bytes.fromhex(action["data"][2:])
        payload = sdk.user_signed_payload(f"HyperliquidTransaction:{TYPES[name][0]}", typed_fields(name), posted)
        wanted = sdk.sign_inner(account, payload)
        message = encode_typed_data(full_message=payload)
        short = {member: value for member, value in action.items() if member != numbered_by}
        for sent in (action, short):
            ours, digest = _ours(handles, sent, network, action[numbered_by])
            got = (int(ours[2:66], 16), int(ours[66:130], 16), int(ours[130:], 16))
            assert got == (int(wanted["r"], 16), int(wanted["s"], 16), wanted["v"]), action
            assert bytes.fromhex(digest[2:]) == keccak(b"\x19" + message.version + message.header + message.body)
        networks[network] += 1
    assert len(networks) == 2


def test_every_user_signed_type_is_compared() -> None:
    assert set(TYPES) == {name for name, one in ACTIONS.items() if one.primary_type}
    assert {name: one.primary_type for name, one in ACTIONS.items() if one.primary_type} == {
        name: primary for name, (primary, _) in TYPES.items()
    }


def test_a_key_of_one_network_signs_nothing_for_the_other(handles: dict[str, _core.KeyHandle]) -> None:
    for bound, asked in (("mainnet", "testnet"), ("testnet", "mainnet")):
        network: Any = asked
        with pytest.raises(Refused, match="bound to") as refused:
            _core.sign_user_action(
                handles[bound], primary_type="CDeposit", values=[1, 2], signature_chain_id=1, network=network
            )
        assert refused.value.code == "wrong-network"


@pytest.mark.parametrize(
    ("primary_type", "values"),
    [
        ("Permit", [1, 2]),
        ("CDeposit", [1]),
        ("CDeposit", [1, 2, 3]),
        ("CDeposit", [True, 2]),
        ("CDeposit", ["1", 2]),
        ("CDeposit(uint64 wei,uint64 nonce)", [1, 2]),
        ("UsdClassTransfer", ["1", 1, 2]),
        ("StakingLinkDisableTradingUser", ["0x12", 1]),
    ],
)
def test_the_core_signs_nothing_that_does_not_fit_its_own_table(
    handles: dict[str, _core.KeyHandle], primary_type: str, values: list[Any]
) -> None:
    with pytest.raises(Malformed) as refused:
        _core.sign_user_action(
            handles["testnet"], primary_type=primary_type, values=values, signature_chain_id=1, network="testnet"
        )
    assert refused.value.code == "malformed-action"
