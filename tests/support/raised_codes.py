"""Every error code that the sources can raise, with the place: Python by its syntax tree, Rust by its text."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ROOT_CLASS = "HyperkmsError"
_CODE = "code"
_RUST = re.compile(
    r'Error::(?:new\(\s*Kind::(\w+)\s*,|(malformed|tampered|refused|unavailable)\()\s*(?:"([^"]*)"|(\w+))'
)
_FAULT = re.compile(r'Fault::(?:of\(\s*[\w.*]+\s*,|nobodys\()\s*"([^"]*)"')


@dataclass(frozen=True)
class Raised:
    """A code, the family it is raised as (None where a parameter carries it), and where."""

    code: str
    family: str | None
    place: str


def raised_codes() -> list[Raised]:
    """All of them, those of the tests in Rust left out."""
    crates = [in_rust(ROOT / crate / "src") for crate in ("core", "cosign")]
    return [*in_python(ROOT / "src"), *chain.from_iterable(crates)]


def by_code(found: list[Raised]) -> Mapping[str, list[Raised]]:
    """The same, by code."""
    grouped = defaultdict(list)
    for raised in found:
        grouped[raised.code].append(raised)
    return grouped


def in_rust(folder: Path) -> Iterator[Raised]:
    """Those of a crate."""
    for path in sorted(folder.rglob("*.rs")):
        text = path.read_text("utf-8").partition("#[cfg(test)]")[0]
        # The constructors themselves; and tests, which have files of their own in the crate of the cosigners.
        if path.name == "error.rs" or path.stem.endswith("tests") or "tests" in path.parts or path.stem == "testing":
            continue
        for found in _FAULT.finditer(text):
            yield Raised(found.group(1), "Tampered", f"{_shown(path)}:{text.count(chr(10), 0, found.start()) + 1}")
        for found in _RUST.finditer(text):
            kind, short, code, name = found.groups()
            place = f"{_shown(path)}:{text.count(chr(10), 0, found.start()) + 1}"
            assert code is not None, f"{place}: the code is computed ({name}); write it as a literal"
            yield Raised(code, (kind or short).capitalize(), place)


def in_python(folder: Path) -> Iterator[Raised]:
    """Those of a package."""
    # The sandbox answers as the exchange does, with errors of its own.
    paths = [path for path in sorted(folder.rglob("*.py")) if "sandbox" not in path.parts]
    trees = {path: ast.parse(path.read_text("utf-8")) for path in paths}
    families = _families(trees.values())
    carriers = _carriers(trees.values(), families)
    fixed = set()
    for path, tree in trees.items():
        for family, code in _fixed(tree, families):
            fixed.add(family)
            yield Raised(code.value, family, f"{_shown(path)}:{code.node.lineno}")
    for path, tree in trees.items():
        if path.name == "errors.py":  # the tree itself; the default of Malformed.at is taken at its calls
            continue
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            yield from _of_call(call, families - fixed, carriers, _shown(path))
        for default in _defaults(tree, carriers):
            yield Raised(default.value, None, f"{_shown(path)}:{default.node.lineno}")


def _of_call(call: ast.Call, families: set[str], carriers: Mapping[str, int], path: str) -> Iterator[Raised]:
    place = f"{path}:{call.lineno}"
    function = call.func
    if _name(function) in families:
        code = _argument(call, 0)
        if code is not None:
            yield from _literal(code, _name(function), place)
    elif isinstance(function, ast.Attribute) and function.attr == "at" and _name(function.value) in families:
        code = _argument(call, 2)
        family = _name(function.value)
        if code is None:
            yield Raised("malformed", family, place)
        else:
            yield from _literal(code, family, place)
    elif _name(function) in carriers:
        code = _argument(call, carriers[str(_name(function))])
        if code is not None:
            yield from _literal(code, None, place)


def _literal(code: ast.expr, family: str | None, place: str) -> Iterator[Raised]:
    """The code, or nothing where a parameter or an error at hand carries it: its literal is found elsewhere."""
    if isinstance(code, ast.Constant) and isinstance(code.value, str):
        yield Raised(code.value, family, place)
    elif isinstance(code, ast.IfExp):
        yield from _literal(code.body, family, place)
        yield from _literal(code.orelse, family, place)
    else:
        assert _name(code) == _CODE, f"{place}: the code is computed; write it as a literal, or hand it on as `code`"


def _fixed(tree: ast.AST, families: set[str]) -> Iterator[tuple[str, "_Default"]]:
    """Families of one code, which stands in their own `super().__init__(...)`."""
    for made in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name in families):
        for call in (node for node in ast.walk(made) if isinstance(node, ast.Call)):
            of_super = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call)
            code = _argument(call, 0) if of_super and _name(call.func) == "__init__" else None
            if isinstance(code, ast.Constant) and isinstance(code.value, str):
                yield made.name, _Default(code.value, code)


def _argument(call: ast.Call, position: int) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == _CODE:
            return keyword.value
    return call.args[position] if len(call.args) > position else None


def _families(trees: Iterable[ast.AST]) -> set[str]:
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = {_ROOT_CLASS}
    while True:
        more = {node.name for node in classes if any(_name(base) in found for base in node.bases)} - found
        if not more:
            return found
        found |= more


@dataclass(frozen=True)
class _Default:
    value: str
    node: ast.expr


def _defaults(tree: ast.AST, carriers: Mapping[str, int]) -> Iterator[_Default]:
    for function in (found for found in _functions(tree) if found.name in carriers):
        positional = [*function.args.posonlyargs, *function.args.args]
        pairs = list(zip(reversed(positional), reversed(function.args.defaults), strict=False))
        pairs += [
            (name, value)
            for name, value in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
            if value
        ]
        for name, value in pairs:
            if name.arg == _CODE and isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield _Default(value.value, value)


def _carriers(trees: Iterable[ast.AST], families: set[str]) -> Mapping[str, int]:
    """Functions that hand a parameter named `code` on to an error, and its position in a call."""
    with_code = {
        function.name: function
        for tree in trees
        for function in _functions(tree)
        if _CODE in _parameters(function) and function.name not in ("__init__", "at")
    }
    found: dict[str, int] = {}
    while True:
        more = {
            name: _parameters(function).index(_CODE) - (_parameters(function)[0] in ("self", "cls"))
            for name, function in with_code.items()
            if name not in found and _hands_on(function, {*families, *found})
        }
        if not more:
            return found
        found |= more


def _hands_on(function: ast.FunctionDef | ast.AsyncFunctionDef, takers: set[str]) -> bool:
    for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
        at = isinstance(call.func, ast.Attribute) and call.func.attr == "at" and _name(call.func.value) in takers
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if (at or _name(call.func) in takers) and any(isinstance(one, ast.Name) and one.id == _CODE for one in given):
            return True
    return False


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    found = function.args
    return [name.arg for name in (*found.posonlyargs, *found.args, *found.kwonlyargs)]


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
