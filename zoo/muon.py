"""Muon (Jordan et al., 2024) for many small matrices: those of one shape are one batch.

torch.optim.Muon takes them one by one, which on a CPU costs half as much as the rest of a step.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic Newton-Schulz iteration
_ITERATIONS = 5
_ADAM_RMS = 0.2  # an update's root mean square per unit of learning rate, as Adam's typically is


class Muon(Optimizer):
    """Momentum, orthogonalised, scaled to Adam's typical size (Liu et al., 2025)."""

    def __init__(
        self, matrices: Iterable[Tensor], lr: float, weight_decay: float, *, momentum: float = 0.95
    ):
        settings = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(matrices, settings)

    @torch.no_grad()
    def step(self, closure: Callable | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for matrices in _by_shape(group["params"]).values():
                self._step_together(matrices, group)

    def _step_together(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        """One step of matrices of one shape."""
        gradients = torch.stack([matrix.grad for matrix in matrices if matrix.grad is not None])
        moved = [
            self.state[matrix].setdefault("momentum_buffer", torch.zeros_like(matrix))
            for matrix in matrices
        ]
        for average, gradient in zip(moved, gradients, strict=True):
            average.lerp_(gradient, 1 - group["momentum"])
        ahead = gradients.lerp(torch.stack(moved), group["momentum"])  # Nesterov's
        rate = group["lr"] * _ADAM_RMS * max(matrices[0].shape) ** 0.5
        for matrix, update in zip(matrices, orthogonalised(ahead), strict=True):
            matrix.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=rate)


def orthogonalised(matrices: Tensor) -> Tensor:
    """The [N, rows, columns] orthogonal factors, roughly: singular values between 0.7 and 1.2."""
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


def _by_shape(matrices: Iterable[Tensor]) -> dict[torch.Size, list[Tensor]]:
    shapes: dict[torch.Size, list[Tensor]] = defaultdict(list)
    for matrix in matrices:
        if matrix.grad is not None:
            shapes[matrix.shape].append(matrix)
    return shapes
