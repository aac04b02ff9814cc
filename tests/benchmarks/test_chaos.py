import json
import os
import subprocess
import sys


def test_sweeps_that_are_killed_and_paused_store_what_undisturbed_ones_do(tmp_path):
    command = [sys.executable, "-m", "benchmarks.chaos", str(tmp_path / "chaos"), "4", "4"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    parts = json.loads((tmp_path / "chaos" / "chaos.json").read_text())["parts"].values()
    assert all(part["sweeps"] and not part["wrong"] for part in parts)
    assert all(sum(part["done_to"].values()) >= 4 for part in parts)
