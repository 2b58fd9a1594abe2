"""The objective against loops written from its formulas."""

import math
from collections.abc import Mapping, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from clipvip.config.stages import OBJECTIVES
from clipvip.model.loss import omnisource_loss

ROLES = ("video", "subtitle", "frame", "caption")


def slow_loss(
    vectors: Mapping[str, Tensor],
    terms: Sequence[Mapping[str, Sequence[str]]],
    logit_scale: Tensor,
    present: Mapping[str, Sequence[bool]],
) -> Tensor:
    """One exponential at a time."""
    count = len(vectors["video"])

    def e(a: str, i: int, b: str, j: int) -> Tensor:
        return (vectors[a][i].dot(vectors[b][j]) * logit_scale.exp()).exp()

    total = torch.zeros((), dtype=torch.float64)
    for term in terms:
        for anchor, others in term.items():
            has = {o: [i for i in range(count) if present[anchor][i] and present[o][i]] for o in others}
            for positive in others:
                from_text, from_anchor = [], []
                for i in has[positive]:
                    own = e(anchor, i, positive, i)
                    from_text.append(-(own / sum(e(anchor, j, positive, i) for j in has[positive])).log())
                    negatives = [e(anchor, i, other, j) for other in others for j in has[other] if j != i]
                    from_anchor.append(-(own / (own + sum(negatives))).log())
                for losses in (from_text, from_anchor):
                    total = total + (sum(losses) / len(losses) if losses else 0.0)
    return total


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(sorted(OBJECTIVES)),
    count=st.integers(1, 6),
    seed=st.integers(0, 2**31),
    absent=st.sampled_from([(), ("caption",), ("subtitle", "caption")]),
)
def test_equals_the_loops_with_gradients(name: str, count: int, seed: int, absent: tuple[str, ...]) -> None:
    generator = torch.Generator().manual_seed(seed)
    raw = {role: torch.randn(count, 5, generator=generator, dtype=torch.float64) for role in ROLES}
    present = {role: torch.rand(count, generator=generator) < 0.6 for role in absent}
    everywhere = {role: present.get(role, torch.ones(count, dtype=torch.bool)).tolist() for role in ROLES}
    results = []
    for slow in (False, True):
        leaves = {role: rows.clone().requires_grad_() for role, rows in raw.items()}
        scale = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
        vectors = {role: torch.nn.functional.normalize(rows, dim=-1) for role, rows in leaves.items()}
        if slow:
            loss = slow_loss(vectors, OBJECTIVES[name], scale, everywhere)
        else:
            loss = omnisource_loss(vectors, OBJECTIVES[name], scale, present=present)
        wanted = [*leaves.values(), scale]
        gradients: Sequence[Tensor | None] = [None] * len(wanted)
        if loss.requires_grad:  # the loops touch nothing where no row has its text
            gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
        filled = [torch.zeros_like(w) if g is None else g for w, g in zip(wanted, gradients, strict=True)]
        results.append([loss.detach(), *filled])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_all_equal_embeddings_cost_the_logarithm_of_the_choices() -> None:
    same = torch.ones(4, 1)
    vectors = dict.fromkeys(ROLES, same)
    scale = torch.tensor(3.0)
    assert omnisource_loss(vectors, OBJECTIVES["subtitle"], scale).item() == pytest.approx(2 * math.log(4))
    # (d): four cross entropies over 4 choices, two over the own text and 3 + 3 negatives
    assert omnisource_loss(vectors, OBJECTIVES["d"], scale).item() == pytest.approx(4 * math.log(4) + 2 * math.log(7))


def test_lists_and_tuples_are_the_same_terms() -> None:
    vectors = {role: torch.nn.functional.normalize(torch.randn(3, 4), dim=-1) for role in ROLES}
    listed = [{"video": ["subtitle", "caption"]}, {"frame": ["caption"]}]
    scale = torch.tensor(2.0)
    assert torch.equal(omnisource_loss(vectors, listed, scale), omnisource_loss(vectors, OBJECTIVES["d"], scale))


def test_a_batch_without_any_caption_costs_nothing_and_keeps_the_graph() -> None:
    vectors = {role: torch.nn.functional.normalize(torch.randn(3, 4), dim=-1).requires_grad_() for role in ROLES}
    present = {"caption": torch.zeros(3, dtype=torch.bool)}
    loss = omnisource_loss(vectors, OBJECTIVES["caption"], torch.tensor(2.0), present=present)
    loss.backward()
    assert loss.item() == 0
    assert vectors["video"].grad.abs().sum() == 0


def test_half_precision_is_computed_in_single() -> None:
    vectors = {role: torch.nn.functional.normalize(torch.randn(8, 4), dim=-1) for role in ROLES}
    scale = torch.tensor(4.0)
    wanted = omnisource_loss(vectors, OBJECTIVES["d"], scale)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(omnisource_loss(vectors, OBJECTIVES["d"], scale), wanted)


def test_a_role_without_embeddings_is_named() -> None:
    with pytest.raises(ValueError, match=r"needs \['caption'\]; embeddings are given for \['video'\]"):
        omnisource_loss({"video": torch.ones(2, 2)}, OBJECTIVES["caption"], torch.tensor(1.0))
