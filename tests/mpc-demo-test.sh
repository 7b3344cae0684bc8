#!/usr/bin/env bash
# The first system's MPC routes on a running service, with curl. Exit status 0 only if every check holds.
#
#   tests/mpc-demo-test.sh                                 starts a service of its own, on a free port
#   HYPERKMS_API_KEY=... tests/mpc-demo-test.sh URL        checks that one; the key is an administrator's
#
# While threshold signing is off, every MPC route must refuse in the words of the first system; where /mpc/status says
# that it is on, a wallet is made and signs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/support/checks.sh
. tests/support/checks.sh
find_service "$@"

id=mpc-demo-$(date +%s)-$$

check_off() {
    local route off='"error":"MPC is not enabled\. Set MPC_ENABLED=true in \.env"'
    for route in generate sign sign-order rotate; do
        call none POST "/mpc/wallets/$route" '{}'
        expect "$route without a key: 401" 401 '"error":"Unauthorized: Invalid API key"'
        call key POST "/mpc/wallets/$route" "{\"walletId\": \"$id\"}"
        expect "$route: 400, MPC is not enabled" 400 "$off" '"code":"mpc-disabled"'
    done
    call key GET "/mpc/wallets/$id/public-key"
    expect 'public-key: 400, MPC is not enabled' 400 "$off" '"code":"mpc-disabled"'
    call key GET "/wallets/$id/public-key"
    expect 'no wallet was made: 404' 404 '"code":"wallet-not-found"'
}

check_on() {
    local public_key
    call none POST /mpc/wallets/generate "{\"walletId\": \"$id\"}"
    expect 'generate without a key: 401' 401 '"error":"Unauthorized: Invalid API key"'
    call key POST /mpc/wallets/generate "{\"walletId\": \"$id\"}"
    expect 'generate' 200 '"success":true' "\"walletId\":\"$id\"" '"mpcEnabled":true' '"threshold":"2-of-3"' '"shareCount":3'
    public_key=$(member publicKey)
    call key POST /mpc/wallets/generate "{\"walletId\": \"$id\"}"
    expect 'generate it again: 409' 409 '"code":"wallet-exists"'
    call key GET "/mpc/wallets/$id/public-key"
    expect 'its public key' 200 '"mpcEnabled":true'
    same 'the second generate changed no key' "$(member publicKey)" "$public_key"
    call key POST /mpc/wallets/sign "{\"walletId\": \"$id\", \"message\": \"hello\"}"
    expect 'sign a message' 200 '"mpcSigning":true' '"signature":"0x[0-9a-f]{128}"' "\"publicKey\":\"$public_key\""
    call key POST /mpc/wallets/sign-order "{\"walletId\": \"$id\", \"orderPayload\": {\"coin\": \"BTC\", \"sz\": 0.5}}"
    expect 'sign an order payload' 200 '"mpcSigning":true' '"signature":"0x[0-9a-f]{128}"'
    call key POST /mpc/wallets/rotate "{\"walletId\": \"$id\", \"reason\": \"demo\"}"
    expect 'rotate' 200 '"rotation":\{' '"newVersion":2' "\"oldPublicKey\":\"$public_key\""
}

call none GET /mpc/status
expect 'status, without a key' 200 '"mpcEnabled":(true|false)' '"threshold":"[0-9]+"' '"totalShares":"[0-9]+"' '"algorithm":"' '"description":"'
case $body in
*'"mpcEnabled":true'*) check_on ;;
*'"mpcEnabled":false'*)
    echo 'threshold signing is off here: its routes must say so'
    check_off
    ;;
*) fail 'status says whether threshold signing is on' "$body" ;;
esac

conclude
