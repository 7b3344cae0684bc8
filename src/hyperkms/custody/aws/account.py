"""The AWS account that this process speaks for: region, endpoints, credentials, signed requests."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hyperkms.custody.aws.refusals import unreached
from hyperkms.errors import Malformed, Refused, Unavailable

if TYPE_CHECKING:
    from botocore.client import BaseClient

CONNECT_S = 1
READ_S = 2
ATTEMPTS = 3
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_JSON_1_1 = "application/x-amz-json-1.1"


@dataclass(frozen=True)
class SignedRequest:
    """A POST with its headers: no secret but the signature, which is for this request and minutes."""

    url: str
    headers: Sequence[tuple[str, str]]
    body: bytes


class AwsAccount:
    """Credentials come from the default chain: environment, profile, web identity, container, instance; renewed there.

    Endpoints come from the region, or from AWS_ENDPOINT_URL and its forms for one service.
    """

    def __init__(self, region: str | None) -> None:
        try:
            import botocore.session  # noqa: PLC0415 (a third of a second, for who uses AWS alone)
        except ImportError as missing:
            words = "AWS custody needs boto3: install the package with its extra, hyperkms[aws]"
            raise Unavailable("aws-not-installed", words) from missing
        for talkative in ("botocore", "urllib3"):  # whose debug lines have credentials, signatures and sealed keys
            logging.getLogger(talkative).setLevel(logging.WARNING)
        self._session = botocore.session.get_session()
        self._session.register_component("data_loader", _loader(self._session.get_config_variable("data_path")))
        self._region = region or self._session.get_config_variable("region")
        if not self._region:
            raise Malformed(
                "malformed-setting", "AWS_REGION must name the region of the keys", {"setting": "AWS_REGION"}
            )

    def client(self, service: str, *, attempts: int = ATTEMPTS, read_s: float = READ_S) -> "BaseClient":
        """A client of one service: a second to connect; unless it is said, three attempts, two seconds to answer."""
        from botocore.config import Config  # noqa: PLC0415 (as above)
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415

        config = Config(
            connect_timeout=CONNECT_S,
            read_timeout=read_s,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=48,  # as many threads sign and make keys at once
        )
        try:
            client = self._session.create_client(service, region_name=self._region, config=config)
        except (BotoCoreError, ValueError) as error:
            words = f"no client of AWS {service} could be made: {type(error).__name__}"
            raise Malformed("malformed-setting", f"{words}; look at the AWS_ settings") from error
        _require_encrypted(client.meta.endpoint_url)
        return client

    def signed(self, endpoint: str, target: str, body: bytes) -> SignedRequest:
        """A request to KMS by its JSON protocol (AWS Signature Version 4), with the credentials of now."""
        from botocore.auth import SigV4Auth  # noqa: PLC0415 (as above)
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        headers = {"Content-Type": _JSON_1_1, "X-Amz-Target": f"TrentService.{target}"}
        request = AWSRequest(method="POST", url=endpoint, data=body, headers=headers)
        SigV4Auth(self._credentials(), "kms", self._region).add_auth(request)
        return SignedRequest(endpoint, [(str(name), str(value)) for name, value in request.headers.items()], body)

    def trusted(self) -> bytes:
        """PEM certificates of the authorities that may vouch for an endpoint: AWS_CA_BUNDLE, else botocore's own."""
        from botocore.httpsession import get_cert_path  # noqa: PLC0415 (as above)

        path = self._session.get_config_variable("ca_bundle") or get_cert_path(True)  # noqa: FBT003 (its own signature)
        try:
            return Path(path).read_bytes()
        except OSError as error:
            words = f"the trusted certificates in {path} cannot be read: {error.strerror}"
            raise Malformed("malformed-setting", words, {"setting": "AWS_CA_BUNDLE"}) from error

    def proxy(self, endpoint: str) -> str | None:
        """The proxy for an endpoint, by HTTPS_PROXY, HTTP_PROXY and NO_PROXY."""
        from botocore.utils import get_environ_proxies  # noqa: PLC0415 (as above)

        proxies: Mapping[str, str] = get_environ_proxies(endpoint)
        return proxies.get(urlsplit(endpoint).scheme)

    def _credentials(self) -> Any:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 (as above)

        try:
            credentials = self._session.get_credentials()
            frozen = None if credentials is None else credentials.get_frozen_credentials()
        except BotoCoreError as error:
            raise unreached(error, "aws-credentials", "what gives AWS credentials") from None
        if frozen is None or not frozen.access_key:
            words = "there are no AWS credentials: give this service a role, or set AWS_PROFILE or AWS_ACCESS_KEY_ID"
            raise Unavailable("aws-credentials", words)
        return frozen


@cache
def _loader(places: str | None) -> Any:
    """What reads the descriptions that botocore has of AWS, a megabyte of JSON among them: each is read once."""
    from botocore.loaders import create_loader  # noqa: PLC0415 (as above)

    return create_loader(places)


def _require_encrypted(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        words = f"{endpoint} is not https: in the clear AWS is spoken to on this machine alone"
        raise Refused("aws-endpoint-refused", words)
