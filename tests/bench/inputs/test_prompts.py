"""Prompt sets: files of every format, and data sets on the hub."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from huggingface_hub import constants
from pyarrow.parquet import write_table

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.prompts import PromptSet
from tests.helpers.cli import call, tiny
from tests.helpers.folders import ROOT, SHARED_DATA

TEXTS = ["a red ring", 'a "blue" square, large', "a green\tstar", "ein gelbes Kreuz ü"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONF = ROOT / "conf"
SETS = SHARED_DATA / "prompts"


def write(path: Path, texts) -> Path:
    """A file of the texts in the column `text`, beside another column."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        write_table(pa.table({"id": range(len(texts)), "text": texts}), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps({"id": 1, "text": text}) for text in texts))
    elif path.suffix == ".txt":
        path.write_text("\n".join(texts))
    else:
        mark = "," if path.suffix == ".csv" else "\t"
        quoted = ('"' + text.replace('"', '""') + '"' for text in texts)
        path.write_text("\n".join([f"id{mark}text", *(f"1{mark}{text}" for text in quoted)]))
    return path


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache of the hub, and no network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def cache(hub: Path, repo: str, reference: str) -> Path:
    """Folder of a data set in the cache, known by this branch."""
    entry = hub / f"datasets--{repo.replace('/', '--')}"
    pointer = entry / "refs" / reference
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.write_text(COMMIT)
    return entry / "snapshots" / COMMIT


@pytest.mark.parametrize("suffix", ["txt", "csv", "tsv", "jsonl", "parquet"])
def test_every_format_gives_the_same_texts(suffix, tmp_path):
    path = str(write(tmp_path / f"set.{suffix}", TEXTS))
    assert PromptSet(path, "text").first(4) == tuple(TEXTS)
    in_words = str(write(tmp_path / "other.txt", TEXTS))
    assert PromptSet(path, "text").identity() == PromptSet(in_words).identity()


@pytest.mark.parametrize(
    ("config", "name", "count", "first"),
    [
        ("parti", "parti.tsv", 1632, "bond"),
        ("geneval", "geneval.jsonl", 553, "a photo of a bench"),
        ("coco_mlperf", "mlperf_coco2014_5000.tsv", 5000, "A city at night with people walking"),
    ],
)
def test_the_public_sets_are_read_whole_with_their_configs(config, name, count, first):
    if not (SETS / name).exists():
        pytest.skip("the prompt sets are not beside this checkout")
    column = yaml.safe_load((CONF / "prompts" / f"{config}.yaml").read_text())["column"]
    texts = PromptSet(str(SETS / name), column).first(count + 9)
    assert texts[0].startswith(first)
    assert texts[count:] == texts[:9]  # it has this many, and begins again
    assert all(text.strip() for text in texts)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            "words",
            "no text in column 'words'; mend it or give prompts.column=NAME, one of id, text",
        ),
        (None, "give prompts.column=NAME, one of id, text"),
        ("id", "record 1 has no text in column 'id'"),
    ],
)
def test_a_wrong_column_of_a_parquet_file_is_named_with_those_there_are(column, message, tmp_path):
    path = write(tmp_path / "set.parquet", TEXTS)
    with pytest.raises(UserError, match=message):
        PromptSet(str(path), column).first(2)


def test_a_damaged_parquet_file_is_one_clear_line(tmp_path, capsys):
    path = tmp_path / "set.parquet"
    path.write_bytes(b"PAR1 nothing")
    choice = ("prompts=file", f"prompts.path={path}", "prompts.column=text")
    code, _, err = call(capsys, *tiny(tmp_path / "runs", *choice))
    assert code == 2
    assert err.startswith(f"denoisebench: prompt file {path} cannot be read")
    assert len(err.splitlines()) == 1


def test_a_set_on_the_hub_is_read_from_the_copy_in_parquet_in_order(hub):
    folder = cache(hub, "org/set", "refs/convert/parquet")
    write(folder / "default" / "train" / "0001.parquet", TEXTS[2:])
    write(folder / "default" / "train" / "0000.parquet", TEXTS[:2])
    write(folder / "default" / "test" / "0000.parquet", ["of the test split"])
    assert PromptSet("hf:org/set", "text").first(4) == tuple(TEXTS)
    assert PromptSet("hf:org/set", "text", split="test").first(1) == ("of the test split",)


def test_a_revision_of_a_set_on_the_hub_is_that_of_its_own_files(hub):
    folder = cache(hub, "org/set", "v1")
    write(folder / "data" / "train-00000-of-00001.parquet", TEXTS)
    assert PromptSet("hf:org/set", "text", revision=COMMIT).first(4) == tuple(TEXTS)


def test_a_split_in_several_folders_is_refused(hub):
    folder = cache(hub, "org/many", "refs/convert/parquet")
    for subset in ("english", "german"):
        write(folder / subset / "train" / "0000.parquet", TEXTS)
    with pytest.raises(UserError, match="has train in several folders"):
        PromptSet("hf:org/many", "text").first(1)


def test_a_set_that_is_nowhere_is_one_clear_line(hub, tmp_path, capsys):
    choice = ("prompts=file", "prompts.path='hf:org/absent'", "prompts.column=text")
    code, _, err = call(capsys, *tiny(tmp_path / "runs", *choice, "steps=2,3"))
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "org/absent at revision refs/convert/parquet is neither here nor" in err
    command = "hf download org/absent --repo-type dataset --revision refs/convert/parquet"
    assert f"`{command}`" in err


def test_a_shuffled_set_is_the_same_texts_in_a_fixed_order_that_more_samples_only_lengthen(
    tmp_path,
):
    path = str(write(tmp_path / "set.txt", [f"text {i}" for i in range(50)]))
    own = PromptSet(path).first(50)
    mixed = PromptSet(path, shuffle=0).first(50)
    assert sorted(mixed) == sorted(own)
    assert mixed != own
    assert PromptSet(path, shuffle=0).first(20) == mixed[:20]
    assert PromptSet(path, shuffle=1).first(50) != mixed
    identities = {PromptSet(path, shuffle=seed).identity() for seed in (None, 0, 1)}
    assert len(identities) == 3


WILDCARDS = "# colours\nred ring\n\n  blue (square:1.2)  \n# green\n"
READY = {
    "drawbench": ("d.csv", 'Prompts,Category\nA red ring.,Colors\n"A blue square, big",Colors\n'),
    "hpd": ("anime.json", '["A red ring.", "A blue square, big"]'),
    "diffusiondb": ("m.parquet", None),
}


@pytest.mark.parametrize("name", READY)
def test_ready_sets_read_their_files(name, tmp_path):
    file, text = READY[name]
    texts = ["A red ring.", "A blue square, big"]
    if text is None:
        write_table(pa.table({"image_name": ["a", "b"], "prompt": texts}), tmp_path / file)
    else:
        (tmp_path / file).write_text(text)
    column = yaml.safe_load((CONF / "prompts" / f"{name}.yaml").read_text())["column"]
    assert PromptSet(str(tmp_path / file), column).texts() == tuple(texts)


def test_a_wildcard_file_is_its_lines_without_comments(tmp_path, capsys):
    path = tmp_path / "colours.txt"
    path.write_text(WILDCARDS)
    assert PromptSet(str(path), None, "wildcards").texts() == ("red ring", "blue (square:1.2)")
    chosen = ("prompts=wildcards", f"prompts.path={path}", "metrics=none", "--dry-run")
    assert call(capsys, *tiny(tmp_path, *chosen))[0] == 0


@pytest.mark.parametrize("drawn", ["{red|blue}", "[red|blue]", "__colours__"])
def test_a_line_that_draws_from_others_is_refused(drawn, tmp_path):
    path = tmp_path / "colours.txt"
    path.write_text(f"# one\na {drawn} ring\n")
    with pytest.raises(UserError, match=r"line 2 holds .*, which another tool draws from"):
        PromptSet(str(path), None, "wildcards").texts()
