"""The public interface: every name is there, light until used, and its examples run as printed."""

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from video_files import indices_of, ramp, write_video

import clipvip


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, clipvip; assert not {'torch', 'numpy', 'pydantic', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there_and_documented() -> None:
    for name in clipvip.__all__:
        assert getattr(clipvip, name).__doc__, name
    assert set(dir(clipvip)) == {*clipvip.__all__, "__version__"}
    with pytest.raises(AttributeError, match="'nothing'; public: OBJECTIVES"):
        clipvip.nothing  # noqa: B018


@pytest.mark.parametrize("name", ["omnisource_loss", "match_ranks"])
def test_the_examples_run_as_printed(name: str) -> None:
    function = getattr(clipvip, name)
    found = doctest.DocTestFinder().find(function, name, globs={"clipvip": clipvip, "torch": torch, name: function})
    results = [doctest.DocTestRunner().run(each) for each in found if each.examples]
    assert results
    assert all(each.failed == 0 and each.attempted > 0 for each in results)


def test_frames_of_a_stretch(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", ramp(16), fps=8.0)
    assert indices_of(clipvip.read_frames(path, 4)) == [0, 5, 10, 15]
    assert indices_of(clipvip.read_frames(path, 3, start=0.5, end=1.0)) == [4, 5, 7]
    assert indices_of(clipvip.read_frames(path, 1)) == [8]
    with pytest.raises(ValueError, match="num_frames is 0"):
        clipvip.read_frames(path, 0)
    with pytest.raises(clipvip.VideoError, match=r"a\.mp4"):
        clipvip.read_frames(path, 4, start=9.0)


def test_a_loaded_model_encodes_files_frames_and_texts(tiny_clip_folder: Path, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", ramp(16))
    encoder = clipvip.load(tiny_clip_folder)
    assert encoder.model.settings.pooling == "mean"  # a plain CLIP has no proxies to read out
    from_file = encoder.encode_video([path], num_frames=3)
    from_frames = encoder.encode_video([clipvip.read_frames(path, 3)])
    torch.testing.assert_close(from_file, from_frames, rtol=0, atol=0)
    texts = encoder.encode_text(["water", "a green square vanishes"])
    assert texts.shape == (2, 16)
    np.testing.assert_allclose(torch.cat([from_file, texts]).norm(dim=1), 1.0, rtol=1e-5)
    with pytest.raises(ValueError, match="no videos"):
        encoder.encode_video([])
    with pytest.raises(ValueError, match="no texts"):
        encoder.encode_text([])
    with pytest.raises(ValueError, match="nowhere"):
        clipvip.load(tmp_path / "nowhere")
