"""How fast a training goes: waiting for data, computing, and what share of the machine's matrix rate that is.

The figures of a row are of all steps since the row before; validations and checkpoints do not count.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch

from clipvip.data.batches import Batch
from clipvip.model import flops
from clipvip.model.clip_vip import ClipVip
from clipvip.runtime.matrix_rate import matrix_rate, say_if_slower


@dataclass
class Due:
    """Whether so many seconds have passed since it was last so."""

    seconds: float
    since: float = field(default_factory=time.monotonic)

    def now(self) -> bool:
        """True once, and then not for so many seconds."""
        if time.monotonic() - self.since <= self.seconds:
            return False
        self.since = time.monotonic()
        return True


@dataclass(frozen=True)
class _Told:
    """What is kept of a step until a row needs it: on a GPU its words are counted when the step is."""

    clips: int
    of_all: int  # clips of all processes
    frames: int
    still: bool
    texts: int
    words: torch.Tensor

    @classmethod
    def of(cls, batch: Batch, clips: int) -> "_Told":
        own, frames = batch.video.shape[:2]
        return cls(own, clips, frames, batch.frame is not None, len(batch.input_ids), batch.attention_mask.sum())

    def work(self, model: ClipVip) -> tuple[float, int]:
        words, settings = int(self.words), model.settings
        videos = (self.frames, 1) if self.still else (self.frames,)
        done = self.clips * flops.training_flops(model.config, settings, videos, ())
        done += self.texts * 3 * flops.text_flops(model.config, words / self.texts)
        own = (flops.video_tokens(model.config, settings, count, settings.patch_dropping) for count in videos)
        return float(done), self.clips * sum(own) + words


class Meter:
    """Measures the steps of one process; clips and tokens are those of all processes together."""

    def __init__(self, model: ClipVip, device: str, dtype: torch.dtype | None) -> None:
        """`dtype`: of the matrix products, None: of the weights."""
        self._model = model
        kind = dtype or next(model.parameters()).dtype
        say_if_slower(device, kind)
        self._rate = matrix_rate(device, kind)
        self._last: dict[str, float] = {}
        self._given: torch.cuda.Event | None = None
        self._clear()

    def _clear(self) -> None:
        self._wait = self._busy = 0.0
        self._steps: list[_Told] = []

    def timed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches; the time until each is there is waiting for data."""
        waiting = iter(batches)
        while True:
            clock = time.perf_counter()
            batch = next(waiting, None)
            self._wait += time.perf_counter() - clock
            if batch is None:
                return
            self._since = time.perf_counter()
            yield batch
            del batch  # before the next one is put together

    def stepped(self, batch: Batch, clips: int, *, wait: bool = True) -> None:
        """The step of the last batch is done, or given to the GPU; `clips`: of all processes.

        A GPU has one step before it at most, so that it need not stand still while the next is put together; with
        `wait`, none.
        """
        if batch.video.is_cuda:
            given = torch.cuda.Event(blocking=True)
            given.record(torch.cuda.current_stream(batch.video.device))
            if self._given is not None:
                self._given.synchronize()
            if wait:
                given.synchronize()
            self._given = given
        self._busy += time.perf_counter() - self._since
        self._since = time.perf_counter()
        self._steps.append(_Told.of(batch, clips))

    def row(self) -> dict[str, float]:
        """The figures since the last row, by the names of `cell_files.TIMES`."""
        self._last = self._figures()
        self._clear()
        return self._last

    def _figures(self) -> dict[str, float]:
        seconds, steps = self._wait + self._busy, len(self._steps)
        done = tokens = 0.0
        for told in self._steps:
            work, words = told.work(self._model)
            done += work
            tokens += words * told.of_all / told.clips
        return {
            "data_wait_s": self._wait / steps,
            "step_s": self._busy / steps,
            "clips_per_s": sum(told.of_all for told in self._steps) / seconds,
            "tokens_per_s": tokens / seconds,
            "tflops": done / seconds / 1e12,
            "share_of_peak": done / seconds / self._rate,
        }

    def said(self) -> str:
        """The figures so far in a line."""
        found = self._figures() if self._steps else self._last
        return (
            f"{found['clips_per_s']:.1f} clips/s, {found['tokens_per_s']:.0f} tokens/s, step {found['step_s']:.3g} s, "
            f"data wait {found['data_wait_s']:.3g} s, {found['tflops']:.3g} TFLOP/s, "
            f"{100 * found['share_of_peak']:.0f} % of the matrix rate"
        )


def work_of(model: ClipVip, batch: Batch) -> tuple[float, int]:
    """Floating point operations of a training step of this batch, and tokens that enter both towers."""
    return _Told.of(batch, len(batch.video)).work(model)
