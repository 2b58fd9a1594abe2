"""The source fingerprint of a stage: a hash over the code that the stage reaches.

Syntax trees, not text: comments, docstrings and layout do not count. Settings and the command line
are left out, because a cell's key already holds its settings.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
LEFT_OUT = ("clipvip.config", "clipvip.__main__")


@cache
def fingerprint(module: str) -> str:
    """First 12 hex digits over the modules of this package that `module` reaches, itself included.

    Imports inside functions count. Raises ValueError for a module that is not there.
    """
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen and not _left_out(name):
            seen.add(name)
            waiting.extend(_read(name)[1])
    whole = hashlib.sha256()
    for name in sorted(seen):
        whole.update(f"{name}\n{_read(name)[0]}\n".encode())
    return whole.hexdigest()[:12]


def _left_out(name: str) -> bool:
    return name == "clipvip" or any(name == other or name.startswith(f"{other}.") for other in LEFT_OUT)


def _file(name: str) -> Path:
    path = PACKAGE.joinpath(*name.split(".")[1:])
    found = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not found.exists():
        raise ValueError(f"{name}: no such module in {PACKAGE}")
    return found


@cache
def _read(name: str) -> tuple[str, tuple[str, ...]]:
    """The module's syntax tree as text without docstrings, and the package's modules that it imports."""
    tree = ast.parse(_file(name).read_text())
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.update(_targets(_absolute(name, node), [alias.name for alias in node.names]))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(node)
    return ast.dump(tree), tuple(sorted(n for n in imported if n.split(".")[0] == "clipvip"))


def _absolute(importer: str, node: ast.ImportFrom) -> str:
    """The module an import names, relative ones resolved against the importing module."""
    if node.level == 0:
        return node.module or ""
    parts = importer.split(".")
    package = parts if _file(importer).name == "__init__.py" else parts[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


def _targets(module: str, names: list[str]) -> list[str]:
    """`from package import x` reaches the submodule x if there is one, else the package itself."""
    folder = PACKAGE.joinpath(*module.split(".")[1:])
    if module.split(".")[0] != "clipvip" or not folder.is_dir():
        return [module]
    submodules = [n for n in names if (folder / f"{n}.py").exists() or (folder / n).is_dir()]
    return [module, *(f"{module}.{n}" for n in submodules)]


def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:] or [ast.Pass()]
