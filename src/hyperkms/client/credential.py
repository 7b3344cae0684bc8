"""What a client asks with: an API key, or a key that signs its requests."""

import os
from collections.abc import Mapping
from os import PathLike
from typing import NamedTuple

from hyperkms.client.errors import Misconfigured
from hyperkms.client.request_key import RequestSigner


class Named(NamedTuple):
    """What the environment names."""

    url: str
    api_key: str | None
    request_key: str | None
    service: str | None


def credential_of(
    api_key: str | None, request_key: str | PathLike[str] | None, service: str | None
) -> str | RequestSigner:
    """The one of the two that is given; Misconfigured for both and for none."""
    if api_key is not None and request_key is None and service is None:
        return api_key
    if request_key is None or api_key is not None:
        raise Misconfigured("give an API key, or a request key with the id of its service: one of the two")
    if service is None:
        words = (
            "the id of the service is missing (service, HYPERKMS_SERVICE): whoever gave the public key to it knows it"
        )
        raise Misconfigured(words)
    return RequestSigner(request_key, service)


def named(environment: Mapping[str, str] = os.environ) -> Named:
    """HYPERKMS_URL, HYPERKMS_API_KEY, HYPERKMS_REQUEST_KEY, HYPERKMS_SERVICE; Misconfigured names what is missing."""
    url = environment.get("HYPERKMS_URL")
    if not url:
        raise Misconfigured("HYPERKMS_URL is not set")
    api_key = environment.get("HYPERKMS_API_KEY") or None
    request_key = environment.get("HYPERKMS_REQUEST_KEY") or None
    if api_key is None and request_key is None:
        raise Misconfigured("HYPERKMS_API_KEY is not set, nor is HYPERKMS_REQUEST_KEY")
    service = environment.get("HYPERKMS_SERVICE") or None
    return Named(url, api_key, request_key, service if request_key else None)
