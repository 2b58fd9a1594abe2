"""The gradient of a large batch in the memory of a small one: cached-gradient micro-batches (paper section 4.1 trains
with 1,024 clips a step, and contrastive learning needs them all in one loss).

Embed all micro-batches without graph; the loss over the whole batch, and its gradient to the embeddings; then each
micro-batch again with graph, its cached gradient sent through. The encoders run forward twice; what is kept for the
backward pass is one micro-batch's.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from clipvip.data.batches import Batch

Embeddings = dict[str, Tensor]


def backward(
    encode: Callable[[Batch], Embeddings],
    loss_of: Callable[[Embeddings], Tensor],
    batch: Batch,
    micro_batch: int | None,
    scale: Callable[[Tensor], Tensor],
) -> Tensor:
    """Adds the gradient of `scale(loss)` to the parameters; the loss, detached.

    `encode` gives embeddings by role, a row for a clip; autocast is its own business. `micro_batch` clips keep
    their graph at a time; None keeps the whole batch's. Random choices of the first pass are made again in the second.
    """
    if micro_batch is None or micro_batch >= len(batch.video):
        loss = loss_of(encode(batch))
        scale(loss).backward()
        return loss.detach()
    parts = batch.split(micro_batch)
    states, found = [], []
    with torch.no_grad():
        for part in parts:
            states.append(_random_state(part))
            found.append(encode(part))
    whole = {role: torch.cat([each[role] for each in found]).requires_grad_() for role in found[0]}
    loss = loss_of(whole)
    scale(loss).backward()
    cached = {role: rows.grad.split(micro_batch) for role, rows in whole.items() if rows.grad is not None}
    for place, (part, state) in enumerate(zip(parts, states, strict=True)):
        _set_random_state(part, state)
        embeddings = encode(part)
        torch.autograd.backward([embeddings[role] for role in cached], [each[place] for each in cached.values()])
    return loss.detach()


def _random_state(part: Batch) -> tuple[Tensor, Tensor | None]:
    device = part.video.device
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def _set_random_state(part: Batch, state: tuple[Tensor, Tensor | None]) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], part.video.device)
