"""Reading the bodies of POST /sandbox/*: how a test in another process moves the clock and orders faults."""

from hyperkms.sandbox.exchange import Exchange
from hyperkms.sandbox.fields import Fields, address, any_text, flag, parse_json, uint32, uint64
from hyperkms.sandbox.refusals import MalformedBody

Json = dict[str, object]


def move_clock(exchange: Exchange, body: bytes) -> Json:
    """Obey {advanceMs}, {stopAtMs} or {release: true} (milliseconds; advanceMs may be negative)."""
    fields = Fields(parse_json(body))
    advance = fields.take_optional("advanceMs", _signed)
    stop_at = fields.take_optional("stopAtMs", uint64)
    release = fields.take_optional("release", flag)
    fields.finish()
    if release:
        exchange.clock.release()
    if stop_at is not None:
        exchange.clock.stop_at(stop_at)
    if advance is not None:
        exchange.clock.advance(advance)
    return {"nowMs": exchange.clock.now_ms()}


def order_faults(exchange: Exchange, body: bytes) -> Json:
    """Obey any of {refuseNext, refuseText, rateLimitNext, loseReplyNext, delayMs, pruneNonces: signer}."""
    fields = Fields(parse_json(body))
    refuse, text = fields.take_optional("refuseNext", uint32), fields.take_optional("refuseText", any_text)
    rate_limit = fields.take_optional("rateLimitNext", uint32)
    lose_reply = fields.take_optional("loseReplyNext", uint32)
    delay_ms = fields.take_optional("delayMs", uint32)
    pruned = fields.take_optional("pruneNonces", address)
    fields.finish()
    if refuse is not None:
        exchange.refuse_next(refuse, text=text)
    if rate_limit is not None:
        exchange.rate_limit_next(rate_limit)
    if lose_reply is not None:
        exchange.lose_next_replies(lose_reply)
    if delay_ms is not None:
        exchange.delay_answers(delay_ms)
    if pruned is not None:
        exchange.prune_nonces(pruned)
    return {"status": "ok"}


def fund(exchange: Exchange, body: bytes) -> Json:
    """Obey {address}: a user becomes known; or {address, agentOf: master}: an agent may sign for another."""
    fields = Fields(parse_json(body))
    user, master = fields.take("address", address), fields.take_optional("agentOf", address)
    fields.finish()
    if master is None:
        exchange.fund(user)
    else:
        exchange.register_agent(user, master=master)
    return {"status": "ok"}


def show_log(exchange: Exchange) -> Json:
    """Return {entries: [{time_ms, posted, signer, answer{status, body, lost}}]}, oldest first."""
    return {"entries": exchange.journal.as_json()}


def _signed(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedBody("an integer was expected")
    return value
