"""Ids outside the grammar: refused in bodies and paths, and nothing is stored for them."""

import unicodedata
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from support import custody, databases
from support.keep_alive import Line, assert_malformed, line_to
from support.naughty import NAME, naughty_strings
from support.record import records_in
from support.service import Service

HAND_MADE = {
    "full-width letters, which NFKC makes plain": "\uff42\uff4f\uff54",
    "a ligature, which NFKC makes plain": "proﬁt",
    "a superscript": "bot²",
    "a combining accent": unicodedata.normalize("NFD", "bét"),
    "a Cyrillic letter": "b\u043et",
    "a zero-width space": "bot\u200b",
    "a zero-width joiner": "b\u200dot",
    "a byte order mark": "\ufeffbot",
    "right to left": "\u202etob",
    "a soft hyphen": "bo\xadt",
    "NUL at the end": "bot\0",
    "NUL inside": "bot\0.key",
    "a newline at the end": "bot\n",
    "a carriage return": "bot\r\n",
    "a tab": "bot\t",
    "a space before": " bot",
    "a space after": "bot ",
    "a parent folder": "../bot",
    "a parent folder, quoted": "..%2fbot",
    "a parent folder, quoted twice": "..%252fbot",
    "a parent folder in overlong UTF-8": "..%c0%afbot",
    "backslashes": "..\\bot",
    "an absolute path": "/etc/passwd",
    "a drive": "C:bot",
    "a dot": ".",
    "two dots": "..",
    "a hidden file": ".bot",
    "a flag": "-bot",
    "an underscore first": "_bot",
    "a wildcard": "bo*",
    "a colon": "bot:1",
    "an at sign": "bot@1",
    "a quote": "bot'",
    "SQL": "x' OR '1'='1",
    "a script": "<script>",
    "an expression": "${jndi:ldap://x}",
    "an emoji": "😀",
    "Arabic digits": "٣",
    "65 characters": "x" * 65,
    "10,000 characters": "x" * 10_000,
}


@pytest.fixture
def line(shared_service: Service) -> Iterator[Line]:
    with line_to(shared_service) as opened:
        yield opened


def _assert_refused_everywhere(line: Line, wallet: str) -> None:
    for route, members in (
        ("/wallets/generate", {}),
        ("/wallets/generate", {"keyType": "secp256k1"}),
        ("/wallets/sign", {"message": "m"}),
        ("/wallets/sign-order", {"orderPayload": {}}),
        ("/hyperliquid/sign", {"action": {"type": "noop"}}),
    ):
        answer = line.post(route, {"walletId": wallet, **members})
        code = assert_malformed(answer)
        assert code in ("malformed-wallet-id", "missing-field"), (route, wallet)
        assert answer.json["field"] == "walletId"
        assert len(wallet) < 3 or wallet not in answer.json["error"], "what was sent is not repeated"
    for place in (wallet, quote(wallet)):
        shown = line.get(f"/wallets/{quote(place, safe='')}/public-key")
        assert shown.status in (400, 404), wallet


def _assert_nothing_stored(service: Service) -> None:
    assert service.get("/wallets").json["wallets"] == []
    for table in ("wallets", "key_versions", "sealed_keys", "signers"):
        assert databases.rows(service.data, f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608 (names above)
    assert custody.kind() != custody.SECRETS_MANAGER or custody.secrets_of(service.data) == []
    names = {path.name for path in service.data.iterdir()} - {"hyperkms.db-journal"}
    counted = {name for name in names if name.startswith("metrics-")}
    in_files = databases.kind() == databases.SQLITE
    own = {"hyperkms.db", "hyperkms.db-ahead"} if in_files else {"database", "instance.lock"}
    own |= {"root.key"} if custody.kind() == custody.FILE else set()
    locks = {"requests.lock", "sweep.lock"}
    assert names - counted == {"admin.key", *own, "meters", "nonces", "records", "shared", *locks}
    assert {path.name for path in service.data.parent.iterdir()} == {"data"}
    assert records_in(service.data / "records") == []


def test_ids_outside_the_grammar_are_refused_and_nothing_is_stored(service: Service) -> None:
    refused = [wallet for wallet in (*HAND_MADE.values(), *naughty_strings()) if not NAME.fullmatch(wallet)]
    with line_to(service) as line:
        for wallet in refused:
            _assert_refused_everywhere(line, wallet)
    assert len(refused) > len(HAND_MADE) + 150
    _assert_nothing_stored(service)


def test_naughty_strings_of_the_grammar_are_ids_like_any_other(line: Line) -> None:
    names = dict.fromkeys(wallet for wallet in naughty_strings() if NAME.fullmatch(wallet))
    assert {"null", "None", "true"} <= set(names)
    for wallet in names:
        assert line.get(f"/wallets/{wallet}/public-key").status == 404
        made = line.post("/wallets/generate", {"walletId": wallet})
        assert (made.status, made.json["wallet"]["walletId"]) == (200, wallet)
        assert line.post("/wallets/sign", {"walletId": wallet, "message": wallet}).status == 200
    keys = {entry["walletId"]: entry["publicKey"] for entry in line.get("/wallets").json["wallets"]}
    assert len(set(keys.values())) == len(keys) >= len(names)


def test_ids_that_differ_in_case_or_look_like_storage_names_are_different_wallets(shared_service: Service) -> None:
    names = ["bot", "Bot", "BOT", "bot-v1", "bot-v1-metadata", "bot-version-metadata", "mpc-share-bot-1", "b" * 64]
    keys = {shared_service.generate(wallet)["publicKey"] for wallet in names}
    assert len(keys) == len(names)
    for wallet in names:
        assert shared_service.get(f"/wallets/{wallet}/public-key").json["publicKey"] in keys


def test_naughty_strings_are_signed_as_messages_and_kept_as_metadata(line: Line) -> None:
    texts = [text for text in naughty_strings() if text]
    groups = {f"kept-{first:03}": texts[first : first + 8] for first in range(0, len(texts), 8)}
    for wallet, labels in groups.items():
        made = line.post("/wallets/generate", {"walletId": wallet, "metadata": {"labels": labels}})
        assert made.status == 200, made.body
        for text in labels:
            assert line.post("/wallets/sign", {"walletId": wallet, "message": text}).status == 200, text
    listed = {entry["walletId"]: entry.get("metadata") for entry in line.get("/wallets").json["wallets"]}
    assert {wallet: listed[wallet] for wallet in groups} == {w: {"labels": labels} for w, labels in groups.items()}


def test_naughty_strings_in_queries_and_keys_are_no_failure(line: Line) -> None:
    for text in (*naughty_strings(), *HAND_MADE.values()):
        for query in (f"after={quote(text, safe='')}", quote(text, safe="")):
            assert line.get(f"/wallets?{query}").status in (200, 400), text
        header = quote(text, safe=" !#$&'()*+,/:;=?@[]<>{}|\"\\^`~")
        for headers in ({"X-API-Key": header}, {"Authorization": f"Bearer {header}"}):
            assert line.request("GET", "/wallets", None, headers).status in (400, 401), text
