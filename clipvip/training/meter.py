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


class Meter:
    """Measures the steps of one process; clips and tokens are those of all processes together."""

    def __init__(self, model: ClipVip, device: str, dtype: torch.dtype | None) -> None:
        """`dtype`: of the matrix products, None: of the weights."""
        self._model = model
        kind = dtype or next(model.parameters()).dtype
        say_if_slower(device, kind)
        self._rate = matrix_rate(device, kind)
        self._last: dict[str, float] = {}
        self._clear()

    def _clear(self) -> None:
        self._wait = self._busy = self._flops = self._tokens = 0.0
        self._steps = self._clips = 0

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

    def stepped(self, batch: Batch, clips: int) -> None:
        """The step of the last batch is done; `clips`: of all processes."""
        self._busy += time.perf_counter() - self._since
        done, tokens = work_of(self._model, batch)
        self._flops += done
        self._tokens += tokens * clips / len(batch.video)
        self._clips += clips
        self._steps += 1

    def row(self) -> dict[str, float]:
        """The figures since the last row, by the names of `cell_files.TIMES`."""
        self._last = self._figures()
        self._clear()
        return self._last

    def _figures(self) -> dict[str, float]:
        seconds = self._wait + self._busy
        return {
            "data_wait_s": self._wait / self._steps,
            "step_s": self._busy / self._steps,
            "clips_per_s": self._clips / seconds,
            "tokens_per_s": self._tokens / seconds,
            "tflops": self._flops / seconds / 1e12,
            "share_of_peak": self._flops / seconds / self._rate,
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
    clips, frames = batch.video.shape[:2]
    texts, words = len(batch.input_ids), int(batch.attention_mask.sum())
    done = clips * flops.of_video(model, frames, training=True) + texts * flops.of_text(
        model, words / texts, training=True
    )
    tokens = clips * flops.tokens_of_video(model, frames, training=True) + words
    if batch.frame is not None:
        done += clips * flops.of_video(model, 1, training=True)
        tokens += clips * flops.tokens_of_video(model, 1, training=True)
    return done, tokens
