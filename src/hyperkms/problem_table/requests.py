"""The request itself: its route, its body, its members."""

from hyperkms.errors import Malformed, NotFound
from hyperkms.problem_table.entry import Problem, Retry, Situation

REQUESTS = Situation(
    title="The request",
    words="What was sent is not of the form that docs/api.md and the page /docs describe; `field` names the place.",
    shown_by='curl -i "$URL/wallets/sign" -H "X-API-Key: $KEY" -d \'{"walletId": "bot-1", "message": "hello"}\'',
    problems=(
        Problem(
            code="malformed",
            family=Malformed,
            title="A value is not of the documented form",
            cause="The member that `field` names has a wrong type, or a value outside what is allowed there.",
            next_step="Correct that member; `detail` says what is due there.",
        ),
        Problem(
            code="malformed-json",
            family=Malformed,
            title="The body is not strict JSON",
            cause=(
                "The body is no JSON, or is something on which readers of JSON disagree: a duplicate key, NaN, a "
                "number beyond a double, a lone surrogate, bytes that are not UTF-8, more than 32 levels."
            ),
            next_step="Send what a JSON library writes; `detail` says what was met. In a shell, look at the quotes.",
            shown_by='curl -i "$URL/wallets/sign" -H "X-API-Key: $KEY" -d \'{"walletId": }\'',
        ),
        Problem(
            code="malformed-body",
            family=Malformed,
            title="The body is no JSON object",
            cause="The body is JSON, but a list, a text or a number instead of an object.",
            next_step="Send an object: `{...}`.",
            shown_by='curl -i "$URL/wallets/sign" -H "X-API-Key: $KEY" -d \'[]\'',
        ),
        Problem(
            code="missing-field",
            family=Malformed,
            title="A member is missing",
            cause="A member that this request needs is absent, null or empty; `field` names the first.",
            next_step="Add it. The sentence is the first system's, e.g. `walletId and message are required`.",
            shown_by='curl -i "$URL/wallets/sign" -H "X-API-Key: $KEY" -d \'{}\'',
        ),
        Problem(
            code="unknown-field",
            family=Malformed,
            title="A member is unknown",
            cause=(
                "The request or the action has a member that is not described for it. What is not understood is "
                "never signed and never passed over. Case matters."
            ),
            next_step="Take the member out, or correct its name.",
        ),
        Problem(
            code="body-too-large",
            family=Malformed,
            title="The body is too large",
            cause="The request body is larger than 64 KiB.",
            next_step="Send less in one request: a shorter message, fewer orders.",
        ),
        Problem(
            code="malformed-http",
            family=Malformed,
            title="What was sent is not HTTP/1.1",
            cause=(
                "The bytes on the connection are no request of HTTP/1.1, or too many requests were sent ahead of "
                "their answers. The connection is closed."
            ),
            next_step="Look whether the client speaks TLS to a port without it, or HTTP/2; use an HTTP library.",
            shown_by="openssl s_client -connect HOST:PORT; look for this code in the service's log",
        ),
        Problem(
            code="head-too-large",
            family=Malformed,
            title="The head of the request is too large",
            cause="Path and headers together are larger than 16 KiB. The connection is closed.",
            next_step="Send fewer headers; cookies and long query strings are not needed here.",
        ),
        Problem(
            code="request-timeout",
            family=Malformed,
            title="The request did not arrive in time",
            cause=(
                "Its head, or its body, was not whole within HYPERKMS_REQUEST_TIMEOUT (10 s). Nothing was signed and "
                "the connection is closed."
            ),
            next_step="Send the request again in one piece; look at the line and at a proxy in between.",
            retry=Retry.YES,
            shown_by="look for this code in the service's log",
        ),
        Problem(
            code="client-gone",
            family=Malformed,
            title="The client went away",
            cause="The connection was closed before the whole body had arrived. Nothing was signed.",
            next_step="Send the request again; look at the time-outs of the client and of a proxy in between.",
            retry=Retry.YES,
            shown_by="look for this code in the service's log",
        ),
        Problem(
            code="no-such-route",
            family=NotFound,
            title="There is no such route",
            cause="The path is none of the service's. A slash too many at its end counts as another path.",
            next_step="Compare the path with /docs. A base URL that ends in a slash makes `//wallets`.",
            shown_by='curl -s "$URL/openapi.json"',
        ),
        Problem(
            code="method-not-allowed",
            family=Malformed,
            title="The route has no such method",
            cause="The path is right and the method is not, e.g. GET where POST is due. A redirect may change it.",
            next_step="Use the method that the `Allow` header of the answer names.",
            shown_by='curl -i "$URL/wallets/sign"',
        ),
        Problem(
            code="unknown-problem",
            family=NotFound,
            title="There is no such code",
            cause="/problems/ was asked for a code that this release never answers.",
            next_step="Look for the code in the list at /problems; a newer release may know it.",
            shown_by='curl -s "$URL/problems"',
        ),
    ),
)
