"""How a stage is run: every option once, for experiment files (`run`), flags of commands and the stages themselves."""

from argparse import ArgumentParser, Namespace
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

Compiler = Literal["inductor", "aot_eager"]  # aot_eager only traces: to see whether a model can be compiled


class RunOptions(BaseModel):
    """Options of a run; none of them may change what it makes."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    device: str = "cpu"
    """torch device: cpu, cuda:0; under torchrun cuda"""
    workers: int = Field(0, ge=0)
    """processes that decode ahead of training; 0: none"""
    loader_mb: int | None = Field(None, ge=1)
    """frames read ahead by all workers of a process at most [MB]; null: a quarter of `memory_mb` in a workflow"""
    micro_batch: int | None = Field(None, ge=1)
    """clips that are back-propagated at once; null: the batch of a process"""
    compile: Compiler | None = None
    """torch.compile the video encoder: faster on a GPU, minutes at the start of a job"""
    recompute: bool = False
    """recompute activations in the backward pass: less memory, a third more time"""
    checkpoint_seconds: float | None = Field(None, ge=0)
    """seconds between checkpoints of training; null: 120"""
    verify: bool = False
    """read every file of what a cell is made from and compare its SHA-256, not only where size or time changed"""

    @property
    def loader_bytes(self) -> int | None:
        """Bytes of frames that may be read ahead; None: no bound."""
        return None if self.loader_mb is None else self.loader_mb * 1_000_000


def add_flags(parser: ArgumentParser) -> None:
    """A flag for each option: `micro_batch` is `--micro-batch`."""
    for name, field in RunOptions.model_fields.items():
        kind, about = _kind(field), f"{field.description} (default: {_word(field.default)})"
        look: dict[str, Any] = {"action": "store_true"} if kind is bool else {"type": kind, "default": field.default}
        if get_origin(kind) is Literal:
            look |= {"type": str, "choices": get_args(kind)}
        parser.add_argument(_flag(name), help=about.replace("null:", "not given:"), **look)


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
