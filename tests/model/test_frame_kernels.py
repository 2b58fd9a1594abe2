"""The GPU's kernels for proxy attention, run by Triton's interpreter and compiled for cards, and patches as a product.

`make test-kernels` installs Triton, which PyTorch for CPUs does not bring.
"""

import importlib.util
import json
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
shapes = (2, 2, 16, 4, 3, 9), (1, 2, 64, 4, 2, 49), (1, 1, 32, 1, 1, 60)  # a block of 64 tokens
shapes += (1, 2, 16, 4, 2, 98), (1, 2, 64, 4, 2, 196), (2, 1, 16, 63, 2, 193), (1, 1, 16, 1, 3, 64)  # two to four
for batch, heads, side, proxies, frames, patches in shapes:
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


COMPILED = """
import json, re, subprocess, sys
from pathlib import Path
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from clipvip.model.frame_kernels import _backward, _forward

card, folder = int(sys.argv[1]), Path(sys.argv[2])
assembler = Path(triton.__file__).parent / "backends/nvidia/bin/ptxas"
halves, singles = ("QKV", "OUT", "GOUT", "GQKV"), ("LOGS", "PART", "SUM", "HELD")
for side, tokens in ((64, 53), (64, 102), (64, 200), (32, 256), (128, 64)):
    constants = {"D": side, "BLOCK": 64, "BLOCKS": triton.cdiv(tokens, 64)}
    for kernel in (_forward, _backward):
        types = dict.fromkeys(kernel.arg_names, "i32") | dict.fromkeys(constants, "constexpr") | {"scale": "fp32"}
        types |= {name: "*bf16" if name in halves else "*fp32" for name in (*halves, *singles) if name in types}
        aligned = {(at,): [["tt.divisibility", 16]] for at, name in enumerate(types) if types[name].startswith("*")}
        fixed = {(kernel.arg_names.index(name),): each for name, each in constants.items()}
        options, target = {"num_warps": 4, "num_stages": 1}, GPUTarget("cuda", card, 32)
        made = triton.compile(ASTSource(kernel, types, fixed, aligned), target=target, options=options)
        (folder / "kernel.ptx").write_text(made.asm["ptx"])
        command = [assembler, "-v", f"--gpu-name=sm_{card}{'a' * (card == 90)}", "kernel.ptx", "-o", "kernel.cubin"]
        said = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stderr
        spilled, registers = re.search(r"(\\d+) bytes spill stores.*Used (\\d+) registers", said, re.DOTALL).groups()
        row = {"kernel": kernel.__name__, "D": side, "tokens": tokens, "shared": made.metadata.shared}
        print(json.dumps(row | {"registers": int(registers), "spilled": int(spilled)}))
"""


@TRITON
@pytest.mark.parametrize(("card", "kibibytes"), [(80, 163), (86, 99), (90, 227)])  # A100, RTX 3090, H100
def test_a_card_compiles_the_kernels_and_a_program_fits_shared_memory_and_registers(
    card: int, kibibytes: int, tmp_path: Path
) -> None:
    environment = {"PYTHONPATH": str(ROOT), "TRITON_CACHE_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", COMPILED, str(card), str(tmp_path)]
    said = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout
    print(f"\nsm_{card}\n{said}", end="")
    found = [json.loads(line) for line in said.splitlines()]
    assert len(found) == 10
    assert all(0 < row["shared"] <= kibibytes * 1024 for row in found)
    assert all(row["spilled"] <= 128 for row in found)  # bytes of a thread, beside 255 registers of four


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_product_of_cut_patches_is_their_convolution(as_bytes: bool) -> None:
    kernel = torch.nn.Conv2d(3, 5, 8, 8, bias=False, dtype=torch.float64)
    pixels = torch.randint(0, 256, (2, 3, 32, 24, 3), dtype=torch.uint8)
    floats = normalise(pixels, torch.float64)
    scale = levels(CLIP_PIXELS, torch.float64, pixels.device)
    found = cut(pixels if as_bytes else floats, scale, 8) @ kernel.weight.flatten(1).T
    wanted = rearrange(kernel(floats.flatten(0, 1)), "(b n) d h w -> b n (h w) d", n=3)
    torch.testing.assert_close(found, wanted)
