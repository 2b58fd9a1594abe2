"""The one border for annotations: each record is checked against the types that its format states.

A record that breaks them is set aside: named with its file, its place and the fault, and counted; reading goes on. A
format states its records as TypedDicts, of the texts and names below.
"""

import csv
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import StringConstraints, TypeAdapter, ValidationError

from clipvip.corpora.formats.text_files import (
    NOT_UTF8,
    Repeated,
    RowLines,
    UnclosedQuote,
    decoded,
    json_value,
    text_of,
)
from clipvip.runtime.shown import Shown

NAMED: Shown = 50  # records whose fault is kept
LONGEST = 1 << 20  # characters of a text

Text = Annotated[str, StringConstraints(max_length=LONGEST)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]  # of a clip or a file
NAME = TypeAdapter(Name)

UNION = ("int", "constrained-", "list[")  # what pydantic adds to a place where one of several types is wanted

R = TypeVar("R")


class Kind(Generic[R]):
    """A kind of record, by its type."""

    def __init__(self, type_: Any) -> None:
        """Of a TypedDict, or of several."""
        self.one: TypeAdapter[R] = TypeAdapter(type_)
        self.many: TypeAdapter[list[R]] = TypeAdapter(list[type_])


@dataclass
class Border:
    """Checks records; what is set aside is counted, and the first of it named."""

    records: int = 0  # that were read, those set aside included
    num_aside: int = 0
    aside: list[dict[str, str]] = field(default_factory=list)  # record (file and place), reason

    def set_aside(self, path: Path | str, place: str, reason: str) -> None:
        """Leave out a record that was read."""
        self.num_aside += 1
        if len(self.aside) < NAMED:
            self.aside.append({"record": f"{path}: {place}", "reason": reason})

    def refuse(self) -> None:
        """ValueError, naming the first, where a record was set aside."""
        if self.aside:
            raise ValueError(f"{self.aside[0]['record']}: {self.aside[0]['reason']}")

    def checked(self, kind: Kind[R], value: object, path: Path, place: str) -> R | None:
        """The value as a record of this kind; None where it is set aside."""
        self.records += 1
        try:
            return kind.one.validate_python(value, strict=True)
        except ValidationError as error:
            self.set_aside(path, place, _fault(error))
        return None

    def is_name(self, name: str, path: Path, place: str) -> bool:
        """Whether a name taken from a record that was checked is one; the record is set aside if not."""
        try:
            NAME.validate_python(name, strict=True)
        except ValidationError as error:
            self.set_aside(path, place, _fault(error))
            return False
        return True

    def listed(self, kind: Kind[R], values: object, path: Path, name: str) -> Iterator[tuple[int, R]]:
        """(place in the list, record) for each of a list; ValueError where it is no list."""
        if not isinstance(values, list):
            raise ValueError(f"{path}: {name} is {_what(values)}, not a list of records")
        try:
            records = kind.many.validate_python(values, strict=True)
        except ValidationError:
            checked = ((n, self.checked(kind, value, path, f"{name}[{n}]")) for n, value in enumerate(values))
            yield from ((number, record) for number, record in checked if record is not None)
        else:  # all at once is twice as fast
            self.records += len(records)
            yield from enumerate(records)

    def lines(self, path: Path, *, repair: bool = False) -> Iterator[tuple[int, str]]:
        """(number from 1, line without its ending); blank lines are skipped but counted.

        A line that is not UTF-8 is set aside, or with `repair` U+FFFD stands for its broken bytes.
        """
        broken = 0
        for number, line, sound in decoded(path):
            text = line.rstrip("\r\n")  # no bare strip: it eats an empty last column
            if not text or text.isspace():
                continue
            self.records += 1
            if sound:
                yield number, text
            elif repair:
                broken += 1
                yield number, text.encode(errors="surrogateescape").decode(errors="replace")
            else:
                self.set_aside(path, f"line {number}", NOT_UTF8)
        if broken:
            warnings.warn(f"{path}: {broken} lines are not UTF-8; U+FFFD stands for the broken bytes", stacklevel=2)

    def json_lines(self, kind: Kind[R], path: Path) -> Iterator[tuple[str, R]]:
        """(place, record) for each line of a jsonl file."""
        for number, line in self.lines(path):
            self.records -= 1  # `checked` counts it
            place = f"line {number}"
            try:
                value = json_value(line)
            except ValueError as error:
                self.records += 1
                self.set_aside(path, place, str(error))
                continue
            record = self.checked(kind, value, path, place)
            if record is not None:
                yield place, record

    def csv_rows(self, path: Path, *columns: str) -> Iterator[tuple[int, dict[str, str]]]:
        """(line of its end, row) of a comma-separated file whose header has `columns`; blank lines are skipped."""
        header: list[str] | None = None
        for number, row, fault in _rows(path):
            if header is None:
                header = _header(path, row, columns)
                continue
            self.records += 1
            if not fault and len(row) != len(header):
                fault = f"{len(row)} columns, the header has {len(header)}"
            if fault:
                self.set_aside(path, f"line {number}", fault)
            else:
                yield number, dict(zip(header, row, strict=True))
        if header is None:
            _header(path, [], columns)


def json_object(path: Path) -> dict[str, Any]:
    """The JSON object of a file; ValueError names the file and says why there is none."""
    value = json_file(path)
    if not isinstance(value, dict):
        raise ValueError(f"{path}: holds {_what(value)}, not an object")
    return value


def json_file(path: Path) -> Any:
    """The one JSON value of a file; ValueError names the file and says why there is none."""
    try:
        return json_value(text_of(path))
    except ValueError as error:
        raise ValueError(f"{path}: {str(error).removeprefix(f'{path}: ')}; download the file again") from None


def member(value: dict[str, Any], key: str, path: Path) -> Any:
    """What stands under a key that the file must have."""
    if key not in value:
        raise ValueError(f"{path}: no {key!r}; this is another file, or another format")
    return value[key]


def _header(path: Path, row: list[str], columns: Iterable[str]) -> list[str]:
    header = [name.strip() for name in row]
    lost = [column for column in columns if column not in header]
    if lost:
        raise ValueError(f"{path}: no column {', '.join(lost)}; the header is {','.join(header)[:200]!r}")
    twice = [name for name in dict.fromkeys(header) if name and header.count(name) > 1]
    if twice:
        raise ValueError(f"{path}: column {twice[0]!r} stands twice in the header; keep one")
    return header


def _rows(path: Path) -> Iterator[tuple[int, list[str], str]]:
    """(line, row, why it cannot be taken or "")."""
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
    lines = RowLines(decoded(path))
    reader = csv.reader(lines, strict=True)
    while True:
        lines.row.clear()
        row, fault = [], ""
        try:
            row = next(reader)
        except StopIteration:
            return
        except UnclosedQuote:
            fault = "a quote is opened and not closed; close it, or double it"
        except csv.Error as error:
            fault = f"no row of a csv: {error}"
        if not fault and lines.ended:
            fault = "a quote is opened and not closed; close it, or double it"
        if fault:
            yield lines.row[0][0], [], fault
            lines.skip_line()  # its other lines may be rows of their own
            reader = csv.reader(lines, strict=True)
        elif row and not (len(row) == 1 and not row[0].strip()):
            sound = all(line[2] for line in lines.row)
            yield lines.row[-1][0], row, "" if sound else NOT_UTF8


def _fault(error: ValidationError) -> str:
    """What is wrong with a record, in one line: its first fault."""
    problem = error.errors(include_url=False, include_context=False)[0]
    keys = [str(part) for part in problem["loc"] if not (str(part).startswith(UNION) or str(part)[:1].isupper())]
    name = repr(".".join(keys)) if keys else "the record"
    if isinstance(problem["input"], Repeated):
        return f"{name} stands twice with different values; keep one"
    kind = problem["type"]
    if kind == "missing":
        return f"no {name}"
    if kind == "string_unicode":
        return f"{name} holds bytes that are not UTF-8, or half a surrogate pair"
    if kind in ("string_too_long", "string_too_short"):
        length = len(problem["input"])
        return f"{name} is empty" if not length else f"{name} has {length:,} characters, {LONGEST:,} are read"
    if kind.endswith("_type"):
        return f"{name} is {_what(problem['input'])}, not {_wanted(kind)}"
    return f"{name}: {problem['msg']}"


def _wanted(kind: str) -> str:
    known = {"string": "a text", "dict": "an object", "list": "a list", "int": "a whole number", "float": "a number"}
    return known.get(kind.removesuffix("_type"), kind.removesuffix("_type"))


def _what(value: object) -> str:
    """A JSON value in words; never the value itself, which may be long."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Repeated):
        return "there twice with different values"
    kinds: dict[type, str] = {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), type(value).__name__)
