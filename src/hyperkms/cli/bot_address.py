"""The address of the service as the .env of a bot names it."""

from collections.abc import Iterator
from dataclasses import dataclass

import click

from hyperkms.cli.target import Target
from hyperkms.client import Misconfigured
from hyperkms.client.endpoint import parse_endpoint
from hyperkms.config import Config, load_from_process, sources_of_process, url_of_process
from hyperkms.errors import Malformed

SERVICE_URL = click.option(
    "--service-url", metavar="URL", help="How the bot reaches the service, where that is not how this command does."
)


@dataclass(frozen=True)
class BotAddress:
    """What HYPERKMS_URL is to be in a bot's .env, and what the person should know of it."""

    url: str
    doubts: tuple[str, ...] = ()


def bot_address(target: Target, said: str | None) -> BotAddress:
    """--service-url, else --url, else HYPERKMS_URL, else where the settings put the service of the directory.

    Malformed if that is no address that `hyperkms.client` could ask.
    """
    for name, url in (
        ("--service-url", said),
        ("--url", target.url),
        ("HYPERKMS_URL", url_of_process(target.env_file)),
    ):
        if url:
            return BotAddress(_checked(name, url))
    flags = {"data": target.data}
    config = load_from_process(flags, target.env_file)
    return BotAddress(config.url, tuple(_doubts(config, sources_of_process(flags, target.env_file)["PORT"])))


def _doubts(config: Config, source_of_port: str) -> Iterator[str]:
    if config.port == 0:
        yield "PORT is 0, any free port: the service says at its start which one; that goes into HYPERKMS_URL"
    elif config.port is not None and source_of_port == "default":
        yield (
            f"no setting names the service's port: HYPERKMS_URL has {config.port}, the default; "
            "if it was started with another, correct the line (or say --service-url)"
        )


def _checked(name: str, url: str) -> str:
    try:
        return parse_endpoint(url).url
    except Misconfigured as error:
        raise Malformed.at(name, error.message, "malformed-setting") from error
