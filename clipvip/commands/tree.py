"""All commands in one parser."""

from typing import Any

from clipvip.commands import cells, data, decide, launch, model, own, pages, plan, remote, results, run, shell
from clipvip.commands.parsing import Parser


def parser() -> Parser:
    """All commands with their flags."""
    top = Parser(prog="clipvip", description="CLIP-ViP as a laboratory.", epilog="clipvip COMMAND --help has examples")
    top.add_argument("--version", action=shell.Version, help="say the versions of clipvip, Python and torch")
    commands = top.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for group in (run, launch, plan, cells, remote, results, pages, decide, data, model, own, shell):
        group.add(commands)
    return top


def each(top: Parser) -> dict[str, Parser]:
    """Name -> parser of each command, with all its flags."""
    group: Any = top._subparsers._group_actions[0] if top._subparsers else None
    return {name: one.whole() for name, one in group.choices.items()}
