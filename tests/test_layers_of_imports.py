"""A file imports only from rows above its own."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "clipvip"
ROWS = [
    ["settings", "source", "expect", "provenance", "usage", "run"],
    ["rules"],
    ["config"],
    ["experiment"],
    ["attention", "objective", "ranks", "statistics", "headers", "schedule", "distributed"],
    ["video", "checksums", "repeats"],
    ["cells"],
    ["studies"],
    ["grid"],
    ["jobs"],
    ["overview", "search", "clean"],
    ["sweep"],
    ["ids", "column", "language_statistics", "members", "vocabulary", "keyed_texts"],
    ["sentences", "subsets", "imported"],
    ["manifest"],
    ["places", "quarantine", "leaks"],
    ["layers"],
    ["vision", "text"],
    ["model"],
    ["convert"],
    ["corpora"],
    ["mini"],
    ["frames"],
    ["batches", "checkpoint"],
    ["embed", "microbatch", "gaze"],
    ["validate"],
    ["encode"],
    ["evaluate"],
    ["train"],
    ["start", "pretrain", "finetune"],
    ["small_captioner", "caption_quality"],
    ["captioner", "domain_gap"],
    ["receipts"],
    ["outcomes"],
    ["published", "trends", "gap_table"],
    ["tables"],
    ["panels"],
    ["findings", "figures", "summary", "gallery"],
    ["report_tables"],
    ["runs"],
    ["pyfunc_model"],
    ["mlflow_store"],
    ["track"],
    ["live"],
    ["report"],
    ["data_commands"],
    ["__main__"],
]
ROW = {name: i for i, names in enumerate(ROWS) for name in names}


def room(path: Path) -> str:
    """The module, or the folder, that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            if node.level == 0 and (node.module or "").split(".")[0] == "clipvip":
                rest = (node.module or "").split(".")[1:]
                found |= {rest[0]} if rest else {alias.name for alias in node.names}
            elif node.level > 0 and path.parent == PACKAGE:
                found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("clipvip.")}
    return found - {"__version__"}


def test_every_room_has_a_row() -> None:
    rooms = {room(path) for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert rooms == set(ROW)


def test_imports_go_up() -> None:
    wrong = [
        f"{path.name} imports {other}"
        for path in PACKAGE.rglob("*.py")
        if room(path) != "__init__"
        for other in imports(path) - {room(path)}
        if ROW[other] >= ROW[room(path)]
    ]
    assert wrong == []


def test_one_file_imports_mlflow_and_none_imports_snakemake() -> None:
    users = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            for name in names:
                users.setdefault(name.split(".")[0], set()).add(path.name)
    assert users["mlflow"] == {
        "track.py",
        "mlflow_store.py",
        "pyfunc_model.py",
    }  # the last two are used by track.py alone
    assert users["optuna"] == {"sweep.py"}
    assert "snakemake" not in users
