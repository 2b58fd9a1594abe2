"""Against the authors' own code, run once: embeddings and the six losses in double precision."""

import parity
import pytest
import torch

from clipvip.config.stages import OBJECTIVES
from clipvip.model.clip_vip import ClipVip
from clipvip.model.loss import omnisource_loss

CLOSE = {"rtol": 0.0, "atol": 1e-13}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ClipVip:
    return parity.model(tmp_path_factory.mktemp("parity"))


@torch.inference_mode()
@pytest.mark.parametrize("count", [1, 5, 12, 32])
def test_videos(model: ClipVip, count: int) -> None:
    """The first frames of a video of 12 or 32: fewer or more than the 12 slots are interpolated."""
    given = parity.golden("input")
    frames = given["video_32"] if count == 32 else given["video"][:, :count]
    torch.testing.assert_close(model.encode_video(frames), parity.golden("embedding")[f"video_{count}_frames"], **CLOSE)


@torch.inference_mode()
def test_frames_and_texts(model: ClipVip) -> None:
    given, expected = parity.golden("input"), parity.golden("embedding")
    torch.testing.assert_close(model.encode_video(given["frame"]), expected["frame"], **CLOSE)
    for role in ("subtitle", "caption"):
        found = model.encode_text(given[f"{role}_ids"], given[f"{role}_mask"])
        torch.testing.assert_close(found, expected[role], **CLOSE)


@torch.inference_mode()
@pytest.mark.parametrize("objective", ["subtitle", "a", "b", "c", "joint", "d"])
def test_losses(model: ClipVip, objective: str) -> None:
    rows = dict(parity.golden("embedding"))
    rows["video"] = rows["video_12_frames"]
    loss = omnisource_loss(rows, OBJECTIVES[objective], model.logit_scale)
    torch.testing.assert_close(loss, parity.golden("loss")[objective], rtol=1e-14, atol=0)
