"""A group of cosigners, each in an account of AWS of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hyperkms.threshold.group import Group, Member
from support.aws import Aws
from support.aws_accounts import Account, accounts
from support.cosigners import COORDINATOR, Cosigners, Process


@contextmanager
def on_aws(aws: Aws, folder: Path, **settings: str) -> Iterator[tuple[Cosigners, list[Account]]]:
    """2 of 3; the policy of each names its identity as soon as it has one."""
    with accounts(aws, 3) as made, ExitStack() as ends:
        processes = {}
        for index, account in enumerate(made, 1):
            process = Process(folder / f"cosigner-{index}", {**account.settings(), **settings})
            account.cosigner = process.init().hex()
            processes[index] = process
        group = Group(
            name="tests",
            threshold=2,
            members=tuple(
                Member(
                    index=index,
                    name=f"cosigner-{index}",
                    identity=bytes.fromhex(account.cosigner),
                    address=f"unix:{processes[index].socket}",
                    certificate=None,
                )
                for index, account in enumerate(made, 1)
            ),
            coordinators=(COORDINATOR,),
        )
        file = folder / "group.json"
        file.write_bytes(group.describe())
        for process in processes.values():
            ends.callback(process.stop)
            process.start("--group", str(file))
        cosigners = Cosigners(group, processes, file)
        ends.callback(cosigners.hang_up)
        yield cosigners, made
