"""The training loop that every network of the zoo shares: seeded, resumable, CPU or GPU.

Everything random in step s comes from a generator seeded by (seed, s), so a run that was
interrupted and resumed sees the same data as one that was not. Checkpoints are safetensors.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from denoisebench.bench.paths import write_atomically

CHECKPOINTS = Path("zoo/checkpoints")


@dataclass(frozen=True)
class Recipe:
    """What a training run is, apart from the network and its loss."""

    name: str
    steps: int
    batch_size: int
    learning_rate: float
    seed: int
    ema_decay: float = 0.999
    warmup_steps: int = 200
    horizon: int = 0  # steps of the half cosine of the learning rate, 0: all; a run may end before
    cooldown_steps: int = 0  # at the end, a line to zero over what the cosine leaves
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    checkpoint_every: int = 250
    sheet_every: int = 1000
    details: dict[str, float] = field(default_factory=dict)  # of this network's data and loss


Loss = Callable[[nn.Module, torch.Generator, int], Tensor]
Sheet = Callable[[nn.Module, Path], None]
Optimizers = Callable[[Recipe, nn.Module], list[Optimizer]]


def adamw(recipe: Recipe, network: nn.Module) -> list[Optimizer]:
    weights = network.parameters()
    return [AdamW(weights, recipe.learning_rate, weight_decay=recipe.weight_decay)]


def fit(
    recipe: Recipe,
    network: nn.Module,
    loss: Loss,
    *,
    device: str,
    sheet: Sheet,
    optimizers: Optimizers = adamw,
    until: int | None = None,
) -> nn.Module:
    """Trains network and returns its exponential moving average, resuming where it stopped.

    loss(network, generator, step) is the scalar to descend; sheet(network, path) draws what
    the network can do by now; until is the step to stop at, None for the last one.
    """
    folder = CHECKPOINTS / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    network.to(device).train()
    average = AveragedModel(
        network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema_decay), use_buffers=True
    )
    descent = optimizers(recipe, network)
    step = _resume(recipe, folder, network, average=average.module, optimizers=descent)
    average.n_averaged.fill_(step)  # zero would make the next update copy the network
    started, first, smooth = time.monotonic(), step, None
    end = min(until or recipe.steps, recipe.steps)
    while step < end:
        value = _update(recipe, network, average, optimizers=descent, loss=loss, step=step)
        smooth = value if smooth is None else 0.98 * smooth + 0.02 * value
        step += 1
        if step % 50 == 0:
            _report(
                recipe,
                folder,
                step,
                value=smooth,
                step_s=(time.monotonic() - started) / (step - first),
            )
        if step % recipe.checkpoint_every == 0 or step == end:
            _save(recipe, folder, step, network=network, average=average.module, optimizers=descent)
        if step % recipe.sheet_every == 0 or step == recipe.steps:
            _restore_masks(average.module, network)
            sheet(average.module.eval(), folder / f"sheet_{step:06d}.png")
    return average.module.eval()


def _restore_masks(average: nn.Module, network: nn.Module) -> None:
    """An attention mask holds -inf, whose running average is nan."""
    for averaged, latest in zip(average.buffers(), network.buffers(), strict=True):
        if not latest.isfinite().all():
            averaged.copy_(latest)


def step_generator(seed: int, step: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed << 32) + step)


def describe(recipe: Recipe) -> dict:
    """What a model card says of the run: the recipe and the loss as logged."""
    log = [json.loads(line) for line in (CHECKPOINTS / recipe.name / "log.jsonl").open()]
    return {**asdict(recipe), "losses": {row["step"]: row["loss"] for row in log}}


def _update(recipe, network, average, *, optimizers: list[Optimizer], loss, step) -> float:
    value = loss(network, step_generator(recipe.seed, step), step)
    network.zero_grad(set_to_none=True)
    value.backward()
    nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("peak", group["lr"]) * _schedule(recipe, step)
        optimizer.step()
    average.update_parameters(network)
    # The plain average of AveragedModel's first update would keep the untrained weights.
    if step < recipe.warmup_steps:
        average.module.load_state_dict(network.state_dict())
    return float(value.detach())


def _schedule(recipe: Recipe, step: int) -> float:
    """Linear warm-up, half a cosine to 2 % of the peak, and a linear cool-down."""
    progress = step / (recipe.horizon or recipe.steps)
    warm = min(1, (step + 1) / recipe.warmup_steps)
    cool = min(1, (recipe.steps - step) / recipe.cooldown_steps) if recipe.cooldown_steps else 1
    return warm * cool * (0.02 + 0.49 * (1 + math.cos(math.pi * progress)))


def _report(recipe: Recipe, folder: Path, step: int, *, value: float, step_s: float) -> None:
    left = (recipe.steps - step) * step_s / 60
    print(
        f"{recipe.name} {step}/{recipe.steps} loss {value:.5f} "
        f"{step_s:.3f} s/step {left:.1f} min left",
        flush=True,
    )
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps({"step": step, "loss": round(value, 6)}) + "\n")


def _save(recipe, folder: Path, step: int, *, network, average, optimizers) -> None:
    """One file, replaced whole: weights, average, optimizers, and whose and which step they are."""
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    for name, weight in network.named_parameters():
        for state in (optimizer.state.get(weight, {}) for optimizer in optimizers):
            tensors |= {f"optimizer.{name}.{key}": value for key, value in state.items()}
    content = save(
        {k: v.contiguous().cpu().clone() for k, v in tensors.items()},
        {"step": str(step), "recipe": _identity(recipe)},
    )
    write_atomically(folder / "checkpoint.safetensors", content)


def _resume(recipe: Recipe, folder: Path, network, *, average, optimizers) -> int:
    """Loads the last checkpoint if there is one; returns the number of steps done.

    Raises SystemExit for a checkpoint of another recipe: going on would be a run of neither.
    """
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        (folder / "log.jsonl").unlink(missing_ok=True)
        return 0
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    if metadata["recipe"] != _identity(recipe):
        raise SystemExit(f"{path} was trained by another recipe: move {folder} away to start anew")
    tensors = load_file(path)
    network.load_state_dict(_under("network.", tensors))
    average.load_state_dict(_under("average.", tensors))
    for name, weight in network.named_parameters():
        state = _under(f"optimizer.{name}.", tensors)
        for optimizer in optimizers:
            if any(
                weight is param for group in optimizer.param_groups for param in group["params"]
            ):
                optimizer.state[weight] = {
                    key: value if key == "step" else value.to(weight)
                    for key, value in state.items()
                }
    return int(metadata["step"])


def _identity(recipe: Recipe) -> str:
    return json.dumps(asdict(recipe), sort_keys=True)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
