"""Will this cosigner give its share of a signature: decided by what it verifies itself.

0. Its record is whole, as far as the others know.
1. It holds the share, and the share is in force (or kept, for the test message of its epoch).
2. None of the signers is banned.
3. The client's signed request is true, in time and for this group's coordinator, and its client has a grant here.
   Without one only the rules count that hold for everybody, and in production only where this cosigner was told so.
   The version is one that signs now, and the one that the request means.
4. What is to be signed is read in full: the action is known, fits the network, ends in time, and is what the client's
   request asks for.
5. The wallet's policy at this cosigner allows it, with the approvals that it asks for, and what counts over time is
   reserved.
6. Nothing else was signed for its nonce, for the client's request, or with one of the approvals.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from hyperkms.access.api_keys import unauthorized
from hyperkms.access.approvals import NONE_SHOWN, Conditions, Matter, Shown
from hyperkms.access.authority import Authority, Decision, Wanted, decide
from hyperkms.access.signing_grants import grants_to_sign
from hyperkms.errors import Conflict, Forbidden, Refused
from hyperkms.hyperliquid.explain import explain
from hyperkms.threshold.cosigner.authorities import CountedBefore
from hyperkms.threshold.cosigner.comparing import require_same
from hyperkms.threshold.cosigner.evidence import Evidence, named, to_sign
from hyperkms.threshold.cosigner.holding import Held
from hyperkms.threshold.cosigner.intent import ToSign, read_intent, require_expiry
from hyperkms.threshold.cosigner.ourselves import Place
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.cosigner.promises import Promise
from hyperkms.threshold.wire import Intent, OpenSigning, SignShare
from hyperkms.wallet import Network, address_of

_COUNTED_BEFORE = CountedBefore()


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A share of this signature may be given."""

    held: Held
    signers: frozenset[int]
    intent: Intent
    evidence: Evidence
    to_sign: ToSign
    decision: Decision | None
    """None for what no policy is about."""
    promise: Promise
    explained: str
    give_back: Callable[[], None]
    """What was reserved, where nothing comes of it."""
    generations: tuple[int | None, int | None]
    """Those of wallets and clients when it was decided."""


def judge(cosigner: Cosigner, ask: OpenSigning | SignShare) -> Judged:
    """Steps 1 to 6; each refusal names its rule."""
    cosigner.witnessed.require_whole()
    generations = cosigner.wallets.generation(), cosigner.client_generation()
    place, asker, intent = Place.of(ask.share), named(ask.asker), ask.intent
    for_test = intent.form == "test"
    if ask.prepared and not for_test:
        raise Refused("share-not-in-force", f"{place}: before an epoch is in force it signs its test message alone")
    held = cosigner.holding.signing(place, for_test=for_test and ask.prepared)  # (1)
    signers = cosigner.ourselves.quorum(ask.signers)
    cosigner.bans.require_none(signers)  # (2)
    if for_test:
        cosigner.test_messages.take("test messages that a cosigner signs")
        evidence = Evidence(kind="test", client=asker.client, request_id=asker.request_id)
    else:
        evidence = to_sign(cosigner, held.row, intent, asker)  # (3)
        cosigner.versions.require(held.row, evidence.asked, cosigner.clock())
    read = read_intent(intent, held.row, held.share.context)  # (4)
    require_expiry(read, cosigner.clock())
    if evidence.asked is not None:
        require_same(evidence.asked, intent, read, held.row, cosigner.clock())
    if read.action is not None and read.network in cosigner.markets:
        cosigner.markets[read.network].check(read.action)
    promise = _promise(held, intent, evidence, read)
    decision, give_back = _decide(cosigner, held, intent, evidence, read, promise)  # (5)
    if decision is not None:
        promise = replace(promise, approvals=tuple(one.use for one in decision.approved))
    try:
        cosigner.promises.require(promise)  # (6)
    except BaseException:
        give_back()
        raise
    return Judged(
        held=held,
        signers=signers,
        intent=intent,
        evidence=evidence,
        to_sign=read,
        decision=decision,
        promise=promise,
        explained=_explained(cosigner, read),
        give_back=give_back,
        generations=generations,
    )


def require_still(cosigner: Cosigner, judged: Judged) -> None:
    """What was decided still holds: rounds take time, and a change that was answered since counts.

    The share is in force and no signer banned; the client is, with the grant that permitted it; the policy is the same.
    """
    place, evidence, decision = judged.held.place, judged.evidence, judged.decision
    cosigner.witnessed.require_whole()
    held = cosigner.holding.signing(place, for_test=evidence.kind == "test")
    if held.share is not judged.held.share and held.row.session != judged.held.row.session:
        raise Conflict("share-changed", f"{place}: the share was made anew while this was being signed")
    cosigner.bans.require_none(judged.signers)
    require_expiry(judged.to_sign, cosigner.clock())
    wallets, clients = cosigner.wallets.generation(), cosigner.client_generation()
    if (wallets, clients) == judged.generations and None not in judged.generations:
        return
    if evidence.kind != "test":
        cosigner.versions.require(held.row, evidence.asked, cosigner.clock())
    if evidence.key is not None:
        _require_client(cosigner, judged, evidence.key)
    if decision is None:
        return
    if _authority(cosigner, judged.held, judged.intent, evidence).policy.label != decision.policy:
        words = f"the policy of wallet {place.wallet} was changed while this was being signed: ask again"
        raise Conflict("policy-changed", words)


def _require_client(cosigner: Cosigner, judged: Judged, key: str) -> None:
    client = cosigner.signed_requests.client_of(key)
    if client is None or judged.evidence.asked is None:
        raise unauthorized()
    row, operation = judged.held.row, judged.evidence.asked.operation
    grants = grants_to_sign(client, row.wallet, row.key_type, operation)
    granted = None if judged.decision is None else judged.decision.grant
    if granted is not None and all(grant.id != granted for grant in grants):
        words = f"the grant {granted} of client {client.name} was ended while this waited to be signed"
        raise Forbidden("action-not-granted", words)


def _decide(  # noqa: PLR0913, PLR0917 (all that a decision is made of)
    cosigner: Cosigner, held: Held, intent: Intent, evidence: Evidence, read: ToSign, promise: Promise
) -> tuple[Decision | None, Callable[[], None]]:
    if read.action is None or read.network is None:
        return None, _nothing_to_give_back
    meters = _COUNTED_BEFORE if cosigner.promises.is_known(promise) else cosigner.reservations
    approvals = _shown(cosigner, held, evidence, read, promise)
    wanted = Wanted(read.action, read.vault_address, read.expires_after, cosigner.clock(), approvals)
    authority = _authority(cosigner, held, intent, evidence)
    decision = decide(authority, wanted, cosigner.prices[read.network], meters)

    taken = [one for one in (decision.reservation, decision.watched) if one is not None]

    def give_back() -> None:
        while taken:  # once, whoever comes to it
            meters.give_back(taken.pop())

    return decision, give_back


def _shown(cosigner: Cosigner, held: Held, evidence: Evidence, read: ToSign, promise: Promise) -> Shown:
    """The approvals that came; this cosigner looks at each of them itself."""
    if not evidence.approvals or read.action is None or read.network is None:
        return NONE_SHOWN

    def is_askers(key: str) -> bool:
        found = cosigner.signed_requests.client_of(key)
        return found is not None and evidence.found is not None and found.name == evidence.found.name

    conditions = Conditions(
        now=cosigner.clock(),
        not_before=cosigner.promises.approvals_from,
        is_askers=is_askers,
        was_used=lambda key, id_: cosigner.promises.was_used(key, id_, promise.digest),
    )
    return Shown(evidence.approvals, Matter(held.row.wallet, read.network, read.vault_address, read.action), conditions)


def _authority(cosigner: Cosigner, held: Held, intent: Intent, evidence: Evidence) -> Authority:
    wallet = held.place.wallet
    if evidence.found is None:
        return cosigner.authorities.of_bearer(evidence.client, wallet)
    return cosigner.authorities.of_client(evidence.found, wallet, intent.operation, evidence.grants)


def _promise(held: Held, intent: Intent, evidence: Evidence, read: ToSign) -> Promise:
    return Promise(
        digest=read.form.digest,
        address=None if read.nonce is None else address_of(held.row.public_key),
        nonce=read.nonce or 0,
        request=evidence.request,
        position=intent.position,
    )


def _explained(cosigner: Cosigner, read: ToSign) -> str:
    if read.action is not None and read.network in (Network.MAINNET, Network.TESTNET):
        return explain(read.action, cosigner.prices[read.network].name)
    if read.message is not None:
        return f"a message of {len(read.message)} bytes"
    return "the test message of its epoch"


def _nothing_to_give_back() -> None:
    """Nothing was reserved."""
