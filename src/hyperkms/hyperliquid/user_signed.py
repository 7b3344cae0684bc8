"""The action types that an account signs for itself as EIP-712 typed data: transfers, withdrawals, approvals.

Source: docs/formats.md "User-signed actions". Texts are hashed as they are written, so they keep their case; a member
of the type `address` is hashed as 20 bytes and is answered in lower case.
"""

import re
from collections.abc import Mapping
from typing import Any

from hyperkms.errors import Malformed
from hyperkms.hyperliquid.action_type import ActionKind, ActionType
from hyperkms.hyperliquid.kinds import address_as_written, amount, dex, token
from hyperkms.hyperliquid.members import (
    UINT32,
    UINT64,
    Kind,
    Member,
    Presence,
    address,
    flag,
    integer,
    struct,
    word,
)
from hyperkms.hyperliquid.signers import signers
from hyperkms.hyperliquid.wire import Numbers
from hyperkms.wallet import Network

DEFAULT_CHAIN_ID = "0x66eee"
"""That of the official SDK. It selects the domain of the typed data and nothing else."""

_CHAIN_NAMES = {Network.MAINNET: "Mainnet", Network.TESTNET: "Testnet"}
_OPTIONAL = Presence.OPTIONAL
_CHAIN_ID = re.compile(r"0x[0-9a-fA-F]{1,16}", re.ASCII)
_SUB_ACCOUNT_AMOUNT = re.compile(r"(?P<amount>[0-9.]+) subaccount:0x[0-9a-fA-F]{40}", re.ASCII)
_PERCENT = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,10})?%", re.ASCII)
_AGENT_NAME = re.compile(r".{0,16}?(?: valid_until [0-9]{1,16})?", re.DOTALL)
_RECIPIENT = re.compile(r"[0-9a-zA-Z]{1,128}", re.ASCII)
_BYTES = re.compile(r"0x(?:[0-9a-fA-F]{2}){0,4096}", re.ASCII)


def chain_name(network: Network) -> str:
    """What `hyperliquidChain` says of a network."""
    return _CHAIN_NAMES[network]


def completed(action_type: ActionType, wire: Mapping[str, Any], network: Network, nonce: int) -> Mapping[str, Any]:
    """The action as it is posted: chain and network filled in after its type, its nonce as the last member."""
    rest = {name: value for name, value in wire.items() if name not in _HEAD}
    return {
        "type": action_type.name,
        "signatureChainId": wire.get("signatureChainId", DEFAULT_CHAIN_ID),
        "hyperliquidChain": chain_name(network),
        **action_type.numbered(rest, nonce),
    }


def typed_values(action_type: ActionType, wire: Mapping[str, Any]) -> list[bool | int | str]:
    """The values of a completed action's members, in the order of its EIP-712 type; an agent without a name has ""."""
    return [wire.get(name, "") for name in _MEMBERS[action_type.name]]


def chain_id(wire: Mapping[str, Any]) -> int:
    """The chain of the domain."""
    return int(wire["signatureChainId"], 16)


def _signature_chain(value: object, path: str, _numbers: Numbers) -> str:
    if not isinstance(value, str) or not _CHAIN_ID.fullmatch(value):
        raise Malformed.at(path, 'a chain number is due as 0x and up to 16 hex digits, e.g. "0x66eee"')
    return value.lower()


def _class_amount(value: object, path: str, numbers: Numbers) -> str:
    """An amount, or that of a sub-account: `50 subaccount:0x...`."""
    if isinstance(value, str) and (found := _SUB_ACCOUNT_AMOUNT.fullmatch(value)):
        amount(found["amount"], path, numbers)
        return value
    return str(amount(value, path, numbers))


def _written(pattern: re.Pattern[str], words: str) -> Kind:
    """A text of this form, kept as it is written."""

    def read(value: object, path: str, _numbers: Numbers) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise Malformed.at(path, words)
        return value

    return read


def _account_or_none(value: object, path: str, numbers: Numbers) -> str:
    return "" if value == "" else address_as_written(value, path, numbers)


_agent_name = _written(_AGENT_NAME, "a name of at most 16 characters is due; ` valid_until <ms>` may follow it")
_percent = _written(_PERCENT, 'a percentage is due, e.g. "0.001%"')
_recipient = _written(_RECIPIENT, "an account on the other chain is due, in hex or base58")


def _bytes(value: object, path: str, _numbers: Numbers) -> str:
    if not isinstance(value, str) or not _BYTES.fullmatch(value):
        raise Malformed.at(path, "bytes are due as 0x and an even number of hex digits, at most 8192")
    return value.lower()


_HEAD = ("type", "signatureChainId", "hyperliquidChain")


def _user(name: str, primary_type: str, *members: Member, numbered_by: str = "nonce") -> tuple[ActionType, list[str]]:
    typed = (*members, Member(numbered_by, UINT64, _OPTIONAL))
    read = struct(
        Member("type", word(name)),
        Member("signatureChainId", _signature_chain, _OPTIONAL),
        Member("hyperliquidChain", word(*_CHAIN_NAMES.values()), _OPTIONAL),
        *typed,
    )
    action_type = ActionType(name, read, kind=ActionKind.USER, numbered_by=numbered_by, primary_type=primary_type)
    return action_type, [member.name for member in typed]


_SEND = (Member("destination", address_as_written), Member("amount", amount))
_WEI = Member("wei", integer(1, 2**64 - 1))

_TABLE = (
    _user("usdSend", "UsdSend", *_SEND, numbered_by="time"),
    _user("withdraw3", "Withdraw", *_SEND, numbered_by="time"),
    _user(
        "spotSend",
        "SpotSend",
        Member("destination", address_as_written),
        Member("token", token),
        Member("amount", amount),
        numbered_by="time",
    ),
    _user("usdClassTransfer", "UsdClassTransfer", Member("amount", _class_amount), Member("toPerp", flag)),
    _user(
        "sendAsset",
        "SendAsset",
        Member("destination", address_as_written),
        Member("sourceDex", dex),
        Member("destinationDex", dex),
        Member("token", token),
        Member("amount", amount),
        Member("fromSubAccount", _account_or_none),
    ),
    _user(
        "sendToEvmWithData",
        "SendToEvmWithData",
        Member("token", token),
        Member("amount", amount),
        Member("sourceDex", dex),
        Member("destinationRecipient", _recipient),
        Member("addressEncoding", word("hex", "base58")),
        Member("destinationChainId", UINT32),
        Member("gasLimit", UINT64),
        Member("data", _bytes),
    ),
    _user("tokenDelegate", "TokenDelegate", Member("validator", address), _WEI, Member("isUndelegate", flag)),
    _user("cDeposit", "CDeposit", _WEI),
    _user("cWithdraw", "CWithdraw", _WEI),
    _user(
        "approveAgent",
        "ApproveAgent",
        Member("agentAddress", address),
        Member("agentName", _agent_name, Presence.UNLESS_EMPTY),
    ),
    _user("approveBuilderFee", "ApproveBuilderFee", Member("maxFeeRate", _percent), Member("builder", address)),
    _user("convertToMultiSigUser", "ConvertToMultiSigUser", Member("signers", signers)),
    _user("userDexAbstraction", "UserDexAbstraction", Member("user", address), Member("enabled", flag)),
    _user("userPortfolioMargin", "UserPortfolioMargin", Member("user", address), Member("enabled", flag)),
    _user(
        "userSetAbstraction",
        "UserSetAbstraction",
        Member("user", address),
        Member("abstraction", word("disabled", "unifiedAccount", "portfolioMargin")),
    ),
    _user("linkStakingUser", "LinkStakingUser", Member("user", address), Member("isFinalize", flag)),
    _user("stakingLinkDisableTradingUser", "StakingLinkDisableTradingUser", Member("tradingUser", address)),
)

USER_SIGNED: tuple[ActionType, ...] = tuple(action_type for action_type, _ in _TABLE)
_MEMBERS: Mapping[str, list[str]] = {action_type.name: names for action_type, names in _TABLE}
