"""Proxy attention against dense attention under a mask."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from clipvip.model.attention import WrittenOut, look_up, proxy_attention


def dense(query: Tensor, key: Tensor, value: Tensor, num_proxies: int, num_frames: int) -> Tensor:
    """All weights written out; what a token must not see is masked, token by token."""
    tokens, head_dim = query.shape[2:]
    patches = (tokens - num_proxies) // num_frames
    frame = [-1] * num_proxies + [place // patches for place in range(num_frames * patches)]
    allowed = torch.tensor([[a == -1 or b in (-1, a) for b in frame] for a in frame])
    weights = (query @ key.transpose(-1, -2) * head_dim**-0.5).masked_fill(~allowed, -torch.inf).softmax(dim=-1)
    return weights @ value


@settings(deadline=None, max_examples=40)
@given(
    num_proxies=st.integers(1, 6),
    num_frames=st.integers(1, 7),
    patches=st.integers(1, 10),
    double=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_equals_dense_masked_attention_with_gradients(
    num_proxies: int, num_frames: int, patches: int, double: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, 3, num_proxies + num_frames * patches, 8)
    inputs = [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3)]
    weight = torch.randn(shape, generator=generator, dtype=torch.float64)
    dtype, tolerance = (torch.float64, 1e-10) if double else (torch.float32, 1e-5)

    ours = [part.to(dtype, copy=True).requires_grad_() for part in inputs]
    theirs = [part.clone().requires_grad_() for part in inputs]
    found = proxy_attention(*ours, num_proxies=num_proxies, num_frames=num_frames)
    truth = dense(*theirs, num_proxies, num_frames)
    torch.testing.assert_close(found.double(), truth, rtol=tolerance, atol=tolerance)
    (found * weight.to(dtype)).sum().backward()
    (truth * weight).sum().backward()
    for mine, own in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad.double(), own.grad, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_written_out_and_its_gradient(masked: bool) -> None:
    """Against torch's own attention, and the gradient against finite differences."""
    parts = [torch.randn(2, 3, count, 4, dtype=torch.float64, requires_grad=True) for count in (5, 6, 6)]
    visible = torch.ones(1, 1, 5, 6, dtype=torch.bool).tril() if masked else None

    def written(*parts: Tensor) -> Tensor:
        return WrittenOut.apply(*parts, visible)

    truth = torch.nn.functional.scaled_dot_product_attention(*parts, attn_mask=visible)
    torch.testing.assert_close(written(*parts), truth, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(written, parts)


def test_looking_up_is_attention_whose_keys_and_values_are_projections() -> None:
    tokens, key, value = torch.randn(2, 7, 8), torch.randn(3, 4, 8), torch.randn(3, 4, 8)  # 3 heads of 4
    query, bias = torch.randn(2, 3, 2, 4), torch.randn(3, 4)
    visible = torch.arange(7) < torch.tensor([[7], [4]])
    keys = torch.einsum("btw,hdw->bhtd", tokens, key) + bias[:, None]
    similar = torch.einsum("bhrd,bhtd->bhrt", query, keys)
    weights = similar.masked_fill(~visible[:, None, None], -torch.inf).softmax(dim=-1)
    truth = weights @ torch.einsum("btw,hdw->bhtd", tokens, value)
    offset = torch.einsum("bhrd,hd->bhr", query, bias)[..., None]
    mixed = look_up(torch.einsum("bhrd,hdw->bhrw", query, key), offset, tokens, visible)
    torch.testing.assert_close(torch.einsum("bhrw,hdw->bhrd", mixed, value), truth, rtol=1e-4, atol=1e-4)


def test_a_patch_does_not_see_another_frame() -> None:
    tokens = torch.randn(1, 2, 4 + 3 * 5, 8, dtype=torch.float64)
    noisy = tokens.clone()
    noisy[:, :, 4 + 2 * 5 :] += torch.randn(1, 2, 5, 8)  # the last frame
    before = proxy_attention(tokens, tokens, tokens, num_proxies=4, num_frames=3)
    after = proxy_attention(noisy, noisy, noisy, num_proxies=4, num_frames=3)
    assert torch.equal(before[:, :, 4:14], after[:, :, 4:14])
    assert (before[:, :, :4] - after[:, :, :4]).abs().amax(dim=(0, 1, 3)).min() > 1e-3  # every proxy does


def test_tokens_that_do_not_divide_are_refused() -> None:
    tokens = torch.randn(1, 1, 12, 4)
    with pytest.raises(ValueError, match="12 tokens are not 4 proxies and 3 frames"):
        proxy_attention(tokens, tokens, tokens, num_proxies=4, num_frames=3)
