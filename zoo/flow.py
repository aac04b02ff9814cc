"""Trains shapes-flow: a rectified-flow transformer, Stable Diffusion 3 in small, on latents.

Its text encoders are those of shapes-ddpm, frozen, and its targets are mostly the velocities that
shapes-ddpm's denoiser sees: a mean over all scenes that fit, where a scene's own velocity is one
draw from them. So a transformer learns shapes within the hour.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from denoisebench.bench.shapes.world import captions
from zoo.data import SHAPES
from zoo.generators import (
    CAPTION_DROPOUT,
    LATENT,
    SCENES,
    CaptionedLatents,
    captioned_latents,
    sample_sheet,
    trained_vae,
    training_scenes,
)
from zoo.muon import Muon
from zoo.teacher import FOLDERS, Teacher, spread
from zoo.training import CHECKPOINTS, Recipe, describe, fit
from zoo.vocabulary import tokenizer

TAUGHT = 0.8  # share of the teacher's velocity in a target
TAUGHT_SIGMAS = (0.03, 0.9)  # outside, the teacher's noise schedule ends or its velocity is coarse
MUON_RATE = 4.0  # times the learning rate of the rest
WIDTH, HEADS, LAYERS = 128, 4, 6
RECIPE = Recipe(
    "flow",
    steps=4500,
    horizon=6000,
    cooldown_steps=900,
    batch_size=32,
    learning_rate=2e-3,
    seed=23,
    details={
        "scenes": SCENES,
        "caption_dropout": CAPTION_DROPOUT,
        "taught": TAUGHT,
        "muon_rate": MUON_RATE,
    },
)
# A warm restart (Loshchilov & Hutter, 2017), from the average of the weights.
RESTART = Recipe(
    "flow-restart",
    steps=900,
    batch_size=32,
    learning_rate=1e-3,
    seed=31,
    ema_decay=0.99,
    warmup_steps=50,
    details=RECIPE.details,
)


def scheduler() -> FlowMatchEulerDiscreteScheduler:
    """The straight path from noise to data, no shift: the latents are small."""
    return FlowMatchEulerDiscreteScheduler(shift=1.0)


def text_encoders() -> list[CLIPTextModelWithProjection]:
    """shapes-ddpm's encoder, and its first layer alone: what SD3 reads of that are the words."""
    whole = CLIPTextModel.from_pretrained(FOLDERS["shapes"], subfolder="text_encoder")
    return [_projected(whole, whole.config.num_hidden_layers), _projected(whole, 1)]


def _projected(encoder: CLIPTextModel, layers: int) -> CLIPTextModelWithProjection:
    """The first layers of an encoder in the form that SD3 wants, the projection an identity."""
    config = type(encoder.config)(**{**encoder.config.to_dict(), "num_hidden_layers": layers})
    projected = CLIPTextModelWithProjection(config).eval().requires_grad_(False)
    kept = projected.text_model.state_dict().keys()
    state = {name: tensor for name, tensor in encoder.state_dict().items() if name in kept}
    projected.text_model.load_state_dict(state)
    nn.init.eye_(projected.text_projection.weight)
    return projected


@torch.no_grad()
def embed(encoders: list[CLIPTextModelWithProjection], tokens: Tensor) -> tuple[Tensor, ...]:
    """What StableDiffusion3Pipeline makes of tokens with max_sequence_length=0: the sequence
    [N, tokens, D] and the pooled [N, D]; then the sequence [N, tokens, D / 2] for the teacher."""
    outputs = [encoder(tokens, output_hidden_states=True) for encoder in encoders]
    sequence = torch.cat([output.hidden_states[-2] for output in outputs], -1)
    pooled = torch.cat([output.text_embeds for output in outputs], -1)
    return sequence, pooled, outputs[0].last_hidden_state


def build_transformer(sequence: Tensor, pooled: Tensor) -> SD3Transformer2DModel:
    """An untrained network whose blocks are the identity (adaLN-Zero, Peebles & Xie, 2023).

    sequence [N, tokens, D], pooled [N, D]: examples of what embed returns, whose scale it undoes.
    """
    channels, side, _ = LATENT
    network = SD3Transformer2DModel(
        sample_size=side,
        patch_size=1,
        in_channels=channels,
        out_channels=channels,
        num_layers=LAYERS,
        attention_head_dim=WIDTH // HEADS,
        num_attention_heads=HEADS,
        joint_attention_dim=sequence.shape[-1],
        caption_projection_dim=WIDTH,
        pooled_projection_dim=pooled.shape[-1],
        pos_embed_max_size=side,
        qk_norm="rms_norm",
    )
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    blocks = network.transformer_blocks
    silent = [b.norm1.linear for b in blocks] + [b.norm1_context.linear for b in blocks]
    for module in (*silent, network.norm_out.linear, network.proj_out):
        nn.init.zeros_(module.weight)
    _standardise(network.context_embedder, sequence[:, 1:].flatten(0, 1))  # all start alike
    _standardise(network.time_text_embed.text_embedder.linear_1, pooled)
    # A buffer in diffusers; what is learned of it is saved and loaded under the same name.
    network.pos_embed.pos_embed = nn.Parameter(_positions(side))
    return network


@torch.no_grad()
def _standardise(layer: nn.Linear, inputs: Tensor) -> None:
    """Makes the untrained layer see inputs [N, D] of mean 0 and deviation about 1."""
    layer.weight.div_(inputs.std(0) + 0.01)
    layer.bias.sub_(layer.weight @ inputs.mean(0))


def _positions(side: int) -> Tensor:
    """Waves [1, side * side, WIDTH] along x and y, up to the grid's own frequency."""
    count = WIDTH // 4
    frequency = math.pi * torch.arange(1, count + 1) / count
    phase = torch.arange(side)[:, None] * frequency
    waves = torch.cat([phase.sin(), phase.cos()], 1)
    along_x = waves[None].expand(side, -1, -1)
    along_y = waves[:, None].expand(-1, side, -1)
    return torch.cat([along_x, along_y], 2).reshape(1, side * side, WIDTH)


def muon_and_adamw(recipe: Recipe, network: nn.Module) -> list[Optimizer]:
    """Muon for the matrices of the blocks, AdamW for what goes in and out and for vectors."""
    blocks = {w for w in network.transformer_blocks.parameters() if w.ndim == 2}
    matrices = [weight for weight in network.parameters() if weight in blocks]
    rest = [weight for weight in network.parameters() if weight not in blocks]
    decay = recipe.weight_decay
    adamw = AdamW(rest, recipe.learning_rate, (0.9, 0.95), weight_decay=decay, fused=True)
    return [Muon(matrices, MUON_RATE * recipe.learning_rate, decay), adamw]


def train(device: str) -> Path:
    """Trains (or resumes) and saves the pipeline; returns its folder."""
    words, vae, teacher = (
        tokenizer(SHAPES.words),
        trained_vae(SHAPES, device),
        Teacher.load(FOLDERS["shapes"], device),
    )
    vae.register_to_config(shift_factor=0.0)  # SD3's pipeline adds it, None or not
    encoders = [encoder.to(device) for encoder in text_encoders()]
    data = captioned_latents(SHAPES, vae, words, captions=captions(training_scenes()))

    def loss(network: nn.Module, generator: torch.Generator, step: int) -> Tensor:
        return _loss(network, data, encoders, teacher=teacher, generator=generator)

    def sheet(network: nn.Module, path: Path) -> None:
        pipeline = assemble(network, vae, encoders, words=words)
        call = {"num_inference_steps": 28, "guidance_scale": 4.0, "max_sequence_length": 0}
        sample_sheet(SHAPES, pipeline, path, height=32, width=32, **call)

    torch.manual_seed(RECIPE.seed)
    network = build_transformer(*(e.cpu() for e in embed(encoders, data.tokens[:512])[:2]))
    for recipe in (RECIPE, RESTART):
        network = fit(recipe, network, loss, device=device, sheet=sheet, optimizers=muon_and_adamw)
    out = CHECKPOINTS / "flow" / "final"
    assemble(network, vae, encoders, words=words).to("cpu").save_pretrained(out)
    (out / "training.json").write_text(json.dumps(_record(), indent=1))
    return out


def _record() -> dict:
    """Record of both runs: the recipe, what the restart changes, and the losses in one row."""
    record, again = describe(RECIPE), describe(RESTART)
    losses = {int(step) + RECIPE.steps: loss for step, loss in again.pop("losses").items()}
    changed = {name: value for name, value in again.items() if value != record[name]}
    return {**record, "restart": changed, "losses": {**record["losses"], **losses}}


def _loss(
    network: nn.Module,
    data: CaptionedLatents,
    encoders: list[CLIPTextModelWithProjection],
    *,
    teacher: Teacher,
    generator: torch.Generator,
) -> Tensor:
    """Mean squared error of the velocity (Liu et al., 2023), sigma spread evenly over a batch."""
    size, device = RECIPE.batch_size, network.device
    index = torch.randint(SCENES, (size,), generator=generator)
    noise = torch.randn(size, *LATENT, generator=generator).to(device)
    dropped = torch.rand(size, generator=generator) < CAPTION_DROPOUT
    sigma = (torch.arange(size) + torch.rand(size, generator=generator)) / size
    latents = data.latents[index].float().to(device)
    x = latents.lerp(noise, spread(sigma).to(device))
    sequence, pooled, text = embed(encoders, data.captions_of(index, dropped).to(device))
    target = noise - latents
    low, high = TAUGHT_SIGMAS
    taught = (sigma > low) & (sigma < high)
    seen = teacher.velocity(x[taught], sigma[taught], text[taught])
    target[taught] = target[taught].lerp(seen, TAUGHT)
    timestep = 1000 * sigma.to(device)  # of FlowMatchEulerDiscreteScheduler
    return (network(x, sequence, pooled, timestep).sample - target).square().mean()


def assemble(
    network: nn.Module,
    vae: AutoencoderKL,
    encoders: list[CLIPTextModelWithProjection],
    *,
    words: Any,
) -> StableDiffusion3Pipeline:
    """No T5: its place in the sequence is max_sequence_length zeros, so call it with 0."""
    pipeline = StableDiffusion3Pipeline(
        transformer=network,
        scheduler=scheduler(),
        vae=vae,
        text_encoder=encoders[0],
        tokenizer=words,
        text_encoder_2=encoders[1],
        tokenizer_2=words,
        text_encoder_3=None,
        tokenizer_3=None,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    train(parser.parse_args().device)
