"""The GPU's kernel for proxy attention, run by Triton's interpreter, and the patches as a product."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from einops import rearrange

from clipvip.model.pixels import CLIP_PIXELS
from clipvip.model.video_encoder import cut, levels, normalise

ROOT = Path(__file__).parents[2]
TRITON = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")

# A process of its own, since Triton looks once whether it interprets.
AGAINST_THE_PLAIN_WAY = """
import torch
from einops import rearrange
from clipvip.model.attention import proxy_attention
from clipvip.model.frame_kernels import frame_attention

torch.manual_seed(0)
for batch, heads, side, proxies, frames, patches in ((2, 2, 16, 4, 3, 9), (1, 2, 64, 4, 2, 49), (1, 1, 32, 1, 1, 60)):
    qkv = torch.randn(batch, proxies + frames * patches, 3 * heads * side, requires_grad=True)
    gradient = torch.randn(batch, qkv.shape[1], heads * side)
    ours = frame_attention(qkv, num_heads=heads, num_proxies=proxies, num_frames=frames)
    found, = torch.autograd.grad(ours, qkv, gradient)
    parts = (rearrange(part, "b t (h d) -> b h t d", h=heads) for part in qkv.chunk(3, -1))
    theirs = rearrange(proxy_attention(*parts, num_proxies=proxies, num_frames=frames), "b h t d -> b t (h d)")
    wanted, = torch.autograd.grad(theirs, qkv, gradient)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(found, wanted)
"""


@TRITON
def test_the_kernel_and_its_gradient_are_those_of_plain_attention() -> None:
    environment = {"PYTHONPATH": str(ROOT), "TRITON_INTERPRET": "1", "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", AGAINST_THE_PLAIN_WAY], check=True, env=environment)


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_product_of_cut_patches_is_their_convolution(as_bytes: bool) -> None:
    kernel = torch.nn.Conv2d(3, 5, 8, 8, bias=False, dtype=torch.float64)
    pixels = torch.randint(0, 256, (2, 3, 32, 24, 3), dtype=torch.uint8)
    floats = normalise(pixels, torch.float64)
    scale = levels(CLIP_PIXELS, torch.float64, pixels.device)
    found = cut(pixels if as_bytes else floats, scale, 8) @ kernel.weight.flatten(1).T
    wanted = rearrange(kernel(floats.flatten(0, 1)), "(b n) d h w -> b n (h w) d", n=3)
    torch.testing.assert_close(found, wanted)
