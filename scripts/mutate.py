"""Mutation testing of what decides over access: each small change of the code must make a test fail.

The installed package is copied into a temporary tree, once for each process; one change at a time is made there, and
the unit tests of the changed module run on it. A change after which they all pass has survived: a test is missing, or
the change means the same, and then it stands below with the reason. Deterministic. `make mutate`; ARGS="rules grants"
takes these modules alone.
"""

import argparse
import ast
import contextlib
import copy
import importlib
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

AT_ONCE = 2
LONGEST_S = 120
LEAST = 90
"""Percent."""
TESTS = Path("tests/unit")
_JUDGING = ("test_policy_rules", "test_policies_against_the_reference", "test_authority")
_GRANTING = ("test_clients", "test_grants_of_clients", "test_client_administration")
MODULES: Mapping[str, Sequence[str]] = {
    "access/policy/document.py": ("test_policy_documents",),
    "access/policy/facts.py": _JUDGING,
    "access/policy/rules.py": _JUDGING,
    "access/policy/checks.py": _JUDGING,
    "access/policy/moments.py": _JUDGING,
    "access/policy/judge.py": _JUDGING,
    "access/policy/store.py": ("test_policy_store",),
    "access/approvals.py": ("test_approvals",),
    "access/grants.py": _GRANTING,
    "access/roles.py": _GRANTING,
    "access/clients.py": _GRANTING,
    "access/authority.py": ("test_authority",),
    "access/reservations.py": ("test_reservations", "test_authority"),
    "operations/permission.py": ("test_permission",),
}
"""Each module, and the tests that must notice its changes; quick ones first."""
SETTINGS = {"HYPERKMS_TEST_POLICIES": "1000"}
SAME: Mapping[tuple[str, str, str], str] = {
    (
        "access/policy/document.py",
        "LONGEST_PERIOD_MS = 7 * 86_400_000",
        "86400000 is 86400001",
    ): "a period is whole seconds, and none is between",
    (
        "access/policy/document.py",
        "period = int(found[1]) * _UNITS[found[2]] if found else 0",
        "0 is 1",
    ): "shorter than a second like 0",
    ("access/policy/facts.py", "WIDE = Context(prec=100)", "100 is 101"): "more digits than any number here has",
    (
        "access/policy/facts.py",
        "if part.worth is None or part.worth[0] != max_age_ms:",
        "0 is 1",
    ): "it is worked out again each time, to the same",
    (
        "access/policy/rules.py",
        "return applies_always and not self._metered",
        "returns None",
    ): "it is asked in full then, to the same",
    ("access/policy/moments.py", "_DAY_MINUTES = 24 * 60", "24 is 25"): "no minute of a day is as late",
    ("access/policy/moments.py", "_DAY_MINUTES = 24 * 60", "60 is 61"): "no minute of a day is as late",
    ("access/policy/moments.py", "self._last = -1, False", "False is True"): "nobody asks for the minute before 1970",
    ("access/policy/moments.py", "self._last = -1, False", "1 is 2"): "nobody asks for the minute before 1970",
    (
        "access/policy/moments.py",
        "if self._begin < self._end:",
        "Lt is LtE",
    ): "hours that begin when they end are refused by the document",
    (
        "access/policy/moments.py",
        "if of_day < self._end:",
        "Lt is LtE",
    ): "the end itself is not within, so its day decides nothing",
    (
        "access/policy/judge.py",
        "return Policy(TRADE_ONLY, PolicyDocument(format=1, allow=[TRADE_ONLY]), _no_meters)",
        "1 is 2",
    ): "the number is looked at where documents are read",
    (
        "access/policy/judge.py",
        "def _no_meters(name: str) -> int:",
        "without raise AssertionError(f'the built-in policy has no meter {nam",
    ): "it has no rule, so nobody calls this",
    (
        "access/clients.py",
        "return None if None in named else frozenset(wallet for wallet in named if wallet is not None)",
        "the condition is left out",
    ): "there is no None in it; the types do not know",
    (
        "access/authority.py",
        "if shadow is None or seen is None:",
        "Or is And",
    ): "both are None or neither; the types do not know",
    (
        "access/authority.py",
        "if failure is None:",
        "without raise AssertionError('there is a grant at least, and it was ",
    ): "there is a grant, so it never happens",
    (
        "access/reservations.py",
        "return self._meters.used((meter, period, now if is_outstanding else None, 0, 0), now=now)",
        "0 is 1",
    ): "amount and limit are not looked at",
    (
        "access/reservations.py",
        "counted, latest = 0, 0",
        "0 is 1",
    ): "the latest time in the first millisecond of 1970 is earlier than any",
    (
        "access/reservations.py",
        "demands = [(meter, period, end or None, amount, 0) for meter, period, amount, end in reserved]",
        "0 is 1",
    ): "limits are not looked at",
    ("access/reservations.py", "return int(found or 0)", "0 is 1"): "it was found or made; the types do not know",
    (
        "access/reservations.py",
        "return connection.execute(sa.select(table.c.number).limit(1)).first() is not None",
        "1 is 2",
    ): "the first is looked at alone",
}
"""Changes that mean the same: module, line as it stands, what was changed; and the reason."""
PRELOADED = ("alembic.command", "fastapi", "httpx", "msgspec", "sqlalchemy.dialects.sqlite", "structlog")

_DECLARING = {"frozen", "kw_only", "slots", "omit_defaults"}
"""How values are declared, not what they do."""
_FLIPPED = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_SWAPPED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult}


@dataclass(frozen=True)
class Mutant:
    """A module with one change."""

    module: str
    line: int
    text: str
    """The line as it stands."""
    change: str
    source: str


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Every change of a module, in the order of its lines."""
    tree = ast.parse(source)
    lines = source.splitlines()
    nodes = list(ast.walk(tree))
    declared = {id(node.value) for node in nodes if isinstance(node, ast.keyword) and node.arg in _DECLARING}
    meant = (place for place, node in enumerate(nodes) if id(node) not in declared)
    ordered = sorted(meant, key=lambda place: (_line(nodes[place]), place))
    for place in ordered:
        node = nodes[place]
        for number, (change, _) in enumerate(_changes(node)):
            changed = copy.deepcopy(tree)
            target = list(ast.walk(changed))[place]
            list(_changes(target))[number][1].apply()
            made = ast.unparse(ast.fix_missing_locations(changed))
            yield Mutant(module, _line(node), lines[_line(node) - 1].strip(), change, made)


@dataclass(frozen=True)
class _Setting:
    """One attribute of a node is set to another value."""

    node: ast.AST
    name: str
    value: object

    def apply(self) -> None:
        setattr(self.node, self.name, self.value)


def _changes(node: ast.AST) -> Iterator[tuple[str, _Setting]]:
    yield from _of_operators(node)
    yield from _of_values(node)
    yield from _left_out(node)


def _of_operators(node: ast.AST) -> Iterator[tuple[str, _Setting]]:
    match node:
        case ast.Compare(ops=ops):
            for number, op in enumerate(ops):
                for other in _FLIPPED[type(op)]:
                    made = [*ops[:number], other(), *ops[number + 1 :]]
                    yield f"{type(op).__name__} is {other.__name__}", _Setting(node, "ops", made)
        case ast.BoolOp(op=op):
            other_op = ast.Or if isinstance(op, ast.And) else ast.And
            yield f"{type(op).__name__} is {other_op.__name__}", _Setting(node, "op", other_op())
        case ast.BinOp(op=op, left=left) if type(op) in _SWAPPED and not _is_text(left):
            yield f"{type(op).__name__} is {_SWAPPED[type(op)].__name__}", _Setting(node, "op", _SWAPPED[type(op)]())
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            yield "the condition is negated", _Setting(node, "test", ast.UnaryOp(ast.Not(), test))
        case ast.comprehension(ifs=[_, *_]):
            yield "the condition is left out", _Setting(node, "ifs", [])


def _of_values(node: ast.AST) -> Iterator[tuple[str, _Setting]]:
    match node:
        case ast.Constant(value=bool() as value):
            yield f"{value} is {not value}", _Setting(node, "value", not value)
        case ast.Constant(value=int() as value):
            yield f"{value} is {value + 1}", _Setting(node, "value", value + 1)
        case ast.Return(value=ast.expr()) if not _is_none(node.value):
            yield "returns None", _Setting(node, "value", ast.Constant(None))


def _left_out(node: ast.AST) -> Iterator[tuple[str, _Setting]]:
    """Statements that do something and bind no name."""
    for name in ("body", "orelse"):
        found = getattr(node, name, None)
        body: list[ast.AST] = found if isinstance(found, list) else []
        for number, statement in enumerate(body):
            is_doing = isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant)
            if is_doing or isinstance(statement, ast.Raise | ast.Continue | ast.AugAssign):
                made = [*body[:number], ast.Pass(), *body[number + 1 :]]
                yield f"without {ast.unparse(statement).splitlines()[0][:60]}", _Setting(node, name, made)


def _line(node: ast.AST) -> int:
    if isinstance(node, ast.comprehension):
        return node.target.lineno
    return getattr(node, "lineno", 1)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_none(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


class Tree:
    """A copy of the installed package, in which one module is changed at a time."""

    def __init__(self, folder: Path) -> None:
        found = importlib.util.find_spec("hyperkms")
        if found is None or found.origin is None:
            raise SystemExit("mutate: the package is not installed: make setup")
        self.folder = folder
        self._installed = Path(found.origin).parent
        shutil.copytree(self._installed, folder / "hyperkms")

    def begin(self, mutant: Mutant, settings: Mapping[str, str]) -> int:
        """Run the tests of a changed module; the pid of who does."""
        self.write(mutant.module, mutant.source)
        pid = os.fork()
        if pid == 0:
            try:
                os.environ.update(settings)
                self._run(mutant.module)
            finally:
                os._exit(1)
        return pid

    def write(self, module: str, source: str) -> None:
        """Put it in the place of the module, and remove what was compiled of that."""
        path = self.folder / "hyperkms" / module
        path.write_text(source)
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
            compiled.unlink()

    def restore(self, module: str) -> None:
        """As it is installed."""
        self.write(module, (self._installed / module).read_text())

    def _run(self, module: str) -> None:
        signal.alarm(LONGEST_S)
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(self.folder))
        with (
            Path(os.devnull).open("w") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            files = [str(TESTS / f"{name}.py") for name in MODULES[module]]
            without = [
                word for name in ("cacheprovider", "logging", "hypothesispytest") for word in ("-p", f"no:{name}")
            ]
            base = f"--basetemp={self.folder / 'tmp'}"
            code = pytest.main(["-x", "-q", "--assert=plain", *without, base, *files])
        os._exit(int(code != 0))


def survivors(every: Sequence[Mutant], folder: Path) -> list[Mutant]:
    """Those that no test noticed."""
    free = [Tree(folder / str(number)) for number in range(AT_ONCE)]
    busy: dict[int, tuple[Tree, Mutant]] = {}
    waiting, left = list(reversed(every)), list[Mutant]()
    while waiting or busy:
        while waiting and free:
            tree, mutant = free.pop(), waiting.pop()
            busy[tree.begin(mutant, SETTINGS)] = tree, mutant
        pid, status = os.wait()
        tree, mutant = busy.pop(pid)
        tree.restore(mutant.module)
        free.append(tree)
        if status == 0:
            left.append(mutant)
            _say(f"survived: {mutant.module}:{mutant.line}: {mutant.change}: {mutant.text}")
    return sorted(left, key=lambda one: (one.module, one.line, one.change))


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main() -> int:
    """Print the survivors and the score of each module; fail below the least."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="parts of their names; all unless told")
    wanted = parser.parse_args().modules
    modules = [module for module in MODULES if not wanted or any(word in module for word in wanted)]
    for name in PRELOADED:
        importlib.import_module(name)
    every = [one for module in modules for one in mutants(module, (Path("src/hyperkms") / module).read_text())]
    meant = [one for one in every if (one.module, one.text, one.change) not in SAME]
    _say(f"mutate: {len(meant)} changes of {len(modules)} modules; {len(every) - len(meant)} more mean the same")
    with tempfile.TemporaryDirectory() as folder:
        unchanged = [
            Mutant(module, 0, "", "nothing", (Path("src/hyperkms") / module).read_text()) for module in modules
        ]
        if len(survivors(unchanged, Path(folder) / "unchanged")) != len(modules):
            raise SystemExit("mutate: the tests fail on the code as it stands")
        left = survivors(meant, Path(folder) / "changed")
    for module in modules:
        all_of_it, its_left = (sum(one.module == module for one in some) for some in (meant, left))
        _say(f"{module:28} {all_of_it - its_left:4} of {all_of_it:4} killed")
    score = 100 * (len(meant) - len(left)) / max(1, len(meant))
    _say(f"mutate: {score:.1f} % killed, {len(left)} survived")
    return int(score < LEAST)


if __name__ == "__main__":
    sys.exit(main())
