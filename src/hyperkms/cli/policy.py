"""`hyperkms policy`: check, show, diff, apply, use, schema."""

import difflib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from hyperkms.access.policy.document import PolicyDocument, canonical_text, period_of, policy_of, schema, span_of
from hyperkms.access.policy.judge import allowed_types
from hyperkms.cli.names import complete_wallets
from hyperkms.cli.policy_desk import policy_desk
from hyperkms.cli.policy_file import read_policy_file
from hyperkms.cli.printing import FORM, Form, show_json
from hyperkms.cli.target import Target, with_target
from hyperkms.cli.telling import tell_operator
from hyperkms.errors import NotFound
from hyperkms.wallet import parse_wallet_id

_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
_WALLET = click.option(
    "--wallet", "wallet_id", required=True, metavar="ID", shell_complete=complete_wallets, help="The wallet it is of."
)
_REASON = click.option("--reason", help="For the record.")
_COINS_UNCHECKED = "coin names are not checked here; `policy apply` compares them with the exchange's list"
_TRADE_ONLY = "trade-only: " + ", ".join(allowed_types(["trade-only"]))


@click.group()
def policy() -> None:
    """What may be signed with a wallet: read a policy, compare it, put it in force (docs/policy.md)."""


@policy.command("check")
@_FILE
@FORM
def check_command(file: Path, form: Form) -> None:
    """Read a policy strictly, without a service, and say what it comes to."""
    document = read_policy_file(file)
    if form is Form.JSON:
        show_json(msgspec.to_builtins(document))
        return
    rules = len(document.rules)
    click.echo(f"{file}: a policy of {rules} rule{'' if rules == 1 else 's'}")
    click.echo(f"it allows {', '.join(allowed_types(document.allow))}")
    for rule in document.rules:
        click.echo(f"  {rule.name}: {_rule_words(rule)}")
    if _names_coins(document):
        tell_operator(f"hyperkms: {_COINS_UNCHECKED}")


@policy.command("schema")
@FORM
def schema_command(form: Form) -> None:  # noqa: ARG001 (it is JSON either way)
    """Print the JSON Schema of a policy."""
    show_json(schema())


@policy.command("show")
@_WALLET
@click.option("--version", "number", type=click.IntRange(1), help="This version, whether it holds or not.")
@click.option("--all", "every", is_flag=True, help="List every version there ever was.")
@with_target
@FORM
def show_command(
    wallet_id: str,
    number: int | None,
    every: bool,  # noqa: FBT001 (click passes a flag)
    target: Target,
    form: Form,
) -> None:
    """Print the policy of a wallet: what decides, and what watches in shadow."""
    with policy_desk(target) as desk:
        answer = desk.show(parse_wallet_id(wallet_id))
    if number is not None:
        _show_version(_version(answer, number), form)
    elif form is Form.JSON:
        show_json(answer if every else {name: value for name, value in answer.items() if name != "versions"})
    elif every and answer["signs"] == "actions":
        for version in answer["versions"]:
            reason = f"  {version['reason']}" if "reason" in version else ""
            effect = _effect(answer, version["version"])
            click.echo(f"{version['version']:>4}  {version['createdAt']}  {version['createdBy']}  {effect}{reason}")
    else:
        _show_standing(answer)


@policy.command("diff")
@_FILE
@_WALLET
@with_target
@FORM
def diff_command(file: Path, wallet_id: str, target: Target, form: Form) -> None:
    """Print what would change if a file were applied to a wallet; nothing if it is the same."""
    new = read_policy_file(file)
    wallet = parse_wallet_id(wallet_id)
    with policy_desk(target) as desk:
        answer = desk.show(wallet)
        doubts = desk.doubts(wallet, {"policy": msgspec.to_builtins(new)})["notes"]
    standing = answer["enforced"]["policy"] if "enforced" in answer else {"format": 1, "allow": ["trade-only"]}
    label = f"version {answer['enforced']['version']}" if "enforced" in answer else "built-in trade-only"
    before, after = (canonical_text(document).splitlines() for document in (policy_of(standing), new))
    lines = list(difflib.unified_diff(before, after, f"{wallet_id}, {label}", str(file), lineterm=""))
    begun = _new_meters(policy_of(standing), new)
    if form is Form.JSON:
        notes = [*begun, *doubts]
        show_json({"walletId": wallet_id, "against": label, "differs": bool(lines), "diff": lines, "notes": notes})
        return
    for line in lines:
        click.echo(line)
    for one in begun:
        tell_operator(f"hyperkms: {one}")
    for doubt in doubts:
        tell_operator(f"hyperkms: warning: {doubt}")


@policy.command("apply")
@_FILE
@click.option(
    "--wallet",
    "wallet_ids",
    required=True,
    multiple=True,
    metavar="ID",
    shell_complete=complete_wallets,
    help="A wallet it is for; may be said several times.",
)
@click.option("--shadow", is_flag=True, help="It only watches: what it would refuse is recorded, and signed.")
@click.option("--newest", type=click.IntRange(0), help="Only if the newest version until now is this one (0: none).")
@_REASON
@with_target
@FORM
def apply_command(
    file: Path,
    wallet_ids: tuple[str, ...],
    shadow: bool,  # noqa: FBT001 (click passes a flag)
    newest: int | None,
    reason: str | None,
    target: Target,
    form: Form,
) -> None:
    """Put a policy in force, from the next request on, in every process."""
    document = msgspec.to_builtins(read_policy_file(file))
    body: dict[str, Any] = {"policy": document, "effect": "shadow" if shadow else "enforced"}
    body |= {name: value for name, value in (("reason", reason), ("newest", newest)) if value is not None}
    wallets = [parse_wallet_id(wallet) for wallet in wallet_ids]
    with policy_desk(target) as desk:
        for wallet in wallets:
            answer = desk.apply(wallet, body)
            if form is Form.JSON:
                show_json(answer)
                continue
            click.echo(_applied(answer, body["effect"]))
            for doubt in answer.get("notes", ()):
                tell_operator(f"hyperkms: warning: {doubt}")


@policy.command("use")
@click.argument("version", metavar="VERSION|none")
@_WALLET
@click.option("--shadow", is_flag=True, help="In shadow, where it only watches; `none` ends that.")
@_REASON
@with_target
@FORM
def use_command(
    version: str,
    wallet_id: str,
    shadow: bool,  # noqa: FBT001 (click passes a flag)
    reason: str | None,
    target: Target,
    form: Form,
) -> None:
    """Put an earlier version in force again; `none` leaves the wallet to the built-in trade-only."""
    number = _number(version)
    body: dict[str, Any] = {"version": number, "effect": "shadow" if shadow else "enforced"}
    if reason is not None:
        body["reason"] = reason
    with policy_desk(target) as desk:
        answer = desk.choose(parse_wallet_id(wallet_id), body)
    if form is Form.JSON:
        show_json(answer)
    else:
        _show_standing(answer)


def _applied(answer: dict[str, Any], effect: str) -> str:
    number, wallet = answer[effect]["version"], answer["walletId"]
    does = "watches in shadow" if effect == "shadow" else "decides"
    if answer.get("unchanged"):
        return f"nothing changed since version {number} of the policy of {wallet}: it {does} already"
    return f"version {number} of the policy of {wallet} {does} from now on"


def _number(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isdecimal() or not 1 <= int(text) < 2**31:
        raise click.BadParameter("a number of a version is due, or `none`", param_hint="VERSION")
    return int(text)


def _rule_words(rule: Any) -> str:
    members = {name: value for name, value in msgspec.to_builtins(rule).items() if name != "name"}
    return json.dumps(members, ensure_ascii=False)


def _names_coins(document: PolicyDocument) -> bool:
    tables = [table for rule in document.rules for table in (rule, rule.when)]
    return any(table is not msgspec.UNSET and table.coins is not msgspec.UNSET for table in tables)


def _show_standing(answer: dict[str, Any]) -> None:
    if answer.get("signs") == "bytes":
        click.echo(f"no policy applies: wallet {answer['walletId']} has an ed25519 key and signs bytes, not actions")
        return
    if "enforced" in answer:
        click.echo(f"enforced: version {answer['enforced']['version']}")
        _show_policy(answer["enforced"])
    else:
        click.echo(f"enforced: the built-in {_TRADE_ONLY}")
    if "shadow" in answer:
        click.echo(f"in shadow: version {answer['shadow']['version']}")
        _show_policy(answer["shadow"])


def _show_version(version: dict[str, Any], form: Form) -> None:
    if form is Form.JSON:
        show_json(version)
    else:
        _show_policy(version)


def _show_policy(version: dict[str, Any]) -> None:
    click.echo(json.dumps(version["policy"], indent=2, ensure_ascii=False))


def _version(answer: dict[str, Any], number: int) -> dict[str, Any]:
    for version in answer["versions"]:
        if version["version"] == number:
            found: dict[str, Any] = version
            return found
    raise NotFound("policy-not-found", f"wallet {answer['walletId']} has no policy of version {number}")


def _effect(answer: dict[str, Any], number: int) -> str:
    for effect in ("enforced", "shadow"):
        if answer.get(effect, {}).get("version") == number:
            return effect
    return "-"


def _new_meters(before: PolicyDocument, after: PolicyDocument) -> list[str]:
    """Rules whose limits over time begin with nothing spent."""
    known = set(_meters(before))
    new = [one for one in _meters(after) if one not in known]
    return [f"rule {rule!r}, {words}: new here, so it begins with nothing spent" for rule, words in new]


def _meters(document: PolicyDocument) -> Iterator[tuple[str, str]]:
    for rule in document.rules:
        for quantity in ("max_notional", "max_orders", "max_transfers"):
            periods = getattr(rule, quantity)
            if periods is not msgspec.UNSET:
                yield from ((rule.name, f"{quantity} of {span_of(period_of(one, one))}") for one in periods)
        if rule.max_outstanding is not msgspec.UNSET:
            yield rule.name, "max_outstanding"
