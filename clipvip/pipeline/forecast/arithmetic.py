"""What a cell takes by arithmetic, from sizes, shapes and rates: for machines and data that are not at hand."""

from dataclasses import replace
from functools import cached_property
from typing import Any

from clipvip.config.data import CorpusSettings, FramesSettings, WorldSettings
from clipvip.config.learning import CaptionerSettings, CaptionsSettings, ClipSettings, ModelSettings, OptimSettings
from clipvip.config.resources import asks
from clipvip.config.stages import EvaluateCell, FinetuneCell, GapSettings, PretrainCell, WeightsCell
from clipvip.model import flops
from clipvip.pipeline.cell import Cell
from clipvip.pipeline.forecast import shapes
from clipvip.pipeline.forecast.cost import COMPUTE, DECODING, DISK, Cost
from clipvip.pipeline.forecast.rates import Rates
from clipvip.pipeline.forecast.sizes import Size, Sizes
from clipvip.pipeline.forecast.training import MB, PROCESS_MB, Learning, learning
from clipvip.pipeline.grid import Grid
from clipvip.training.schedule import num_steps

ROW_DISK, CAPTION_DISK = 120, 60  # bytes of a row of a manifest and of captions on the disk
TEXT_BYTES = 180  # of a subtitle of 32 words
MERGED_BYTES = 16  # of a row while captions are merged: 0.74 GB at 1 M rows, 0.88 at 10 M, measured
REFERENCE = 402 * 1280 * 720  # pixels of the clip that the host's seconds are of
LOOKS = 6  # validations of a starting CLIP that is trained here


class Arithmetic:
    """Costs of the cells of a grid on a card, its videos as they are or `prepared`."""

    def __init__(self, grid: Grid, sizes: Sizes, rates: Rates, *, prepared: bool = False) -> None:
        self._experiment, self._sizes, self.rates, self._prepared = grid.experiment, sizes, rates, prepared
        self._run = grid.experiment.run

    @cached_property
    def config(self) -> Any:
        """Of the starting CLIP."""
        return shapes.clip_config(self._experiment.clip)

    @cached_property
    def _weights(self) -> int:
        return shapes.parameters(self.config)

    def of(self, cell: Cell, parts: int = 1) -> Cost:
        """The cost of a cell; of captions that are made in `parts`, of one part, or, 0, of putting them together."""
        found = self._of(cell, parts)
        return replace(found, seconds=found.seconds + self.rates.host.start_s)

    def _of(self, cell: Cell, parts: int) -> Cost:
        match cell.settings:
            case WorldSettings() as own:
                clips = sum(own.clips.values())
                return _alone(clips * self.rates.host.render_clip_s, PROCESS_MB / 4, clips * 0.01)
            case CorpusSettings():
                return self._corpus(self._sizes.of(cell))
            case FramesSettings() as own:
                return self._cache(self._sizes.of(cell.inputs["corpus"]), own)
            case ClipSettings() as own:
                return self._start(cell, own)
            case CaptionerSettings() as own:
                return self._captioner(cell, own)
            case CaptionsSettings() as own:
                return self._captions(cell, own, parts)
            case GapSettings() as own:
                return self._gap(cell, own)
            case PretrainCell() as own:
                return self._pretrain(cell, own)
            case FinetuneCell() as own:
                return self._finetune(cell, own)
            case EvaluateCell() as own:
                return self._evaluate(cell, own)
            case _:
                assert isinstance(cell.settings, WeightsCell)
                return _alone(0.0, PROCESS_MB, 4 * self._weights / MB)

    # -- the data --------------------------------------------------------------------------------

    def _corpus(self, size: Size) -> Cost:
        seconds = size.clips * (1 / self.rates.host.manifest_rows_s + self.rates.host.header_s)
        memory = 400 + size.clips * self.rates.host.row_bytes / MB
        return replace(_alone(seconds, float(memory), size.clips * ROW_DISK / MB), bound=DISK)

    def _cache(self, size: Size, settings: FramesSettings) -> Cost:
        own = _alone(size.clips * self._decoded(size), 500.0, size.clips * size.frames * settings.size**2 * 3 / MB)
        return replace(own, decoding=own.seconds, bound=DECODING)

    def _decoded(self, size: Size, *, middle: bool = False) -> float:
        """Seconds of one thread for the frames that are drawn from a clip, or for its middle one."""
        host, stills = self.rates.host, size.frames <= 1
        whole = size.frames * size.pixels / 1e6 / host.decode_mpixels_s
        if self._prepared and not stills:
            whole = min(whole, host.prepared_clip_s)
        return whole * (host.seek_share if middle and not stills else 1.0)

    def _read(self, cell: Cell, role: str = "", *, middle: bool = False) -> float:
        """The same of a cell's input; nothing where a frame cache holds it."""
        if f"{role}frames" in cell.inputs:
            return 0.0
        return self._decoded(self._sizes.of(cell.inputs[f"{role}corpus"]), middle=middle)

    def preparing(self, corpus: Cell) -> tuple[float, float]:
        """Seconds of one thread, and megabytes, that the videos of a corpus take to be prepared; images are left."""
        size, host = self._sizes.of(corpus), self.rates.host
        if size.frames <= 1 or size.source == "generated":
            return 0.0, 0.0
        share = size.frames * size.pixels / REFERENCE
        return size.clips * host.prepare_clip_s * share, size.clips * host.prepared_clip_mb

    # -- captions and texts ----------------------------------------------------------------------

    def _captioner(self, cell: Cell, settings: CaptionerSettings) -> Cost:
        if settings.optim is None:
            return _alone(0.0, PROCESS_MB, 1600.0)
        steps = num_steps(settings.optim, self._per_epoch(self._sizes.of(cell.inputs["corpus"]).train, settings.optim))
        done = 3 * steps * settings.optim.batch_size * shapes.caption_flops(settings, CaptionsSettings(max_tokens=40))
        return _alone(done / self.rates.flops_s(self.rates.shares.training), PROCESS_MB, 1.0)

    def _captions(self, cell: Cell, settings: CaptionsSettings, parts: int) -> Cost:
        """The main process decodes, then the card captions: one waits for the other."""
        clips, captioner = self._sizes.of(cell.inputs["corpus"]).clips, cell.inputs["captioner"].settings
        assert isinstance(captioner, CaptionerSettings)
        merging = _alone(
            clips / self.rates.host.text_rows_s, 1000 + clips * MERGED_BYTES / MB, clips * CAPTION_DISK / MB
        )
        if parts == 0 or captioner.imported is not None:
            return replace(merging, bound=DISK)
        own, middle = clips / parts * settings.num_frames, self._read(cell, middle=True)
        compute = own * shapes.caption_flops(captioner, settings) / self.rates.flops_s(self.rates.shares.generation)
        decoding = clips / parts * middle
        seconds = compute + decoding + (merging.seconds if parts == 1 else 0.0)
        return Cost(
            seconds=seconds,
            core_seconds=seconds,
            memory_mb=merging.memory_mb if parts == 1 else 2 * PROCESS_MB,
            gpu_memory_mb=8000.0,
            disk_mb=merging.disk_mb / parts,
            computing=compute,
            decoding=decoding,
            bound=DECODING if decoding > compute else COMPUTE,
        )

    def _gap(self, cell: Cell, settings: GapSettings) -> Cost:
        """Reads every text once, embeds those that are drawn, and clusters each source with each set."""
        texts, sides = 0, [each for role, each in cell.inputs.items() if ":" in role]
        for each in sides:
            texts += self._sizes.of(each.inputs["corpus"] if each.stage == "captions" else each).clips
        drawn = len(sides) * 2 * settings.sentences * settings.repeats
        embedded = drawn * flops.text_flops(self.config, 32) / 1e11  # on a few cores: 100 GFLOP/s
        seconds = texts / self.rates.host.text_rows_s + embedded + len(sides) ** 2 * settings.repeats
        return _alone(seconds, PROCESS_MB + texts * TEXT_BYTES / MB, 10.0)

    # -- the models ------------------------------------------------------------------------------

    def _start(self, cell: Cell, settings: ClipSettings) -> Cost:
        if settings.optim is None:
            return _alone(0.0, PROCESS_MB, 4 * self._weights / MB)
        tokens, image = settings.shape.max_tokens if settings.shape else 77, ModelSettings(pooling="mean", num_frames=1)
        return self._learn(cell, settings.optim, image, (1,), (tokens,), looks=LOOKS)

    def _pretrain(self, cell: Cell, own: PretrainCell) -> Cost:
        roles = {role for term in own.terms for texts in term.values() for role in texts}
        frames = (own.model.num_frames, *([1] if any("frame" in term for term in own.terms) else []))
        steps = num_steps(own.optim, self._per_epoch(self._clips(cell, own.clips), own.optim))
        looks = -(-steps // own.validate_every) + 1 if own.validate_every else 0
        tokens = tuple(own.max_tokens for _ in roles)
        found = self._learn(cell, own.optim, own.model, frames, tokens, looks=looks, role="validation:", most=own.clips)
        rows = self._clips(cell, own.clips)
        written = rows * len(roles) / self.rates.host.text_rows_s
        return replace(found, seconds=found.seconds + written, core_seconds=found.core_seconds + written)

    def _finetune(self, cell: Cell, own: FinetuneCell) -> Cost:
        looks = own.validations + own.keep_start if own.keep == "best" else 0
        return self._learn(cell, own.optim, _model(cell), (own.num_frames,), (own.max_tokens,), looks=looks)

    def _learn(
        self,
        cell: Cell,
        optim: OptimSettings,
        model: ModelSettings,
        frames: tuple[int, ...],
        texts: tuple[int, ...],
        *,
        looks: int,
        role: str = "",
        most: int | None = None,
    ) -> Cost:
        clips = self._clips(cell, most)
        own = Learning(
            config=self.config,
            model=model,
            steps=float(num_steps(optim, self._per_epoch(clips, optim))),
            batch=min(optim.batch_size, clips),
            frames=frames,
            texts=texts,
            weights=self._weights,
            decoded=self._read(cell),
            validations=looks,
            validated=self._sizes.of(cell.inputs[f"{role}corpus"]).val if looks else 0,
            seen=self._read(cell, role) if looks else 0.0,
            tokens=max(texts),
        )
        return learning(own, self._run, self.rates, max(1, asks(self._run, cell.stage).gpus))

    def _clips(self, cell: Cell, most: int | None) -> int:
        """Clips that a training draws from."""
        there = self._sizes.of(cell.inputs["corpus"]).train
        return there if most is None else min(there, most)

    def _per_epoch(self, clips: int, optim: OptimSettings) -> float:
        size = min(optim.batch_size, clips)
        return clips / size if optim.keep_partial else float(clips // size)

    def _evaluate(self, cell: Cell, own: EvaluateCell) -> Cost:
        """Test clips of all galleries, and training clips that tell which items are hubs; decoded one after another."""
        sizes = [self._sizes.of(each) for role, each in cell.inputs.items() if role.split(":")[-1] == "corpus"]
        clips = sum(size.test for size in sizes) + min(own.bank, sizes[0].train)
        texts = sum(size.test * size.texts for size in sizes) + min(own.bank, sizes[0].train)
        done: float = clips * flops.video_flops(self.config, _model(cell), own.num_frames)
        done += texts * flops.text_flops(self.config, own.max_tokens)
        compute, one = done / self.rates.flops_s(self.rates.shares.inference), self._read(cell)
        decoding = clips * one
        return replace(
            _alone(compute + decoding, PROCESS_MB + 500, 1.0),
            gpu_memory_mb=4000.0,
            computing=compute,
            decoding=decoding,
            bound=DECODING if decoding > compute else COMPUTE,
        )


def _model(cell: Cell) -> ModelSettings:
    """The video encoder that a cell trains or reads: its own settings, or those of what it starts from."""
    own = getattr(cell.settings, "model", None)
    return own if own is not None else _model(cell.inputs["model"])


def _alone(seconds: float, memory_mb: float, disk_mb: float) -> Cost:
    """One core, busy from start to end."""
    return Cost(seconds=seconds, core_seconds=seconds, memory_mb=memory_mb, disk_mb=disk_mb, bound=COMPUTE)
