"""Requests with an Idempotency-Key that a killed process had answered: their rows are made of its record."""

import msgspec

from hyperkms.audit.left_lines import KeyedLine, keyed_lines
from hyperkms.http.schemas import SignActionAnswer, SignAnswer, SignatureView
from hyperkms.operations.parts import Parts
from hyperkms.operations.signature_record import receipt_of
from hyperkms.receipt import Receipt
from hyperkms.state.request_rows import AnsweredRequest, Request, RequestName
from hyperkms.wallet import address_of

_encode = msgspec.json.Encoder().encode


def recover_left(parts: Parts) -> None:
    """Give every request that a killed process had answered its row; waits for the database.

    Of two lines for one request the later one was answered: the one before was refused with its record unwritten,
    or the second could not have begun.
    """
    left = parts.requests.left().result()
    if not left:
        return
    lines = [line for one in left for line in keyed_lines(parts.records, one.log, one.start)]
    lines.sort(key=lambda line: (line.record.time, line.index), reverse=True)
    parts.requests.recover(left, [_answered(line) for line in lines]).result()


def _answered(line: KeyedLine) -> AnsweredRequest:
    record = line.record
    request = Request(
        name=RequestName(record.client, record.idempotency_key),
        fingerprint=bytes.fromhex(record.fingerprint[2:]),
        request_id=record.request_id,
        created_at=record.time,
    )
    return AnsweredRequest(request, _encode(_answer(line)).decode())


def _answer(line: KeyedLine) -> SignAnswer | SignActionAnswer:
    """What the views make of the signature; a test holds both to the same bytes."""
    record, signed = line.record, line.record.signed
    address = address_of(bytes.fromhex(record.public_key[2:]))
    receipt = receipt_of(line.position, record) if line.position else _receipt_unchained(line)
    is_mpc = record.cosigned is not msgspec.UNSET
    if record.operation != "sign-action":
        return SignAnswer(
            success=True,
            signature=record.signature,
            public_key=record.public_key,
            wallet_id=record.wallet,
            receipt=receipt,
            address=address,
            action=signed.get("action"),
            nonce=signed.get("nonce"),
            expires_after=signed.get("expiresAfter"),
            mpc_signing=True if is_mpc else None,
        )
    return SignActionAnswer(
        success=True,
        wallet_id=record.wallet,
        address=str(address),
        action=signed["action"],
        nonce=signed["nonce"],
        vault_address=signed["vaultAddress"],
        expires_after=signed["expiresAfter"],
        signature=SignatureView.of(record.signature),
        receipt=receipt,
    )


def _receipt_unchained(line: KeyedLine) -> Receipt:
    """As the release before answered it."""
    record = line.record
    return Receipt(
        log=line.log,
        index=line.index,
        request_id=record.request_id,
        key_version=record.key_version,
        digest=record.digest,
    )
