"""The training loop: an interrupted run ends where an uninterrupted one does; the vocabulary."""

import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from denoisebench.bench.paths import EMBEDDED
from zoo import training
from zoo.training import Recipe, fit
from zoo.vocabulary import CAPTION_TOKENS, tokenizer
from zoo.worlds import WORLDS

RECIPE = Recipe("toy", steps=6, batch_size=4, learning_rate=0.1, seed=5, warmup_steps=2)


class Interrupted(Exception):
    pass


def train(stop_before=None, until=None):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))

    def loss(module, generator, step):
        if step == stop_before:
            raise Interrupted
        inputs = torch.randn(8, 3, generator=generator)
        return (module(inputs) - inputs.sum(1, keepdim=True)).square().mean()

    recipe = replace(RECIPE, checkpoint_every=2, sheet_every=100)
    return fit(recipe, network, loss, device="cpu", sheet=lambda module, path: None, until=until)


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "CHECKPOINTS", tmp_path / "whole")
    whole = train()
    monkeypatch.setattr(training, "CHECKPOINTS", tmp_path / "resumed")
    with pytest.raises(Interrupted):
        train(stop_before=5)  # the last checkpoint is of step 4
    resumed = train()
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_a_run_in_pieces_ends_where_an_uninterrupted_one_does(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "CHECKPOINTS", tmp_path / "whole")
    whole = train()
    monkeypatch.setattr(training, "CHECKPOINTS", tmp_path / "pieces")
    for until in (3, 5, 99):  # not where checkpoints are written anyway; beyond the end
        pieces = train(until=until)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, pieces.state_dict()[name]), name


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "CHECKPOINTS", tmp_path)
    train()
    monkeypatch.setattr(sys.modules[__name__], "RECIPE", replace(RECIPE, steps=8))
    with pytest.raises(SystemExit, match="another recipe"):
        train()


def test_the_shipped_networks_stay_within_30_mb():
    """Parts that two pipelines have in common are one file and links to it."""
    files = {path.resolve() for path in EMBEDDED.glob("shapes-*/**/*.safetensors")}
    assert len(files) == 9
    assert sum(path.stat().st_size for path in files) < 30e6


def test_the_world_of_photographs_stays_within_15_mb():
    files = {path.resolve() for path in EMBEDDED.glob("fashion-*/**/*") if path.is_file()}
    assert len([path for path in files if path.suffix == ".safetensors"]) == 7
    assert sum(path.stat().st_size for path in files) < 15e6


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_every_word_of_a_world_is_one_token_and_other_text_has_some(world):
    words = tokenizer(world.words)
    for word in world.words:
        assert len(words(word).input_ids) == 3, word  # start, the word, end
    assert len(words("zebra").input_ids) > 3


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_no_caption_is_cut(world):
    words = tokenizer(world.words)
    assert max(len(ids) for ids in words(world.prompts(2000)).input_ids) <= CAPTION_TOKENS
