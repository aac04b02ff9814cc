"""Sweeps with plug-ins that lie in the current folder."""

import textwrap

from tests.helpers.cli import call

HEAD = "from denoisebench import metric\n\n"
WARMTH = """
    @metric(better="higher", label="Warmth", unit="grey levels")
    def warmth(images, prompts):
        return (images[:, 0].double() - images[:, 2].double()).mean((1, 2))
"""


def write(path, text, head=HEAD):
    """A module of the current folder."""
    path.write_text(head + textwrap.dedent(text))


def gaussian(capsys, *more):
    """Exit code, output and errors of a sweep of one cell in closed form, in about a second."""
    return call(
        capsys,
        "sweep",
        "model=gaussian",
        "prompts=components",
        "metrics=none",
        "scheduler=ddim",
        "steps=2",
        "guidance=1",
        "samples=8",
        "batch_size=8",
        "latency.timed_runs=0",
        "tracking=none",
        "threads=1",
        "run=own",
        *more,
    )
