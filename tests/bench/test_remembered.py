import json
import subprocess
import sys

import pytest

from denoisebench.bench import remembered as module
from denoisebench.bench.paths import cache_folder
from denoisebench.bench.remembered import remembered

calls = []


def counted(name, *, times=1):
    calls.append(name)
    if name == "wrong":
        raise ValueError(name)
    return None if name == "nothing" else [name] * times


@pytest.fixture
def answer(monkeypatch, tmp_path):
    """A remembered function with a memory of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    module._memory.cache_clear()
    calls.clear()
    yield remembered(counted)
    module._memory.cache_clear()


def begin_another_process():
    module._memory().write()
    module._memory.cache_clear()


def test_a_function_is_called_once_for_each_question_by_whoever_asks(answer):
    for _ in range(2):
        assert answer("a") == ["a"]
        assert answer("a", times=2) == ["a", "a"]
        assert answer("nothing") is None
        begin_another_process()
    assert calls == ["a", "a", "nothing"]


def test_what_a_function_raises_is_not_remembered(answer):
    for _ in range(2):
        with pytest.raises(ValueError, match="wrong"):
            answer("wrong")
    assert calls == ["wrong", "wrong"]


@pytest.mark.parametrize("changed", ["libraries", "source"])
def test_another_version_is_asked_again(changed, answer, monkeypatch, tmp_path):
    answer("a")
    begin_another_process()
    if changed == "libraries":
        (tmp_path / "torchsde-0.2.6.dist-info").mkdir()
        monkeypatch.syspath_prepend(tmp_path)
    else:
        (tmp_path / "schedulers").mkdir()
        (tmp_path / "schedulers" / "trial.py").write_text("changed")
        monkeypatch.setattr(module, "__file__", str(tmp_path / "remembered.py"))
    answer("a")
    assert calls == ["a", "a"]


@pytest.mark.parametrize("content", ["{", "[]", "\0", ""])
def test_a_damaged_memory_is_begun_anew(content, answer):
    answer("a")
    begin_another_process()
    (file,) = (cache_folder() / "answers").glob("*.json")
    file.write_text(content)
    assert answer("a") == ["a"]
    begin_another_process()
    assert list(json.loads(file.read_text()).values()) == [["a"]]


def test_two_processes_keep_the_answers_of_both(answer):
    answer("a")
    other = module._Memory(module._memory()._path)
    other.put("b", 1)
    other.write()
    begin_another_process()
    (file,) = (cache_folder() / "answers").glob("*.json")
    assert sorted(map(str, json.loads(file.read_text()).values())) == ["1", "['a']"]


@pytest.mark.long
@pytest.mark.slow
def test_a_grid_that_was_planned_before_is_planned_without_torch_and_diffusers(tmp_path):
    """Nor by a command that finds every cell done; what it says is the same."""
    script = (
        "import sys; from denoisebench.__main__ import run; code = run(sys.argv[1:]);"
        "print('loaded', sorted({'torch', 'diffusers', 'altair'} & sys.modules.keys()));"
        "sys.exit(code)"
    )
    arguments = ["sweep", "model=gaussian", "scheduler=ddim,heun", "steps=2,4", "samples=8"]
    arguments += [f"runs={tmp_path}", "tracking=none", "latency.timed_runs=0", "run=again"]

    def run(*more):
        command = [sys.executable, "-c", script, *arguments, *more]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        *said, loaded = done.stdout.splitlines()
        return said, loaded

    planned, _ = run("--dry-run")
    assert run("--dry-run") == (planned, "loaded []")
    run()
    said, loaded = run()
    assert "every cell was already in the store: nothing was generated" in said
    assert loaded == "loaded []"
