"""What AWS refuses, in our words: its own name users, roles and resources, and never leave."""

from hyperkms.errors import HyperkmsError, NotFound, Tampered, Unavailable, Withdrawn

_CREDENTIALS = frozenset(
    {
        "ExpiredTokenException",
        "ExpiredToken",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_UNSIGNED = frozenset(
    {
        "CredentialRetrievalError",
        "MetadataRetrievalError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "SSOTokenLoadError",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"})
_DISABLED = frozenset({"DisabledException", "KMSInvalidStateException"})
_TAMPERED = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


def kms_fault(code: str, operation: str, key: str) -> HyperkmsError:
    """The error for a refusal of AWS KMS by its code."""
    if code in _DENIED:
        words = f"these AWS credentials lack the right kms:{operation} on {key}, or its key policy refuses this"
        return Withdrawn("kms-access-denied", words, {"right": f"kms:{operation}"})
    if code in _TAMPERED or (code, operation) == ("ValidationException", "Decrypt"):
        words = (
            "AWS KMS does not open this data key under this root key and context: it was changed, or belongs elsewhere"
        )
        return Tampered("data-key-tampered", words)
    if code == "NotFoundException":
        return Withdrawn("kms-key-not-found", f"there is no KMS key {key} in this region and account")
    if code in _DISABLED:
        return Withdrawn("kms-key-disabled", f"KMS key {key} is disabled, or is to be deleted: enable it")
    if code in _CREDENTIALS:
        return _credentials(code)
    return Unavailable("kms-unavailable", f"AWS KMS could not do {operation}: {code or 'it failed'}")


def secrets_fault(code: str, operation: str, name: str) -> HyperkmsError:
    """The error for a refusal of AWS Secrets Manager by its code."""
    if code == "ResourceNotFoundException":
        return NotFound("sealed-key-not-found", f"there is no secret {name}")
    if code in _DENIED:
        words = f"these AWS credentials lack the right secretsmanager:{operation} on the secret {name}"
        return Withdrawn("secrets-access-denied", words, {"right": f"secretsmanager:{operation}"})
    if code in _CREDENTIALS:
        return _credentials(code)
    return Unavailable("secrets-unavailable", f"AWS Secrets Manager could not do {operation}: {code or 'it failed'}")


def unreached(error: Exception, code: str, service: str) -> Unavailable:
    """The error for a call that brought no answer, by what botocore raised."""
    name = type(error).__name__
    if name in _UNSIGNED:
        words = "there are no AWS credentials, or they could not be had: give this service a role, or set AWS_PROFILE"
        return Unavailable("aws-credentials", f"{words} or AWS_ACCESS_KEY_ID ({name})")
    return Unavailable(code, f"{service} could not be reached: {name}")


def outcome_of(fault: HyperkmsError) -> str:
    """`failed` where AWS was away or busy, `refused` where it said no."""
    return "failed" if is_worth_another(fault) else "refused"


def is_worth_another(fault: HyperkmsError) -> bool:
    """Whether the same call may succeed in a moment: expired credentials are renewed, a throttle passes."""
    return isinstance(fault, Unavailable) and not isinstance(fault, Withdrawn)


def _credentials(code: str) -> Unavailable:
    words = f"AWS does not accept the credentials of this service ({code}): look at the role, the keys and the clock"
    return Unavailable("aws-credentials", words)
