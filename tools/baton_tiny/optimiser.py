"""Muon for the weight matrices, AdamW for embeddings and norms."""

from collections import defaultdict

import torch
from torch import Tensor, nn


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Newton-Schulz iteration towards the nearest orthogonal matrices, [n, rows, columns]."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised; matrices of one shape go together.

    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
    """

    def __init__(self, matrices: list[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for weight in group["params"]:
                by_shape[tuple(weight.shape)].append(weight)
            for (rows, columns), weights in by_shape.items():
                updates = torch.stack([self._momentum(w, group["momentum"]) for w in weights])
                scale = group["lr"] * max(1.0, rows / columns) ** 0.5
                for weight, update in zip(weights, orthogonalise(updates), strict=True):
                    weight.add_(update, alpha=-scale)

    def _momentum(self, weight: nn.Parameter, momentum: float) -> Tensor:
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].lerp_(weight.grad, 1 - momentum)
        return weight.grad.lerp(state["momentum"], momentum)


def make_optimisers(model: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon and AdamW with their peak learning rates; `set_lr` scales them."""
    matrices = [w for n, w in model.named_parameters() if w.dim() == 2 and "embed" not in n]
    rest = [w for n, w in model.named_parameters() if w.dim() < 2 or "embed" in n]
    optimisers = [
        Muon(matrices, lr=0.02),
        torch.optim.AdamW(rest, lr=0.004, betas=(0.9, 0.97), eps=1e-10, weight_decay=0.0),
    ]
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["peak_lr"] = group["lr"]
    return optimisers


def set_lr(optimisers: list[torch.optim.Optimizer], factor: float) -> None:
    """Sets every learning rate to `factor` times its peak."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = group["peak_lr"] * factor
