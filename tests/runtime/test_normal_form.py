"""The normal form of code: texts for people are gone, everything that may change a result is there."""

import ast

import pytest

from clipvip.runtime.normal_form import normal, text

FUNCTION = """
def f(xs: list[int], lines: object) -> int:
    '''Doc.'''
    {}
    return sum(xs)
"""


def said(code: str) -> str:
    return " ".join(text(each, set()) for node in ast.parse(code).body for each in normal(node))


def inside(statement: str) -> str:
    return said(FUNCTION.format(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "pass",
        "'''A comment.'''",
        'print("text", len(xs))',
        'print("text", file=sys.stderr, flush=True)',
        "warnings.warn('text', stacklevel=2)",
        "logging.getLogger('name').info('text')",
        "if len(xs) > 3: print('many')",
        "names = ', '.join(xs[:5]); print(names)",
        "first = xs[:5]; names = ', '.join(first[:3]); print(names)",
        "count: int",
    ],
)
def test_texts_are_dropped(statement: str) -> None:
    assert inside(statement) == inside("pass")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("if not xs: raise ValueError('text')", "if not xs: raise ValueError(f'{len(xs)} words')"),
        ("if not xs: raise ValueError('text') from None", "if not xs: raise ValueError"),
        ("names = xs[:5]\n    if not xs: raise ValueError(names)", "if not xs: raise ValueError"),
        ("assert xs, 'text'", "assert xs"),
        ("xs = tqdm(xs, desc='one', unit='clip', disable=None)", "xs = tqdm(xs)"),
        ("xs: list[int] = xs[1:]", "xs = xs[1:]"),
        ("bar.set_postfix(loss=1.0)", "pass"),
    ],
)
def test_what_differs_only_in_texts_is_equal(one: str, other: str) -> None:
    assert inside(one) == inside(other)


@pytest.mark.parametrize(
    "statement",
    [
        "print(next(lines))",
        "print(list(lines))",
        "print(', '.join(lines))",
        "print([line for line in lines])",
        "print(f'{rng.integers(3)}')",
        "print(xs, file=file)",
        "print(last := xs[-1])",
        "taken = lines.pop(); print(taken)",
        "if lines.pop(): print('text')",
        "path.replace(other)",
        "global shown; shown = 3; print(shown)",
        "if not xs: raise ValueError",
        "assert xs",
        "xs = tqdm(xs, desc=lines.pop())",
        "try:\n        first = xs[0]\n    except IndexError:\n        return 0\n    print(first)",
    ],
)
def test_what_does_more_than_tell_is_kept(statement: str) -> None:
    assert inside(statement) != inside("pass")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("if not xs: raise ValueError('text')", "if not xs: raise KeyError('text')"),
        ("raise StopIteration(1)", "raise StopIteration(2)"),
        ("raise SystemExit(1)", "raise SystemExit(2)"),
        ("raise problem(1)", "raise problem(2)"),
        ("print(next(lines))", "print(next(others))"),
        ("n = 3; print(n); xs = xs[:n]", "n = 4; print(n); xs = xs[:n]"),
        ("xs = tqdm(xs, total=3)", "xs = tqdm(xs[1:], total=3)"),
        ("if a: print(1)\n    else: xs = []", "if b: print(1)\n    else: xs = []"),
    ],
)
def test_what_differs_in_more_than_texts_differs(one: str, other: str) -> None:
    assert inside(one) != inside(other)


def test_a_closure_that_needs_a_variable_keeps_it() -> None:
    code = "n = {}; print(n)\n    xs = list(map(lambda x: x + n, xs))"
    assert inside(code.format(3)) != inside(code.format(4))


def test_fields_of_a_class_keep_annotation_and_default() -> None:
    fields = ["x: int = 1", "x: int = 2", "x: float = 1", "y: int = 1", "x: int", "pass"]
    assert len({said(f"@dataclass\nclass A:\n    {field}\n") for field in fields}) == len(fields)


def test_an_annotation_stays_where_a_decorator_may_read_it() -> None:
    assert said("def f(x: int): ...") == said("def f(x: str): ...")
    assert said("@register\ndef f(x: int): ...") != said("@register\ndef f(x: str): ...")
    assert said("def f(x: int = 1): ...") != said("def f(x: int = 2): ...")


def test_the_text_that_an_error_hands_on_is_dropped() -> None:
    code = "class AError(ValueError):\n  def __init__(self, x):\n    super().__init__('{0}', x)\n    self.x = x\n"
    assert said(code.replace("{0}", "one")) == said(code.replace("{0}", "two"))
    assert said(code) != said(code.replace("self.x = x", "self.x = -x"))


def test_a_constant_that_is_only_shown_has_no_value() -> None:
    assert said("NAMED: Shown = 5") == said("NAMED: Shown = 6")
    assert said("NAMED: int = 5") != said("NAMED: int = 6")
