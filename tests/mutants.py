"""Mutants of the library: a sample drawn by seed is made one by one in a copy of the checkout, and the tests of the
changed file must fail. `make mutants` runs it; cosmic-ray makes the changes. Never part of `make test`.

    python tests/mutants.py [EACH [SEED [NUMBER ...]]]    # EACH a file; numbers: only these of the sample, once more
"""

import contextlib
import itertools
import os
import random
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parents[1]
TESTS = {  # file -> its tests; all of them fast
    "clipvip/evaluation/ranks.py": ["tests/evaluation/test_ranks.py", "-k", "not memory"],
    "clipvip/model/loss.py": ["tests/model/test_loss.py"],
    "clipvip/results/intervals.py": ["tests/results/test_intervals.py"],
    "clipvip/corpora/leakage.py": ["tests/corpora/test_leakage.py"],
    "clipvip/pipeline/grid.py": ["tests/pipeline/test_grid.py", "tests/pipeline/test_studies.py"],
}
LEFT_OUT = re.compile(
    r"Operator_BitOr_|_(LShift|RShift|BitOr|BitAnd|BitXor)$"
)  # type errors, of floats and `str | None`
SECONDS = 300


class Mutant(NamedTuple):
    """The change of one place by one operator."""

    path: str
    operator: str
    occurrence: int
    line: int


def mutants_of(path: str) -> list[Mutant]:
    """All, in order of operator and place."""
    source, found = (ROOT / path).read_text(), []
    nodes = list(ast_nodes(get_ast(source)))
    for name in sorted(operator_names()):
        if LEFT_OUT.search(name) or get_operator(name).arguments():
            continue
        operator = get_operator(name)()
        places = [start[0] for node in nodes for start, _ in operator.mutation_positions(node)]
        found += [Mutant(path, name, number, line) for number, line in enumerate(places)]
    return found


def mutated(mutant: Mutant, source: str) -> str:
    changed: str = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)
    return changed


def _compiles(source: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(SyntaxError):
            compile(source, "mutant", "exec")
            return True
    return False


def copy(folder: Path) -> None:
    """What git knows or would know, so that no checkout is left with a mutant in it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in listed.stdout.decode().strip("\0").split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())


def outcome(mutant: Mutant, folder: Path) -> str:
    """killed, survived, or timeout (which is a death too)."""
    path = folder / mutant.path
    whole = path.read_text()
    path.write_text(mutated(mutant, whole))
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "--basetemp", folder / "tmp"]
    place = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    changed = path.read_text().splitlines()
    print("\n".join(f"    {new.strip()}" for old, new in zip(whole.splitlines(), changed, strict=False) if old != new))
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                list(map(str, [*command, *TESTS[mutant.path]])),
                cwd=folder, env=place, timeout=SECONDS, capture_output=True, check=False,
            )  # fmt: skip
            assert done.returncode in (0, 1, 2, 4), done.stdout.decode()[-2000:]
            return "killed" if done.returncode else "SURVIVED"
        return "timeout"
    finally:
        path.write_text(whole)


def drawn(path: str, count: int, seed: int) -> list[Mutant]:
    """By chance; those that do not compile (of the `*` of a signature) are passed over."""
    mutants, source = mutants_of(path), (ROOT / path).read_text()
    random.Random(f"{seed} {path}").shuffle(mutants)
    found = list(itertools.islice((m for m in mutants if _compiles(mutated(m, source))), count))
    print(f"{path}: {len(found)} of {len(mutants)} mutants, seed {seed}", flush=True)
    return sorted(found)


def main(each: int = 12, seed: int = 0, *only: int) -> int:
    sample, survived = [mutant for path in TESTS for mutant in drawn(path, each, seed)], 0
    with tempfile.TemporaryDirectory() as name:
        copy(Path(name))
        for number, mutant in enumerate(sample):
            if not only or number in only:
                found = outcome(mutant, Path(name))
                survived += found == "SURVIVED"
                operator = mutant.operator.removeprefix("core/")
                print(f"{number:3} {found:9} {mutant.path}:{mutant.line} {operator}", flush=True)
    print(f"survived: {survived}")
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
