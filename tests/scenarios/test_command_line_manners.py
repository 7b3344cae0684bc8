"""How every command behaves: help, completion, exit status, an interruption, a pipe that closes; and its page."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hyperkms.cli.commands import cli
from support import databases
from support.commands import KEY, key_file, run
from support.custody import FILE, kind, settings_for
from support.service import START_S, Service, command, environment

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


def _commands(group: click.Group, *words: str) -> Iterator[tuple[str, ...]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            found = _found(*words, name)
            if isinstance(found, click.Group):
                yield from _commands(found, *words, name)
            else:
                yield (*words, name)


def _found(*words: str) -> click.Command:
    found: click.Command = cli
    for word in words:
        assert isinstance(found, click.Group)
        with click.Context(found) as context:
            following = found.get_command(context, word)
        assert following is not None, words
        found = following
    return found


EVERY = list(_commands(cli))


# ---- help and the page ------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("wallet",), ("client",), ("wallet", "retire")], ids=" ".join)
def test_help_is_printed_with_exit_status_0(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run(*words, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(f"Usage: {' '.join(('hyperkms', *words))} ".encode())


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_command_has_help_and_an_example_on_its_page(words: tuple[str, ...]) -> None:
    found = _found(*words)
    with click.Context(found, info_name=" ".join(words)) as context:
        assert found.get_help(context).startswith("Usage: ")
    assert f"\n| hyperkms {' '.join(words)} " in PAGE


def test_the_page_names_no_option_and_no_command_that_is_not_there() -> None:
    for line in re.findall(r"^\| hyperkms (.+?) \|", PAGE, re.MULTILINE):
        named = next((words for words in EVERY if line.split()[: len(words)] == list(words)), None)
        assert named is not None, line
        found, words = _found(*named), line.split()[len(named) :]
        options = {name for param in found.params for name in (*param.opts, *param.secondary_opts)}
        for word in words:
            if word.startswith("--"):
                assert word.partition("=")[0] in options, line


def test_everything_that_answers_can_answer_in_json() -> None:
    talkers = {("serve",), ("cosigner", "serve"), ("sandbox",), ("completion",), ("mpc", "card")}
    for words in EVERY:
        found = _found(*words)
        has = any("--json" in param.opts for param in found.params)
        assert has != (words in talkers), words


# ---- exit status ------------------------------------------------------------------------------------------


def test_what_is_not_understood_ends_with_2(tmp_path: Path) -> None:
    unknown = (("wallet", "nothing"), ("wallet", "list", "--nothing"), ("wallet", "activate", "w", "x"))
    for words in (*unknown, ("doctor", "--kms-native")):
        done = run(*words, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"Usage: hyperkms" in done.stderr


def test_ctrl_c_while_a_pipe_is_awaited_is_one_line_and_130(tmp_path: Path) -> None:
    words = command("wallet", "import", "w", "--key-type", "secp256k1", "--key-file", "-", "--data", "data")
    with subprocess.Popen(
        words, env=environment(), cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert b"waiting for the key" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        printed, told = process.communicate(timeout=START_S)
    assert (process.returncode, printed, told) == (130, b"", b"hyperkms: interrupted\n")
    assert not (tmp_path / "data").exists()


def test_a_pipe_that_closes_is_no_traceback(service: Service) -> None:
    for number in range(3):
        service.generate(f"w{number}")
    read, write = os.pipe()
    os.close(read)
    words = command("wallet", "list", "--json", "--data", str(service.data))
    done = subprocess.run(
        words,
        env=environment(**settings_for(service.data)),
        cwd=service.data.parent,
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=START_S,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


# ---- secrets ----------------------------------------------------------------------------------------------


def test_no_command_prints_the_key_it_asks_with_nor_one_that_it_imports(service: Service, tmp_path: Path) -> None:
    """At DEBUG too, and when it is refused. The one key that is printed is a new client's, once."""
    private = key_file(tmp_path / "key")
    data, at = ("--data", str(service.data)), {"HYPERKMS_API_KEY": service.key, "LOG_LEVEL": "debug"}
    imported = ("wallet", "import", "i", "--key-type", "secp256k1", "--key-file", str(private))
    printed = b"".join(
        done.stdout + done.stderr
        for done in (
            run(*imported, *data, cwd=tmp_path, **at),
            run(*imported, *data, cwd=tmp_path, **at),
            run(*imported, cwd=tmp_path, HYPERKMS_URL=service.url, **at),
            *(run(*words, *flags, cwd=tmp_path, **at) for words in _SPOKEN for flags in (data, ("--url", service.url))),
            *(run(*words, *data, cwd=tmp_path, API_KEY=service.key, **at) for words in (("config",), ("doctor",))),
            run("wallet", "list", "--url", "http://127.0.0.1:9", cwd=tmp_path, **at),
        )
    )
    root_keys = [(service.data / "root.key").read_bytes().hex()] if kind() == FILE else []
    for secret in (service.key, KEY, *root_keys):
        for form in (secret, secret[8:40], secret[::-1]):
            assert form.encode() not in printed
    assert b"not-confirmed" in printed
    assert b"key-known" in printed or b"wallet-exists" in printed


_SPOKEN = (
    ("wallet", "list", "--json"),
    ("wallet", "versions", "i"),
    ("wallet", "sign", "i", "--message", "m"),
    ("wallet", "rotate", "i"),
    ("wallet", "retire", "i"),
    ("wallet", "show", "nobody"),
    ("client", "list", "--json"),
    ("client", "revoke", "administrator"),
    ("status",),
)


# ---- a terminal -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("typed", "status"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("\x04", 130)], ids=repr)
def test_a_person_at_a_terminal_is_asked_before_a_wallet_is_retired(service: Service, typed: str, status: int) -> None:
    service.generate("asked", keyType="secp256k1")
    words = command("wallet", "retire", "asked", "--data", str(service.data))
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        words,
        env=environment(**settings_for(service.data)),
        cwd=service.data.parent,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        asked = b""
        while not asked.endswith(b"[y/N]: "):
            more = process.stderr.read(1)
            assert more, asked
            asked += more
        os.write(ours, typed.encode())
        told = process.communicate(timeout=START_S)[1].decode()
    os.close(theirs)
    os.close(ours)
    assert process.returncode == status
    assert "Traceback" not in told
    assert ("retiredAt" in service.get("/wallets/asked").json["wallet"]) == (status == 0)


# ---- completion -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed_and_read_by_its_shell(tmp_path: Path, shell: str) -> None:
    done = run("completion", shell, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"hyperkms" in done.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.stdout, check=True, timeout=START_S)


def _completed(service: Service, line: str) -> list[str]:
    """What bash would offer at the end of this line, by the script itself."""
    words = line.split(" ")
    script = (
        'source <(hyperkms completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '_hyperkms_completion hyperkms "${COMP_WORDS[COMP_CWORD]}"; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{Path(command()[0]).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script, "bash", *words],
        env=environment(HYPERKMS_DATA=str(service.data), PATH=path, **settings_for(service.data)),
        cwd=service.data.parent,
        capture_output=True,
        text=True,
        timeout=START_S,
        check=True,
    )
    assert done.stderr == ""
    return sorted(done.stdout.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_commands_wallets_and_clients(service: Service) -> None:
    for wallet in ("alpha-1", "alpha-2", "beta", "alpha-gone"):
        service.generate(wallet)
    service.post("/wallets/alpha-gone/retire", {})
    service.post("/clients", {"name": "alphabot"})
    assert "retire" in _completed(service, "hyperkms wallet ")
    assert _completed(service, "hyperkms wallet show alpha") == ["alpha-1", "alpha-2"]
    assert _completed(service, "hyperkms client revoke a") == ["administrator", "alphabot"]
    if databases.kind() == databases.SQLITE:
        (service.data / "hyperkms.db").chmod(0)
        assert _completed(service, "hyperkms wallet show gamma") == []
        (service.data / "hyperkms.db").chmod(0o600)


# ---- what a command waits for ---------------------------------------------------------------------------------


LOADED = """
import sys
from hyperkms.cli.main import main
try:
    main()
finally:
    print(sorted({"fastapi", "starlette", "sqlalchemy", "structlog", "hyperkms_cosign"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("words", "loaded"),
    [
        (("config",), []),
        (("policy", "schema"), []),
        (("wallet", "list", "--url", "http://127.0.0.1:9"), []),
        (("client", "list", "--url", "http://127.0.0.1:9"), []),
        (("identity", "create", "--help"), []),
        (("audit", "verify", "--records", "nowhere"), []),
        (("wallet", "list", "--data", "nowhere"), ["sqlalchemy"]),
        (("client", "list", "--data", "nowhere"), ["sqlalchemy"]),
    ],
    ids=" ".join,
)
def test_a_command_loads_neither_the_service_nor_what_another_one_needs(
    tmp_path: Path, words: tuple[str, ...], loaded: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words],
        env=environment(HYPERKMS_API_KEY="0" * 64),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == str(loaded), done.stderr


def test_a_service_does_not_load_the_protocols_of_cosigners_before_a_wallet_needs_them() -> None:
    program = "import sys, hyperkms.cli.serving, hyperkms.http.app; print('hyperkms_cosign' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
