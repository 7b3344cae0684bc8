"""Policies as they are written: TOML or JSON, read strictly.

docs/policy.md says what each member means; `schema` is published as docs/policy.schema.json. A member that is not
known is refused: a rule that is misspelt would otherwise not hold.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hyperkms.access.approvals import Approver, Approvers
from hyperkms.access.identity_key import IdentityKey
from hyperkms.access.policy.verdicts import RESERVED
from hyperkms.access.policy.words import (
    A_KEY_IS_DUE,
    A_NAME_IS_DUE,
    AMOUNT,
    AN_AMOUNT_IS_DUE,
    NAME,
    fault_of,
    with_rule,
)
from hyperkms.errors import Malformed, shown
from hyperkms.hyperliquid.classes import CLASSES
from hyperkms.strict_json import parse

MAX_BYTES = 64 * 1024
MAX_RULES = 100
MOST_APPROVERS = 20
TRADE_ONLY = "trade-only"
"""In `allow`: the action types of the built-in policy."""

Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Amount: TypeAlias = Annotated[
    int | str,
    Meta(description='USD, as an integer or as text such as "1250.5"; a float is not exact and is refused'),
]
_END = r"$(?!\n)"
"""Python's `$` stands before a last newline too; in JSON Schema it does not, and this means the same in both."""
Address: TypeAlias = Annotated[str, Meta(pattern=f"^0x[0-9a-fA-F]{{40}}{_END}")]
Name: TypeAlias = Annotated[str, Meta(pattern=f"^[A-Za-z0-9][A-Za-z0-9 ._-]{{0,63}}{_END}")]
PublicKey: TypeAlias = Annotated[str, Meta(pattern=f"^ed25519:[0-9a-f]{{64}}{_END}")]
Vault: TypeAlias = Annotated[str, Meta(pattern=f"^(?:own|0x[0-9a-fA-F]{{40}}){_END}")]
Side: TypeAlias = Literal["buy", "sell"]
Coins: TypeAlias = Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(min_length=1)]
Types: TypeAlias = Annotated[list[str], Meta(min_length=1)]
Amounts: TypeAlias = Annotated[dict[str, Amount], Meta(min_length=1, description="by period: 30s, 1m, 1h, 24h, 7d")]
Counts: TypeAlias = Annotated[
    dict[str, Annotated[int, Meta(ge=0, le=2**32)]], Meta(min_length=1, description="by period, as for amounts")
]

_MOST_WHOLE = 10**12
_PERIOD = re.compile(r"([0-9]{1,5})([smhd])", re.ASCII)
_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
LONGEST_PERIOD_MS = 7 * 86_400_000
_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table without unknown members."""


class WhenDocument(_Strict, frozen=True):
    """To what a rule applies; each member that is there must hold."""

    actions: Types | UnsetType = UNSET
    """Action types."""
    coins: Coins | UnsetType = UNSET
    sides: Annotated[list[Side], Meta(min_length=1)] | UnsetType = UNSET
    reduce_only: bool | UnsetType = UNSET
    hours: str | UnsetType = UNSET
    """`22:00-06:00`: from and to, the end excluded; over midnight if the end is earlier."""
    days: Annotated[list[Day], Meta(min_length=1)] | UnsetType = UNSET
    """The day on which the hours begin."""
    zone: str | UnsetType = UNSET
    """Of hours and days, such as Europe/Zurich; UTC unless said."""
    above: Amount | UnsetType = UNSET
    """Orders that are worth more, in USD, and transfers of more USDC."""


class RuleDocument(_Strict, frozen=True, kw_only=True):
    """What must hold of each action, or each order, that the rule applies to."""

    name: Name
    when: WhenDocument | UnsetType = UNSET
    refuse: Literal[True] | UnsetType = UNSET
    """Whatever the rule applies to is refused."""
    coins: Coins | UnsetType = UNSET
    sides: list[Side] | UnsetType = UNSET
    tifs: list[Literal["Gtc", "Ioc", "Alo", "FrontendMarket"]] | UnsetType = UNSET
    """Times in force of limit orders."""
    triggers: Literal[False] | UnsetType = UNSET
    """False: no trigger orders."""
    reduce_only: Literal[True] | UnsetType = UNSET
    vaults: list[Vault] | UnsetType = UNSET
    """Vaults and sub-accounts that may be traded for; `own` is the account itself."""
    max_order_notional: Amount | UnsetType = UNSET
    max_notional: Amounts | UnsetType = UNSET
    max_orders: Counts | UnsetType = UNSET
    max_outstanding: Amount | UnsetType = UNSET
    """USD of orders that are signed and have not reached their expiresAfter."""
    price_band_percent: Amount | UnsetType = UNSET
    """How far a price may be from the mark, to either side."""
    max_leverage: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    max_builder_fee: Annotated[int, Meta(ge=0, le=1000)] | UnsetType = UNSET
    """Tenths of a basis point; 0: no builder fee."""
    builders: list[Address] | UnsetType = UNSET
    destinations: list[Address] | UnsetType = UNSET
    """Where funds may go."""
    max_transfer: Amount | UnsetType = UNSET
    """USDC of one transfer."""
    max_transfers: Amounts | UnsetType = UNSET
    """USDC of all transfers of a period."""
    approvals: Annotated[int, Meta(ge=1, le=MOST_APPROVERS)] | UnsetType = UNSET
    """So many of the approvers must have signed the action."""
    approvers: (
        Annotated[
            dict[str, PublicKey], Meta(min_length=1, max_length=MOST_APPROVERS, description="public keys by name")
        ]
        | UnsetType
    ) = UNSET


class ExpiryDocument(_Strict, frozen=True):
    """What holds of the expiresAfter of orders."""

    default_ms: Annotated[int, Meta(ge=100, le=86_400_000)] | UnsetType = UNSET
    """An order without one gets it, so far from now."""
    required: bool = False
    max_ms: Annotated[int, Meta(ge=100, le=86_400_000)] | UnsetType = UNSET
    """No further from now."""


class PolicyDocument(_Strict, frozen=True, kw_only=True):
    """A policy."""

    format: Literal[1]
    description: Annotated[str, Meta(max_length=1000)] = ""
    allow: Types
    """Action types, or `trade-only` for those of the built-in policy; what is not named is refused."""
    mark_max_age_ms: Annotated[int, Meta(ge=500, le=300_000)] = 10_000
    """A mark that is older refuses what needs one."""
    expires_after: ExpiryDocument | UnsetType = UNSET
    rules: Annotated[list[RuleDocument], Meta(max_length=MAX_RULES)] = []


class LimitsDocument(_Strict, frozen=True, kw_only=True):
    """The limits of a grant: rules of the same form."""

    format: Literal[1]
    mark_max_age_ms: Annotated[int, Meta(ge=500, le=300_000)] = 10_000
    rules: Annotated[list[RuleDocument], Meta(min_length=1, max_length=MAX_RULES)]


def read_policy(text: str) -> PolicyDocument:
    """A policy in TOML, or in JSON if its first character is `{`; Malformed, naming the place."""
    return policy_of(_parsed(text))


def read_limits(text: str) -> LimitsDocument:
    """The limits of a grant, likewise."""
    return limits_of(_parsed(text))


def policy_of(value: object) -> PolicyDocument:
    """The policy that a parsed document is."""
    document: PolicyDocument = _converted(_without_decimals(value), PolicyDocument)
    _require_types(document.allow, "allow", extra=(TRADE_ONLY,))
    _require_expiry(document.expires_after)
    _require_rules(document.rules)
    return document


def limits_of(value: object) -> LimitsDocument:
    """The limits that a parsed document is."""
    document: LimitsDocument = _converted(_without_decimals(value), LimitsDocument)
    _require_rules(document.rules)
    return document


def canonical_text(document: PolicyDocument | LimitsDocument) -> str:
    """The document as it is stored and compared: JSON, its members in the order of docs/policy.md."""
    return json.dumps(msgspec.to_builtins(document), indent=2, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of a policy."""
    made = msgspec.json.schema(PolicyDocument)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "hyperkms policy", **made}


def amount_of(value: int | str, path: str) -> Decimal:
    """An amount; Malformed if it is no decimal of 12 digits and 6 decimals at most."""
    if isinstance(value, int) and 0 <= value < _MOST_WHOLE:
        return Decimal(value)
    if isinstance(value, str) and AMOUNT.fullmatch(value):
        return Decimal(value)
    raise Malformed.at(path, AN_AMOUNT_IS_DUE, "malformed-policy")


def approvers_of(rule: RuleDocument, path: str) -> Approvers:
    """Those of a rule; Malformed for a key that vouches for nobody, or one under two names."""
    found: dict[str, Approver] = {}
    for name, text in _members(rule.approvers):
        place = f"{path}.approvers.{name}" if NAME.fullmatch(name) else f"{path}.approvers"
        if not NAME.fullmatch(name):
            raise Malformed.at(place, A_NAME_IS_DUE, "malformed-policy")
        try:
            key = IdentityKey.parse(text)
        except Malformed:
            raise Malformed.at(place, A_KEY_IS_DUE, "malformed-policy") from None
        if key.fingerprint in found:
            words = f"is the key of {found[key.fingerprint].name} too, and one person approves once"
            raise Malformed.at(place, words, "malformed-policy")
        found[key.fingerprint] = Approver(name, key.public_key)
    return found


def period_of(text: str, path: str) -> int:
    """A period in milliseconds: 1s to 7d."""
    found = _PERIOD.fullmatch(text)
    period = int(found[1]) * _UNITS[found[2]] if found else 0
    if not _UNITS["s"] <= period <= LONGEST_PERIOD_MS:
        raise Malformed.at(path, "a period is due from 1s to 7d, such as 30s, 1m, 24h", "malformed-policy")
    return period


def span_of(period: int) -> str:
    """A period of milliseconds in its one spelling: 1h, and never 60m."""
    name, unit = next((name, unit) for name, unit in reversed(_UNITS.items()) if period % unit == 0)
    return f"{period // unit}{name}"


def hours_of(text: str, path: str) -> tuple[int, int]:
    """The minutes of the day at which hours begin and end."""
    found = _HOURS.fullmatch(text)
    if found is None:
        raise Malformed.at(path, "hours are due as 22:00-06:00", "malformed-policy")
    begin, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if begin == end:
        raise Malformed.at(path, "they begin when they end; leave them out for the whole day", "malformed-policy")
    return begin, end


def zone_of(text: str, path: str) -> ZoneInfo:
    """A time zone of the tz database."""
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        words = "no time zone of this name is known; names are as Europe/Zurich or UTC"
        raise Malformed.at(path, words, "malformed-policy") from None


def _parsed(text: str) -> object:
    if len(text.encode()) > MAX_BYTES:
        raise Malformed("malformed-policy", f"a policy has at most {MAX_BYTES} bytes")
    if text.lstrip().startswith("{"):
        return parse(text.encode(), "The policy")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Malformed("malformed-policy", f"the policy is no TOML: {error}") from None
    except RecursionError:
        raise Malformed("malformed-policy", "the policy is no TOML: it is too deep") from None


def _without_decimals(value: object) -> object:
    """Numbers with a fraction become what no member takes, so that the refusal names their place."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {name: _without_decimals(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_decimals(one) for one in value]
    return value


def _converted(value: object, kind: type[Any]) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        place, words = fault_of(error, value, kind)
    if not place:
        raise Malformed("malformed-policy", f"the policy is not of the documented form: {words}")
    raise Malformed("malformed-policy", f"{with_rule(place, value)}: {words}", {"field": place})


def _require_types(types: Sequence[str], path: str, *, extra: Sequence[str] = ()) -> None:
    for number, name in enumerate(types):
        if name not in CLASSES and name not in extra:
            hyphen = name.replace("_", "-").lower() == TRADE_ONLY and TRADE_ONLY in extra
            hint = f" ({TRADE_ONLY} is written with a hyphen)" if hyphen else ""
            words = f"{shown(name)} is no action type that can be signed{hint}"
            raise Malformed.at(f"{path}[{number}]", words, "malformed-policy")


def _require_expiry(expiry: ExpiryDocument | UnsetType) -> None:
    if isinstance(expiry, UnsetType):
        return
    default, most = expiry.default_ms, expiry.max_ms
    if not isinstance(default, UnsetType) and not isinstance(most, UnsetType) and default > most:
        words = f"is further ahead than max_ms, {most}, allows"
        raise Malformed.at("expires_after.default_ms", words, "malformed-policy")


def _require_rules(rules: Sequence[RuleDocument]) -> None:
    names = set[str]()
    for number, rule in enumerate(rules):
        path = f"rules[{number}]"
        if rule.name in names:
            raise Malformed.at(path, f"there is a rule {rule.name!r} already", "malformed-policy")
        if rule.name in RESERVED:
            words = f"{rule.name!r} is how refusals name another member of the document; choose another name"
            raise Malformed.at(path, words, "malformed-policy")
        names.add(rule.name)
        if not _requirements(rule):
            words = f"rule {rule.name!r} requires nothing; what it applies to stands in `when`"
            raise Malformed.at(path, words, "malformed-policy")
        _require_values(rule, path)
        if rule.when is not UNSET:
            _require_when(rule.when, f"{path}.when")


def _requirements(rule: RuleDocument) -> list[str]:
    return [name for name in rule.__struct_fields__[2:] if getattr(rule, name) is not UNSET]


def _require_values(rule: RuleDocument, path: str) -> None:
    for name in ("max_order_notional", "max_outstanding", "price_band_percent", "max_transfer"):
        value = getattr(rule, name)
        if value is not UNSET:
            amount_of(value, f"{path}.{name}")
    for name in ("max_notional", "max_transfers", "max_orders"):
        periods = set[int]()
        for period, value in _members(getattr(rule, name)):
            if name != "max_orders":
                amount_of(value, f"{path}.{name}.{period}")
            milliseconds = period_of(period, f"{path}.{name}")
            if milliseconds in periods:
                words = f"{period} is there already, in another spelling"
                raise Malformed.at(f"{path}.{name}", words, "malformed-policy")
            periods.add(milliseconds)
    _require_approvers(rule, path)


def _require_approvers(rule: RuleDocument, path: str) -> None:
    approvers = approvers_of(rule, path)
    if isinstance(rule.approvals, UnsetType):
        if approvers:
            words = "are named, and `approvals` does not say how many of them must approve"
            raise Malformed.at(f"{path}.approvers", words, "malformed-policy")
    elif rule.approvals > len(approvers):
        words = f"{rule.approvals} approvals are asked for, and `approvers` names {len(approvers)}"
        raise Malformed.at(f"{path}.approvals", words, "malformed-policy")


def _members(table: Mapping[str, Any] | UnsetType) -> Iterator[tuple[str, Any]]:
    if not isinstance(table, UnsetType):
        yield from table.items()


def _require_when(when: WhenDocument, path: str) -> None:
    if not isinstance(when.actions, UnsetType):
        _require_types(when.actions, f"{path}.actions")
    if not isinstance(when.hours, UnsetType):
        hours_of(when.hours, f"{path}.hours")
    if not isinstance(when.zone, UnsetType):
        zone_of(when.zone, f"{path}.zone")
        if isinstance(when.hours, UnsetType) and isinstance(when.days, UnsetType):
            raise Malformed.at(f"{path}.zone", "is of hours or days, and there are none", "malformed-policy")
    if not isinstance(when.above, UnsetType):
        amount_of(when.above, f"{path}.above")
    if when == WhenDocument():
        raise Malformed.at(path, "is empty; leave it out for a rule that always applies", "malformed-policy")
