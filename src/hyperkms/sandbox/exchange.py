"""The exchange's state and its checks: a post's bytes in, an answer out. No I/O; the clock is an argument."""

from collections.abc import Callable, Iterable
from itertools import count

from hyperkms.sandbox.account_actions import AccountAction
from hyperkms.sandbox.accounts import Accounts
from hyperkms.sandbox.applying import Reply, apply
from hyperkms.sandbox.clock import MovableClock, wall_clock_ms
from hyperkms.sandbox.digest import Network, digest_of, vault_of
from hyperkms.sandbox.faults import Faults
from hyperkms.sandbox.fields import address, parse_json
from hyperkms.sandbox.info import answer_info
from hyperkms.sandbox.journal import Answer, Entry, Journal
from hyperkms.sandbox.nonces import NonceSet, check_nonce_window
from hyperkms.sandbox.parsing import Request, parse_request
from hyperkms.sandbox.placing import Moment
from hyperkms.sandbox.refusals import MALFORMED_TEXT, MalformedBody, Refused
from hyperkms.sandbox.signature import recover_address
from hyperkms.sandbox.transfers import apply_account_action, apply_user_action
from hyperkms.sandbox.user_actions import UserAction

MALFORMED = Answer(422, MALFORMED_TEXT)
# The official SDK reads a JSON null, and trips over any other JSON without "code" and "msg".
RATE_LIMITED = Answer(429, None)


class Exchange:
    """The stand-in's whole state, lost when the process ends.

    `network` decides which signatures are right; `funded` lists the known users; with `allow_any` every
    signer is one; `clock` gives milliseconds since 1970. Tests move `clock`, set `faults` and read
    `journal`. Not safe for use from several threads at once.
    """

    def __init__(
        self,
        *,
        network: Network = "testnet",
        funded: Iterable[str] = (),
        allow_any: bool = False,
        clock: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self.network: Network = network
        self.accounts = Accounts(funded, allow_any=allow_any)
        self.clock = MovableClock(clock)
        self.faults = Faults()
        self.journal = Journal()
        self._nonces: dict[str, NonceSet] = {}
        self._oids = count(1)

    def post_exchange(self, body: bytes) -> Answer:
        """Answer POST /exchange. The checks come in the exchange's order; the first that fails decides.

        1. body shape: 422        2. nonce window                 3. signer, recovered from the canonical form
        4. account                5. nonce set; from here on the nonce is used up, whatever follows
        6. expiresAfter           7. the action itself
        """
        if self.faults.take_rate_limit():
            return self._noted(None, None, RATE_LIMITED)
        posted: object = None
        try:
            posted = parse_json(body)
            request = parse_request(posted)  # (1)
        except MalformedBody:
            return self._noted(posted, None, MALFORMED)
        signer = self._signer(request)
        answer = Answer(200, self._judged(request, signer), lost=self.faults.take_lost_reply())
        return self._noted(posted, signer, answer)

    def post_info(self, body: bytes) -> Answer:
        """Answer POST /info; an unknown question is malformed."""
        try:
            return Answer(200, answer_info(parse_json(body), self.accounts, now_ms=self.clock.now_ms()))
        except MalformedBody:
            return MALFORMED

    def fund(self, user: str) -> None:
        """Make `user` known, as a first deposit does."""
        self.accounts.fund(user)

    def register_agent(self, agent: str, *, master: str) -> None:
        """Let `agent` sign for `master` until it is revoked, without any approval."""
        self.accounts.register_agent(agent, master=master)

    def refuse_next(self, posts: int, *, text: str | None = None) -> None:
        """Refuse the next well-formed posts, with `text`, before any nonce is used up."""
        self.faults.refused = posts
        self.faults.refusal_text = text or Faults.refusal_text

    def rate_limit_next(self, posts: int) -> None:
        """Answer 429 to the next posts, unread."""
        self.faults.rate_limited = posts

    def lose_next_replies(self, posts: int) -> None:
        """Carry the next well-formed posts out and break the connection instead of answering."""
        self.faults.lost_replies = posts

    def delay_answers(self, milliseconds: int) -> None:
        """Hold the answers of /exchange back this long; 0 ends it. What was posted takes effect at once."""
        self.faults.delay_ms = milliseconds

    def prune_nonces(self, signer: str) -> None:
        """Forget a signer's nonces, as may happen when an agent ends: its old actions can be replayed."""
        self._nonces.pop(address(signer), None)

    def _signer(self, request: Request) -> str | None:
        try:
            return recover_address(digest_of(request, self.network), request.signature)
        except Refused:
            return None

    def _judged(self, request: Request, signer: str | None) -> Reply:
        if self.faults.take_refusal():
            return {"status": "err", "response": self.faults.refusal_text}
        try:
            return {"status": "ok", "response": self._carried_out(request, signer)}
        except Refused as refusal:
            return {"status": "err", "response": str(refusal)}

    def _carried_out(self, request: Request, signer: str | None) -> Reply:
        now_ms = self.clock.now_ms()
        check_nonce_window(request.nonce, now_ms=now_ms)  # (2)
        if signer is None:  # (3)
            raise Refused("Unable to recover signer.")
        if isinstance(request.action, UserAction):
            return self._by_the_user(request, request.action, signer)
        account = self.accounts.acting_for(signer, vault_of(request), now_ms=now_ms)  # (4)
        self._use_nonce(signer, request.nonce)  # (5)
        if request.expires_after is not None and now_ms > request.expires_after:  # (6)
            raise Refused("Action already expired")
        account.run_schedule(now_ms=now_ms)
        if isinstance(request.action, AccountAction):  # (7)
            user = vault_of(request) or self.accounts.user_of(signer)
            return apply_account_action(request.action, user, self.accounts)
        return apply(request.action, account, Moment(now_ms, self._oids.__next__))

    def _by_the_user(self, request: Request, action: UserAction, signer: str) -> Reply:
        """Do the same with a user-signed action: it is the signer's own, whatever vault is named, and has no expiry."""
        if action.nonce != request.nonce or action.chain.lower() != self.network:
            raise Refused(f"The action must name the nonce of its request and hyperliquidChain {self.network.title()}")
        self.accounts.require_own(signer)  # (4)
        self._use_nonce(signer, request.nonce)  # (5)
        if request.expires_after is not None:  # (6) in the stand-in's words, as above
            raise Refused("expiresAfter is not supported for user-signed actions")
        return apply_user_action(action, signer, self.accounts, now_ms=self.clock.now_ms())  # (7)

    def _use_nonce(self, signer: str, nonce: int) -> None:
        self._nonces[signer] = self._nonces.get(signer, NonceSet()).with_nonce(nonce)

    def _noted(self, posted: object, signer: str | None, answer: Answer) -> Answer:
        self.journal.add(Entry(self.clock.now_ms(), posted, signer, answer))
        return answer
