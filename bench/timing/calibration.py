"""A fixed workload to hold times against: what a slower machine or moment slows down alike.

It is made of what denoisers are made of. A matrix product, which is the usual choice, keeps its
speed where other programs crowd the caches, while a denoiser loses a third of its own.
"""

import time
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from denoisebench.bench.generate.probes import synchronise

VERSION = 3  # raise it when the workload changes: its times are other times then
_CHANNELS, _HEADS, _DEPTH = 128, 4, 12  # about 8 million weights, which no inner cache holds
# Of the state: long enough to time, short beside an image.
_SIDES = {"cpu": 4, "cuda": 64, "mps": 64}
_TOKENS, _SAMPLES = 16, 2  # of a prompt, of a guided evaluation
_WARMUP = 3  # passes


class _Block(nn.Module):
    """A residual block and a transformer block, as in a U-Net with cross-attention."""

    def __init__(self) -> None:
        super().__init__()
        width = _CHANNELS
        self.norms = nn.ModuleList(nn.GroupNorm(16, width) for _ in range(3))
        self.convolutions = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.time = nn.Linear(width, width)
        self.layer_norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.queries = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.keys = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.values = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.outputs = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.gate, self.down = nn.Linear(width, 8 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor, when: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        hidden = self.convolutions[0](functional.silu(self.norms[0](x)))
        hidden = hidden + self.time(functional.silu(when))[:, :, None, None]
        x = x + self.convolutions[1](functional.silu(self.norms[1](hidden)))
        tokens: torch.Tensor = self.norms[2](x).flatten(2).transpose(1, 2)
        for place in range(2):  # to itself, then to the prompt
            normal = self.layer_norms[place](tokens)
            tokens = tokens + self._attend(place, normal, text if place else normal)
        value, gate = self.gate(self.layer_norms[2](tokens)).chunk(2, dim=-1)
        tokens = tokens + self.down(value * functional.gelu(gate))
        return x + tokens.transpose(1, 2).reshape(x.shape)

    def _attend(self, place: int, tokens: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        def heads(linear: nn.Module, of: torch.Tensor) -> torch.Tensor:
            split: torch.Tensor = linear(of).unflatten(2, (_HEADS, -1)).transpose(1, 2)
            return split

        query = heads(self.queries[place], tokens)
        key, value = heads(self.keys[place], text), heads(self.values[place], text)
        attention = functional.scaled_dot_product_attention(query, key, value)
        attended: torch.Tensor = self.outputs[place](attention.transpose(1, 2).flatten(2))
        return attended


class Workload(Protocol):
    def __call__(self, at_least_s: float = 0.0) -> float:
        """Mean seconds of one pass, of as many passes as take at_least_s, and one at the least."""


def calibration(device: torch.device) -> Workload:
    """The workload on a device, warmed up."""
    side = _SIDES[device.type]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        blocks = nn.ModuleList(_Block() for _ in range(_DEPTH)).to(device).eval()
        state = torch.randn(_SAMPLES, _CHANNELS, side, side).to(device)
        time_embedding = torch.randn(_SAMPLES, _CHANNELS).to(device)
        text = torch.randn(_SAMPLES, _TOKENS, _CHANNELS).to(device)

    def once() -> None:
        x = state
        for block in blocks:
            x = block(x, time_embedding, text)
        synchronise(device)

    @torch.inference_mode()
    def timed(at_least_s: float = 0.0) -> float:
        synchronise(device)
        start, passes, spent = time.perf_counter(), 0, 0.0
        while not passes or spent < at_least_s:
            once()
            passes, spent = passes + 1, time.perf_counter() - start
        return spent / passes

    for _ in range(_WARMUP):
        timed()
    return timed
