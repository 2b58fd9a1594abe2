"""Help with examples, versions and completion: `clipvip --help` must answer at once."""

import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from wrong_inputs import commands

from clipvip.__main__ import main
from clipvip.commands.tree import parser

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", commands())
def test_every_help_has_examples_that_parse(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    said, shown = capsys.readouterr().out.split("\nexamples:\n")
    assert "%%" not in said
    examples = [shlex.split(line) for line in shown.splitlines() if line.startswith("  ")]
    own = [words[1:] for words in examples if words[:2] == ["clipvip", name]]
    assert own
    for words in own:
        words = words[: words.index(">")] if ">" in words else words
        assert parser().parse_args(words).parser.prog == f"clipvip {name}"


def test_the_help_of_all_loads_nothing_heavy() -> None:
    code = "import sys; from clipvip.commands.tree import parser; parser().format_help(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"torch", "pydantic", "pandas", "numpy", "yaml", "transformers", "mlflow"} & set(
        done.stdout.split()
    ) == set()


def test_version_names_clipvip_its_commit_python_and_torch(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    own, torch = re.escape(version("clipvip")), re.escape(version("torch"))
    known = rf"clipvip {own}( \(commit [0-9a-f]{{12}}\))?, Python \d+\.\d+\.\d+, torch {torch}"
    assert re.fullmatch(known, said.strip())


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_commands_and_flags(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "clipvip"
    script.write_text(capsys.readouterr().out)

    def completed(*words: str) -> list[str]:
        line = shlex.join(words)
        ask = (
            f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _shtab_clipvip; echo ${{COMPREPLY[@]}}"
        )
        done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert completed("clipvip", "se") == ["search", "serve"]
    assert "--micro-batch" in completed("clipvip", "run", "--mi")
    assert completed("clipvip", "completion", "z") == ["zsh"]
