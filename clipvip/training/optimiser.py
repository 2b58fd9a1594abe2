"""AdamW as the settings say: what is decayed, how fast the temperature learns, where epsilon is added."""

import math
from typing import Any

import torch
from torch import nn

from clipvip.config.learning import OptimSettings
from clipvip.model.clip_vip import ClipVip
from clipvip.model.model_folder import OWN

TOKENS = (*OWN, "class_embedding", "probe")  # learnt tokens, and the query of SigLIP's head
TEMPERATURE = "logit_scale"


def param_groups(model: ClipVip, settings: OptimSettings) -> list[dict[str, Any]]:
    """AdamW groups: decayed, undecayed and, where it has a rate of its own, the temperature.

    Undecayed are biases, layer norms, all proxies (CLIP's class embedding is the first), the temporal embedding and
    the temperature; decayed are the matrices, the patch kernel, and token and position embeddings. `decay_all` is
    the authors' code: biases and the temperature alone escape.
    """
    norms = {id(p) for part in model.modules() if isinstance(part, nn.LayerNorm) for p in part.parameters()}
    groups: tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]] = ([], [], [])
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name == TEMPERATURE and settings.temperature_lr != 1:
            groups[2].append(parameter)
            continue
        free = name.endswith("bias") or name == TEMPERATURE
        if not settings.decay_all:
            free |= id(parameter) in norms or name.rpartition(".")[2] in TOKENS
        groups[free].append(parameter)
    found: list[dict[str, Any]] = [{"params": groups[0], "weight_decay": settings.weight_decay}]
    found.append({"params": groups[1], "weight_decay": 0.0})
    if groups[2]:
        found.append({"params": groups[2], "weight_decay": 0.0, "factor": settings.temperature_lr})
    return found


def adamw(model: ClipVip, settings: OptimSettings) -> torch.optim.AdamW:
    """A fresh optimiser."""
    groups = param_groups(model, settings)
    return torch.optim.AdamW(groups, lr=settings.lr, betas=settings.betas, eps=settings.eps, fused=True)


def prepare(optimiser: torch.optim.Optimizer, settings: OptimSettings, lr: float, step: int) -> None:
    """Rates, and the epsilon, of a step (0-based).

    m / (sqrt(v) + e) times sqrt(1 - b2^t) is torch's update with e / sqrt(1 - b2^t) in place of e. A step that a
    gradient scaler skips is counted here and not by AdamW itself.
    """
    for group in optimiser.param_groups:
        group["lr"] = lr * group.get("factor", 1.0)
        if settings.eps_uncorrected:
            group["eps"] = settings.eps / math.sqrt(1 - settings.betas[1] ** (step + 1))
