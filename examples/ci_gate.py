"""A gate for CI: `python ci_gate.py BASELINE.dbpack`, exit code 0 pass, 1 regression, 3 undecided.

The baseline is the pack of an earlier run of the same cells, which `python ci_gate.py --new FILE`
writes. Times are left out: they need several processes of a quiet machine, see docs/regression.md.
"""

import sys

import denoisebench as db

CELLS = {
    "model": "shapes-ddpm",
    "scheduler": "ddim",
    "steps": [4, 8],
    "guidance": 4,
    "samples": 64,
    "metrics": {"frechet": ()},  # 64 samples are too few for a Fréchet distance
    "latency": {"timed_runs": 0},
    "tracking": "none",
    "threads": 1,
}
CODES = {"PASS": 0, "REGRESSION": 1, "UNDECIDED": 3}


def main(arguments: list[str]) -> int:
    candidate = db.sweep(**CELLS, run="gate")
    if arguments[0] == "--new":
        db.pack(candidate, arguments[1])
        return 0
    verdicts = db.check(arguments[0], candidate)
    print(verdicts)
    verdicts.write("runs/check")  # Markdown for a pull request, JUnit XML, JSON
    return CODES[verdicts.outcome]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
