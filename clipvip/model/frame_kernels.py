"""Proxy attention on a GPU in one kernel each way (section 3.2), for frames of up to 256 tokens (B/16: 196 + 4).

What a frame's patches see is the proxies and their own frame. A program of the forward pass takes 64 tokens of one
frame and one head, and all keys that they see, 64 at a time; one of the backward pass takes the whole frame. The
patches' attention is whole in it, and that of the proxies a part, one of as many as there are frames, which are put
together by their sums of weights. Nothing is copied before, and nothing depends on the order in which programs run.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from clipvip.model.attention import BLOCK


@triton.jit
def _of_video(X, b, T, H, h, D: tl.constexpr, KINDS: tl.constexpr):  # type: ignore[no-untyped-def]
    """Where a head of a video begins in [b, t, kinds, h, d]."""
    return X + b.to(tl.int64) * T * KINDS * H * D + h * D


@triton.jit
def _lie(row, n, M, L, step, D: tl.constexpr):  # type: ignore[no-untyped-def]
    """Of a frame's rows: which there are, their tokens, and where those lie, `step` values apart."""
    token = tl.where(row < M, row, n * L + row)
    return row < M + L, token, token[:, None] * step + tl.arange(0, D)[None, :]


@triton.jit
def _masked(scores, row, col, n, M, L):  # type: ignore[no-untyped-def]
    """Patches see all of the frame's tokens; proxies its patches, and each other in the first frame alone."""
    seen = (col < M + L) & ((row >= M) | (col >= M) | (n == 0))
    return tl.where(seen, scores, float("-inf"))


@triton.jit
def _forward(  # type: ignore[no-untyped-def]
    QKV, OUT, LOGS, PART, SUM, scale, T, N, H, M, L, D: tl.constexpr, BLOCK: tl.constexpr, BLOCKS: tl.constexpr
):
    pid = tl.program_id(0) // BLOCKS
    h, n, b = pid % H, (pid // H) % N, pid // (H * N)
    QKV, OUT = _of_video(QKV, b, T, H, h, D, 3), _of_video(OUT, b, T, H, h, D, 1)
    side = tl.arange(0, D)
    row = (tl.program_id(0) % BLOCKS) * BLOCK + tl.arange(0, BLOCK)
    there, token, at = _lie(row, n, M, L, 3 * H * D, D)
    query = tl.load(QKV + at, mask=there[:, None], other=0.0)
    most, total = tl.full([BLOCK], float("-inf"), tl.float32), tl.zeros([BLOCK], tl.float32)
    mixed = tl.zeros([BLOCK, D], tl.float32)
    for block in tl.range(0, BLOCKS):
        col = block * BLOCK + tl.arange(0, BLOCK)
        is_key, _token, own = _lie(col, n, M, L, 3 * H * D, D)
        key = tl.load(QKV + H * D + own, mask=is_key[:, None], other=0.0)
        value = tl.load(QKV + 2 * H * D + own, mask=is_key[:, None], other=0.0)
        scores = _masked(tl.dot(query, tl.trans(key)) * scale, row[:, None], col[None, :], n, M, L)
        peak = tl.maximum(most, tl.max(scores, 1))  # finite from the first block on: there are fewer proxies than BLOCK
        weights, faded = tl.exp(scores - peak[:, None]), tl.exp(most - peak)
        total = total * faded + tl.sum(weights, 1)
        mixed = mixed * faded[:, None] + tl.dot(weights.to(value.dtype), value)
        most = peak
    mixed, logs = mixed / total[:, None], most + tl.log(total)
    proxy = row < M
    patch = there & (row >= M)
    tl.store(OUT + token[:, None] * (H * D) + side[None, :], mixed.to(OUT.dtype.element_ty), mask=patch[:, None])
    tl.store(LOGS + (b * H + h).to(tl.int64) * T + token, logs, mask=patch)
    part = ((b * N + n) * H + h) * M + row
    tl.store(PART + part[:, None].to(tl.int64) * D + side[None, :], mixed, mask=proxy[:, None])
    tl.store(SUM + part, logs, mask=proxy)


@triton.jit
def _backward(  # type: ignore[no-untyped-def]
    QKV, OUT, LOGS, GOUT, GQKV, PART, HELD, scale, T, N, H, M, L,
    D: tl.constexpr, BLOCK: tl.constexpr, BLOCKS: tl.constexpr,
):  # fmt: skip
    """Block after block of keys: their gradients, and what they add to those of all queries."""
    pid = tl.program_id(0)
    h, n, b = pid % H, (pid // H) % N, pid // (H * N)
    QKV, GQKV = _of_video(QKV, b, T, H, h, D, 3), _of_video(GQKV, b, T, H, h, D, 3)
    OUT, GOUT = _of_video(OUT, b, T, H, h, D, 1), _of_video(GOUT, b, T, H, h, D, 1)
    HELD = _of_video(HELD, b, T, H, h, D, 1)
    LOGS += (b * H + h).to(tl.int64) * T
    part = ((b * N + n) * 3 * H + h) * M  # of the proxies: one for each frame, [b, n, 3, h, m, d]
    PART += part.to(tl.int64) * D
    side = tl.arange(0, D)
    for block in tl.range(0, BLOCKS, disable_licm=True):  # values held for all rounds do not fit into registers
        col = block * BLOCK + tl.arange(0, BLOCK)
        is_key, _token, own = _lie(col, n, M, L, 3 * H * D, D)
        key = tl.load(QKV + H * D + own, mask=is_key[:, None], other=0.0)
        value = tl.load(QKV + 2 * H * D + own, mask=is_key[:, None], other=0.0)
        gkey, gvalue = tl.zeros([BLOCK, D], tl.float32), tl.zeros([BLOCK, D], tl.float32)
        for other in tl.range(0, BLOCKS, disable_licm=True):
            row = other * BLOCK + tl.arange(0, BLOCK)
            there, token, at = _lie(row, n, M, L, 3 * H * D, D)
            to = token[:, None] * (H * D) + side[None, :]
            query = tl.load(QKV + at, mask=there[:, None], other=0.0)
            mixed = tl.load(GOUT + to, mask=there[:, None], other=0.0)
            delta = tl.sum(mixed.to(tl.float32) * tl.load(OUT + to, mask=there[:, None], other=0.0).to(tl.float32), 1)
            logs = tl.load(LOGS + token, mask=there, other=0.0)
            scores = _masked(tl.dot(key, tl.trans(query)) * scale, row[None, :], col[:, None], n, M, L)
            weights = tl.exp(scores - logs[None, :])
            gvalue += tl.dot(weights.to(mixed.dtype), mixed)
            gscores = weights * (tl.dot(value, tl.trans(mixed)) - delta[None, :]) * scale
            gscores = gscores.to(query.dtype)
            gkey += tl.dot(gscores, query)
            gquery = tl.dot(tl.trans(gscores), key)
            _add(gquery, row, HELD + to, GQKV + at, PART + row[:, None] * D + side[None, :], M, L, block, BLOCKS)
        patch, proxy = (is_key & (col >= M))[:, None], (col < M)[:, None]
        tl.store(GQKV + H * D + own, gkey.to(GQKV.dtype.element_ty), mask=patch)
        tl.store(GQKV + 2 * H * D + own, gvalue.to(GQKV.dtype.element_ty), mask=patch)
        to_part = PART + H * M * D + col[:, None] * D + side[None, :]
        tl.store(to_part, gkey, mask=proxy)
        tl.store(to_part + H * M * D, gvalue, mask=proxy)
        if BLOCKS > 1:
            tl.debug_barrier()  # what one thread holds, another adds to


@triton.jit
def _add(found, row, HELD, TO, PART, M, L, block, BLOCKS: tl.constexpr):  # type: ignore[no-untyped-def]
    """The queries' gradients of this block of keys on top of those held; at the last, where they belong."""
    patch, proxy = ((row >= M) & (row < M + L))[:, None], (row < M)[:, None]
    if block > 0:
        found += tl.load(HELD, mask=patch, other=0.0) + tl.load(PART, mask=proxy, other=0.0)
    tl.store(PART, found, mask=proxy)
    if block < BLOCKS - 1:
        tl.store(HELD, found, mask=patch)
    else:
        tl.store(TO, found.to(TO.dtype.element_ty), mask=patch)


def _sizes(qkv: Tensor, num_heads: int, num_proxies: int, num_frames: int) -> tuple[int, ...]:
    """What both kernels are told of [b, t, 3 * h * d]: T, N, H, M, L, D, tokens and number of a frame's blocks."""
    tokens, side = qkv.shape[1], qkv.shape[2] // 3 // num_heads
    patches = (tokens - num_proxies) // num_frames
    blocks = triton.cdiv(num_proxies + patches, BLOCK)
    return tokens, num_frames, num_heads, num_proxies, patches, side, BLOCK, blocks


@torch.library.custom_op("clipvip::frame_attention", mutates_args=())
def _attended(qkv: Tensor, num_heads: int, num_proxies: int, num_frames: int) -> tuple[Tensor, Tensor]:
    """[b, t, 3 * h * d] -> [b, t, h * d], and logarithms of the sums of weights, fp32 [b, h, t]."""
    qkv = qkv.contiguous()
    sizes = _sizes(qkv, num_heads, num_proxies, num_frames)
    batch, tokens, side, blocks = len(qkv), qkv.shape[1], sizes[-3], sizes[-1]
    out = qkv.new_empty(batch, tokens, num_heads, side)
    logs = qkv.new_empty(batch, num_heads, tokens, dtype=torch.float32)
    parts = logs.new_empty(batch, num_frames, num_heads, num_proxies, side)
    sums = logs.new_empty(parts.shape[:-1])
    _forward[(batch * num_frames * num_heads * blocks,)](qkv, out, logs, parts, sums, side**-0.5, *sizes, num_stages=1)
    whole = sums.logsumexp(dim=1)
    mixed = (parts * (sums - whole[:, None]).exp()[..., None]).sum(dim=1)
    out[:, :num_proxies] = mixed.transpose(1, 2).to(out.dtype)
    logs[..., :num_proxies] = whole
    return out.flatten(2), logs


@_attended.register_fake
def _(qkv: Tensor, num_heads: int, num_proxies: int, num_frames: int) -> tuple[Tensor, Tensor]:
    batch, tokens, width = qkv.shape
    return qkv.new_empty(batch, tokens, width // 3), qkv.new_empty(batch, num_heads, tokens, dtype=torch.float32)


@torch.library.custom_op("clipvip::frame_attention_backward", mutates_args=())
def _returned(
    gradient: Tensor, qkv: Tensor, out: Tensor, logs: Tensor, num_heads: int, num_proxies: int, num_frames: int
) -> Tensor:
    qkv, gradient = qkv.contiguous(), gradient.to(qkv.dtype).contiguous()
    sizes = _sizes(qkv, num_heads, num_proxies, num_frames)
    batch, side, blocks = len(qkv), sizes[-3], sizes[-1]
    found = torch.empty_like(qkv)
    parts = logs.new_empty(batch, num_frames, 3, num_heads, num_proxies, side)
    held = logs.new_empty(out.shape) if blocks > 1 else parts  # a single block holds nothing
    grid = (batch * num_frames * num_heads,)
    _backward[grid](qkv, out, logs, gradient, found, parts, held, side**-0.5, *sizes, num_stages=1)
    proxies = parts.sum(dim=1).permute(0, 3, 1, 2, 4).flatten(2)  # b m (3 h d)
    found[:, :num_proxies] = proxies.to(found.dtype)
    return found


@_returned.register_fake
def _(
    gradient: Tensor, qkv: Tensor, out: Tensor, logs: Tensor, num_heads: int, num_proxies: int, num_frames: int
) -> Tensor:
    return torch.empty_like(qkv, memory_format=torch.contiguous_format)


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    qkv, *ctx.sizes = inputs
    ctx.save_for_backward(qkv, *output)


def _gradient(ctx, gradient, _):  # type: ignore[no-untyped-def]
    qkv, out, logs = ctx.saved_tensors
    return _returned(gradient, qkv, out, logs, *ctx.sizes), None, None, None


torch.library.register_autograd("clipvip::frame_attention", _gradient, setup_context=_keep)


def frame_attention(qkv: Tensor, *, num_heads: int, num_proxies: int, num_frames: int) -> Tensor:
    """`attention.proxy_attention` of queries, keys and values as one product leaves them.

    [batch, tokens, 3 * width] -> [batch, tokens, width]. The tokens are M proxies and N * L patches: M < 64, and
    M + L <= 256, or 64 where a head has 128 values.
    """
    attended: Tensor = _attended(qkv, num_heads, num_proxies, num_frames)[0]
    return attended
