"""What the parts of the GPU benchmark share: the device, the table as it grows, and a limit of time for each part."""

import json
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from model_steps import TINY, Shape

from clipvip.model.clip_vip import ClipVip
from clipvip.runtime.matrix_rate import matrix_rate

BF16 = torch.bfloat16


@dataclass(frozen=True)
class Line:
    """One measured way to train."""

    what: str
    batch: int
    micro: int | None
    clips_per_s: float
    tflops: float
    share: float
    peak_gib: float
    note: str = ""

    def __str__(self) -> str:
        return (
            f"{self.what:44} batch {self.batch:5} micro {self.micro or '-':>5}  {self.clips_per_s:8.1f} clips/s  "
            f"{self.tflops:7.1f} TFLOP/s  {100 * self.share:5.1f} %  {self.peak_gib:5.1f} GiB  {self.note}"
        )


@dataclass
class Bench:
    """What all parts share."""

    tiny: bool
    device: torch.device
    until: float
    out: Path
    folder: Path
    only: frozenset[str] = frozenset()  # parts that are run; none named: all
    lines: list[Line] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return matrix_rate(str(self.device), BF16)

    def shape(self, shape: Shape) -> Shape:
        return TINY if self.tiny else shape

    def size(self, count: int) -> int:
        return max(4, count // 64) if self.tiny else count

    def model(self, shape: Shape, pieces: Any) -> ClipVip:
        chosen = self.shape(shape)
        chosen.text["eos_token_id"] = pieces.eos_token_id
        return chosen.model().to(self.device)

    def peak(self) -> float:
        return torch.cuda.max_memory_allocated() / 2**30 if self.device.type == "cuda" else 0.0

    def add(self, line: Line) -> None:
        self.lines.append(line)
        say(str(line))
        content = {"facts": self.facts, "lines": [asdict(each) for each in self.lines]}
        self.out.write_text(json.dumps(content, indent=1) + "\n")

    def guarded(self, name: str, seconds: int, part: Callable[[], None]) -> None:
        """Run a part within its time; whatever happens in it, the others are run."""
        if self.only and name not in self.only:
            return
        if time.monotonic() + seconds / 2 > self.until:
            say(f"-- {name}: left out, no time")
            return

        def late(*_: Any) -> None:
            raise TimeoutError(f"more than {seconds} s")

        before, began = signal.signal(signal.SIGALRM, late), time.monotonic()
        signal.alarm(max(1, min(seconds, int(self.until - time.monotonic()))))
        try:
            part()
        except Exception as error:
            say(f"-- {name}: {type(error).__name__}: {str(error)[:300]}")
            traceback.print_exc(limit=6, file=sys.stdout)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
            say(f"-- {name}: {time.monotonic() - began:.1f} s")
            if self.device.type == "cuda":
                torch.cuda.empty_cache()


def say(text: str) -> None:
    print(text, flush=True)
