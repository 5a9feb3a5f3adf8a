"""A hash of the code that made a result.

Snakemake does not see edits in imported modules, and a fresh clone has no metadata at all. So each step's hash covers
the step and every module inside code/loci that it imports, directly or not, without comments, docstrings or layout:
it stands in the rule's `params` (an edit re-runs the rule) and in the result's provenance (a stale result can be told).
The authored files that these modules name (`DATA / "people" / ...`) have a hash of their own, in `params` as well.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

from loci.paths import DATA, GENERATED, ROOT

_PACKAGE_PARENT = ROOT / "code"


def code_hash(script: Path) -> str:
    """First 16 hex digits of the SHA-256 over `script` and every loci module that it reaches by import."""
    digest = hashlib.sha256(_essence(script).encode())
    for name in sorted(reachable_modules(script)):
        digest.update(f"\0{name}\0{_essence(module_file(name))}".encode())
    return digest.hexdigest()[:16]


def data_hash(script: Path) -> str:
    """First 16 hex digits of the SHA-256 over the authored files that `script` reads through its modules."""
    digest = hashlib.sha256()
    for path in authored_files(script):
        digest.update(f"{path.relative_to(DATA)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def authored_files(script: Path) -> list[Path]:
    """Files below data/ that `script` and its modules name; a folder, or a name that is put together, stands for all of it."""
    found: set[Path] = set()
    for parts in {parts for path in [script, *map(module_file, reachable_modules(script))] for parts in _named_in(path)}:
        named = DATA.joinpath(*parts)
        found |= {named} if named.is_file() else {one for one in named.rglob("*") if one.is_file()}
    return sorted(one for one in found if one.suffix == ".json" and GENERATED not in one.parents)


@cache
def _named_in(path: Path) -> frozenset[tuple[str, ...]]:
    """What one module names below data/, each as the parts of a path."""
    nodes = (node for node in ast.walk(_tree(path)) if isinstance(node, ast.BinOp))
    return frozenset(tuple(parts) for node in nodes if (parts := _parts_below_data(node)))


def _parts_below_data(node: ast.BinOp) -> list[str]:
    """The constant parts of `DATA / "a" / "b"` up to the first that is put together; [] for any other expression."""
    parts: list[str | None] = []
    step: ast.expr = node
    while isinstance(step, ast.BinOp) and isinstance(step.op, ast.Div):
        parts.append(step.right.value if isinstance(step.right, ast.Constant) else None)
        step = step.left
    if not (isinstance(step, ast.Name) and step.id == "DATA"):
        return []
    parts.reverse()
    return parts[: parts.index(None)] if None in parts else parts


def reachable_modules(script: Path) -> set[str]:
    """Dotted names of all loci modules that `script` imports, directly or through other loci modules."""
    reached: set[str] = set()
    queue = [script]
    while queue:
        for name in direct_imports(queue.pop()) - reached:
            reached.add(name)
            queue.append(module_file(name))
    return reached


@cache
def direct_imports(script: Path) -> frozenset[str]:
    """Dotted names of the loci modules that one file imports, wherever in the file the import stands."""
    names: set[str] = set()
    for node in ast.walk(_tree(script)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(name for name in names if name.split(".")[0] == "loci" and module_file(name).is_file())


def module_file(name: str) -> Path:
    """The file of a dotted module name; a package is its __init__.py."""
    path = _PACKAGE_PARENT.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _essence(path: Path) -> str:
    """The syntax tree as text."""
    return ast.dump(_tree(path))


@cache
def _tree(path: Path) -> ast.Module:
    """The syntax tree, docstrings removed; comments and layout are not in a tree to begin with."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                node.body = node.body[1:]
    return tree
