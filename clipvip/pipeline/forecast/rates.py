"""What a machine does in a second: a table of cards and hosts, each figure with its source."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from clipvip.config.base import Amount, Settings, build, read_yaml

TABLE = Path(__file__).with_name("gpus.yaml")
Rate = Annotated[float, Field(ge=1e-9, le=1e12)]


class Gpu(Settings):
    """A card."""

    name: str
    """in full"""
    bf16_tflops: Rate
    """peak of dense bf16 products [TFLOP/s]"""
    bandwidth_gb_s: float = Field(ge=1e-9, allow_inf_nan=True)
    """of its memory [GB/s]"""
    memory_gb: Rate
    """its memory [GB]"""
    watts: Amount
    """power at full load [W]"""
    source: str
    """where the figures are from"""


class Shares(Settings):
    """What share of a card's peak a stage reaches."""

    training: float = Field(gt=0, le=1)
    """forward and backward passes"""
    inference: float = Field(gt=0, le=1)
    """forward passes"""
    generation: float = Field(gt=0, le=1)
    """captioning, token by token"""


class Host(Settings):
    """One thread of a host, and its power."""

    decode_mpixels_s: Rate
    """pixels decoded, 12 frames of a clip kept and resized [Mpixel/s]"""
    seek_share: float = Field(gt=0, le=1)
    """what one frame in the middle takes of that"""
    prepared_clip_s: Rate
    """the frames of a prepared clip [s]"""
    prepare_clip_s: Rate
    """preparing a 720p clip of 13.4 s at 30 frames/s [s]"""
    prepared_clip_mb: Rate
    """a prepared clip [MB]"""
    manifest_rows_s: Rate
    """annotations read [clips/s]"""
    text_rows_s: Rate
    """texts joined and written [rows/s]"""
    row_bytes: Amount
    """a row held in memory [bytes]"""
    header_s: Amount
    """looking at a file [s]"""
    render_clip_s: Amount
    """generating a clip [s]"""
    light_job_s: Amount
    """a table, a notebook, what is mirrored [s]"""
    start_s: Amount
    """a job's libraries, model and files [s]"""
    core_watts: Amount
    """power of a busy core [W]"""
    memory_watts_gb: Amount
    """power of memory [W/GB]"""
    pue: float = Field(ge=1, le=100)
    """energy of the building for each unit of the machines"""


class Table(Settings):
    """All of it, as the file holds it."""

    gpus: dict[str, Gpu]
    """cards by name"""
    shares: Shares
    """shares of the peak"""
    host: Host
    """the machine that holds the card"""


class Rates(Settings):
    """A card in its host."""

    gpu: Gpu
    """the card"""
    shares: Shares
    """shares of its peak"""
    host: Host
    """the machine that holds it"""
    cards: bool = True
    """whether there is a card; otherwise `gpu` is what the processor does"""
    said: str
    """where all of this is from"""

    def flops_s(self, share: float) -> float:
        """Operations in a second at a share of the peak."""
        return self.gpu.bf16_tflops * 1e12 * share


def read(gpu: str, path: Path | None = None) -> Rates:
    """A card of the table, ours or that of a file. ValueError: no such card, or a file that is no table."""
    table = table_of(path)
    if gpu not in table.gpus:
        raise ValueError(f"--gpu {gpu}: not in {path or 'the table'}; known: {', '.join(table.gpus)}")
    return Rates(gpu=table.gpus[gpu], shares=table.shares, host=table.host, said=str(path or TABLE.name))


def table_of(path: Path | None = None) -> Table:
    """The table of a file; ours where none is given. ValueError: a file that is no table."""
    return build(Table, read_yaml(path or TABLE) or {}, str(path or TABLE.name))
