"""`clipvip <command>`."""

import argparse
import sys

from clipvip.runtime import warm


def parser() -> argparse.ArgumentParser:
    """All commands with their flags."""
    from clipvip.commands import cells, data, model, results, run  # a command that is handed over needs none

    top = argparse.ArgumentParser(prog="clipvip", description="CLIP-ViP as a laboratory.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for group in (run, cells, results, data, model):
        group.add(commands)
    return top


def main(words: list[str] | None = None) -> int:
    """Run a command; a user's error is one line, exit code 1."""
    if words is None and (code := warm.ask(sys.argv[1:])) is not None:
        return code
    arguments = parser().parse_args(words)
    try:
        return arguments.do(arguments) or 0
    except ValueError as error:
        print(f"clipvip: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
