"""What concerns the shell alone: `completion`, and `--version`."""

import argparse
from typing import Any

from clipvip.commands.parsing import command


def version() -> str:
    """Of this package (its commit in a checkout), Python and torch; nothing of them is loaded."""
    import platform
    from importlib.metadata import version as of

    from clipvip.runtime.provenance import commit

    from_checkout = commit()
    own = f"clipvip {of('clipvip')}" + (f" (commit {from_checkout[:12]})" if from_checkout else "")
    return f"{own}, Python {platform.python_version()}, torch {of('torch')}"


class Version(argparse.Action):
    """Says the versions and ends."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how, nargs=0, default=argparse.SUPPRESS)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """The versions, exit code 0."""
        print(version())
        parser.exit()


def _completion(arguments: argparse.Namespace) -> None:
    import shtab

    from clipvip.commands.tree import each, parser

    top = parser()
    each(top)
    print(shtab.complete(top, arguments.shell))


def add(commands: Any) -> None:
    """The commands with their flags."""
    one = command(
        commands,
        "completion",
        _completion,
        "print what completes these commands in a shell",
        [
            "clipvip completion bash > ~/.local/share/bash-completion/completions/clipvip",
            "clipvip completion zsh > ~/.zfunc/_clipvip",
        ],
    )
    one.add_argument("shell", choices=["bash", "zsh", "tcsh"], help="which shell")
