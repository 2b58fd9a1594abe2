"""Proxy attention on a GPU in one kernel each way, for frames of few patches (B/32: 49 and 4 proxies; section 3.2).

What a frame's patches see is the proxies and their own frame: at most 64 tokens, one tile. A program takes one frame
and one head: the patches' attention is whole in it, and that of the proxies a part, one of as many as there are frames,
which are put together by their sums of weights. Every token is read and written once, and nothing is copied before.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from clipvip.model.attention import MOST_AT_ONCE

TILE = MOST_AT_ONCE  # tokens that a frame may have, its proxies included


@triton.jit
def _tile(QKV, b, n, h, T, H, M, L, D: tl.constexpr, TILE: tl.constexpr):  # type: ignore[no-untyped-def]
    """Where the rows of a frame lie in [b, t, 3, h, d], which there are, and their queries, keys and values."""
    row, col = tl.arange(0, TILE), tl.arange(0, D)
    token = tl.where(row < M, row, n * L + row)
    there = row < M + L
    at = ((b * T + token) * 3 * H + h)[:, None].to(tl.int64) * D + col[None, :]
    query = tl.load(QKV + at, mask=there[:, None], other=0.0)
    key = tl.load(QKV + at + H * D, mask=there[:, None], other=0.0)
    value = tl.load(QKV + at + 2 * H * D, mask=there[:, None], other=0.0)
    return at, token, there, query, key, value


@triton.jit
def _scores(query, key, n, scale, M, L, TILE: tl.constexpr):  # type: ignore[no-untyped-def]
    """Patches see all of the tile; proxies the frame, and each other in the first one alone."""
    row, col = tl.arange(0, TILE)[:, None], tl.arange(0, TILE)[None, :]
    seen = (col < M + L) & ((row >= M) | (col >= M) | (n == 0))
    return tl.where(seen, tl.dot(query, tl.trans(key)) * scale, float("-inf"))


@triton.jit
def _forward(QKV, OUT, PART, WEIGHT, scale, T, N, H, M, L, D: tl.constexpr, TILE: tl.constexpr):  # type: ignore[no-untyped-def]
    pid = tl.program_id(0)
    h, n, b = pid % H, (pid // H) % N, pid // (H * N)
    _at, token, there, query, key, value = _tile(QKV, b, n, h, T, H, M, L, D, TILE)
    scores = _scores(query, key, n, scale, M, L, TILE)
    most = tl.max(scores, 1)
    weights = tl.exp(scores - most[:, None])
    total = tl.sum(weights, 1)
    mixed = tl.dot(weights.to(value.dtype), value) / total[:, None]
    row, col = tl.arange(0, TILE), tl.arange(0, D)
    to = ((b * T + token) * H + h)[:, None].to(tl.int64) * D + col[None, :]
    tl.store(OUT + to, mixed.to(OUT.dtype.element_ty), mask=(there & (row >= M))[:, None])
    part = ((b * N + n) * H + h) * M + row
    tl.store(PART + part[:, None].to(tl.int64) * D + col[None, :], mixed, mask=(row < M)[:, None])
    tl.store(WEIGHT + part, most + tl.log(total), mask=row < M)


@triton.jit
def _backward(  # type: ignore[no-untyped-def]
    QKV, GOUT, GQKV, PART, WEIGHT, DELTA, scale, T, N, H, M, L, D: tl.constexpr, TILE: tl.constexpr
):
    pid = tl.program_id(0)
    h, n, b = pid % H, (pid // H) % N, pid // (H * N)
    at, token, there, query, key, value = _tile(QKV, b, n, h, T, H, M, L, D, TILE)
    row, col = tl.arange(0, TILE), tl.arange(0, D)
    to = ((b * T + token) * H + h)[:, None].to(tl.int64) * D + col[None, :]
    mixed = tl.load(GOUT + to, mask=there[:, None], other=0.0)
    scores = _scores(query, key, n, scale, M, L, TILE)
    most = tl.max(scores, 1)
    own = most + tl.log(tl.sum(tl.exp(scores - most[:, None]), 1))
    proxy = row < M
    whole = tl.load(WEIGHT + (b * H + h) * M + row, mask=proxy, other=0.0)
    weights = tl.exp(scores - tl.where(proxy, whole, own)[:, None])
    weights = tl.where(there[:, None], weights, 0.0)
    gweights = tl.dot(mixed, tl.trans(value))
    delta = tl.load(DELTA + (b * H + h) * M + row, mask=proxy, other=0.0)
    delta = tl.where(proxy, delta, tl.sum(weights * gweights, 1))
    gscores = (weights * (gweights - delta[:, None]) * scale).to(query.dtype)
    gquery = tl.dot(gscores, key)
    gkey = tl.dot(tl.trans(gscores), query)
    gvalue = tl.dot(tl.trans(weights.to(mixed.dtype)), mixed)
    patch = (there & (row >= M))[:, None]
    kind = GQKV.dtype.element_ty
    tl.store(GQKV + at, gquery.to(kind), mask=patch)
    tl.store(GQKV + at + H * D, gkey.to(kind), mask=patch)
    tl.store(GQKV + at + 2 * H * D, gvalue.to(kind), mask=patch)
    # of the proxies: a part for each frame, [b, n, 3, h, m, d]
    part = ((((b * N + n) * 3) * H + h) * M + row)[:, None].to(tl.int64) * D + col[None, :]
    tl.store(PART + part, gquery, mask=proxy[:, None])
    tl.store(PART + part + H * M * D, gkey, mask=proxy[:, None])
    tl.store(PART + part + 2 * H * M * D, gvalue, mask=proxy[:, None])


@torch.library.custom_op("clipvip::frame_attention", mutates_args=())
def _attended(qkv: Tensor, num_heads: int, num_proxies: int, num_frames: int) -> tuple[Tensor, Tensor]:
    """[b, t, 3 * h * d] -> [b, t, h * d], and logarithms of the proxies' sums of weights, fp32 [b, h, m]."""
    qkv = qkv.contiguous()
    batch, tokens, width = qkv.shape
    side, patches = width // 3 // num_heads, (tokens - num_proxies) // num_frames
    out = qkv.new_empty(batch, tokens, num_heads, side)
    parts = qkv.new_empty(batch, num_frames, num_heads, num_proxies, side, dtype=torch.float32)
    sums = parts.new_empty(parts.shape[:-1])
    sizes = (tokens, num_frames, num_heads, num_proxies, patches, side, TILE)
    _forward[(batch * num_frames * num_heads,)](qkv, out, parts, sums, side**-0.5, *sizes)
    whole = sums.logsumexp(dim=1)
    mixed = (parts * (sums - whole[:, None]).exp()[..., None]).sum(dim=1)
    out[:, :num_proxies] = mixed.transpose(1, 2).to(out.dtype)
    return out.flatten(2), whole


@_attended.register_fake
def _(qkv: Tensor, num_heads: int, num_proxies: int, num_frames: int) -> tuple[Tensor, Tensor]:
    batch, tokens, width = qkv.shape
    whole = qkv.new_empty(batch, num_heads, num_proxies, dtype=torch.float32)
    return qkv.new_empty(batch, tokens, width // 3), whole


@torch.library.custom_op("clipvip::frame_attention_backward", mutates_args=())
def _returned(
    gradient: Tensor, qkv: Tensor, out: Tensor, whole: Tensor, num_heads: int, num_proxies: int, num_frames: int
) -> Tensor:
    qkv, gradient = qkv.contiguous(), gradient.to(qkv.dtype).contiguous()
    batch, tokens, width = qkv.shape
    side, patches = width // 3 // num_heads, (tokens - num_proxies) // num_frames
    found = torch.empty_like(qkv)
    parts = qkv.new_empty(batch, num_frames, 3, num_heads, num_proxies, side, dtype=torch.float32)
    ends = [each[:, :num_proxies].float().unflatten(-1, (num_heads, side)) for each in (gradient, out)]
    delta = (ends[0] * ends[1]).sum(dim=-1).transpose(1, 2).contiguous()
    sizes = (tokens, num_frames, num_heads, num_proxies, patches, side, TILE)
    grid = (batch * num_frames * num_heads,)
    _backward[grid](qkv, gradient, found, parts, whole, delta, side**-0.5, *sizes)
    proxies = parts.sum(dim=1).permute(0, 3, 1, 2, 4).flatten(2)  # b m (3 h d)
    found[:, :num_proxies] = proxies.to(found.dtype)
    return found


@_returned.register_fake
def _(
    gradient: Tensor, qkv: Tensor, out: Tensor, whole: Tensor, num_heads: int, num_proxies: int, num_frames: int
) -> Tensor:
    return torch.empty_like(qkv, memory_format=torch.contiguous_format)


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    qkv, *ctx.sizes = inputs
    ctx.save_for_backward(qkv, *output)


def _gradient(ctx, gradient, _):  # type: ignore[no-untyped-def]
    qkv, out, whole = ctx.saved_tensors
    return _returned(gradient, qkv, out, whole, *ctx.sizes), None, None, None


torch.library.register_autograd("clipvip::frame_attention", _gradient, setup_context=_keep)


def frame_attention(qkv: Tensor, *, num_heads: int, num_proxies: int, num_frames: int) -> Tensor:
    """`attention.proxy_attention` of queries, keys and values as one product leaves them.

    [batch, tokens, 3 * width] -> [batch, tokens, width]. The tokens are M proxies and N * L patches, M + L <= 64.
    """
    attended: Tensor = _attended(qkv, num_heads, num_proxies, num_frames)[0]
    return attended
