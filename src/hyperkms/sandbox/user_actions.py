"""What a user-signed action says, and the 32 bytes that are signed for it.

    domain = {"HyperliquidSignTransaction", "1", chain id = signatureChainId, zero address}
    digest = EIP-712 of HyperliquidTransaction:<Name>(string hyperliquidChain, ...)

as in the official Python SDK 0.24.0, `user_signed_payload`. `signatureChainId` is whatever chain the wallet is on and
selects the domain alone; `hyperliquidChain` tells the networks apart. Texts are hashed as they were posted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from Crypto.Hash import keccak

from hyperkms.sandbox.fields import Fields, address, any_text, flag, one_of, scalar, uint64


@dataclass(frozen=True)
class UserAction:
    """One of the types below, by its members' names."""

    type: str
    members: Mapping[str, object]
    chain: str
    """Mainnet or Testnet."""
    signature_chain_id: int

    @property
    def nonce(self) -> object:
        """Its own nonce, which must be that of the request."""
        return self.members.get("nonce", self.members.get("time"))

    def text(self, name: str) -> str:
        """Return a member that is a text or an address."""
        return str(self.members[name])

    def digest(self) -> bytes:
        """Return what the user must have signed."""
        name, fields = USER_TYPES[self.type]
        listed = ",".join(f"{kind} {member}" for member, kind in {"hyperliquidChain": "string", **fields}.items())
        encoded = _keccak(f"HyperliquidTransaction:{name}({listed})".encode()) + _keccak(self.chain.encode())
        for member, kind in fields.items():
            encoded += _ENCODERS[kind](self.members[member])
        return _keccak(b"\x19\x01" + _domain(self.signature_chain_id) + _keccak(encoded))


def read_user_action(name: str, fields: Fields) -> UserAction:
    """Read one of the types below; its own type is taken already."""
    chain = fields.take("hyperliquidChain", one_of("Mainnet", "Testnet"))
    chain_id = fields.take("signatureChainId", scalar)
    members: dict[str, object] = {}
    for member, kind in USER_TYPES[name][1].items():
        read = _READERS[kind]
        # An agent without a name is posted without one, and signed with the empty one.
        members[member] = (
            fields.take_optional(member, read) or "" if member == "agentName" else fields.take(member, read)
        )
    return UserAction(name, members, chain, chain_id)


_SEND = {"destination": "string", "amount": "string", "time": "uint64"}

USER_TYPES: dict[str, tuple[str, dict[str, str]]] = {
    "usdSend": ("UsdSend", _SEND),
    "withdraw3": ("Withdraw", _SEND),
    "spotSend": ("SpotSend", {"destination": "string", "token": "string", "amount": "string", "time": "uint64"}),
    "usdClassTransfer": ("UsdClassTransfer", {"amount": "string", "toPerp": "bool", "nonce": "uint64"}),
    "sendAsset": (
        "SendAsset",
        {
            "destination": "string",
            "sourceDex": "string",
            "destinationDex": "string",
            "token": "string",
            "amount": "string",
            "fromSubAccount": "string",
            "nonce": "uint64",
        },
    ),
    "approveAgent": ("ApproveAgent", {"agentAddress": "address", "agentName": "string", "nonce": "uint64"}),
    "approveBuilderFee": ("ApproveBuilderFee", {"maxFeeRate": "string", "builder": "address", "nonce": "uint64"}),
    "tokenDelegate": (
        "TokenDelegate",
        {"validator": "address", "wei": "uint64", "isUndelegate": "bool", "nonce": "uint64"},
    ),
    "convertToMultiSigUser": ("ConvertToMultiSigUser", {"signers": "string", "nonce": "uint64"}),
    "userDexAbstraction": ("UserDexAbstraction", {"user": "address", "enabled": "bool", "nonce": "uint64"}),
    "userSetAbstraction": ("UserSetAbstraction", {"user": "address", "abstraction": "string", "nonce": "uint64"}),
}
"""By type, the name and the members of its EIP-712 type: those that the official SDK 0.24.0 has methods for."""


def _domain(chain_id: int) -> bytes:
    return _keccak(
        _keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
        + _keccak(b"HyperliquidSignTransaction")
        + _keccak(b"1")
        + chain_id.to_bytes(32, "big")
        + bytes(32)
    )


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


_READERS: dict[str, Callable[[object], object]] = {
    "string": any_text,
    "address": address,
    "uint64": uint64,
    "bool": flag,
}
_ENCODERS: dict[str, Callable[[object], bytes]] = {
    "string": lambda value: _keccak(str(value).encode()),
    "address": lambda value: bytes.fromhex(str(value).removeprefix("0x")).rjust(32, b"\0"),
    "uint64": lambda value: int(str(value)).to_bytes(32, "big"),
    "bool": lambda value: bool(value).to_bytes(32, "big"),
}
