"""What deploy/terraform declares holds together, as far as that can be told without the provider."""

import json
import re
import shutil
import string
import subprocess
from pathlib import Path

import pytest

from hyperkms.config import SETTINGS
from support.iam import FOLDER as POLICIES

DEPLOY = Path(__file__).parents[2] / "deploy"
MODULES = sorted({path.parent for path in (DEPLOY / "terraform").rglob("*.tf")})
IDS = [module.name for module in MODULES]


def _text(module: Path) -> str:
    """All of a module, without comments."""
    text = "\n".join(path.read_text() for path in sorted(module.glob("*.tf")))
    return re.sub(r"(?m)(^|\s)#.*$", "", text)


def _without_texts(text: str) -> str:
    """Descriptions gone, what stands in ${} kept."""
    return re.sub(r'"((?:[^"\\]|\\.)*)"', lambda found: " ".join(re.findall(r"\$\{([^}]*)\}", found[1])), text)


def test_it_is_formatted_as_terraform_does_it() -> None:
    terraform = shutil.which("terraform") or shutil.which("tofu")
    if terraform is None:
        pytest.skip("terraform is not installed")
    words = [terraform, "fmt", "-check", "-diff", "-recursive", str(DEPLOY / "terraform")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", MODULES, ids=IDS)
def test_what_is_named_is_declared_and_every_variable_is_used(module: Path) -> None:
    text = _text(module)
    code = _without_texts(text)
    variables = set(re.findall(r'(?m)^variable "(\w+)"', text))
    body = "\n".join(block for block in re.split(r"(?m)^(?=\w)", text) if not block.startswith("variable"))
    assert variables == set(re.findall(r"\bvar\.(\w+)", body))
    declared = {f"{kind}.{name}" for kind, name in re.findall(r'(?m)^resource "(\w+)" "(\w+)"', text)}
    assert declared
    assert set(re.findall(r"\b(aws_\w+\.\w+)", code)) <= declared
    values = "".join(re.findall(r"(?ms)^locals \{(.+?)^\}", text))
    assert set(re.findall(r"\blocal\.(\w+)", code)) == set(re.findall(r"(?m)^  (\w+)\s*=", values))


@pytest.mark.parametrize("module", MODULES, ids=IDS)
def test_every_file_that_is_read_is_there(module: Path) -> None:
    for path in re.findall(r'file\("\$\{path\.module\}/([^"$]+)"', _text(module)):
        assert (module / path).is_file(), path
    for name in re.findall(r'\$\{local\.policies\}/([\w.-]+)"', _text(module)):
        assert (POLICIES / name).is_file(), name


def _placeholders(name: str) -> set[str]:
    return {
        found["braced"] for found in string.Template.pattern.finditer((POLICIES / name).read_text()) if found["braced"]
    }


def test_every_policy_is_given_the_names_that_it_asks_for() -> None:
    service, guard = _text(DEPLOY / "terraform" / "service"), _text(DEPLOY / "terraform" / "guard")
    (given,) = re.findall(r"(?ms)^  names = \{(.+?)^  \}", service)
    names = set(re.findall(r"(?m)^ +(\w+)\s*=", given))
    native = ("kms-native.json", "endpoint-kms-native.json")
    for policy in ("service-role.json", "endpoint-kms.json", "endpoint-secretsmanager.json", *native):
        assert _placeholders(policy) <= names
    assert _placeholders("root-key-policy.json") <= {*names, "kms_endpoint"}
    assert _placeholders("trust-ecs.json") == {"account", "region"}
    assert _placeholders("trust-ec2.json") == set()
    cosigner = _text(DEPLOY / "terraform" / "cosigner")
    (given,) = re.findall(r"(?ms)^  names = \{(.+?)^  \}", cosigner)
    names = set(re.findall(r"(?m)^ +(\w+)\s*=", given))
    for policy in (
        "cosigner-role.json",
        "endpoint-kms.json",
        "cosigner-secrets.json",
        "endpoint-cosigner-secrets.json",
    ):
        assert _placeholders(policy) <= names
    assert _placeholders("cosigner-root-key-policy.json") <= {*names, "kms_endpoint"}
    for variable, policy in (("service", "account-guard.json"), ("cosigner", "cosigner-account-guard.json")):
        (block,) = re.findall(rf'(?ms)^variable "{variable}" \{{(.+?)^\}}', guard)
        assert _placeholders(policy) <= set(re.findall(r"(?m)^    (\w+)\s*= string", block))


def test_the_task_and_the_alarms_are_told_what_they_know() -> None:
    text = _text(DEPLOY / "terraform" / "service")
    (environment,) = re.findall(r"(?s)for name, value in \{(.+?)\}\s*:", text)
    names = set(re.findall(r"(?m)^ +([A-Z_]+)\s*=", environment))
    assert "HYPERKMS_ROOT_KEY" in names
    assert names <= set(SETTINGS)
    (parameters,) = re.findall(r"(?s)parameters = \{(.+?)\n  \}", text)
    template = json.loads((DEPLOY / "alarms" / "cloudwatch.json").read_text())
    assert set(re.findall(r"(?m)^ +(\w+)\s*=", parameters)) == set(template["Parameters"])


def test_nothing_is_open_to_the_internet_and_what_holds_keys_is_not_destroyed() -> None:
    for module in MODULES:
        text = _text(module)
        assert not re.search(r'cidr_ipv[46]\s*=\s*"(0\.0\.0\.0|::)/0"', text)
        for kind in ("aws_kms_key", "aws_ebs_volume"):
            for block in re.findall(rf'(?ms)^resource "{kind}" "\w+" \{{(.+?)^\}}', text):
                assert "prevent_destroy = true" in block
