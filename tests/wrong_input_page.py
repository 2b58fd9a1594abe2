"""The page of wrong inputs: what was tried, and what is said.

python tests/wrong_input_page.py docs/errors.md    # runs them all, and writes the page
"""

import os
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from wrong_inputs import Answer, Case, all_answers, faults

Done = list[tuple[Case, Answer]]


def table(done: Done) -> str:
    """Markdown: a row a kind of wrong input with its number and one answer; then a row a command."""
    count, example = Counter(case.kind for case, _ in done), dict[str, str]()
    for case, answer in done:
        said = answer.error.strip().splitlines()[-1].split("; `clipvip")[0]
        said = re.sub(rf"{tempfile.gettempdir()}/\w+/", "", re.sub(r"x{50,}", "xxx...", said))
        if len(said) > len(example.get(case.kind, "")) and len(said) < 190:
            example[case.kind] = said
    lines = ["| wrong in this way | cases | for example |", "|---|---|---|"]
    lines += [f"| {kind} | {number} | {_cell(example.get(kind, ''))} |" for kind, number in count.items()]
    lines += ["", "| command | arguments | cases |", "|---|---|---|"]
    for name in dict.fromkeys(case.command for case, _ in done):
        own = [case.dest for case, _ in done if case.command == name]
        lines.append(f"| {name or 'clipvip'} | {', '.join(filter(None, dict.fromkeys(own)))} | {len(own)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("$", "&#36;")


HEAD = """# Wrong inputs

A command that is given something wrong says so in a line that names it and what to give instead, and ends with exit
code 2. Ctrl-C is one line and exit code 130; 75 means stopped by a signal, and the same command goes on. 1 is a
finding (`check`, `doctor`, `compare`), 3 that some videos could not be read.

These were tried: every argument of every command with every kind of wrong input that it can be given, {number} in all,
each with all other arguments right. `python tests/wrong_input_page.py docs/errors.md` runs them and writes this page.
"""

if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        found = all_answers(Path(folder))
    bad = [said for case, answer in found if (said := faults(case, answer))]
    print("\n".join(bad), file=sys.stderr)
    if not bad:
        Path(sys.argv[1]).write_text(f"{HEAD.format(number=len(found))}\n{table(found)}\n")
    raise SystemExit(bool(bad))
