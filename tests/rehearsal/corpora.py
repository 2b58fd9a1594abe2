"""Small corpora in all public formats, as their authors distribute them: clips of a real film, or generated ones."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from clipvip.config.data import WorldSettings
from clipvip.corpora.synthetic.annotations import WRITERS
from clipvip.corpora.synthetic.media import write_image, write_video
from clipvip.corpora.synthetic.world import frames, gather

FPS, LENGTH = 12.0, 32  # of a clip: frames a second, frames
PIXELS = 224  # of a generated one; one of a film is 320 x 180
CORPORA = {  # name of the folder -> what is written there
    "hdvila": WorldSettings(part="narrated", clips={"train": 10}, misaligned=0),
    "webvid": WorldSettings(part="alt_text", clips={"train": 8, "val": 2}),
    "coco": WorldSettings(part="coco", clips={"train": 4, "val": 2}),
    "cc12m": WorldSettings(part="images", clips={"train": 8}),
    "msrvtt": WorldSettings(part="msrvtt", clips={"train": 6, "test": 3}),
    "didemo": WorldSettings(part="didemo", clips={"train": 4, "val": 2, "test": 3}),
    "lsmdc": WorldSettings(part="lsmdc", clips={"train": 4, "val": 2, "test": 3}),
    "activitynet": WorldSettings(part="activitynet", clips={"train": 6, "test": 2}),
}


def write(root: Path, film: Path | None) -> None:
    """All of them below `root`, the clips cut from `film` where there is one."""
    cuts = pieces(film, sum(sum(each.clips.values()) for each in CORPORA.values())) if film else None
    for name, settings in CORPORA.items():
        whole = settings.model_copy(update={"pixels": PIXELS, "frames": LENGTH, "fps": FPS})
        clips, out = gather(whole), root / name
        out.mkdir(parents=True)
        WRITERS[whole.part](clips, out, PIXELS, LENGTH / FPS)
        for clip in clips:
            path = out / clip.address.path
            path.parent.mkdir(parents=True, exist_ok=True)
            shown = next(cuts) if cuts else frames(whole, clip)
            if clip.take.moment is None:
                write_video(path, shown, FPS)
            else:
                write_image(path, shown[0])


def pieces(film: Path, count: int) -> Iterator[np.ndarray]:
    """So many stretches of the film, small, each from another frame on. ValueError where it is too short for them."""
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        every = max(1, round(float(stream.average_rate or 24) / FPS))
        chosen = itertools.islice(container.decode(stream), 0, None, every)
        whole = np.stack([frame.to_ndarray(width=320, height=180, format="rgb24") for frame in chosen])
    if (last := len(whole) - LENGTH) < count:
        raise ValueError(f"{film}: {len(whole)} frames at {FPS} a second; {count} clips need {count + LENGTH}")
    for start in np.linspace(0, last, count).astype(int):
        yield whole[start : start + LENGTH]
