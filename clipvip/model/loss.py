"""The training objective: one InfoNCE, summed over the terms of an objective (paper section 3.3). Pure."""

from collections.abc import Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def omnisource_loss(
    embeddings: Mapping[str, Float[Tensor, "batch dim"]],
    terms: Iterable[Mapping[str, Sequence[str]]],
    logit_scale: Float[Tensor, ""],
    *,
    present: Mapping[str, Bool[Tensor, " batch"]] | None = None,
) -> Float[Tensor, ""]:
    """The sum of all cross entropies that `terms` name, over in-batch negatives.

    `embeddings`: rows of length one by role (video, subtitle, frame, caption); row i of each belongs to clip i.
    `terms`: {"video": ["subtitle", "caption"]} is video <-> {subtitle, caption}: each text finds its video; the video
    finds each of its texts among the texts of all clips, its own other texts left out of the denominator.
    `logit_scale`: logarithm of the factor on the similarities; clamping it is the caller's business.
    `present`: which rows have this role (all, where not said). A row that lacks one is left out of the cross
    entropies that need it, as positive and as negative; each averages over its remaining rows, and is 0 with none.

    Computed in at least single precision, whatever autocast says. Raises ValueError for a role without embeddings.

    Example: video <-> {subtitle, caption} plus frame <-> caption, the objective of the released models.
        >>> rows = {role: torch.eye(4) for role in ("video", "subtitle", "frame", "caption")}
        >>> loss = omnisource_loss(rows, clipvip.OBJECTIVES["d"], torch.tensor(0.0))
        >>> round(loss.item(), 2)
        5.31
    """
    pairs = [(anchor, others) for term in terms for anchor, others in term.items()]
    if missing := {role for anchor, others in pairs for role in (anchor, *others)} - set(embeddings):
        raise ValueError(f"the objective needs {sorted(missing)}; embeddings are given for {sorted(embeddings)}")
    with torch.autocast(logit_scale.device.type, enabled=False):
        scale = _precise(logit_scale).exp()
        vectors = {role: _precise(rows) for role, rows in embeddings.items()}
        losses = [_term(anchor, others, vectors, scale, present or {}) for anchor, others in pairs]
        return torch.stack(losses).sum()


def _precise(values: Tensor) -> Tensor:
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _term(
    anchor: str, others: Sequence[str], vectors: Mapping[str, Tensor], scale: Tensor, present: Mapping[str, Tensor]
) -> Tensor:
    """anchor <-> {others}: both directions for every positive."""
    rows = {other: _rows_of(anchor, other, vectors, present) for other in others}
    loss = scale.new_zeros(())
    for positive, kept in rows.items():
        queries = vectors[anchor][kept]
        similar = scale * queries @ vectors[positive][kept].T
        choices = [similar]
        for other in others:
            if other != positive:
                negatives = scale * queries @ vectors[other][rows[other]].T
                own = kept[:, None] == rows[other][None, :]
                choices.append(negatives.masked_fill(own, -torch.inf))
        target = torch.arange(len(kept), device=kept.device)
        there = F.cross_entropy(torch.cat(choices, dim=1), target, reduction="sum")
        back = F.cross_entropy(similar.T, target, reduction="sum")
        loss = loss + (there + back) / max(len(kept), 1)
    return loss


def _rows_of(anchor: str, other: str, vectors: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
    """Indices of the rows that have both roles."""
    device = vectors[anchor].device
    has = torch.ones(len(vectors[anchor]), dtype=torch.bool, device=device)
    if anchor not in present and other not in present:
        return torch.arange(len(has), device=device)  # says no more than `nonzero` would, without waiting for it
    for role in (anchor, other):
        has = has & present[role] if role in present else has
    return has.nonzero()[:, 0]
