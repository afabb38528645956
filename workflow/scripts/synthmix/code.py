"""What first-party code means: a digest over the definitions that an entry script reaches.

Counted: every top-level definition (function, class, constant) that is reachable from the entry files by name, and the
statements that importing a reached file runs. Not counted: comments, docstrings, formatting, order of definitions and
imports, annotations, definitions that nothing reaches, the files of PLUMBING and what only they reach. Code reached
through `importlib` is invisible here, so files imported by name must be given as entries.
"""

import ast
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]  # the folder that Snakemake puts on sys.path

# What jobs run beside their work and no number depends on: how they start and end, which GPUs they wait for, when they
# save, what they refuse to read, what is written down of them and under which names the store keeps what they made.
PLUMBING = frozenset(
    f"synthmix/{name}.py"
    for name in (
        "code",
        "gpus",
        "interruption",
        "job",
        "memory",
        "planning/checksums",
        "planning/listings",
        "records",
        "units",
    )
)

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# ctx, kind and the like say nothing that the other fields do not
_IGNORED_FIELDS = {"ctx", "kind", "type_comment", "type_params", "type_ignores", "simple"}


class CodeChangedError(RuntimeError):
    """The code on the disk is no longer the code that this run of Snakemake was planned with."""


class _Meaning(ast.NodeTransformer):
    """Takes out of a syntax tree what changes no result: docstrings, annotations, what only type checkers run.

    In the body of a class an annotation makes a field: that it is there counts, what it says does not.
    """

    def __init__(self) -> None:
        self.in_class = False

    def visit(self, node: Any) -> Any:
        outer = self.in_class
        if isinstance(node, (ast.Module, *_DEFINITIONS)):
            self.in_class = isinstance(node, ast.ClassDef)
            node.body = node.body[1:] if _is_docstring(node.body) else node.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
        result = super().visit(node)
        self.in_class = outer
        return result

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        node.annotation = ast.Constant(None)
        self.generic_visit(node)
        if self.in_class:
            return node
        return ast.Assign(targets=[node.target], value=node.value) if node.value else None

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        return node.orelse if ast.unparse(node.test).split(".")[-1] == "TYPE_CHECKING" else node


def _text(node: object) -> str:
    """A dump that is the same on every Python version: fields sorted, empty ones left out."""
    if isinstance(node, ast.AST):
        fields = [(name, _text(value)) for name, value in ast.iter_fields(node) if name not in _IGNORED_FIELDS]
        parts = [f"{name}={value}" for name, value in sorted(fields) if value not in ("[]", "None")]
        return f"{type(node).__name__}({','.join(parts)})"
    if isinstance(node, list):
        return f"[{','.join(map(_text, node))}]"
    return repr(node)


def _is_docstring(body: list[ast.stmt]) -> bool:
    first = body[0] if body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


@dataclass(frozen=True)
class _File:
    """One first-party file: its top-level definitions, what importing it runs, what its imported names stand for."""

    definitions: dict[str, list[ast.stmt]]
    always: list[ast.stmt]
    imported: dict[str, str]


@cache
def _read(path: Path) -> _File:
    definitions: dict[str, list[ast.stmt]] = {}
    always: list[ast.stmt] = []
    tree: ast.Module = _Meaning().visit(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))
    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            continue
        names = _defined_names(statement)
        for name in names:
            definitions.setdefault(name, []).append(statement)
        if not names:
            always.append(statement)
    return _File(definitions, always, _imported_names(tree, path))


def _defined_names(statement: ast.stmt) -> list[str]:
    if isinstance(statement, _DEFINITIONS):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return names if len(names) == len(targets) else []


def _imported_names(tree: ast.Module, path: Path) -> dict[str, str]:
    """Local name -> dotted name, for the imports anywhere in a file."""
    package = path.parent.relative_to(ROOT).parts
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            for alias in node.names:
                names[alias.asname or alias.name] = f"{base}.{alias.name}"
    return names


def _find(dotted: str) -> tuple[Path, str] | None:
    """The first-party file that a dotted name lies in and the definition it names there ("*": the whole file)."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        base = ROOT.joinpath(*parts[:length])
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path, parts[length] if length < len(parts) else "*"
    return None


def _used_names(nodes: Iterable[ast.AST]) -> set[str]:
    """Dotted names that nodes read, as long as they stand there: `a`, `a.b.c` (but then neither `a.b` nor `a`)."""
    names = set()
    todo = list(nodes)
    while todo:
        node = todo.pop()
        chain: list[str] = []
        while isinstance(node, ast.Attribute):
            chain.insert(0, node.attr)
            node = node.value
        if isinstance(node, ast.Name):
            names.add(".".join([node.id, *chain]))
        todo += ast.iter_child_nodes(node)
    return names


def definitions(entries: Iterable[str]) -> dict[str, str]:
    """Every definition that the entry files reach, as {"file:name": digest of its meaning}.

    entries: files relative to the scripts' folder, for example "train.py", "synthmix/models/cnn_block.py"; all of an
    entry's definitions count. The name "" stands for the statements that importing the file runs.
    """
    todo = [(ROOT / entry, "*") for entry in entries]
    found: dict[tuple[Path, str], str] = {}
    seen = set()
    while todo:
        path, name = todo.pop()
        if (path, name) in seen or path.relative_to(ROOT).as_posix() in PLUMBING:
            continue
        seen.add((path, name))
        file = _read(path)
        if name == "*":
            todo += [(path, each) for each in ("", *file.definitions)]
            continue
        if name and name not in file.definitions:
            target = _find(file.imported.get(name, ""))  # a name passed on from another file
            todo.append(target or (path, "*"))
            continue
        nodes = file.definitions[name] if name else file.always
        found[path, name] = "\n".join(map(_text, nodes))
        todo.append((path, ""))
        for used in _used_names(nodes):
            first, _, rest = used.partition(".")
            if first in file.definitions:
                todo.append((path, first))
            elif first in file.imported and (target := _find(".".join(filter(None, [file.imported[first], rest])))):
                todo.append(target)
    return {
        f"{path.relative_to(ROOT).as_posix()}:{name}": hashlib.sha256(text.encode()).hexdigest()[:16]
        for (path, name), text in sorted(found.items())
        if text
    }


@cache
def digest(*entries: str) -> str:
    """One digest of all that the entry files reach, as 16 hexadecimal digits."""
    text = "\n".join(f"{name} {value}" for name, value in definitions(entries).items())
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def require(planned: str, *entries: str) -> None:
    """Raise CodeChangedError where the digest of entry files is not the planned one."""
    if digest(*entries) != planned:
        raise CodeChangedError(
            f"{entries[0]}, or something that it uses, was edited after this run of snakemake was planned: "
            "start snakemake again"
        )
