"""How a stage is run: every option once, for experiment files (`run`), flags of commands and the stages themselves."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from clipvip.runtime.stores import url

Compiler = Literal["inductor", "aot_eager"]  # aot_eager only traces: to see whether a model can be compiled
STUCK_MINUTES = 10.0


class RunOptions(BaseModel):
    """Options of a run; none of them may change what it makes."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    device: str = "cpu"
    """torch device: cpu, cuda, or one by number (cuda:0), which then every job takes"""
    workers: int = Field(0, ge=0, le=4096)
    """processes that decode ahead of training; 0: none"""
    loader_mb: int | None = Field(None, ge=1, le=100_000_000)
    """frames read ahead by all workers of a process at most [MB]; null: a quarter of `memory_mb` in a workflow"""
    micro_batch: int | None = Field(None, ge=1, le=1_000_000)
    """clips that are back-propagated at once; null: the batch of a process"""
    compile: Compiler | None = None
    """torch.compile the video encoder: faster on a GPU, minutes at the start of a job"""
    recompute: bool = False
    """recompute activations in the backward pass: less memory, a third more time"""
    checkpoint_seconds: float | None = Field(None, ge=0, le=1e9, allow_inf_nan=False)
    """seconds between checkpoints of training; null: 120"""
    stuck_minutes: float = Field(STUCK_MINUTES, gt=0, le=1e6, allow_inf_nan=False)
    """minutes without a sign of another process after which it counts as stuck, which ends the job"""
    object_store: Annotated[str, AfterValidator(url)] | None = None
    """URL of fsspec (s3://bucket/results) from which finished cells are brought in place of being made, and to which
    those made here are copied; null: none"""
    verify: bool = False
    """read every file of what a cell is made from and compare its SHA-256, not only where size or time changed"""

    @property
    def loader_bytes(self) -> int | None:
        """Bytes of frames that may be read ahead; None: no bound."""
        return None if self.loader_mb is None else self.loader_mb * 1_000_000


def add_flags(parser: ArgumentParser, kinds: Mapping[str, Callable[[str], Any]] | None = None) -> None:
    """A flag for each option: `micro_batch` is `--micro-batch`; `kinds` read some of them more closely."""
    for name, field in RunOptions.model_fields.items():
        kind, about = _kind(field), f"{field.description} (default: {_word(field.default)})"
        look: dict[str, Any] = (
            {"action": "store_true"} if kind is bool else {"default": field.default, "type": _reader(name)}
        )
        if get_origin(kind) is Literal:
            look |= {"type": str, "choices": get_args(kind)}
        look |= {"type": kinds[name]} if kinds and name in kinds else {}
        parser.add_argument(_flag(name), help=about.replace("null:", "not given:"), **look)


def _reader(name: str) -> Callable[[str], Any]:
    """Reads the word of a flag as settings would."""

    def read(word: str) -> Any:
        try:
            return getattr(RunOptions.model_validate({name: word}), name)
        except ValidationError as error:
            raise ArgumentTypeError(f"{word}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None

    return read


def given(arguments: Namespace) -> dict[str, Any]:
    """The options among parsed flags."""
    return {name: getattr(arguments, name) for name in RunOptions.model_fields}


def words(options: RunOptions) -> list[str]:
    """The flags that say `options` on a command line; defaults are left out."""
    said: list[str] = []
    for name, field in RunOptions.model_fields.items():
        value = getattr(options, name)
        if value != field.default:
            said += [_flag(name)] if value is True else [_flag(name), str(value)]
    return said


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _kind(field: FieldInfo) -> Any:
    """The type of an option, without None."""
    annotation: Any = field.annotation
    if isinstance(annotation, UnionType) or (get_origin(annotation) is not None and NoneType in get_args(annotation)):
        return next(each for each in get_args(annotation) if each is not NoneType)
    return annotation


def _word(value: Any) -> str:
    return "not given" if value is None else "off" if value is False else str(value)
