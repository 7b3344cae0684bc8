"""The order of the exchange's checks, the words of its refusals, and the fault switches."""

import json
from typing import Any

import msgpack
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from hyperkms.sandbox.exchange import Exchange
from hyperkms.sandbox.nonces import DAY_MS

Json = dict[str, Any]

NOW = 1_780_000_000_000
WALLET: LocalAccount = Account.from_key("0x" + "01" * 32)
AGENT: LocalAccount = Account.from_key("0x" + "02" * 32)
VAULT = "0x8f7e6d5c4b3a29180716253443526170f1e2d3c4"
NOOP: Json = {"type": "noop"}
OK = {"status": "ok", "response": {"type": "default"}}
ORDER: Json = {
    "type": "order",
    "orders": [{"a": 0, "b": True, "p": "60000", "s": "0.01", "r": False, "t": {"limit": {"tif": "Gtc"}}}],
    "grouping": "na",
}


@pytest.fixture
def exchange() -> Exchange:
    return Exchange(funded=[WALLET.address], clock=lambda: NOW)


def _err(words: str) -> Json:
    return {"status": "err", "response": words}


def _signed(  # noqa: PLR0913 - one for each signed value
    action: Json,
    nonce: int = NOW,
    *,
    wallet: LocalAccount = WALLET,
    vault: str | None = None,
    expires_after: int | None = None,
    source: str = "b",
) -> Json:
    """Sign as a client does: its own msgpack and EIP-712, none of the stand-in's."""
    data = msgpack.packb(action) + nonce.to_bytes(8, "big")
    data += b"\x00" if vault is None else b"\x01" + bytes.fromhex(vault[2:])
    data += b"" if expires_after is None else b"\x00" + expires_after.to_bytes(8, "big")
    zero = "0x" + "00" * 20
    domain = {"name": "Exchange", "version": "1", "chainId": 1337, "verifyingContract": zero}
    fields = [{"name": "source", "type": "string"}, {"name": "connectionId", "type": "bytes32"}]
    signed = wallet.sign_typed_data(
        domain_data=domain,
        message_types={"Agent": fields},
        message_data={"source": source, "connectionId": keccak(data)},
    )
    signature = {"r": hex(signed.r), "s": hex(signed.s), "v": signed.v}
    body = {"action": action, "nonce": nonce, "signature": signature}
    return {**body, "vaultAddress": vault, "expiresAfter": expires_after}


def _post(exchange: Exchange, body: Json) -> Any:
    answer = exchange.post_exchange(json.dumps(body).encode())
    assert answer.status == 200
    return answer.body


def _open_orders(exchange: Exchange, user: str) -> Any:
    return exchange.post_info(json.dumps({"type": "openOrders", "user": user}).encode()).body


def test_a_signed_action_of_a_funded_user_is_carried_out(exchange: Exchange) -> None:
    assert _post(exchange, _signed(NOOP)) == OK


def test_a_body_of_the_wrong_shape_gets_the_fixed_sentence(exchange: Exchange) -> None:
    answer = exchange.post_exchange(b'{"action": {"type": "userOutcome"}}')
    assert answer.status == 422
    assert answer.body == "Failed to deserialize the JSON body into the target type"


def test_a_nonce_outside_the_window_is_refused_before_the_signer_is_looked_at(exchange: Exchange) -> None:
    words = _post(exchange, _signed(NOOP, NOW + DAY_MS, wallet=AGENT))["response"]
    assert words.startswith(f"Invalid nonce: {NOW + DAY_MS} is not within 2 days before and 1 day after")


def test_an_unknown_signer_is_named_in_the_exchanges_words(exchange: Exchange) -> None:
    words = f"User or API Wallet {AGENT.address.lower()} does not exist."
    assert _post(exchange, _signed(NOOP, wallet=AGENT)) == _err(words)


def test_a_signature_over_an_unnormalised_price_reads_as_another_wallet(exchange: Exchange) -> None:
    raw = {**ORDER, "orders": [{**ORDER["orders"][0], "p": "60000.0"}]}
    words = _post(exchange, _signed(raw))["response"]
    assert words.startswith("User or API Wallet 0x")
    assert WALLET.address.lower() not in words


def test_a_signature_for_the_other_network_reads_as_another_wallet(exchange: Exchange) -> None:
    mainnet = _signed(NOOP, source="a")
    assert "does not exist" in _post(exchange, mainnet)["response"]
    elsewhere = Exchange(network="mainnet", funded=[WALLET.address], clock=lambda: NOW)
    assert _post(elsewhere, mainnet) == OK


def test_a_tampered_action_reads_as_another_wallet(exchange: Exchange) -> None:
    body = {**_signed(ORDER), "action": {**ORDER, "grouping": "positionTpsl"}}
    assert "does not exist" in _post(exchange, body)["response"]


@pytest.mark.parametrize("r", ["0x0", "0x5", "0x" + "f" * 64])
def test_a_signature_that_recovers_nobody_is_refused(exchange: Exchange, r: str) -> None:
    body = _signed(NOOP)
    body["signature"]["r"] = r
    assert _post(exchange, body) == _err("Unable to recover signer.")


def test_a_high_s_recovers_the_same_signer(exchange: Exchange) -> None:
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    body = _signed(NOOP)
    low = body["signature"]
    body["signature"] = {"r": low["r"], "s": hex(order - int(low["s"], 16)), "v": 55 - low["v"]}
    assert _post(exchange, body) == OK


def test_anybody_may_sign_when_any_signer_is_allowed() -> None:
    exchange = Exchange(allow_any=True, clock=lambda: NOW)
    assert _post(exchange, _signed(NOOP, wallet=AGENT)) == OK
    assert exchange.journal.entries()[0].signer == AGENT.address.lower()


def test_an_agent_acts_on_its_masters_account(exchange: Exchange) -> None:
    exchange.register_agent(AGENT.address, master=WALLET.address)
    assert _post(exchange, _signed(ORDER, wallet=AGENT))["status"] == "ok"
    assert len(_open_orders(exchange, WALLET.address)) == 1
    assert _open_orders(exchange, AGENT.address) == []


def test_a_revoked_agent_is_unknown_again(exchange: Exchange) -> None:
    exchange.register_agent(AGENT.address, master=WALLET.address)
    exchange.accounts.revoke_agent(AGENT.address)
    assert "does not exist" in _post(exchange, _signed(NOOP, wallet=AGENT))["response"]


def test_an_agent_has_a_nonce_set_of_its_own(exchange: Exchange) -> None:
    exchange.register_agent(AGENT.address, master=WALLET.address)
    assert _post(exchange, _signed(NOOP)) == OK
    assert _post(exchange, _signed(NOOP, wallet=AGENT)) == OK


def test_a_vault_is_acted_on_once_it_is_registered(exchange: Exchange) -> None:
    assert _post(exchange, _signed(ORDER, vault=VAULT)) == _err(f"Vault not registered: {VAULT}")
    exchange.fund(VAULT)
    assert _post(exchange, _signed(ORDER, NOW + 1, vault=VAULT))["status"] == "ok"
    assert len(_open_orders(exchange, VAULT)) == 1


def test_a_duplicate_nonce_is_refused_with_the_exchanges_words(exchange: Exchange) -> None:
    _post(exchange, _signed(NOOP))
    assert _post(exchange, _signed(ORDER)) == _err(f"Invalid nonce: duplicate nonce {NOW}")


def test_a_nonce_below_the_kept_ones_is_refused_with_the_exchanges_words(exchange: Exchange) -> None:
    _post(exchange, _signed(NOOP))
    assert _post(exchange, _signed(NOOP, NOW - 1)) == _err(f"Invalid nonce: nonce too low {NOW - 1} < {NOW}")


def test_an_expired_action_is_refused_and_its_nonce_used_up(exchange: Exchange) -> None:
    assert _post(exchange, _signed(NOOP, expires_after=NOW - 1)) == _err("Action already expired")
    assert _post(exchange, _signed(NOOP)) == _err(f"Invalid nonce: duplicate nonce {NOW}")


def test_an_action_is_good_until_its_expiry_has_passed(exchange: Exchange) -> None:
    assert _post(exchange, _signed(NOOP, expires_after=NOW)) == OK


def test_an_unknown_signer_uses_up_no_nonce(exchange: Exchange) -> None:
    _post(exchange, _signed(NOOP, wallet=AGENT))
    exchange.fund(AGENT.address)
    assert _post(exchange, _signed(NOOP, wallet=AGENT)) == OK


def test_an_action_refused_as_a_whole_reads_as_an_error(exchange: Exchange) -> None:
    action = {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 99}
    assert _post(exchange, _signed(action)) == _err("Invalid leverage value. asset=0")


def test_a_scheduled_cancellation_runs_when_the_clock_is_moved(exchange: Exchange) -> None:
    _post(exchange, _signed(ORDER))
    _post(exchange, _signed({"type": "scheduleCancel", "time": NOW + 5_000}, NOW + 1))
    exchange.clock.advance(5_000)
    assert _open_orders(exchange, WALLET.address) == []


def test_the_clock_can_be_moved_stopped_and_released(exchange: Exchange) -> None:
    exchange.clock.advance(-7)
    assert exchange.clock.now_ms() == NOW - 7
    exchange.clock.stop_at(5)
    exchange.clock.advance(3)
    assert exchange.clock.now_ms() == 8
    exchange.clock.release()
    assert exchange.clock.now_ms() == NOW


def test_the_next_posts_can_be_refused_without_using_up_a_nonce(exchange: Exchange) -> None:
    exchange.refuse_next(2, text="Too many cumulative requests sent")
    for _ in range(2):
        assert _post(exchange, _signed(NOOP)) == _err("Too many cumulative requests sent")
    assert _post(exchange, _signed(NOOP)) == OK


def test_the_next_posts_can_meet_a_rate_limit(exchange: Exchange) -> None:
    exchange.rate_limit_next(1)
    assert exchange.post_exchange(json.dumps(_signed(NOOP)).encode()).status == 429
    assert _post(exchange, _signed(NOOP)) == OK


def test_a_lost_reply_leaves_the_action_done_and_the_nonce_used_up(exchange: Exchange) -> None:
    exchange.lose_next_replies(1)
    assert exchange.post_exchange(json.dumps(_signed(ORDER)).encode()).lost
    assert len(_open_orders(exchange, WALLET.address)) == 1
    assert _post(exchange, _signed(ORDER)) == _err(f"Invalid nonce: duplicate nonce {NOW}")


def test_after_its_nonces_are_pruned_an_old_action_can_be_replayed(exchange: Exchange) -> None:
    _post(exchange, _signed(NOOP))
    exchange.prune_nonces(WALLET.address)
    assert _post(exchange, _signed(NOOP)) == OK


def test_the_journal_tells_what_was_posted_by_whom_and_the_answer(exchange: Exchange) -> None:
    body = _signed(ORDER)
    _post(exchange, body)
    exchange.post_exchange(b"{")
    good, bad = exchange.journal.entries()
    assert (good.time_ms, good.posted, good.signer) == (NOW, body, WALLET.address.lower())
    assert good.answer.body == {
        "status": "ok",
        "response": {"type": "order", "data": {"statuses": [{"resting": {"oid": 1}}]}},
    }
    assert (bad.posted, bad.signer, bad.answer.status) == (None, None, 422)


def test_a_funded_address_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="an address"):
        Exchange(funded=["0x1234"])
