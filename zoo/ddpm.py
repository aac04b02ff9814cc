"""Trains shapes-ddpm: an epsilon-prediction UNet and its text encoder, on latents."""

import argparse
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from bench.shapes.world import PROMPT_SEED, TRAIN_SEED, captions, draw_scenes
from zoo.data import batch_scenes, images_of, save_sheet
from zoo.targets import CAPTION_HEADS, attribute_loss, caption_targets
from zoo.training import CHECKPOINTS, Recipe, describe, fit
from zoo.vocabulary import CAPTION_TOKENS, tokenizer

RECIPE = Recipe("ddpm", steps=10000, batch_size=64, learning_rate=8e-4, seed=13, warmup_steps=400)
SCENES = 131072  # distinct training scenes, encoded once
CAPTION_DROPOUT = 0.1  # share of samples trained without a caption, for classifier-free guidance
MIN_SNR = 5.0  # Hang et al. (2023): timesteps of high signal-to-noise ratio count less
PROBE_WEIGHT = (
    0.05  # reading the attributes off the caption's embedding teaches the text encoder early
)
WIDTH = 128


class ShapesDDPM(nn.Module):
    """The two networks that are trained, and linear probes on the caption's embedding."""

    def __init__(self, vocabulary: int, start: int, end: int):
        super().__init__()
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=vocabulary,
                hidden_size=WIDTH,
                intermediate_size=2 * WIDTH,
                num_hidden_layers=3,
                num_attention_heads=4,
                max_position_embeddings=CAPTION_TOKENS,
                projection_dim=WIDTH,
                bos_token_id=start,
                eos_token_id=end,
                pad_token_id=end,
            )
        )
        self.unet = UNet2DConditionModel(
            sample_size=8,
            in_channels=8,
            out_channels=8,
            block_out_channels=(64, 128),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=WIDTH,
            attention_head_dim=4,
            norm_num_groups=16,
        )
        self.probes = nn.ModuleDict(
            {name: nn.Linear(WIDTH, n) for name, n in CAPTION_HEADS.items()}
        )


def scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise schedule and timestep spacing."""
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def train(device: str) -> Path:
    """Trains (or resumes) and saves the pipeline; returns its folder."""
    words = tokenizer()
    vae = AutoencoderKL.from_pretrained(CHECKPOINTS / "vae" / "final").to(device).eval()
    latents = _encoded_scenes(vae, device)
    tokens = _tokens(words, captions(draw_scenes(TRAIN_SEED, 0, SCENES)))
    unconditional = _tokens(words, [""])[0]
    signal = scheduler().alphas_cumprod

    def loss(network: nn.Module, generator: torch.Generator, step: int) -> Tensor:
        index = torch.randint(SCENES, (RECIPE.batch_size,), generator=generator)
        t = torch.randint(len(signal), (RECIPE.batch_size,), generator=generator)
        noise = torch.randn(RECIPE.batch_size, 8, 8, 8, generator=generator)
        dropped = torch.rand(RECIPE.batch_size, generator=generator) < CAPTION_DROPOUT
        caption = torch.where(dropped[:, None], unconditional, tokens[index])
        alpha = signal[t][:, None, None, None]
        noisy = (alpha.sqrt() * latents[index].float() + (1 - alpha).sqrt() * noise).to(device)
        encoded = network.text_encoder(caption.to(device))
        noisy = noisy.to(memory_format=torch.channels_last)
        predicted = network.unet(noisy, t.to(device), encoded.last_hidden_state).sample
        error = (predicted - noise.to(device)).square().mean((1, 2, 3))
        snr = (signal[t] / (1 - signal[t])).to(device)
        targets = caption_targets(draw_scenes_at(index))
        kept = ~dropped
        logits = {k: probe(encoded.pooler_output[kept]) for k, probe in network.probes.items()}
        read = attribute_loss(logits, {k: v[kept] for k, v in targets.items()})
        return (error * snr.clamp(max=MIN_SNR) / snr).mean() + PROBE_WEIGHT * read

    scenes = draw_scenes(TRAIN_SEED, 0, SCENES)

    def draw_scenes_at(index: Tensor):
        return scenes[index.numpy()]

    def sheet(network: nn.Module, path: Path) -> None:
        pipeline = assemble(network, vae, words)
        _sample_sheet(pipeline, path)

    torch.manual_seed(RECIPE.seed)
    network = ShapesDDPM(len(words), words.bos_token_id, words.eos_token_id)
    network = fit(
        RECIPE, network.to(memory_format=torch.channels_last), loss, device=device, sheet=sheet
    )
    out = CHECKPOINTS / "ddpm" / "final"
    assemble(network, vae, words).to("cpu").save_pretrained(out)
    (out / "training.json").write_text(json.dumps(describe(RECIPE), indent=1))
    return out


def assemble(network: nn.Module, vae: AutoencoderKL, words) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=network.text_encoder,
        tokenizer=words,
        unet=network.unet,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _sample_sheet(pipeline: StableDiffusionPipeline, path: Path, samples: int = 48) -> None:
    prompts = captions(draw_scenes(PROMPT_SEED, 0, samples))
    generators = [torch.Generator().manual_seed(i) for i in range(samples)]
    images = pipeline(
        prompts, num_inference_steps=20, guidance_scale=4.0, generator=generators, output_type="pt"
    ).images
    save_sheet(images * 2 - 1, path, 12)
    path.with_suffix(".txt").write_text("\n".join(prompts))


def _tokens(words, texts: list[str]) -> Tensor:
    return words(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids


@torch.no_grad()
def _encoded_scenes(vae: AutoencoderKL, device: str) -> Tensor:
    """Scaled latents [SCENES, 8, 8, 8] float16 of the training scenes, kept on disk."""
    path = CHECKPOINTS / "ddpm" / "latents.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        batches = (images_of(batch_scenes(i, 256), device) for i in range(SCENES // 256))
        encoded = [vae.encode(b).latent_dist.mean * vae.config.scaling_factor for b in batches]
        save_file({"latents": torch.cat(encoded).half().cpu().contiguous()}, path)
    return load_file(path)["latents"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    train(parser.parse_args().device)
