"""The stand-in judges the signer's work, so it may not borrow any of it."""

import ast
from pathlib import Path

import pytest

import hyperkms.sandbox

MODULES = sorted(Path(hyperkms.sandbox.__path__[0]).glob("*.py"))


def _imported(module: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports would hide where a name comes from"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_module_imports_the_signers_code(module: Path) -> None:
    ours = {name for name in _imported(module) if name.split(".")[0] == "hyperkms"}
    assert {name for name in ours if not name.startswith("hyperkms.sandbox")} == set()
