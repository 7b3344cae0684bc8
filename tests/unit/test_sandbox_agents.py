"""approveAgent at the stand-in: who may approve whom, for how long, and what ends an agent."""

import json
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from hyperkms.sandbox.exchange import Exchange
from hyperkms.sandbox.nonces import DAY_MS
from hyperkms.sandbox.refusals import Refused

Json = dict[str, Any]

NOW = 1_780_000_000_000
MASTER: LocalAccount = Account.from_key("0x" + "01" * 32)
STRANGER: LocalAccount = Account.from_key("0x" + "02" * 32)
FIRST, SECOND = "0x" + "aa" * 20, "0x" + "bb" * 20
NOBODY = "0x" + "00" * 20
OK = {"status": "ok", "response": {"type": "default"}}


class Desk:
    """An exchange at which MASTER has an account; each post has a nonce of its own."""

    def __init__(self) -> None:
        self.exchange = Exchange(funded=[MASTER.address], clock=lambda: NOW)
        self.nonce = NOW

    def approve(self, agent: str, name: str = "", *, user: LocalAccount = MASTER, **changed: Any) -> Any:
        """`changed` is what the post says otherwise than was signed."""
        self.nonce += 1
        body = _approval(agent, name, self.nonce, user)
        action = {**body["action"], **changed.pop("action", {})}
        answer = self.exchange.post_exchange(json.dumps({**body, "action": action, **changed}).encode())
        assert answer.status == 200
        return answer.body

    def refusal(self, agent: str, name: str = "", **more: Any) -> str:
        answer = self.approve(agent, name, **more)
        assert answer["status"] == "err", answer
        return str(answer["response"])

    def trades_for_master(self, agent: str) -> bool:
        accounts, now_ms = self.exchange.accounts, self.exchange.clock.now_ms()
        try:
            acting = accounts.acting_for(agent, None, now_ms=now_ms)
        except Refused:
            return False
        return acting is accounts.acting_for(MASTER.address.lower(), None, now_ms=now_ms)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def _approval(agent: str, name: str, nonce: int, user: LocalAccount, chain: str = "Testnet") -> Json:
    """Sign as a client does, with eth_account's own EIP-712."""
    fields = {"hyperliquidChain": "string", "agentAddress": "address", "agentName": "string", "nonce": "uint64"}
    message = {"hyperliquidChain": chain, "agentAddress": agent, "agentName": name, "nonce": nonce}
    zero = "0x" + "00" * 20
    domain = {"name": "HyperliquidSignTransaction", "version": "1", "chainId": 421614, "verifyingContract": zero}
    types = [{"name": field, "type": kind} for field, kind in fields.items()]
    signed = user.sign_typed_data(
        domain_data=domain, message_types={"HyperliquidTransaction:ApproveAgent": types}, message_data=message
    )
    action = {"type": "approveAgent", "signatureChainId": "0x66eee", **message}
    signature = {"r": hex(signed.r), "s": hex(signed.s), "v": signed.v}
    return {"action": action, "nonce": nonce, "signature": signature}


def test_an_approved_agent_acts_on_its_masters_account(desk: Desk) -> None:
    assert not desk.trades_for_master(FIRST)
    assert desk.approve(FIRST, "bot") == OK
    assert desk.trades_for_master(FIRST)
    assert desk.exchange.journal.entries()[0].signer == MASTER.address.lower()


def test_approving_a_name_again_ends_the_agent_that_had_it(desk: Desk) -> None:
    desk.approve(FIRST, "bot")
    assert desk.approve(SECOND, "bot") == OK
    assert (desk.trades_for_master(FIRST), desk.trades_for_master(SECOND)) == (False, True)


def test_another_name_ends_nobody(desk: Desk) -> None:
    desk.approve(FIRST, "bot")
    desk.approve(SECOND)
    assert (desk.trades_for_master(FIRST), desk.trades_for_master(SECOND)) == (True, True)


def test_the_zero_address_under_a_name_ends_its_agent(desk: Desk) -> None:
    assert desk.refusal(NOBODY, "bot") == "There is no agent named 'bot'"
    desk.approve(FIRST, "bot")
    assert desk.approve(NOBODY, "bot") == OK
    assert not desk.trades_for_master(FIRST)


def test_an_address_is_an_agent_once_in_its_life(desk: Desk) -> None:
    desk.approve(FIRST, "bot")
    assert desk.refusal(FIRST, "other") == f"{FIRST} is or was an agent already"
    desk.approve(NOBODY, "bot")
    assert desk.refusal(FIRST, "bot") == f"{FIRST} is or was an agent already"


def test_there_are_three_named_agents_and_one_without_a_name(desk: Desk) -> None:
    for number in range(3):
        assert desk.approve(f"0x{number:040x}".replace("0x0", "0xc"), f"bot-{number}") == OK
    assert desk.refusal(FIRST, "bot-3") == "There are 3 named agents already"
    assert desk.approve(FIRST) == OK
    assert desk.approve(SECOND, "bot-2") == OK


@pytest.mark.parametrize(("name", "days"), [("bot", 90), (f"bot valid_until {NOW + 5 * DAY_MS}", 5)])
def test_an_agent_expires_on_its_day(desk: Desk, name: str, days: int) -> None:
    desk.approve(FIRST, name)
    desk.exchange.clock.advance(days * DAY_MS - 1)
    assert desk.trades_for_master(FIRST)
    desk.exchange.clock.advance(1)
    assert not desk.trades_for_master(FIRST)


@pytest.mark.parametrize("until", [NOW, NOW + 181 * DAY_MS])
def test_an_end_in_the_past_or_too_far_ahead_is_refused(desk: Desk, until: int) -> None:
    assert desk.refusal(FIRST, f"bot valid_until {until}") == "valid_until must be within 180 days from now"


def test_a_name_of_seventeen_characters_is_refused(desk: Desk) -> None:
    assert desk.refusal(FIRST, "n" * 17) == "An agent's name has at most 16 characters"
    assert desk.approve(FIRST, "n" * 16) == OK


def test_who_has_no_account_approves_nobody_and_neither_does_an_agent(desk: Desk) -> None:
    words = f"Must deposit before performing actions. User: {STRANGER.address.lower()}"
    assert desk.refusal(FIRST, user=STRANGER) == words
    desk.approve(STRANGER.address, "bot")
    assert desk.refusal(FIRST, user=STRANGER) == words


def test_an_account_is_not_taken_over_by_approving_its_address(desk: Desk) -> None:
    desk.exchange.fund(STRANGER.address)
    assert desk.refusal(MASTER.address, user=STRANGER).endswith(" has an account of its own")


@pytest.mark.parametrize(
    "changed",
    [{"agentAddress": SECOND}, {"agentName": "other"}, {"signatureChainId": "0x1"}, {"hyperliquidChain": "Mainnet"}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_tampered_approval_approves_nobody(desk: Desk, changed: Json) -> None:
    desk.refusal(FIRST, "bot", action=changed)
    assert not any(map(desk.trades_for_master, (FIRST, SECOND)))


def test_a_tampered_approval_reads_as_another_user(desk: Desk) -> None:
    words = desk.refusal(FIRST, "bot", action={"agentAddress": SECOND})
    assert words.startswith("Must deposit before performing actions. User: 0x")
    assert MASTER.address.lower() not in words


def test_an_approval_for_the_other_network_is_refused() -> None:
    exchange = Exchange(network="mainnet", funded=[MASTER.address], clock=lambda: NOW)
    testnet, mainnet = (_approval(FIRST, "bot", NOW, MASTER, chain) for chain in ("Testnet", "Mainnet"))
    assert "hyperliquidChain Mainnet" in str(exchange.post_exchange(json.dumps(testnet).encode()).body)
    assert exchange.post_exchange(json.dumps(mainnet).encode()).body == OK


def test_the_nonce_inside_is_that_of_the_request_and_used_once(desk: Desk) -> None:
    assert "the nonce of its request" in desk.refusal(FIRST, "bot", nonce=NOW)
    assert desk.approve(FIRST, "bot") == OK
    desk.nonce -= 1
    assert desk.refusal(SECOND, "bot") == f"Invalid nonce: duplicate nonce {desk.nonce}"


def test_an_approval_has_no_expiry(desk: Desk) -> None:
    assert "not supported" in desk.refusal(FIRST, "bot", expiresAfter=NOW + 60_000)


def test_an_approval_without_a_name_is_posted_without_one_and_signed_with_the_empty_one(desk: Desk) -> None:
    assert desk.approve(FIRST, action={"agentName": None}) == OK
    assert desk.trades_for_master(FIRST)
