"""What a user-signed action says, and the 32 bytes that are signed for it.

    domain = {"HyperliquidSignTransaction", "1", chain id = signatureChainId, zero address}
    digest = EIP-712 of HyperliquidTransaction:ApproveAgent(string hyperliquidChain, address agentAddress,
                                                            string agentName, uint64 nonce)

as in the official Python SDK 0.24.0, `sign_agent` and `user_signed_payload`. `signatureChainId` is whatever chain the
wallet is on and selects the domain alone; `hyperliquidChain` tells the networks apart.
"""

from dataclasses import dataclass

from Crypto.Hash import keccak


@dataclass(frozen=True)
class ApproveAgent:
    """`approveAgent`: `agent` may sign for the signer under a name; no name is the empty one, signed as such."""

    agent: str
    name: str
    nonce: int
    chain: str
    """Mainnet or Testnet."""
    signature_chain_id: int

    def digest(self) -> bytes:
        """Return what the user must have signed."""
        agent = bytes.fromhex(self.agent.removeprefix("0x"))
        said = _keccak(self.chain.encode()) + agent.rjust(32, b"\0") + _keccak(self.name.encode())
        action = _keccak(_APPROVE_AGENT_TYPE + said + self.nonce.to_bytes(32, "big"))
        return _keccak(b"\x19\x01" + _domain(self.signature_chain_id) + action)


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


_APPROVE_AGENT_TYPE = _keccak(
    b"HyperliquidTransaction:ApproveAgent(string hyperliquidChain,address agentAddress,string agentName,uint64 nonce)"
)
