"""The normal form of code: what may change a result. What only people read is dropped.

Dropped: docstrings, annotations outside of classes, what is said by `raise`, `assert`, `print`, `warnings`, `logging`
and progress bars, and variables that only such texts use. A call that may do more than give a value stays, wherever it
stands: `print(next(lines))` still reads a line. When in doubt, code is kept.
"""

import ast
from typing import Any

from clipvip.runtime.spoken import BAR_LOOKS, acts, binds, dotted, effects, is_error, speaks

SHOWN = "Shown"  # annotation of a constant that only says how much is shown to people (runtime/shown.py)


def normal(node: ast.stmt, *, bars: bool = True) -> list[ast.stmt]:
    """A statement of a module in its normal form; may change `node`. None is left of a text.

    Without `bars` there are no progress bars in it, and expressions need not be looked through.
    """
    if isinstance(node, ast.AnnAssign) and isinstance(node.annotation, ast.Name) and node.annotation.id == SHOWN:
        node.value = None
    found = _Normal(bars).visit(node)
    return found if isinstance(found, list) else [found] if found is not None else []


def text(node: ast.AST, used: set[tuple[str, ...]]) -> str:
    """Every node and value, in order; equal for equal code, whatever the version of Python. Adds the names in it."""
    words: list[str] = []
    _write(node, words, used)
    return " ".join(words)


def _write(node: ast.AST, words: list[str], used: set[tuple[str, ...]]) -> None:
    if isinstance(node, ast.Name | ast.Attribute) and (names := dotted(node)):
        used.add(names)
        words.append(".".join(names))
        return
    words.append(type(node).__name__)
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            if not isinstance(value, ast.expr_context):
                words.append(name)
                _write(value, words, used)
        elif isinstance(value, list):
            if value:
                words.append(f"{name} [")
                for each in value:
                    if isinstance(each, ast.AST):
                        _write(each, words, used)
                    else:
                        words.append(repr(each))
                words.append("]")
        elif (value is not None or isinstance(node, ast.Constant)) and name not in ("kind", "type_comment"):
            words.append(f"{name} {value!r}")
    words.append(";")


class _Normal(ast.NodeTransformer):
    """Transforms one statement; `_told` are the names that the dropped texts of the function at hand have used."""

    def __init__(self, bars: bool) -> None:
        self._bars = bars
        self._told: set[str] = set()

    def visit(self, node: ast.AST) -> Any:
        """Expressions hold no statements."""
        return node if isinstance(node, ast.expr) and not self._bars else super().visit(node)

    def _drop(self, *nodes: ast.AST | None) -> None:
        for node in nodes:
            if node is not None:
                self._told |= _loaded(node)

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_Expr(self, node: ast.Expr) -> ast.AST | list[ast.stmt] | None:
        if isinstance(node.value, ast.Constant):
            return None
        if isinstance(node.value, ast.Call) and speaks(node.value) and not binds(node):
            call = node.value
            self._drop(call)
            return [each for part in (*call.args, *(k.value for k in call.keywords)) for each in effects(part)]
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """The type of an error stays."""
        if node.exc is not None and not binds(node):
            kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if is_error(kind):
                self._drop(node.exc, node.cause)
                node.exc, node.cause = kind, None
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        self._drop(node.msg)
        node.msg = None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if dotted(node.func)[-1:] == ("tqdm",):
            looks = [each for each in node.keywords if each.arg in BAR_LOOKS and not acts(each.value)]
            self._drop(*looks)
            node.keywords = [each for each in node.keywords if each not in looks]
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return node if node.body or node.orelse or binds(node.test) else list(effects(node.test))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """Without its annotation; fields of a class keep theirs."""
        if node.value is None and isinstance(node.target, ast.Name):
            return None
        self.generic_visit(node)
        if node.value is None or not node.simple:
            return node
        return ast.Assign(targets=[node.target], value=node.value)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        fields = {id(each): each.annotation for each in node.body if isinstance(each, ast.AnnAssign)}
        kept: list[ast.stmt] = []
        for each in node.body:
            if isinstance(each, ast.AnnAssign) and id(each) in fields:
                self.generic_visit(each)
                kept.append(each)
            else:
                found = self.visit(each)
                kept += found if isinstance(found, list) else [found] if found is not None else []
        node.body = kept
        if any(is_error(base) for base in node.bases):
            _Silent().visit(node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        """Annotations may mean something to a decorator; then they stay."""
        outer_told, self._told = self._told, set()
        if not node.decorator_list:
            node.returns = None
            of = node.args
            for each in (*of.posonlyargs, *of.args, *of.kwonlyargs, of.vararg, of.kwarg):
                if each is not None:
                    each.annotation = None
        self.generic_visit(node)
        told = set(self._told)
        while told:
            unused = _Unused(told - _loaded(node) - _not_own(node))
            unused.generic_visit(node)
            told = unused.told
        self._told |= outer_told
        return node


class _Unused(ast.NodeTransformer):
    """Drops what is assigned to names that nothing but dropped texts has used."""

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self.told: set[str] = set()  # what the dropped have used

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:
        names = [each.id if isinstance(each, ast.Name) else None for each in node.targets]
        if not set(names) <= self._names or binds(node.value):
            return node
        self.told |= _loaded(node.value)
        return list(effects(node.value))

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return node if node.body or node.orelse or binds(node.test) else list(effects(node.test))

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_Try(self, node: ast.Try) -> ast.AST:
        """What fails in it is caught: kept."""
        return node


class _Silent(ast.NodeTransformer):
    """An exception's own text, which it hands to its base."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        func = node.func
        if isinstance(func, ast.Attribute) and func.attr == "__init__" and isinstance(func.value, ast.Call):
            node.args, node.keywords = [], []
        return node


def _loaded(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}


def _not_own(node: ast.AST) -> set[str]:
    """Names of a function that belong to the module or to a function around it."""
    found = (each.names for each in ast.walk(node) if isinstance(each, ast.Global | ast.Nonlocal))
    return {name for names in found for name in names}
