"""The source fingerprint: moved by code that a stage reaches, by nothing else."""

from pathlib import Path

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


def fresh(module: str) -> str:
    fingerprint.fingerprint.cache_clear()
    fingerprint._read.cache_clear()
    return fingerprint.fingerprint(module)


@pytest.fixture(autouse=True)
def _forget() -> object:
    yield
    fingerprint.fingerprint.cache_clear()
    fingerprint._read.cache_clear()


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
