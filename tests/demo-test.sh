#!/usr/bin/env bash
# The first system's routes on a running service, with curl. Exit status 0 only if every check holds.
#
#   tests/demo-test.sh                                     starts a service of its own, on a free port
#   HYPERKMS_API_KEY=... tests/demo-test.sh URL            checks that one; the key is an administrator's
#
# Within 5 minutes a second run on one service may meet its limit for new wallets, and fails then.
# It makes two wallets, demo-<time>-e and demo-<time>-s. DEMO_WITHOUT_ROTATION=1 leaves rotation out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/support/checks.sh
. tests/support/checks.sh
find_service "$@"

id=demo-$(date +%s)-$$
order='{"type": "order", "orders": [{"a": 0, "b": true, "p": "60000", "s": "0.001", "r": false, "t": {"limit": {"tif": "Gtc"}}}], "grouping": "na"}'

call none GET /health
expect 'health, without a key' 200 '^\{"status":"ok","service":"hyperliquid-kms"\}$'
call none GET /ready
expect 'ready to sign' 200 '"status":"ready"'

call none GET /wallets
expect 'no key: 401 in the words of the first system' 401 '"error":"Unauthorized: Invalid API key"' '"code":"invalid-api-key"'
call wrong POST /wallets/sign '{}'
expect 'a wrong key: 401 before the body is looked at' 401 '"code":"invalid-api-key"'
call bearer GET /wallets
expect 'the key as a bearer token' 200 '"success":true'

call key POST /wallets/generate "{\"walletId\": \"$id-e\", \"keyType\": \"ed25519\", \"metadata\": {\"made\": \"by demo-test\"}}"
expect 'generate an ed25519 wallet' 200 '"success":true' "\"walletId\":\"$id-e\"" '"publicKey":"0x[0-9a-f]{64}"' '"createdAt":"'
public_key=$(member publicKey)
call key POST /wallets/generate "{\"walletId\": \"$id-e\", \"keyType\": \"ed25519\"}"
expect 'generate it again: 409' 409 '"code":"wallet-exists"'
call key GET "/wallets/$id-e/public-key"
expect 'its public key' 200 '"success":true' "\"walletId\":\"$id-e\""
same 'the second generate changed no key' "$(member publicKey)" "$public_key"

call key POST /wallets/sign "{\"walletId\": \"$id-e\", \"message\": \"hello\"}"
expect 'sign a message' 200 '"success":true' '"signature":"0x[0-9a-f]{128}"' "\"walletId\":\"$id-e\"" "\"publicKey\":\"$public_key\""
signature=$(member signature)
call key POST /wallets/sign "{\"walletId\": \"$id-e\", \"message\": \"hello\"}"
same 'the same message has the same Ed25519 signature' "$(member signature)" "$signature"
call key POST /wallets/sign-order "{\"walletId\": \"$id-e\", \"orderPayload\": {\"coin\": \"BTC\", \"sz\": 0.5, \"limitPx\": 60000}}"
expect 'sign an order payload' 200 '"success":true' '"signature":"0x[0-9a-f]{128}"'
differ 'another text has another signature' "$(member signature)" "$signature"

call key GET "/wallets?limit=1&after=$id-"
expect 'the wallet is in the list' 200 '"success":true' "\"wallets\":\[\{\"walletId\":\"$id-e\"" '"count":1'

call key POST /wallets/generate "{\"walletId\": \"$id-s\", \"keyType\": \"secp256k1\", \"network\": \"testnet\"}"
expect 'generate a wallet that trades' 200 '"address":"0x[0-9a-f]{40}"' '"publicKey":"0x0[23][0-9a-f]{64}"' '"network":"testnet"'
call key POST /hyperliquid/sign "{\"walletId\": \"$id-s\", \"action\": $order}"
expect 'sign a Hyperliquid order' 200 '"nonce":[0-9]{13}' '"r":"0x[0-9a-f]{64}"' '"s":"0x[0-9a-f]{64}"' '"v":(27|28)'
call key POST /hyperliquid/sign "{\"walletId\": \"$id-s\", \"action\": ${order/60000/60000.0}}"
expect 'a price that is not canonical: 400 that says what to send' 400 '"code":"not-canonical"' '"canonical":"60000"'

if test "${DEMO_WITHOUT_ROTATION:-}" = 1; then
    echo 'skipped rotation (DEMO_WITHOUT_ROTATION=1)'
else
    call key POST /wallets/rotate "{\"walletId\": \"$id-e\", \"reason\": \"demo\"}"
    expect 'rotate' 200 '"success":true' '"rotation":\{' '"newVersion":2' '"oldVersion":1' "\"oldPublicKey\":\"$public_key\"" '"gracePeriodDays":[0-9]+'
    new_key=$(member newPublicKey)
    differ 'the new version has a key of its own' "$new_key" "$public_key"
    call key POST /wallets/sign "{\"walletId\": \"$id-e\", \"message\": \"hello\"}"
    expect 'the new version signs' 200 "\"publicKey\":\"$new_key\""
    call key POST /wallets/sign "{\"walletId\": \"$id-e\", \"message\": \"hello\", \"version\": 1}"
    same 'the old version signs as before, while in grace' "$(member signature)" "$signature"
    call key GET "/wallets/$id-e/rotation-history"
    expect 'the history of rotations' 200 '"success":true' '"history":\{' '"rotationHistory":\[' '"reason":"demo"'
fi

call key POST /wallets/generate '{}'
expect 'generate without an id: 400' 400 '"error":"walletId is required"'
call key POST /wallets/sign "{\"walletId\": \"$id-e\"}"
expect 'sign without a message: 400' 400 '"error":"walletId and message are required"'
call key POST /wallets/sign-order "{\"walletId\": \"$id-e\"}"
expect 'sign-order without a payload: 400' 400 '"error":"walletId and orderPayload are required"'
call key POST /wallets/sign '{"walletId": "../../x", "message": "hello"}'
expect 'an id that is a path: 400' 400 '"code":"malformed-wallet-id"'
call key POST /wallets/sign "{\"walletId\": \"$id-e\", \"message\": [1, 2]}"
expect 'a message that is no text: 400' 400 '"code":"malformed"' '"field":"message"'
call key POST /wallets/sign '{"walletId":'
expect 'a body that is no JSON: 400' 400 '"code":"malformed-json"'
call key GET "/wallets/$id-nobody/public-key"
expect 'an unknown wallet: 404' 404 '"code":"wallet-not-found"'
call none GET "/problems/$(member code)"
expect 'what the code means, without a key' 200 '"cause":"' '"nextStep":"' '"retry":"no"'
call key GET /nothing/here
expect 'an unknown route: 404' 404 '"code":"no-such-route"'

conclude
