"""How the package is laid out: short files and functions, rooms in place of loose files, file names spelled once."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "clipvip"
MOST_LINES, MOST_OF_A_FUNCTION, MOST_LOOSE = 250, 50, 3
FILE_NAME = re.compile(r"([\w.*-]+/)*[\w.-]+\.(csv|jsonl?|parquet|np[yz]|png|svg|html|db|ya?ml|md|txt|pt|bin)")


def sources(folder: Path) -> dict[str, str]:
    """Path below the repository -> text of each Python file."""
    return {str(path.relative_to(ROOT)): path.read_text() for path in sorted(folder.rglob("*.py"))}


def long_functions(name: str, text: str) -> Iterator[str]:
    """Functions with too many lines, docstring and decorators included."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if node.end_lineno is not None and node.end_lineno - first + 1 > MOST_OF_A_FUNCTION:
                yield f"{name}: {node.name}"


def file_names(text: str) -> set[str]:
    """Names of files that string literals of a module hold, folders left out; docstrings do not count."""
    tree = ast.parse(text)
    said = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    literals = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
    )
    return {value.rsplit("/", 1)[-1] for value in literals if FILE_NAME.fullmatch(value)}


def spelled_twice(modules: dict[str, str]) -> dict[str, list[str]]:
    """File name -> the modules that spell it, where they are several."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for module, text in modules.items():
        for name in file_names(text):
            found[name].append(module)
    return {name: places for name, places in found.items() if len(places) > 1}


def test_files_and_functions_are_short() -> None:
    files = sources(PACKAGE) | sources(ROOT / "tests")
    assert [name for name, text in files.items() if len(text.splitlines()) > MOST_LINES] == []
    assert [each for name, text in sources(PACKAGE).items() for each in long_functions(name, text)] == []


def test_the_package_is_rooms() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_LOOSE


def test_a_file_name_is_spelled_in_one_module() -> None:
    assert spelled_twice(sources(PACKAGE)) == {}


def test_the_rules_see_what_they_forbid() -> None:
    body = "\n".join(f"    step({number})" for number in range(MOST_OF_A_FUNCTION))
    assert list(long_functions("a.py", f"def long():\n{body}\n")) == ["a.py: long"]
    module = '"""plan.json is said."""\nread("cells/rows.csv", f"{split}_data.json", "all of plan.json", ".csv")\n'
    assert file_names(module) == {"rows.csv", "_data.json"}
    other = 'NAME = "rows.csv"\n'
    assert spelled_twice({"a.py": module, "b.py": other, "c.py": ""}) == {"rows.csv": ["a.py", "b.py"]}
