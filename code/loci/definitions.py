"""What of the code a step can reach, definition by definition, in the working tree or in any commit.

A code hash (codehash.py) covers whole modules: a function that somebody adds to a module which every step imports changes
every hash. Whether a result is out of date is asked more finely here: from the script on, every name that a reached definition
uses is followed through the imports to what it stands for. A class is reached whole, a module that is imported as such is
reached whole, and statements at module level that define nothing always count where the module is reached at all. What only
records who made a result is left out.
"""

import ast
import hashlib
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from loci.errors import UserError
from loci.paths import ROOT

_CODE = ("code", "benchmarks")
_LOOSE = ""  # the name of what stands at module level and defines nothing
_RECORD = ("loci.codehash", "loci.provenance")  # they say who made a result, and have no part in what is in it


@dataclass
class Module:
    """One file: its whole tree as text, what it defines by name, which names each of these uses, and what it imports."""

    essence: str
    defined: dict[str, str] = field(default_factory=dict)
    uses: dict[str, set[str]] = field(default_factory=dict)
    imported: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # local name -> [(module, name in it or "")]
    reached: frozenset[str] = frozenset()  # dotted names that it imports, modules or not


@cache
def module_of(text: str) -> Module:
    """The parsed file; docstrings, comments and layout do not count."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and ast.get_docstring(node, False) is not None:
            node.body = node.body[1:]
    found = Module(ast.dump(tree))
    reached: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            reached.update(alias.name for alias in node.names)
            for alias in node.names:
                found.imported.setdefault((alias.asname or alias.name).split(".")[0], []).append((alias.name, ""))
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            reached.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
            for alias in node.names:
                found.imported.setdefault(alias.asname or alias.name, []).append((node.module, alias.name))
    found.reached = frozenset(name for name in reached if name.split(".")[0] == "loci")
    for node in tree.body:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            for name in _names_of(node) or [_LOOSE]:
                found.defined[name] = found.defined.get(name, "") + ast.dump(node)
                used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
                found.uses.setdefault(name, set()).update(used - {name})
    return found


def _names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
    plain = all(isinstance(part, ast.Name | ast.Tuple | ast.List) for part in targets)
    return names if plain else []  # `x.y = z` changes something that has a name elsewhere


class Code:
    """The files of one state of the project: `text(path)` or None, for paths from the root on."""

    def __init__(self, files: dict[str, str]):
        self._files = files
        self._reached: dict[str, dict[str, Module]] = {}

    def text(self, path: str) -> str | None:
        return self._files.get(path)

    def module(self, name: str) -> Module | None:
        """The module of a dotted name; None where there is none."""
        path = f"code/{name.replace('.', '/')}"
        text = self.text(f"{path}.py") or self.text(f"{path}/__init__.py")
        return None if text is None else module_of(text)

    def modules(self, script: str) -> dict[str, Module]:
        """Every module of loci that a script reaches by import."""
        if script in self._reached:
            return self._reached[script]
        found = self._reached.setdefault(script, {})
        queue = [module_of(self.text(script) or "")]
        while queue:
            for name in queue.pop().reached - found.keys():
                if module := self.module(name):
                    found[name] = module
                    queue.append(module)
        return found

    def hash(self, script: str) -> str | None:
        """The code hash that a step of this state writes into its results (codehash.py); None where it has no such script."""
        if self.text(script) is None:
            return None
        digest = hashlib.sha256(module_of(self.text(script)).essence.encode())
        for name, module in sorted(self.modules(script).items()):
            digest.update(f"\0{name}\0{module.essence}".encode())
        return digest.hexdigest()[:16]

    def definitions(self, script: str) -> dict[str, str]:
        """{module.name: tree as text} of all that a script can reach; of the script itself, {name: tree}."""
        found: dict[str, str] = {}
        start = module_of(self.text(script) or "")
        queue = [("", start, name) for name in start.defined]
        while queue:
            place, module, name = queue.pop()
            if place in _RECORD:
                continue
            label = f"{place}.{name or 'module level'}" if place else name or "module level"
            if label in found or name not in module.defined:
                continue
            found[label] = module.defined[name]
            queue.append((place, module, _LOOSE))
            for used in module.uses[name]:
                queue.append((place, module, used))
                for target, part in module.imported.get(used, ()):
                    queue += self._meant(target, part)
        return found

    def _meant(self, target: str, part: str) -> list[tuple[str, Module, str]]:
        """What an imported name stands for: one definition, or all of a module."""
        if part and (whole := self.module(f"{target}.{part}")):
            return [(f"{target}.{part}", whole, name) for name in whole.defined]
        module = self.module(target)
        if module is None:
            return []
        names = [part] if part in module.defined else [] if part else list(module.defined)
        found = [(target, module, name) for name in [*names, _LOOSE]]
        if not names:  # a module that hands on what it has imported itself
            found += [step for further, name in module.imported.get(part, ()) for step in self._meant(further, name)]
        return found


def working_tree(root: Path = ROOT) -> Code:
    """The files as they lie there."""
    paths = [path for folder in _CODE for path in sorted((root / folder).rglob("*.py"))]
    return Code({str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in paths})


def commits(names: Iterable[str], root: Path = ROOT) -> dict[str, Code]:
    """The code of commits, of which each file content is read once; commits that are not in this clone are left out."""
    trees: dict[str, dict[str, str]] = {}
    for name in names:
        listed = _git(root, "ls-tree", "-r", "-z", name, "--", *_CODE)
        if listed is not None:
            rows = [row.split("\t") for row in listed.decode().split("\0") if row]
            trees[name] = {path: about.split()[2] for about, path in rows if path.endswith(".py")}
    blobs = sorted({blob for tree in trees.values() for blob in tree.values()})
    texts = dict(zip(blobs, _contents(root, blobs), strict=True))
    return {name: Code({path: texts[blob] for path, blob in tree.items()}) for name, tree in trees.items()}


def history(root: Path = ROOT) -> list[str]:
    """Commits that changed code, latest first."""
    listed = _git(root, "rev-list", "HEAD", "--", "code", "benchmarks")
    if listed is None:
        raise UserError(root, "is no git checkout", "clone the repository; its history tells what changed")
    return listed.decode().split()


def _git(root: Path, *arguments: str, given: bytes | None = None) -> bytes | None:
    try:
        return subprocess.run(["git", *arguments], cwd=root, input=given, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def _contents(root: Path, blobs: list[str]) -> list[str]:
    """Texts of blobs, in order."""
    stream = _git(root, "cat-file", "--batch", given="".join(f"{blob}\n" for blob in blobs).encode()) or b""
    texts, at = [], 0
    for _ in blobs:
        end = stream.index(b"\n", at)
        size = int(stream[at:end].split()[2])
        texts.append(stream[end + 1 : end + 1 + size].decode())
        at = end + 1 + size + 1
    return texts
