"""`hyperkms doctor`: what protects the keys here, and what does not."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from hyperkms.cli.checks import address, clock, cosigners, directory, process, vm_generation
from hyperkms.cli.checks import settings as settings_checks
from hyperkms.cli.checks.finding import Finding, Verdict
from hyperkms.cli.listening import Listening, with_listening
from hyperkms.cli.printing import FORM, Form, show_json
from hyperkms.cli.settings import with_settings
from hyperkms.config import Config, load_from_process


@click.command()
@with_settings
@with_listening
@click.option("--aws", "asks_aws", is_flag=True, help="Try each call of AWS that the service makes, with a probe.")
@click.option(
    "--kms-native", "asks_native", is_flag=True, help="With --aws: make two keys in AWS KMS, sign, and end them again."
)
@FORM
def doctor(
    data: Path | None,
    env_file: Path | None,
    listening: Listening,
    asks_aws: bool,  # noqa: FBT001 (click's way)
    asks_native: bool,  # noqa: FBT001 (click's way)
    form: Form,
) -> None:
    """Look at memory, files, disk, clock, settings and cosigners; exit status 1 if something is bad."""
    if asks_native and not asks_aws:
        raise click.UsageError("--kms-native goes with --aws")
    config = load_from_process({"data": data, **listening}, env_file)
    findings = [*_examine(config), *(_examine_aws(config) if asks_aws else ())]
    if asks_native:
        findings += _examine_native(config)
    if form is Form.JSON:
        show_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(
                f"{finding.verdict:5} {finding.what}: {finding.words}" + (f" -> {finding.do}" * bool(finding.do))
            )
    sys.exit(1 if any(finding.verdict is Verdict.BAD for finding in findings) else 0)


def _examine_aws(config: Config) -> Iterator[Finding]:
    from hyperkms.cli.checks.aws import aws  # noqa: PLC0415 (its libraries take half a second, for who asks alone)

    yield from aws(config)


def _examine_native(config: Config) -> Iterator[Finding]:
    from hyperkms.cli.checks.aws_native import native  # noqa: PLC0415 (as above)

    yield from native(config)


def _examine(config: Config) -> Iterator[Finding]:
    yield from process.memory(config)
    yield from process.core_files()
    yield from process.descriptors()
    yield from directory.files(config)
    yield from directory.database(config)
    yield from directory.disk(config)
    yield from clock.against_the_exchange(config)
    yield from clock.synchronised()
    yield from settings_checks.mode(config)
    yield from settings_checks.settings(config)
    yield from address.address(config)
    yield from cosigners.cosigners(config)
    yield from vm_generation.vm_generation(config)
