"""What is known of the images of a folder."""

import json
from dataclasses import fields

import pytest
from PIL import Image

from denoisebench.bench.errors import UserError
from denoisebench.bench.imported.columns import COLUMNS
from denoisebench.bench.imported.pictures import (
    Picture,
    Setting,
    found_in,
    listed,
    manifest_in,
)


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    return tmp_path


def manifest(folder, text, name="manifest.csv"):
    (folder / name).write_text(text)
    return folder / name


def test_a_manifest_says_all_that_is_known(folder):
    path = manifest(
        folder,
        "file,index,prompt,seed,model,scheduler,steps,guidance,seconds,note\n"
        'a.png,0,"a cat, wet",7,mine,euler,8,4.5,0.25,x\n'
        "b.png,,,,,,,,,\n",
    )
    pictures, unread = listed(path, folder)
    assert pictures == [
        Picture(folder / "a.png", Setting("mine", "euler", 8, 4.5), 0, "a cat, wet", 7, 0.25),
        Picture(folder / "b.png"),
    ]
    assert unread == ["note"]


def test_the_same_in_json_lines(folder):
    record = {"file": "a.png", "steps": 8, "guidance": 4, "seed": 2**63 + 1, "prompt": "é"}
    path = manifest(folder, json.dumps(record), "manifest.jsonl")
    ((picture,), _) = listed(path, folder)
    assert picture == Picture(
        folder / "a.png", Setting(steps=8, guidance=4.0), prompt="é", seed=2**63 + 1
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a.png,x,", "record 1: steps='x' is not a whole number from 1 on"),
        ("a.png,0,", "record 1: steps='0'"),
        ("a.png,2.5,", "record 1: steps='2.5'"),
        ("a.png,nan,", "record 1: steps='nan'"),
        ("a.png,2,-1", "record 1: guidance='-1' is not a number from 0 on"),
        ("a.png,2,inf", "record 1: guidance='inf'"),
        ("gone.png,2,1", "there is no .*gone.png"),
        (",2,1", "names no file"),
        ("a.png,2,1\na.png,2,1", "names a.png twice"),
        (f"{'x' * 300}.png,2,1", "there is no "),
    ],
)
def test_a_record_that_is_wrong_is_named(row, reason, folder):
    path = manifest(folder, f"file,steps,guidance\n{row}\n")
    with pytest.raises(UserError, match=reason):
        listed(path, folder)


def test_columns_are_known_in_any_case(folder):
    path = manifest(folder, "File,INDEX, Prompt,Note\na.png,3,a cat,x\n")
    (pictures, unread) = listed(path, folder)
    assert pictures == [Picture(folder / "a.png", index=3, prompt="a cat")]
    assert unread == ["Note"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("sampler", "scheduler"),
        ("Sampler", "scheduler"),
        ("cfg", "guidance"),
        ("CFG scale", "guidance"),
        ("step", "steps"),
        ("seeds", "seed"),
        ("noise_seed", "seed"),
        ("promt", "prompt"),
    ],
)
def test_a_column_that_is_meant_for_another_is_refused(name, meant, folder):
    path = manifest(folder, f"file,{name}\na.png,1\n")
    with pytest.raises(UserError, match=f"column {name}: did you mean {meant}"):
        listed(path, folder)


@pytest.mark.parametrize(
    "name", ["note", "negative_prompt", "prompt_id", "prompt_2", "size", "speed", "mode"]
)
def test_a_column_that_is_meant_for_none_is_named(name, folder):
    assert listed(manifest(folder, f"file,{name}\na.png,1\n"), folder)[1] == [name]


def test_another_name_beside_the_column_itself_is_not_read(folder):
    path = manifest(folder, "file,scheduler,sampler\na.png,euler,Euler a\n")
    ((picture,), unread) = listed(path, folder)
    assert (picture.setting.scheduler, unread) == ("euler", ["sampler"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name,who\na.png,x\n", "record 1 names no file; the columns that were read are name, who"),
        ("path\na.png\n", "column path: did you mean file"),
        ("file,File\na.png,b.png\n", "has the column file 2 times"),
        ("file;index\na.png;0\n", "its header file;index has one column; separate columns by com"),
        ("file;prompt\na.png;a cat, wet\n", "separate columns by commas"),
    ],
)
def test_columns_that_cannot_be_read_are_shown(text, reason, folder):
    with pytest.raises(UserError, match=reason):
        listed(manifest(folder, text), folder)


def test_a_line_without_columns_is_named(folder):
    with pytest.raises(UserError, match="record 1 has no columns"):
        listed(manifest(folder, '"a.png"\n', "manifest.jsonl"), folder)


def test_columns_are_what_is_known_of_an_image():
    known = {part.name for part in (*fields(Setting), *fields(Picture))}
    assert {*COLUMNS} == known - {"setting", "rest"}


def test_texts_are_stripped_and_large_numbers_exact(folder):
    path = manifest(folder, "file,seed,scheduler\na.png, 18446744073709551615,euler \n")
    ((picture,), _) = listed(path, folder)
    assert (picture.seed, picture.setting.scheduler) == (2**64 - 1, "euler")


def test_a_setting_is_named_by_what_is_known_of_it():
    assert Setting("m", "euler", 1, 4.5).words == "m, euler, 1 step, guidance 4.5"
    assert Setting().words == "scheduler unknown"


def test_a_file_of_another_kind_is_no_manifest(folder):
    with pytest.raises(UserError, match=r"give one of \.csv, \.tsv, \.jsonl"):
        listed(manifest(folder, "x", "list.parquet"), folder)


def test_the_manifest_of_a_folder_is_found_and_two_are_refused(folder):
    assert manifest_in(folder) is None
    path = manifest(folder, "file\na.png\n")
    assert manifest_in(folder) == path
    manifest(folder, "{}", "manifest.jsonl")
    with pytest.raises(UserError, match="--manifest"):
        manifest_in(folder)


def test_without_a_manifest_the_last_number_of_a_name_is_the_sample(tmp_path):
    for name in ("run2_00010.png", "run2_00002.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    assert [(p.file.name, p.index) for p in found_in(tmp_path)] == [
        ("run2_00002.png", 2),
        ("run2_00010.png", 10),
    ]


def test_a_name_without_a_number_is_refused(folder):
    with pytest.raises(UserError, match="has no number"):
        found_in(folder)


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no image"):
        found_in(tmp_path)
