"""The table of a benchmark: each figure beside its mark, and the processors that the mark holds for."""

import json
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from measure import Times, alone

CPUINFO = Path("/proc/cpuinfo")
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}  # x86 and Arm


def multiplies_bf16(cpuinfo: str) -> bool:
    """Whether the processor has instructions for products in bf16, by the flags that Linux lists."""
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    return any(BF16_FLAGS & set(value.split()) for name, _, value in lines if name.strip() in ("flags", "Features"))


def bf16_rate(size: int = 512, rounds: int = 5) -> float:
    """How many times faster a bare product is in bf16 than in fp32: about 4 where the instructions run at full width,
    2 where they take two passes (Zen 4), below 1 where they are imitated."""
    best = {}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.randn(size, size).to(dtype)
        took = []
        for _ in range(rounds + 1):
            clock = time.perf_counter()
            a @ a
            took.append(time.perf_counter() - clock)
        best[dtype] = min(took[1:])
    return best[torch.float32] / best[torch.bfloat16]


FAST_BF16 = 3.0  # times the rate of fp32: from here on the marks for bf16 hold
BF16 = CPUINFO.is_file() and multiplies_bf16(CPUINFO.read_text()) and bf16_rate() >= FAST_BF16


@dataclass(frozen=True)
class Mark:
    """What a figure must reach: at least, or at most; neither is a dash.

    `without_bf16`: what was measured on a processor without bf16 instructions. There, and where they are not at least
    FAST_BF16 times as fast as fp32, it is no mark but a dash.
    """

    least: float | None = None
    most: float | None = None
    without_bf16: float | None = None

    def holds(self, bf16: bool = BF16) -> bool:
        """Whether it is a mark on such a processor."""
        return (self.least is not None or self.most is not None) and (bf16 or self.without_bf16 is None)

    def missed(self, figure: float, slack: float = 0.0, bf16: bool = BF16) -> bool:
        """By more than `slack` of the mark; a figure that is no number misses every mark."""
        if not self.holds(bf16):
            return False
        reached = self.least is None or figure >= self.least * (1 - slack)
        return not (reached and (self.most is None or figure <= self.most * (1 + slack)))

    def text(self, bf16: bool = BF16) -> str:
        """As the table shows it."""
        if not self.holds(bf16):
            return "-" if self.without_bf16 is None else f"- (without fast bf16: {self.without_bf16:.2f})"
        bounds = [f"{sign} {bound:.2f}" for sign, bound in ((">=", self.least), ("<=", self.most)) if bound is not None]
        return " ".join(bounds) + ("" if self.without_bf16 is None else " (fast bf16)")


NONE = Mark()


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure, its spread over the rounds and its mark."""

    what: str
    figure: float
    low: float
    high: float
    mark: Mark = NONE
    note: str = ""


def quotient(what: str, times: Times, upper: str, lower: str, mark: Mark, note: str = "", scale: float = 1.0) -> Row:
    """upper / lower round by round: median, least and greatest."""
    found = [scale * a / b for a, b in zip(times[upper], times[lower], strict=True)]
    medians = f"{statistics.median(times[upper]):.3g} s / {statistics.median(times[lower]):.3g} s"
    return Row(what, statistics.median(found), min(found), max(found), mark, f"{medians} {note}".strip())


def missed(rows: list[Row], slack: float) -> list[str]:
    """The figures that do not reach their marks, each as a line; empty where all do."""
    return [f"{r.what}: {r.figure:.3f}, wanted {r.mark.text()}" for r in rows if r.mark.missed(r.figure, slack)]


def table(rows: list[Row], slack: float = 0.0) -> str:
    width = max(len(row.what) for row in rows)
    lines = [f"{'what':{width}}  median   (least - greatest)  mark                    medians of seconds"]
    for row in rows:
        spread = f"({row.low:.2f} - {row.high:.2f})"
        note = f"MISSED {row.note}" if row.mark.missed(row.figure, slack) else row.note
        lines.append(f"{row.what:{width}}  {row.figure:6.2f}   {spread:18}  {row.mark.text():22}  {note}")
    return "\n".join(lines)


def write(rows: list[Row], path: Path, slack: float = 0.0) -> None:
    """The rows and the machine, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine(), "slack": slack, "rows": [_plain(row, slack) for row in rows]}
    path.write_text(json.dumps(content, indent=2) + "\n")


def _plain(row: Row, slack: float) -> dict[str, str | float | bool]:
    spread = {"figure": row.figure, "low": row.low, "high": row.high}
    lost = row.mark.missed(row.figure, slack)
    return {"what": row.what, **spread, "reach": row.mark.text(), "missed": lost, "note": row.note}


def machine() -> dict[str, str | int]:
    """What ran this."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    found: dict[str, str | int] = {
        "system": platform.platform(),
        "processor": names[0] if names else platform.processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "fast bf16 instructions": BF16,
        "threads": torch.get_num_threads(),
        "clock": "processor time" if alone() else "time on the wall",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found
