"""Tiny pipelines with random weights that are told a class or nothing, in folders."""

import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    CMStochasticIterativeScheduler,
    ConsistencyModelPipeline,
    DDIMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    UNet2DModel,
)

SIZE = 16  # pixels of both


def unet(**more):
    return UNet2DModel(
        sample_size=SIZE,
        block_out_channels=(8, 8),
        layers_per_block=1,
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        norm_num_groups=4,
        **more,
    )


def save_dit(folder: Path, labels: dict[str, str] | None = None, classes: int = 1000) -> Path:
    """A DiT, of latents of half the size, whose index has the labels, if any."""
    torch.manual_seed(0)
    transformer = DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=4,
        in_channels=4,
        out_channels=8,
        num_layers=1,
        sample_size=SIZE // 2,
        patch_size=2,
        norm_num_groups=4,
        num_embeds_ada_norm=classes,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
    )
    pipeline = DiTPipeline(transformer, vae, DDIMScheduler(clip_sample=False))
    pipeline.save_pretrained(folder)
    if labels:
        index = folder / "model_index.json"  # where the published ones have them
        index.write_text(json.dumps({**json.loads(index.read_text()), "id2label": labels}))
    return folder


def save_consistency_model(folder: Path, classes: int | None = None) -> Path:
    """A consistency model, of classes or of nothing."""
    torch.manual_seed(0)
    network = unet(num_class_embeds=classes)
    ConsistencyModelPipeline(network, CMStochasticIterativeScheduler()).save_pretrained(folder)
    return folder
