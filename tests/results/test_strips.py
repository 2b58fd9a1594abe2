"""Film strips: which frames they show, and how their times are written."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from video_files import ramp, write_video

from clipvip.evaluation.search.index import Hit, Moment
from clipvip.results.search import page
from clipvip.results.search.strips import WIDTH, cells, strip


def test_strips_show_the_frames_asked_for_and_the_best_one(tmp_path: Path) -> None:
    hit = Hit("x", 0.5, 0, tuple(Moment(float(i), 0.9 if i == 4 else 0.1) for i in range(12)), 4)
    shown = cells(hit)
    assert [cell.moment.seconds for cell in shown] == [0, 2, 4, 7, 9, 11]
    assert [cell.best for cell in shown] == [False, False, True, False, False, False]
    assert [cell.best for cell in cells(Hit("x", 0.5, 0, (Moment(0.0, 0.5),) * 2, 1))] == [False, True]
    path = write_video(tmp_path / "a.mp4", ramp(16, 120, 160), fps=2.0)
    picture = np.asarray(Image.open(BytesIO(strip(path, [0.0, 2.5, 99.0]))).convert("L"), dtype=float)
    shades = [picture[:, place * WIDTH + 5 : (place + 1) * WIDTH - 5].mean() for place in range(3)]
    assert [round((shade - 10) / 12) for shade in shades] == [0, 5, 15]  # a time after the end: the last frame


def test_moments_as_people_read_them() -> None:
    assert [page.clock(each) for each in (0.0, 9.96, 72.44, 3599.96)] == ["0:00.0", "0:10.0", "1:12.4", "60:00.0"]
