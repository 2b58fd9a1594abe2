"""Clips of a corpus as frames: from the cache, or decoded when asked for."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from clipvip.config.data import FramesSettings
from clipvip.data import manifest
from clipvip.data.clip_files import Places
from clipvip.data.frame_cache import FrameCache
from clipvip.data.media import checksums
from clipvip.data.media.file_header import VideoError
from clipvip.data.media.video import centres, read_chosen, resize, sample_indices
from clipvip.data.unreadable import Quarantine

Frames = UInt8[np.ndarray, "frames height width 3"]
Still = UInt8[np.ndarray, "1 height width 3"]
Choice = Callable[[int], Int[np.ndarray, " chosen"]]  # number of frames -> indices


class Clips:
    """Frames of the clips of a corpus, by clip id: from its frame cache, or decoded as they are asked for.

    Either way they are the same frames, or the same reason why there are none. With `work`, the run's folder, clips
    that turn out unreadable go into a quarantine there; without, they raise.
    """

    def __init__(self, corpus: Path, cache: Path | None, frames: FramesSettings, work: Path | None = None) -> None:
        self._cache = None if cache is None else FrameCache.open(cache)
        self._places = Places(corpus) if cache is None else None
        self._frames = frames
        verified = cache is None and frames.verify
        self._verifier = checksums.Verifier(corpus, manifest.media_root(corpus)) if verified else None
        self.quarantine: Quarantine | None = None
        if work is not None:
            held = work / "unreadable" / corpus.name
            self.quarantine = Quarantine(held, allowed=manifest.max_bad(corpus), where=corpus)

    @property
    def size(self) -> int:
        """Side of its square frames [pixels]: those of the cache, where there is one."""
        return self._frames.size if self._cache is None else self._cache.size

    def sample(self, clip_id: str, num_frames: int, rng: np.random.Generator | None) -> Frames:
        """`num_frames` frames; random within the sampling rule if `rng` is given."""
        return self.chosen(clip_id, self._sampling(num_frames, rng))

    def middle(self, clip_id: str) -> Frames:
        """The middle frame."""
        return self.centres(clip_id, 1)

    def centres(self, clip_id: str, parts: int) -> Frames:
        """The middle frame of each of `parts` equal parts of the clip."""
        return self.chosen(clip_id, lambda total: centres(total, parts))

    def pictures(
        self, clip_id: str, num_frames: int, rng: np.random.Generator | None, *, with_middle: bool = False
    ) -> tuple[Frames, Still | None, bool]:
        """`sample` and, if asked, `middle`, and True; black frames and False for a clip that goes into quarantine.

        A clip that cannot be read leaves `rng` as it was, at whatever place its fault was found.
        """
        sampling, before = self._sampling(num_frames, rng), self._state(rng)
        both = sampling if not with_middle else lambda total: np.concatenate([sampling(total), centres(total, 1)])
        try:
            frames = self.chosen(clip_id, both)
        except VideoError as error:
            if self.quarantine is None:
                raise
            self.quarantine.note(clip_id, error.reason)
            if rng is not None and before is not None:
                rng.bit_generator.state = before
            black = np.zeros((num_frames, self.size, self.size, 3), dtype=np.uint8)
            return black, black[:1] if with_middle else None, False
        return frames[:num_frames], frames[num_frames:] if with_middle else None, True

    def _sampling(self, num_frames: int, rng: np.random.Generator | None) -> Choice:
        """The sampling rule, which draws the same again where a reader has to ask it twice."""
        return partial(_drawn, num_frames=num_frames, rng=rng, state=self._state(rng))

    def _state(self, rng: np.random.Generator | None) -> Any:
        """The state to which a fault or a second question brings `rng` back; a cache knows its clips beforehand."""
        return None if rng is None or self._cache is not None else rng.bit_generator.state

    def account(self) -> dict[str, Any]:
        """What the receipt says of clips that could not be read."""
        return {} if self.quarantine is None else self.quarantine.account()

    def chosen(self, clip_id: str, choose: Choice) -> Frames:
        """The frames that `choose` picks from their number. VideoError for a clip that cannot be read."""
        if self._cache is not None:
            position = self._cache.readable(clip_id)
            return self._cache.read(position, choose(self._cache.count(position)))
        assert self._places is not None
        place = self._places[clip_id]
        if self._verifier is not None:
            self._verifier.check(place.path)
        with self._places.file(place) as path:
            decoded = read_chosen(path, choose, start=place.start, end=place.end, fps=self._frames.fps)
        return resize(decoded, self._frames.size, self._frames.resize, self._frames.antialias)


def _drawn(total: int, *, num_frames: int, rng: np.random.Generator | None, state: Any) -> Int[np.ndarray, " chosen"]:
    if rng is not None and state is not None:
        rng.bit_generator.state = state
    return sample_indices(total, num_frames, rng=rng)


def open_clips(inputs: dict[str, Path], frames: FramesSettings, prefix: str = "", *, work: Path | None = None) -> Clips:
    """The clips of an input corpus; `prefix` as in "validation:"."""
    return Clips(inputs[f"{prefix}corpus"], inputs.get(f"{prefix}frames"), frames, work)
