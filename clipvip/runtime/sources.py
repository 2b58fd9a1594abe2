"""The package's modules as definitions: what each says in its normal form, and what it uses."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from clipvip.runtime.normal_form import normal, text
from clipvip.runtime.spoken import dotted

WHOLE, BESIDE = "*", ""  # in place of a definition: all of them; the statements that define nothing


@dataclass(frozen=True)
class Unit:
    """A definition, or all that a module does beside defining."""

    text: str
    uses: frozenset[tuple[str, ...]]  # names as they are written, `a.b.c` in parts


class Module:
    """One file: its definitions by name, its imports, its other statements."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        tree = ast.parse(path.read_text(encoding="utf-8"))
        self._import_statements = list(_imports(tree))
        self.definitions: dict[str, list[ast.stmt]] = {}
        self._beside: list[ast.stmt] = []
        for statement in tree.body:
            names = [] if self._acts(statement) else list(_defined(statement))
            for each in names:
                self.definitions.setdefault(each, []).append(statement)
            if not names and not isinstance(statement, ast.Import | ast.ImportFrom):
                self._beside.append(statement)
        self._units: dict[tuple[str, str | None], Unit] = {}

    def _acts(self, statement: ast.stmt) -> bool:
        """Whether a definition's decorator may note it somewhere: one of this package, or `register`."""
        for each in getattr(statement, "decorator_list", []):
            names = dotted(each.func if isinstance(each, ast.Call) else each)
            own = any(whole.split(".")[0] == "clipvip" for name in names[:1] for whole in self.imports.get(name, ()))
            if own or names[:1] in [(name,) for name in self.definitions] or names[-1:] in [(), ("register",)]:
                return True
        return False

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """Name -> what it may stand for, in full; imports inside functions too."""
        found: dict[str, set[str]] = {}
        for node in self._import_statements:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    whole = alias.name if alias.asname else alias.name.split(".")[0]
                    found.setdefault(alias.asname or whole, set()).add(whole)
            else:
                for alias in node.names:
                    found.setdefault(alias.asname or alias.name, set()).add(f"{self._absolute(node)}.{alias.name}")
        return found

    @cached_property
    def imported(self) -> frozenset[str]:
        """All that is imported, in full, as it is written: `a.b.c` of `import a.b.c` too."""
        plain = {a.name for node in self._import_statements if isinstance(node, ast.Import) for a in node.names}
        return frozenset(plain.union(*self.imports.values()))

    def unit(self, name: str, entry: str | None = None) -> Unit:
        """A definition, or `BESIDE`; of a table only the entry that `entry` names."""
        if (name, entry) not in self._units:
            nodes = self.definitions[name] if name else self._beside
            bars = "tqdm" in self.imports
            kept = [each for node in nodes for each in normal(node if entry is None else _only(node, entry), bars=bars)]
            used: set[tuple[str, ...]] = set()
            said = " ".join(text(node, used) for node in kept)
            self._units[name, entry] = Unit(said, frozenset(used))
        return self._units[name, entry]

    def _absolute(self, node: ast.ImportFrom) -> str:
        """The module an import names, relative ones resolved."""
        if node.level == 0:
            return node.module or ""
        return ".".join(
            [*self._package[: len(self._package) - node.level + 1], *([node.module] if node.module else [])]
        )


Place = tuple[Module, str]  # a module and one of its definitions


class Sources:
    """The package in a folder, each file read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._modules: dict[str, Module | None] = {}

    def module(self, name: str) -> Module:
        """ValueError for a module that is not there."""
        found = self._get(name)
        if found is None:
            raise ValueError(f"{name}: no such module in {self.folder}")
        return found

    def _get(self, name: str) -> Module | None:
        if name not in self._modules:
            path = self.folder.joinpath(*name.split(".")[1:])
            file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            inside = name.split(".")[0] == "clipvip"
            self._modules[name] = Module(name, file) if inside and file.is_file() else None
        return self._modules[name]

    def place(self, whole: str) -> Place | None:
        """Module and definition that a full name stands for, through what modules pass on; None: of another package."""
        parts = whole.split(".")
        for end in range(len(parts), 0, -1):
            module = self._get(".".join(parts[:end]))
            if module is not None:
                rest = parts[end:]
                if not rest or rest[0] == "*":
                    return module, WHOLE
                for passed_on in sorted(module.imports.get(rest[0], ()) if rest[0] not in module.definitions else ()):
                    if passed_on != ".".join(parts[: end + 1]):
                        return self.place(".".join([passed_on, *rest[1:]]))
                return module, rest[0] if rest[0] in module.definitions else BESIDE
        return None


def _imports(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements, those inside of others too."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for each in getattr(node, name, ()) if isinstance(getattr(node, name, ()), list) else ():
            if isinstance(each, ast.Import | ast.ImportFrom):
                yield each
            else:
                yield from _imports(each)


def _defined(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement defines, where that is all it does."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        flat = [each for t in targets for each in (t.elts if isinstance(t, ast.Tuple) else [t])]
        if all(isinstance(each, ast.Name) for each in flat):
            yield from (each.id for each in flat if isinstance(each, ast.Name))


def _only(statement: ast.stmt, entry: str) -> ast.stmt:
    """A table `NAME = {"a": ..., "b": ...}` with one entry; any other statement as it is."""
    table = getattr(statement, "value", None)
    if not isinstance(table, ast.Dict) or not all(isinstance(key, ast.Constant) for key in table.keys):
        return statement
    kept = [i for i, key in enumerate(table.keys) if isinstance(key, ast.Constant) and key.value == entry]
    small = ast.Dict(keys=[table.keys[i] for i in kept], values=[table.values[i] for i in kept])
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]  # type: ignore[attr-defined]
    return ast.Assign(targets=targets, value=small)
