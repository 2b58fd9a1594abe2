"""Where the proxies look in a few test clips, kept beside an evaluation for the report (paper section 3.2)."""

from pathlib import Path

import numpy as np
import torch

from clipvip.data.clips import Clips
from clipvip.data.media.video import resize
from clipvip.model.attention_maps import proxies_over_patches
from clipvip.model.video_encoder import VideoEncoder
from clipvip.runtime import cell_files
from clipvip.runtime.files import written

SHOWN = 3  # clips
MOST_PIXELS = 112  # side of the frames that are kept beside the weights


def write(encoder: VideoEncoder, clips: Clips, clip_ids: list[str], num_frames: int, out: Path) -> None:
    """gaze.npz of these clips: clip_ids, frames (uint8 [clips, frames, side, side, 3]), proxies and read."""
    device = encoder.vision_model.post_layernorm.weight.device
    frames = np.stack([clips.sample(clip_id, num_frames, None) for clip_id in clip_ids])
    looks = proxies_over_patches(encoder, torch.from_numpy(frames).to(device))
    small = np.stack([resize(each, min(MOST_PIXELS, each.shape[1]), "squash") for each in frames])
    proxies, read = (weights.float().cpu().numpy() for weights in looks)
    with written(out / cell_files.GAZE) as beside:
        np.savez(beside, clip_ids=np.array(clip_ids), frames=small, proxies=proxies, read=read)
