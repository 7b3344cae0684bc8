# Sourced by tests/demo-test.sh and tests/mpc-demo-test.sh: a service to talk to, and checks that are counted.
#
# Sets: url, work (a folder that is removed at the end), status and body (of the last answer).
# shellcheck shell=bash

failures=0
patience=20 # seconds for one answer
checks=0
status=''
body=''
service=''
work=$(mktemp -d)
trap 'end_of_script' EXIT

end_of_script() {
    if test -n "$service"; then
        kill "$service" 2>/dev/null || true
        wait "$service" 2>/dev/null || true
    fi
    rm -rf "$work"
}

# With a URL: that service, with the key in HYPERKMS_API_KEY. Without: one of our own, on a free port.
find_service() {
    url=${1:-${HYPERKMS_URL:-}}
    url=${url%/}
    local key=${HYPERKMS_API_KEY:-}
    if test -z "$url"; then
        start_service
        key=$(cat "$work/data/admin.key")
    elif test -z "$key"; then
        echo "set HYPERKMS_API_KEY to an administrator's key of $url" >&2
        exit 2
    fi
    # A file, so that the key stands in no list of processes.
    (umask 077 && printf 'X-API-Key: %s\n' "$key" >"$work/key" && printf 'Authorization: Bearer %s\n' "$key" >"$work/bearer")
    printf 'X-API-Key: wrong\n' >"$work/wrong"
    echo "checking $url"
}

start_service() {
    local hyperkms=${HYPERKMS:-$PWD/.venv/bin/hyperkms} line
    if ! test -x "$hyperkms"; then
        echo "there is no $hyperkms: run \`make setup\` first, or name a running service" >&2
        exit 2
    fi
    mkfifo "$work/output"
    # In a folder without .env, and without settings of this shell that lead elsewhere.
    (cd "$work" && exec env -u API_KEY -u HYPERKMS_DATA -u HYPERKMS_HOST HYPERKMS_ENV=development HYPERKMS_NETWORK=testnet \
        LOG_LEVEL=info "$hyperkms" serve --data "$work/data" --port 0 >"$work/output" 2>"$work/errors") &
    service=$!
    exec 3<"$work/output"
    while read -r line <&3; do
        case $line in
        *'"event": "cosigner-log"'*) ;; # what one of its cosigners says, which listens too
        *'"event": "listening"'*)
            url=$(printf '%s' "$line" | sed 's/.*"url": "\([^"]*\)".*/\1/')
            cat <&3 >/dev/null &
            return
            ;;
        esac
    done
    echo 'the service did not start:' >&2
    cat "$work/errors" >&2
    exit 1
}

# call HEADERS METHOD PATH [BODY]: HEADERS is key, bearer, wrong or none.
call() {
    local headers=$1 method=$2 path=$3
    local options=(--silent --show-error --max-time "$patience" --output "$work/body" --write-out '%{http_code}' --request "$method")
    if test "$headers" != none; then options+=(--header "@$work/$headers"); fi
    if test $# -gt 3; then options+=(--header 'Content-Type: application/json' --data-binary "$4"); fi
    : >"$work/body"
    status=$(curl "${options[@]}" "$url$path" 2>"$work/curl") || status="no answer ($(cat "$work/curl"))"
    body=$(cat "$work/body")
}

# Judges the last answer: expect WORDS STATUS [PATTERN]..., each an extended regular expression in the body.
expect() {
    local words=$1 wanted=$2 pattern
    shift 2
    if test "$status" != "$wanted"; then
        fail "$words" "status $status instead of $wanted: $body"
        return
    fi
    for pattern in "$@"; do
        if ! printf '%s' "$body" | grep -Eq -- "$pattern"; then
            fail "$words" "no $pattern in $body"
            return
        fi
    done
    pass "$words"
}

# same WORDS ONE OTHER: two texts that must be there and equal; differ: that must not be equal.
same() {
    if test -n "$2" && test "$2" = "$3"; then pass "$1"; else fail "$1" "'$2' and '$3'"; fi
}

differ() {
    if test -n "$2" && test -n "$3" && test "$2" != "$3"; then pass "$1"; else fail "$1" "'$2' and '$3'"; fi
}

# The first text member of that name in the last answer, or nothing.
member() {
    printf '%s' "$body" | grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4 || true
}

pass() {
    checks=$((checks + 1))
    echo "ok      $1"
}

fail() {
    checks=$((checks + 1))
    failures=$((failures + 1))
    echo "FAILED  $1: $2"
}

# The last line, and the exit status: 0 only if something was checked and all of it held.
conclude() {
    if test "$failures" -gt 0 || test "$checks" -eq 0; then
        echo "FAILED: $failures of $checks checks"
        exit 1
    fi
    echo "all $checks checks ok"
}
