"""Prompt files: each format against an independent parser, and what is refused."""

import csv
import io
import json
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from pyarrow import json as arrow_json
from pyarrow.parquet import write_table

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.prompts import (
    PromptSet,
    column_texts,
)
from denoisebench.bench.inputs.records import read_records
from tests.helpers.cli import call, tiny
from tests.helpers.fuzz import complaint, damaged

BREAKS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"  # where str.splitlines cuts and no format does
LETTERS = list("ab ü🙂" + BREAKS)


def texts(draws, more=""):
    """Three columns of twenty random texts, none of them blank."""
    letters = [*LETTERS, *more]
    return [
        {name: "x" + "".join(draws.choice(letters, draws.integers(0, 8))) for name in "pqr"}
        for _ in range(20)
    ]


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def prompts(path, column="text"):
    """All that the file holds."""
    return list(PromptSet(str(path), column).texts())


def as_csv(records, mark=",", **options):
    handle = io.StringIO(newline="")
    writer = csv.DictWriter(handle, list("pqr"), delimiter=mark, **options)
    writer.writeheader()
    writer.writerows(records)
    return handle.getvalue()


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_a_csv_is_read_as_pandas_and_arrow_read_it(seed, quoting, tmp_path):
    records = texts(np.random.default_rng(seed), ',"\n')
    path = written(tmp_path / "x.csv", as_csv(records, quoting=quoting))
    frame = pd.read_csv(path, keep_default_na=False, dtype=str)
    options = arrow_csv.ParseOptions(newlines_in_values=True)
    table = arrow_csv.read_csv(path, parse_options=options)
    assert read_records(path, "p") == records == frame.to_dict("records") == table.to_pylist()


@pytest.mark.parametrize("seed", range(20))
def test_a_tsv_takes_quotes_literally_as_pandas_without_quoting_does(seed, tmp_path):
    draws = np.random.default_rng(seed)
    records = texts(draws, '"')
    for record in records:
        record["q"] = draws.choice(['"', '"a" b', '"a"', "a"]) + record["q"]
    lines = ["\t".join("pqr"), *("\t".join(record.values()) for record in records)]
    path = written(tmp_path / "x.tsv", "\n".join(lines))
    frame = pd.read_csv(path, sep="\t", quoting=csv.QUOTE_NONE, keep_default_na=False, dtype=str)
    assert read_records(path, "p") == records == frame.to_dict("records")


@pytest.mark.parametrize("seed", range(20))
def test_a_tsv_that_quotes_every_field_or_a_tab_is_read_as_pandas_reads_it(seed, tmp_path):
    draws = np.random.default_rng(seed)
    records = texts(draws, '"')
    for quoting in (csv.QUOTE_ALL, csv.QUOTE_MINIMAL):
        path = written(tmp_path / "x.tsv", as_csv(records, "\t", quoting=quoting))
        frame = pd.read_csv(path, sep="\t", keep_default_na=False, dtype=str)
        assert read_records(path, "p") == records == frame.to_dict("records")
        records[3]["p"] = "a\tb"


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_lines_are_read_as_arrow_reads_them(seed, ascii_only, tmp_path):
    records = texts(np.random.default_rng(seed), '"\\\n\r\t')
    lines = (json.dumps(record, ensure_ascii=ascii_only) for record in records)
    path = written(tmp_path / "x.jsonl", "\r\n".join(lines))
    assert read_records(path, "p") == records == arrow_json.read_json(path).to_pylist()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_of_a_text_file_ends_where_every_editor_ends_it(end, tmp_path):
    lines = [f"one{letter}more" for letter in BREAKS]
    path = written(tmp_path / "x.TXT", end.join([*lines, "", "  "]))
    assert prompts(path) == lines


@pytest.mark.parametrize("name", ["x.txt", "x.csv", "x.tsv", "x.jsonl", "x.json"])
def test_a_byte_order_mark_is_no_part_of_the_first_text(name, tmp_path):
    content = {
        "x.txt": "one\ntwo",
        "x.csv": "text,n\none,1\ntwo,2",
        "x.tsv": "text\tn\none\t1\ntwo\t2",
        "x.jsonl": '{"text": "one"}\n{"text": "two"}',
        "x.json": '[{"text": "one"}, {"text": "two"}]',
    }[name]
    assert prompts(written(tmp_path / name, b"\xef\xbb\xbf" + content.encode())) == ["one", "two"]


@pytest.mark.parametrize(
    "content",
    [
        ["one", "two"],  # HPDv2
        [{"text": "one", "image_path": ["a.jpg"]}, {"text": "two", "image_path": []}],
        {"info": {}, "images": [{"id": 1}], "annotations": [{"text": "one"}, {"text": "two"}]},
        {"a": {"text": "one"}, "b": {"text": "two"}},
    ],
)
def test_json_of_public_sets_is_read(content, tmp_path):
    assert prompts(written(tmp_path / "x.json", json.dumps(content))) == ["one", "two"]


def test_quotes_of_a_tsv_that_swallow_nothing_are_text(tmp_path):
    lines = ["text\tn", 'one "half\t1', '"two\t2', 'three"\t3', '"G I G G L E" painted\t4']
    path = written(tmp_path / "x.tsv", "\n".join(lines))
    assert prompts(path) == [line.split("\t")[0] for line in lines[1:]]


REFUSED = {
    "unclosed.csv": ('text,n\n"one,1\ntwo,2', "line 2: unexpected end of data; quote the field"),
    "swallowed.csv": ('text,n\n"one,1\ntwo,2\nthree",3', "may have swallowed lines"),
    "half.csv": ('text,n\n"one\ntwo",0\n"one" two,1', "line 4: .* expected after"),
    "comma.csv": ("text,n\none, two,1", "record 1 has 3 fields and the header 2"),
    "twice.csv": ("text,text\na,b", "its header names text twice"),
    "tab.tsv": ("text\tn\none\ttwo\t1", "record 1 has 3 fields and the header 2"),
    "cut.jsonl": ('{"text": "one"}\n{"text": ', "line 2: Expecting value"),
    "deep.jsonl": ("[" * 100_000, "line 1: it is nested too deep"),
    "deeper.jsonl": ("[" * 70 + "]" * 70, "line 1: it is nested more than 64 levels deep"),
    "deep.json": ('{"a":' * 100_000, "nested too deep"),
    "half.jsonl": (r'{"text": "a \ud800 b"}', "record 1: it holds half of a surrogate pair"),
    "number.jsonl": ('{"text": 3}', "record 1 has no text in column 'text'"),
    "empty.jsonl": ('{"text": "one"}\n{"text": " "}', "record 2 has no text in column 'text'"),
    "null.jsonl": ('{"text": null}', "record 1 has no text in column 'text'"),
    "none.txt": ("", "holds no prompt"),
    "none.json": ("{}", "none of its lists"),
    "two.json": ('{"a": [{"text": "b"}], "c": [{"text": "d"}]}', "2 of its lists"),
    "comment.txt": ("one\n# a comment", "line 2 begins with #: take comments out"),
    "negative.txt": ("one\nNegative prompt: two", "'Negative prompt:', which is a setting"),
    "steps.txt": ("one\nSteps: 20, Sampler: Euler a", "'Steps: 2', which is a setting"),
    "flags.txt": ('--prompt "one" --steps 20', "which is a setting of another tool"),
    "pasted.jsonl": (r'{"text": "one\nNegative prompt: two"}', "which is a setting"),
    "latin.txt": (b"one\ntwo \xe4", "not UTF-8, at byte 8 in line 2; save it as UTF-8"),
    "utf16.txt": ("one".encode("utf-16"), "it is not UTF-8"),
    "utf16.csv": ("text\none".encode("utf-16-le"), "zero bytes, as UTF-16 does"),
    "x.docx": ("one", r"use \.txt, \.csv"),
    "zero.parquet": (b"", "cannot be read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_prompt_file_is_refused_with_the_place_and_the_cure(name, tmp_path):
    content, message = REFUSED[name]
    path = written(tmp_path / name, content)
    with pytest.raises(UserError, match=message) as found:
        prompts(path)
    assert str(found.value).startswith(f"prompt file {path}")
    assert "\n" not in str(found.value)


def test_a_pipe_and_a_folder_as_prompt_file_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.txt")
    (tmp_path / "y.txt").mkdir()
    for name, kind in {"x.txt": "a pipe", "y.txt": "a folder"}.items():
        with pytest.raises(UserError, match=f"cannot be read: it is {kind}, no file"):
            prompts(tmp_path / name)


def test_records_of_parquet_with_an_empty_text_are_left_out_and_their_images_with_them(tmp_path):
    path = tmp_path / "x.parquet"
    columns = {"text": ["one", "", " ", None, "two"], "image": ["a", "b", "c", None, "e"]}
    write_table(pa.table(columns), path)
    assert prompts(path) == ["one", "two"]
    assert PromptSet(str(path), "text").left_out() == 3
    assert column_texts(str(path), "image", "text") == ("a", "e")


def test_an_image_that_a_prompt_lacks_is_named(tmp_path):
    path = tmp_path / "x.parquet"
    write_table(pa.table({"text": ["one", "two"], "image": ["a", None]}), path)
    with pytest.raises(UserError, match="record 2 has no text in column 'image'"):
        column_texts(str(path), "image", "text")


def test_a_sweep_says_how_many_records_are_left_out(tmp_path, capsys):
    path = tmp_path / "x.parquet"
    write_table(pa.table({"text": ["one", "", "two"]}), path)
    choice = ("prompts=file", f"prompts.path={path}", "prompts.column=text", "metrics=none")
    code, out, _ = call(capsys, *tiny(tmp_path / "runs", *choice, "dry_run=true"))
    assert code == 0
    assert "prompts=x: 1 of its records have an empty text and are left out" in out


def test_a_prompt_that_fails_later_is_found_at_planning(tmp_path, capsys):
    path = written(tmp_path / "x.jsonl", r'{"text": "a \ud800 b"}')
    choice = ("prompts=file", f"prompts.path={path}", "prompts.column=text")
    code, _, err = call(capsys, *tiny(tmp_path / "runs", *choice))
    assert code == 2
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_damage_anywhere_is_a_set_of_prompts_or_one_clear_line(tmp_path):
    records = texts(np.random.default_rng(0), ",")
    frame = pd.DataFrame(records)
    frame.to_parquet(tmp_path / "x.parquet")
    wholes = {
        "x.txt": frame["p"].str.cat(sep="\n").encode(),
        "x.csv": frame.to_csv(index=False).encode(),
        "x.tsv": frame.to_csv(index=False, sep="\t").encode(),
        "x.jsonl": "\n".join(map(json.dumps, records)).encode(),
        "x.json": json.dumps(records).encode(),
        "x.parquet": (tmp_path / "x.parquet").read_bytes(),
    }
    draws = np.random.default_rng(1)
    for number in range(100):
        for name, whole in wholes.items():
            path = written(tmp_path / f"{number}{name}", damaged(whole, draws))
            lines = complaint(lambda path=path: PromptSet(str(path), "p").first(3), UserError)
            assert len(lines) <= 1, path
