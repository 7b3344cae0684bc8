"""What a client's grants and a wallet's policy say."""

from hyperkms.errors import Conflict, Forbidden, Malformed, NotFound, Refused, Tampered, Unavailable
from hyperkms.problem_table.entry import Problem, Retry, Situation

_SHOW = 'curl -s "$URL/wallets/bot-1/policy" -H "X-API-Key: $KEY"'
_EXPLAIN = (
    'curl -s "$URL/hyperliquid/explain" -H "X-API-Key: $KEY" -d \'{"walletId": "bot-1", "action": {"type": "noop"}}\''
)

RULES = Situation(
    title="Grants and policies",
    words="The client is known, and its grants or the wallet's policy do not allow this action now.",
    shown_by=_EXPLAIN,
    problems=(
        Problem(
            code="policy-refused",
            family=Refused,
            title="A rule refuses the action",
            cause=(
                "The wallet's policy, or the limits of the client's grant, have a rule that the action breaks. The "
                "members `policy`, `rule`, `value` and `limit` say which one, what broke it and what is allowed; "
                "`field` says where. A limit over time also has `left` and, where waiting helps, `retryAfterMs`. What "
                "a rule cannot judge (an unlisted coin, a mark that is too old) it refuses. Nothing was signed."
            ),
            next_step=(
                "Change the action, or wait as long as `retryAfterMs` says. If the rule is wrong, an administrator "
                "changes the policy: `hyperkms policy show`, `policy diff`, `policy apply`. POST /hyperliquid/explain "
                "says beforehand what would be refused."
            ),
            shown_by=_EXPLAIN,
        ),
        Problem(
            code="approval-required",
            family=Refused,
            title="People must approve the action first",
            cause=(
                "A rule asks for signatures of approvers over this very action, and fewer came that count. The message "
                "says how many are needed and of whom, who has approved, and why each of the others does not count: it "
                "has ended, is of another action, wallet, network or account, of a key that is none of the approvers', "
                "was used before, or is a second one of the same person. Nothing was signed."
            ),
            next_step=(
                "Give the action to the approvers: `hyperkms approve FILE --wallet ID --network NETWORK --key KEY` "
                "says what it does and prints an approval. Send the request again with all of them in `approvals`, "
                "with the same action to the digit and within the time that they hold, 15 minutes unless said."
            ),
            shown_by=_EXPLAIN,
        ),
        Problem(
            code="approval-used",
            family=Conflict,
            title="The approval was used",
            cause=(
                "An approval permits one signature. This one was used by another request in the same moment, or a "
                "cosigner has given its share for something else with it, or it ended while cosigners were at it."
            ),
            next_step=(
                "Look in the record what was signed with it (`hyperkms audit show`), and ask the approver for another "
                "one if this is to be signed as well."
            ),
        ),
        Problem(
            code="malformed-approval",
            family=Malformed,
            title="Nothing of this form can be approved",
            cause="Of an approval, wallet and network have at most 255 bytes each, and the address of a vault has 20.",
            next_step="Look at the wallet's id and the vault's address.",
        ),
        Problem(
            code="action-not-granted",
            family=Forbidden,
            title="The client is not granted such actions",
            cause=(
                "The client may sign actions with this wallet, but its grants name classes of actions (order, cancel, "
                "leverage, transfer, authority, settings), and that of this action is none of them."
            ),
            next_step=(
                "Use another client, or have it granted: "
                "`hyperkms client grant NAME --wallet ID --allow trade --actions order,cancel`."
            ),
            shown_by='curl -s "$URL/clients/bot-1" -H "X-API-Key: $KEY"',
        ),
        Problem(
            code="address-not-allowed",
            family=Forbidden,
            title="The client may not ask from this address",
            cause="The client is held to certain networks, and the request came from none of them.",
            next_step=(
                "Ask from an address of those networks. Behind a proxy, name it in HYPERKMS_TRUSTED_PROXIES, so that "
                "the bot's own address is seen. If nobody of yours asked, the key is stolen: revoke the client."
            ),
            shown_by='curl -s "$URL/clients/bot-1" -H "X-API-Key: $KEY"',
        ),
        Problem(
            code="grant-not-found",
            family=NotFound,
            title="The client has no such grant",
            cause="There is no grant of this id, it belongs to another client, or it was ended before.",
            next_step="Look at the client's grants.",
            shown_by='curl -s "$URL/clients/bot-1" -H "X-API-Key: $KEY"',
        ),
        Problem(
            code="client-has-role",
            family=Conflict,
            title="Grants are for bots",
            cause="The client has a role, which says what it may; it is given nothing beside it.",
            next_step="Make a client of the role bot.",
            shown_by='curl -s "$URL/clients" -H "X-API-Key: $KEY"',
        ),
        Problem(
            code="malformed-policy",
            family=Malformed,
            title="The policy is not of the documented form",
            cause=(
                "A member is unknown, missing or of another type, an action type does not exist, or a value is out of "
                "its bounds; the sentence names the place. A member that is misspelt is refused: the rule would not "
                "hold. Nothing was changed."
            ),
            next_step=(
                "Correct the file: docs/policy.md has every member. "
                "`hyperkms policy check FILE` reads it without a service."
            ),
            shown_by="hyperkms policy check policy.toml",
        ),
        Problem(
            code="policy-not-found",
            family=NotFound,
            title="The wallet has no policy of this version",
            cause="The number is of no version that this wallet ever had.",
            next_step="`hyperkms policy show --wallet ID --all` lists them.",
            shown_by=_SHOW,
        ),
        Problem(
            code="policy-changed",
            family=Conflict,
            title="Another change of the policy came first",
            cause=(
                "The newest version is not the one that the request expects, so somebody has changed it meanwhile. Or "
                "it was changed while an action was being signed under it; nothing was signed."
            ),
            next_step="Look at what holds now, and apply yours again. An action may be asked for again at once.",
            shown_by=_SHOW,
        ),
        Problem(
            code="policy-damaged",
            family=Tampered,
            title="A stored policy cannot be read",
            cause=(
                "The database holds a policy of this wallet that is no policy, or has members that this release does "
                "not know. Nothing is signed under it: a rule that cannot be read cannot be kept."
            ),
            next_step=(
                "Find out who changed the database, or use the newer release that wrote it. `hyperkms policy apply` "
                "gives the wallet a new one."
            ),
            shown_by=_SHOW,
        ),
        Problem(
            code="meters-full",
            family=Unavailable,
            title="There is no room for more limits over time",
            cause="Each rule with a limit over time has a meter for each wallet or grant, and all are taken.",
            next_step="Use fewer rules with limits over time, and the same names of rules when a policy is changed.",
            retry=Retry.NO,
            shown_by=_SHOW,
        ),
        Problem(
            code="malformed-period",
            family=Malformed,
            title="A period is too short to be counted",
            cause="The core was given a period of less than 60 ms. Policies are refused before.",
            next_step="Report it with the release and what was sent: an earlier check should have refused it.",
            shown_by="hyperkms --version",
        ),
    ),
)
