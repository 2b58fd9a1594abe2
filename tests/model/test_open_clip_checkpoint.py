"""open_clip's own files: converted, they give what its architecture computes, written out here from its names."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPModel

from clipvip.__main__ import main
from clipvip.model.clip_vip import ClipVip
from clipvip.model.open_clip_checkpoint import from_open_clip

WIDTH, HEADS, DIM, VOCABULARY = 32, 4, 16, 600
State = dict[str, Tensor]


def block(prefix: str) -> dict[str, tuple[int, ...]]:
    square, wide = (WIDTH, WIDTH), (2 * WIDTH, WIDTH)
    weights = {"attn.in_proj_weight": (3 * WIDTH, WIDTH), "attn.out_proj.weight": square}
    weights |= {"mlp.c_fc.weight": wide, "mlp.c_proj.weight": wide[::-1]}
    vectors = {"attn.in_proj_bias": 3 * WIDTH, "attn.out_proj.bias": WIDTH}
    vectors |= {"mlp.c_fc.bias": 2 * WIDTH, "mlp.c_proj.bias": WIDTH}
    vectors |= {f"{norm}.{end}": WIDTH for norm in ("ln_1", "ln_2") for end in ("weight", "bias")}
    return {
        f"{prefix}.{name}": (shape,) if isinstance(shape, int) else shape for name, shape in (weights | vectors).items()
    }


def checkpoint(vocabulary: int) -> State:
    """Random tensors under open_clip's names: 3 image layers of 9 patches, 2 text layers of 77 tokens."""
    shapes: dict[str, tuple[int, ...]] = {
        "logit_scale": (),
        "visual.class_embedding": (WIDTH,),
        "visual.positional_embedding": (10, WIDTH),
        "visual.conv1.weight": (WIDTH, 3, 8, 8),
        "visual.proj": (WIDTH, DIM),
        "positional_embedding": (77, WIDTH),
        "token_embedding.weight": (vocabulary, WIDTH),
        "text_projection": (WIDTH, DIM),
    }
    for norm in ("visual.ln_pre", "visual.ln_post", "ln_final"):
        shapes |= {f"{norm}.weight": (WIDTH,), f"{norm}.bias": (WIDTH,)}
    for tower, layers in (("visual.transformer", 3), ("transformer", 2)):
        for layer in range(layers):
            shapes |= block(f"{tower}.resblocks.{layer}")
    generator = torch.Generator().manual_seed(0)
    return {name: 0.3 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def norm(state: State, name: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, (WIDTH,), state[f"{name}.weight"], state[f"{name}.bias"])


def tower(state: State, prefix: str, layers: int, x: Tensor, causal: bool) -> Tensor:
    """open_clip's residual attention blocks by torch's own multi-head attention and the quick GELU."""
    mask = torch.full((x.shape[1], x.shape[1]), -torch.inf).triu(1) if causal else None
    for layer in range(layers):
        own = {k.removeprefix(f"{prefix}.{layer}."): v for k, v in state.items() if k.startswith(f"{prefix}.{layer}.")}
        attention = torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        attention.load_state_dict({k.removeprefix("attn."): v for k, v in own.items() if k.startswith("attn.")})
        normed = norm(own, "ln_1", x)
        x = x + attention(normed, normed, normed, attn_mask=mask, need_weights=False)[0]
        hidden = F.linear(norm(own, "ln_2", x), own["mlp.c_fc.weight"], own["mlp.c_fc.bias"])
        hidden = hidden * torch.sigmoid(1.702 * hidden)
        x = x + F.linear(hidden, own["mlp.c_proj.weight"], own["mlp.c_proj.bias"])
    return x


def image_features(state: State, images: Tensor) -> Tensor:
    patches = F.conv2d(images, state["visual.conv1.weight"], stride=8).flatten(2).mT
    x = torch.cat([state["visual.class_embedding"].expand(len(images), 1, -1), patches], dim=1)
    x = norm(state, "visual.ln_pre", x + state["visual.positional_embedding"])
    x = tower(state, "visual.transformer.resblocks", 3, x, causal=False)
    return norm(state, "visual.ln_post", x[:, 0]) @ state["visual.proj"]


def text_features(state: State, ids: Tensor) -> Tensor:
    x = state["token_embedding.weight"][ids] + state["positional_embedding"][: ids.shape[1]]
    x = norm(state, "ln_final", tower(state, "transformer.resblocks", 2, x, causal=True))
    return x[torch.arange(len(ids)), ids.argmax(dim=-1)] @ state["text_projection"]


@pytest.fixture(scope="module")
def state(tiny_clip_folder: Path) -> State:
    return checkpoint(CLIPModel.from_pretrained(tiny_clip_folder).config.text_config.vocab_size)


@torch.inference_mode()
@pytest.mark.parametrize("form", ["bin", "safetensors", "training"])
def test_the_command_converts_what_open_clip_computes(
    tiny_clip_folder: Path, tmp_path: Path, state: State, form: str
) -> None:
    path = tmp_path / f"open_clip.{'safetensors' if form == 'safetensors' else 'pt'}"
    if form == "safetensors":
        save_file(state, path)
    elif form == "bin":
        torch.save(state, path)
    else:  # open_clip's own training writes this
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, path)
    assert main(["convert", str(path), "--clip", str(tiny_clip_folder), "--out", str(tmp_path / "clip")]) == 0
    model = ClipVip.from_pretrained(tmp_path / "clip", pooling="mean")
    images = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    expected = F.normalize(image_features(state, images), dim=-1)
    torch.testing.assert_close(model.encode_video(images[:, None]), expected, rtol=0, atol=1e-5)
    end = model.config.text_config.eos_token_id
    ids = torch.tensor([[5, 90, 7, end], [5, 6, end, 0]])
    torch.testing.assert_close(
        model.encode_text(ids), F.normalize(text_features(state, ids), dim=-1), rtol=0, atol=1e-5
    )


def test_what_is_not_complete_is_refused(tiny_clip_folder: Path, tmp_path: Path, state: State) -> None:
    odd = {**state, "visual.trunk.blocks.0.weight": torch.zeros(2), "text_projection": torch.full((32, 16), torch.nan)}
    del odd["ln_final.bias"], odd["transformer.resblocks.1.attn.in_proj_bias"]
    torch.save(odd, tmp_path / "odd.pt")
    with pytest.raises(ValueError, match="not an open_clip checkpoint of this shape") as caught:
        from_open_clip(tmp_path / "odd.pt", tiny_clip_folder, tmp_path / "out")
    told = str(caught.value)
    stem = "text_model.encoder.layers.1.self_attn"
    missing = f"missing: {stem}.k_proj.bias, {stem}.q_proj.bias, {stem}.v_proj.bias, text_model.final_layer_norm.bias"
    assert f"{missing}; surplus: visual.trunk.blocks.0.weight; not finite: text_projection.weight; " in told
    assert "\n" not in told
    assert not (tmp_path / "out").exists()
