"""Which code only tells people something, and which parts of it do more than that."""

import ast
from collections.abc import Iterator

# Calls that give a value and do nothing else; those that go through what they are given would use up an iterator.
PLAIN = frozenset("abs bool float format int isinstance len range repr round str type".split())  # noqa: SIM905
THROUGH = frozenset("all any dict enumerate list max min reversed set sorted sum tuple zip join".split())  # noqa: SIM905
METHODS = frozenset(
    "as_posix detach endswith format item items join keys lower lstrip mean most_common nunique perf_counter "  # noqa: SIM905
    "relative_to removeprefix removesuffix rstrip split startswith strip title tolist upper values with_suffix".split()
)
SPEAKERS = frozenset({"warnings.warn", "logging"})  # whole names, or what they begin with
BAR_TEXTS = frozenset({"set_description", "set_description_str", "set_postfix", "set_postfix_str"})
BAR_LOOKS = frozenset(
    "ascii bar_format colour desc disable dynamic_ncols file leave maxinterval mininterval ncols nrows position "  # noqa: SIM905
    "postfix smoothing unit unit_scale".split()
)
COMPREHENSION = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
BINDING = (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)


def dotted(node: ast.AST) -> tuple[str, ...]:
    """`a.b.c` as its names; nothing for another expression."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()


def is_error(node: ast.expr) -> bool:
    """A class of errors by its name: what it carries is for people. StopIteration or SystemExit carry values."""
    name = dotted(node)[-1:]
    return bool(name) and (name[0].endswith("Error") or name[0] == "Exception") and name[0][0].isupper()


def speaks(call: ast.Call) -> bool:
    """A call that only tells people something; a print into a file is a result."""
    names = dotted(call.func)
    if names == ("print",):
        to = next((each.value for each in call.keywords if each.arg == "file"), None)
        return to is None or dotted(to) in (("sys", "stderr"), ("sys", "stdout"))
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call):
        names = dotted(call.func.value.func)  # logging.getLogger(...).info(...)
    return ".".join(names) in SPEAKERS or names[:1] == ("logging",) or names[-1:] in [(each,) for each in BAR_TEXTS]


def effects(node: ast.AST) -> Iterator[ast.stmt]:
    """The outermost parts of an expression that may do more than give a value, as statements."""
    lists = node.generators if isinstance(node, COMPREHENSION) else []
    if (isinstance(node, ast.Call) and not _is_plain(node)) or any(_may_be_iterator(each.iter) for each in lists):
        yield ast.Expr(node)  # type: ignore[arg-type]
    else:
        for each in ast.iter_child_nodes(node):
            yield from effects(each)


def _is_plain(call: ast.Call) -> bool:
    name = dotted(call.func)[-1:] if isinstance(call.func, ast.Name) else ()
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if method in METHODS or (name and name[0] in THROUGH):
        return not ({method, *name} & THROUGH and any(map(_may_be_iterator, call.args)))
    return bool(name) and name[0] in PLAIN


def _may_be_iterator(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute | ast.Starred)


def acts(node: ast.AST) -> bool:
    """Whether an expression may do more than give a value."""
    return binds(node) or any(True for _ in effects(node))


def binds(node: ast.AST) -> bool:
    """Whether something in it sets a name or hands control over."""
    return any(isinstance(each, BINDING) for each in ast.walk(node))
