"""Requests that are repeated under an Idempotency-Key."""

from hyperkms.errors import Conflict, Malformed
from hyperkms.problem_table.entry import Problem, Retry, Situation

IDEMPOTENCY = Situation(
    title="Repeated requests",
    words=(
        "A POST with an `Idempotency-Key` is done once, and whoever repeats it gets the same answer; docs/api.md has "
        "the rules. These come to repetitions that cannot be answered so."
    ),
    shown_by=(
        'curl -i "$URL/wallets/sign" -H "X-API-Key: $KEY" -H "Idempotency-Key: one-of-mine" '
        '-d \'{"walletId": "bot-1", "message": "hello"}\''
    ),
    problems=(
        Problem(
            code="malformed-idempotency-key",
            family=Malformed,
            title="The Idempotency-Key is not of the documented form",
            cause="The header is empty, longer than 255 characters, has a space or non-ASCII in it, or came twice.",
            next_step="Send one header of 1 to 255 visible ASCII characters; a random UUID is a good key.",
        ),
        Problem(
            code="idempotency-key-reused",
            family=Conflict,
            title="The Idempotency-Key stands for another request",
            cause=(
                "This client sent another body, or asked another route, under this key. Bodies are compared byte for "
                "byte: the same members in another order are another body."
            ),
            next_step="Take a new key for a new request. To repeat one, send the very bytes that were sent first.",
        ),
        Problem(
            code="request-in-progress",
            family=Conflict,
            title="The request is under way",
            cause="The same request, under the same key, is being done now and did not end within two seconds.",
            next_step="Send it again with the same key, and get its answer.",
            retry=Retry.AFTER,
        ),
        Problem(
            code="idempotency-key-expired",
            family=Conflict,
            title="The Idempotency-Key is too old",
            cause=(
                "A request came under this key more than 24 hours ago. It is neither answered again nor resumed, so "
                "that a very late retry never becomes a signature that nobody expects."
            ),
            next_step="Look what became of it: in the record, at the exchange, in the list of wallets. Take a new key.",
        ),
        Problem(
            code="answer-not-kept",
            family=Conflict,
            title="The answer was given once and is not kept",
            cause=(
                "The request was done. Its answer shows an API key, and of that only a hash is kept, so it cannot be "
                "given again."
            ),
            next_step="If the first answer was lost, rotate the client's key with `overlapHours` 0 and a new key here.",
            shown_by="hyperkms client show NAME --data DIR",
        ),
        Problem(
            code="request-not-resumable",
            family=Conflict,
            title="The request cannot be resumed",
            cause=(
                "A request under this key was cut off, and this release cannot sign the same bytes for it: it was "
                "reserved by another release. Nothing else is signed in its place."
            ),
            next_step="Look in the record whether it was signed, and take a new key.",
        ),
    ),
)
