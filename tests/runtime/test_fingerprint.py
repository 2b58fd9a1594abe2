"""The source fingerprint: moved by code that a stage reaches, by nothing else."""

import ast
from pathlib import Path
from typing import Any

import pytest

from clipvip.runtime import fingerprint

A = '''"""Doc."""
from clipvip import b


def f(x):
    """Doc."""
    from .inner import c
    return c.g(b.h(x))
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of four modules: a reaches b at the top, c inside a function by a relative import; d stands apart."""
    (tmp_path / "inner").mkdir()
    files = {
        "a.py": A,
        "b.py": "def h(x):\n    return x + 1\n",
        "inner/__init__.py": "",
        "inner/c.py": "def g(x):\n    return x * 2\n",
        "d.py": "def k(x):\n    return x\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(fingerprint, "PACKAGE", tmp_path)
    return tmp_path


def fresh(*roots: str, **parts: Any) -> str:
    """As another process would find it."""
    fingerprint._sources.cache_clear()
    fingerprint._fingerprint.cache_clear()
    return fingerprint.fingerprint(*roots, **parts)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_comments_docstrings_and_layout_do_not_count(package: Path) -> None:
    before = fresh("clipvip.a")
    edit(package / "a.py", '"""Doc."""', '"""Other words."""')
    edit(package / "b.py", "return x + 1", "# why\n    return (\n        x + 1\n    )")
    assert fresh("clipvip.a") == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("a.py", "b.h(x)", "b.h(-x)"), ("b.py", "x + 1", "x + 2"), ("inner/c.py", "x * 2", "x * 3")],
)
def test_reached_code_counts(package: Path, name: str, old: str, new: str) -> None:
    before = fresh("clipvip.a")
    edit(package / name, old, new)
    assert fresh("clipvip.a") != before


def test_code_that_is_not_reached_does_not_count(package: Path) -> None:
    before = fresh("clipvip.a")
    edit(package / "d.py", "return x", "return -x")
    assert fresh("clipvip.a") == before


def test_unknown_module_is_named(package: Path) -> None:
    with pytest.raises(ValueError, match=r"clipvip\.nothing: no such module"):
        fresh("clipvip.nothing")


def test_unknown_definition_is_named(package: Path) -> None:
    with pytest.raises(ValueError, match=r"clipvip\.a:nothing: no such definition"):
        fresh("clipvip.a:nothing")


def test_only_what_a_definition_reaches_counts(package: Path) -> None:
    edit(package / "b.py", "def h", "def other(x):\n    return x\n\n\ndef h")
    before = fresh("clipvip.a:f")
    edit(package / "b.py", "def other(x):\n    return x\n", "def other(x):\n    return -x\n")
    assert fresh("clipvip.a:f") == before
    edit(package / "b.py", "x + 1", "other(x)")
    reached = fresh("clipvip.a:f")
    edit(package / "b.py", "return -x", "return x")
    assert fresh("clipvip.a:f") != reached


def test_what_an_imported_module_does_beside_defining_counts(package: Path) -> None:
    before = fresh("clipvip.a:f")
    edit(package / "b.py", "def h", "import torch\n\ntorch.set_num_threads(1)\n\n\ndef h")
    assert fresh("clipvip.a:f") != before


def test_a_module_that_is_handed_around_counts_whole(package: Path) -> None:
    edit(package / "a.py", "b.h(x)", 'getattr(b, "h")(x)')
    before = fresh("clipvip.a:f")
    edit(package / "b.py", "x + 1", "x + 2")
    assert fresh("clipvip.a:f") != before


def test_a_name_counts_by_what_it_stands_for(package: Path) -> None:
    edit(package / "b.py", "def h(x):\n    return x + 1", "from math import exp as g\n\n\ndef h(x):\n    return g(x)")
    before = fresh("clipvip.a:f")
    edit(package / "b.py", "import exp as g", "import log as g")
    assert fresh("clipvip.a:f") != before


def test_a_name_is_followed_through_a_module_that_passes_it_on(package: Path) -> None:
    (package / "e.py").write_text("from clipvip.b import h\n")
    edit(package / "a.py", "from clipvip import b", "from clipvip import e as b")
    before = fresh("clipvip.a:f")
    edit(package / "b.py", "x + 1", "x + 2")
    assert fresh("clipvip.a:f") != before


def test_a_function_that_its_decorator_notes_counts(package: Path) -> None:
    text = "from clipvip.d import k\n\n\n@k\ndef noted(x):\n    return x\n\n\n"
    edit(package / "b.py", "def h", text + "def h")
    before = fresh("clipvip.a:f")
    edit(package / "b.py", "return x\n", "return -x\n")
    assert fresh("clipvip.a:f") != before


def test_of_a_table_only_the_entry_at_hand_counts(package: Path) -> None:
    table = 'from clipvip import d\nfrom clipvip.inner import c\n\nTABLE = {"one": c.g, "two": d.k}\n\n\n'
    edit(package / "b.py", "def h(x):\n    return x + 1", table + "def h(x):\n    return TABLE[x](x)")
    edit(package / "a.py", "    from .inner import c\n    return c.g(b.h(x))", "    return b.h(x)")

    def both() -> list[str]:
        return [fresh("clipvip.a:f", entry=name, tables=("clipvip.b:TABLE",)) for name in ("one", "two")]

    one, two = both()
    whole = fresh("clipvip.a:f")
    edit(package / "d.py", "return x", "return -x")
    assert both()[0] == one
    assert both()[1] != two
    assert fresh("clipvip.a:f") != whole


def test_packages_do_nothing_when_they_are_imported() -> None:
    """What stands in an `__init__.py` is followed by name only."""
    left_out = {name.split(".")[1] for name in fingerprint.LEFT_OUT if name.count(".") == 1}
    followed = [
        path
        for path in fingerprint.PACKAGE.glob("*/**/__init__.py")
        if path.relative_to(fingerprint.PACKAGE).parts[0] not in left_out
    ]
    assert len(followed) > 10
    for path in followed:
        (only,) = ast.parse(path.read_text()).body
        assert isinstance(only, ast.Expr), path
