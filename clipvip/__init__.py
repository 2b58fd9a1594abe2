"""CLIP-ViP as a laboratory: from raw corpora to ablation tables.

The names below are the public interface; each is imported when it is first used, so that `import clipvip` costs
nothing. Everything else may change between versions.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipvip.config.stages import OBJECTIVES
    from clipvip.data.media.file_header import VideoError
    from clipvip.data.media.sampled_frames import read_frames
    from clipvip.evaluation.encoder import Encoder, load
    from clipvip.evaluation.ranks import Ranks, match_ranks, recall
    from clipvip.model.clip_vip import ClipVip
    from clipvip.model.loss import omnisource_loss
    from clipvip.results.intervals import Interval, cluster_bootstrap, paired_difference

__version__ = "0.1.0"
__all__ = [
    "OBJECTIVES",
    "ClipVip",
    "Encoder",
    "Interval",
    "Ranks",
    "VideoError",
    "cluster_bootstrap",
    "load",
    "match_ranks",
    "omnisource_loss",
    "paired_difference",
    "read_frames",
    "recall",
]

_ROOMS = {
    "OBJECTIVES": "config.stages",
    "ClipVip": "model.clip_vip",
    "Encoder": "evaluation.encoder",
    "Interval": "results.intervals",
    "Ranks": "evaluation.ranks",
    "VideoError": "data.media.file_header",
    "cluster_bootstrap": "results.intervals",
    "load": "evaluation.encoder",
    "match_ranks": "evaluation.ranks",
    "omnisource_loss": "model.loss",
    "paired_difference": "results.intervals",
    "read_frames": "data.media.sampled_frames",
    "recall": "evaluation.ranks",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'clipvip' has no attribute {name!r}; public: {', '.join(__all__)}")
    return getattr(import_module(f"clipvip.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
