#!/usr/bin/env bash
# The first system's MPC routes on a running service, with curl. Exit status 0 only if every check holds.
#
#   tests/mpc-demo-test.sh                                 starts a service of its own, with three cosigners
#   HYPERKMS_API_KEY=... tests/mpc-demo-test.sh URL        checks that one; the key is an administrator's
#
# Where /mpc/status says that threshold signing is on, small orders are signed by a wallet with one key and large ones by
# a wallet in shares. Where it says that it is off, every MPC route must refuse in the words of the first system.
# Within 5 minutes a second run on one service may meet its limit for new wallets, and fails then.
# It makes three wallets, mpc-demo-<time>-e, -m and -a. `make demo ARGS=--mpc` shows what becomes of lost cosigners.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/support/checks.sh
. tests/support/checks.sh
export MPC_ENABLED=${MPC_ENABLED:-true} # of a service of our own
patience=60                             # seconds: all cosigners make a key together
find_service "$@"

id=mpc-demo-$(date +%s)-$$
large_usd=10000

# action SIZE PRICE: a limit order of BTC, which is asset 0: no name of a coin has to be asked for at the exchange.
action() {
    printf '{"type": "order", "orders": [{"a": 0, "b": true, "p": "%s", "s": "%s", "r": false, "t": {"limit": {"tif": "Gtc"}}}], "grouping": "na"}' "$2" "$1"
}

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

check_status() {
    expect 'status names both protocols' 200 '"ed25519":"FROST' '"secp256k1":"DKLs23"'
    expect 'status says that DKLs23 is not audited' 200 '"audited":\{[^}]*"secp256k1":false'
    expect 'status says where the cosigners run, and what that protects against' 200 '"deployment":"(embedded|separate)"' '"protects":"protects against '
    expect 'status says who answers' 200 '"cosigners":\[\{"index":1,"name":"[^"]+","alive":(true|false)\}' '"quorumLeft":-?[0-9]'
}

check_ed25519() {
    local public_key signature
    call none POST /mpc/wallets/generate "{\"walletId\": \"$id-e\"}"
    expect 'generate without a key: 401' 401 '"error":"Unauthorized: Invalid API key"'
    call key POST /mpc/wallets/generate "{\"walletId\": \"$id-e\", \"keyType\": \"ed25519\"}"
    expect 'generate an ed25519 wallet in shares' 200 '"success":true' "\"walletId\":\"$id-e\"" '"mpcEnabled":true' '"threshold":"[0-9]-of-[0-9]"' '"shareCount":[0-9]'
    public_key=$(member publicKey)
    call key POST /mpc/wallets/generate "{\"walletId\": \"$id-e\", \"keyType\": \"ed25519\"}"
    expect 'generate it again: 409' 409 '"code":"wallet-exists"'
    call key GET "/mpc/wallets/$id-e/public-key"
    expect 'its public key' 200 '"mpcEnabled":true'
    same 'the second generate changed no key' "$(member publicKey)" "$public_key"
    call key POST /mpc/wallets/sign "{\"walletId\": \"$id-e\", \"message\": \"hello\"}"
    expect 'sign a message' 200 '"mpcSigning":true' '"signature":"0x[0-9a-f]{128}"' "\"publicKey\":\"$public_key\""
    expect 'its receipt says who cosigned' 200 '"cosigned":\{"protocol":"FROST[^"]*","session":"0x[0-9a-f]{64}","signers":\[[1-9](,[1-9])+\]'
    signature=$(member signature)
    call key POST /mpc/wallets/sign-order "{\"walletId\": \"$id-e\", \"orderPayload\": {\"coin\": \"BTC\", \"sz\": 0.5}}"
    expect 'sign an order payload' 200 '"mpcSigning":true' '"signature":"0x[0-9a-f]{128}"'
    differ 'another text has another signature' "$(member signature)" "$signature"
    call key POST /mpc/wallets/rotate "{\"walletId\": \"$id-e\", \"reason\": \"demo\"}"
    expect 'rotate' 200 '"rotation":\{' '"newVersion":2' "\"oldPublicKey\":\"$public_key\""
    call key POST /mpc/wallets/sign "{\"walletId\": \"$id-e\", \"message\": \"hello\"}"
    expect 'the new version signs' 200 '"signature":"0x[0-9a-f]{128}"'
    differ 'with a key of its own' "$(member publicKey)" "$public_key"
}

# Large orders by the wallet in shares, the rest by one with a single key.
check_two_wallets() {
    local large small
    call key POST /mpc/wallets/generate "{\"walletId\": \"$id-m\", \"keyType\": \"secp256k1\", \"network\": \"testnet\"}"
    expect 'generate a wallet in shares that trades' 200 '"address":"0x[0-9a-f]{40}"' '"mpcEnabled":true'
    large=$(member address)
    call key POST /wallets/generate "{\"walletId\": \"$id-a\", \"keyType\": \"secp256k1\", \"network\": \"testnet\"}"
    expect 'generate one with a single key' 200 '"address":"0x[0-9a-f]{40}"'
    small=$(member address)
    differ 'they have different addresses' "$large" "$small"
    place 0.01 58000 "$small"
    place 0.5 58000 "$large"
    call key POST /mpc/wallets/sign "{\"walletId\": \"$id-m\", \"message\": \"hello\"}"
    expect 'the wallet in shares signs a message' 200 '"mpcSigning":true' '"signature":"0x[0-9a-f]{130}"' "\"address\":\"$large\""
    call key POST /mpc/wallets/sign "{\"walletId\": \"$id-a\", \"message\": \"hello\"}"
    expect 'a wallet with a single key is none of the MPC routes: 404' 404 '"code":"wallet-not-found"'
    call key POST /hyperliquid/sign "{\"walletId\": \"$id-m\", \"action\": $(action 0.5 58000.0)}"
    expect 'a price that is not canonical: 400 that says what to send' 400 '"code":"not-canonical"' '"canonical":"58000"'
}

# place SIZE PRICE ADDRESS: an order signed by the wallet that its value asks for, which must have that address.
place() {
    local value wallet words
    value=$(awk -v size="$1" -v price="$2" 'BEGIN { printf "%d", size * price }')
    if test "$value" -ge "$large_usd"; then
        wallet=$id-m words="$value USD, $large_usd and more: the wallet in shares"
    else
        wallet=$id-a words="$value USD, less than $large_usd: the wallet with a single key"
    fi
    call key POST /hyperliquid/sign "{\"walletId\": \"$wallet\", \"action\": $(action "$1" "$2")}"
    expect "an order of $words signs" 200 "\"address\":\"$3\"" '"nonce":[0-9]{13}' '"r":"0x[0-9a-f]{64}"' '"v":(27|28)'
    if test "$wallet" = "$id-m"; then
        expect 'by cosigners, for a short time' 200 '"expiresAfter":[0-9]{13}' '"protocol":"DKLs23"' '"signers":\[[1-9](,[1-9])+\]' '"audited":false'
    else
        expect 'by nobody else' 200 '"expiresAfter":null' '"receipt":\{'
    fi
}

check_refusals() {
    call key POST /mpc/wallets/generate '{}'
    expect 'generate without an id: 400' 400 '"error":"walletId is required"'
    call key POST /mpc/wallets/sign "{\"walletId\": \"$id-e\"}"
    expect 'sign without a message: 400' 400 '"error":"walletId and message are required"'
    call key POST /mpc/wallets/sign-order "{\"walletId\": \"$id-m\"}"
    expect 'sign-order without a payload: 400' 400 '"error":"walletId and orderPayload are required"'
    call key POST /mpc/wallets/sign "{\"walletId\": \"$id-nobody\", \"message\": \"hello\"}"
    expect 'an unknown wallet: 404' 404 '"code":"wallet-not-found"'
}

call none GET /mpc/status
expect 'status, without a key' 200 '"mpcEnabled":(true|false)' '"threshold":"[0-9]+"' '"totalShares":"[0-9]+"' '"algorithm":"' '"description":"'
case $body in
*'"mpcEnabled":true'*)
    check_status
    check_ed25519
    check_two_wallets
    check_refusals
    ;;
*'"mpcEnabled":false'*)
    echo 'threshold signing is off here: its routes must say so'
    check_off
    ;;
*) fail 'status says whether threshold signing is on' "$body" ;;
esac

conclude
