"""Workers as jobs of SLURM, by submitit; put back in the queue when they are preempted."""

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisebench.bench.errors import UserError, first_line
from denoisebench.bench.plan.plan import Plan
from denoisebench.bench.queue.crew import Starter
from denoisebench.bench.queue.here import last_line_of, work_command
from denoisebench.bench.queue.order import QUEUE

if TYPE_CHECKING:
    from submitit import AutoExecutor, Job

_POLL_S = 0.5


def slurm_starter(plan: Plan) -> Starter:
    """Raises UserError where submitit or SLURM is not there."""
    try:
        import submitit
    except ImportError as error:
        raise UserError(
            "launcher=slurm: submitit is not installed; pip install 'denoisebench[slurm]'"
        ) from error
    if plan.slurm.cluster == "slurm" and shutil.which("sbatch") is None:
        raise UserError(
            "launcher=slurm: there is no SLURM here (sbatch); run this on a login node, or try it "
            "with slurm.cluster=local"
        )
    folder = plan.run_folder / QUEUE / "slurm"
    executor = submitit.AutoExecutor(folder, cluster=plan.slurm.cluster)
    executor.update_parameters(**_parameters(plan))
    helper = SlurmHelper(tuple(work_command(plan.run_folder.absolute())))
    return lambda place: _SlurmJob(_submitted(executor, helper))


def _parameters(plan: Plan) -> dict[str, Any]:
    """What submitit asks SLURM for."""
    machine, slurm = plan.jobs[0].machine, plan.slurm
    given = {"slurm_partition": slurm.partition, "slurm_account": slurm.account}
    return {
        "name": "denoisebench",
        "timeout_min": slurm.minutes,
        "cpus_per_task": machine.threads or slurm.cpus,
        "gpus_per_node": 1 if machine.device == "cuda" else 0,
        **{name: value for name, value in given.items() if value is not None},
    }


def _submitted(executor: "AutoExecutor", helper: "SlurmHelper") -> "Job[int]":
    try:
        return executor.submit(helper)
    except Exception as error:  # what sbatch says, in submitit's words
        raise UserError(f"launcher=slurm: no worker could be submitted: {first_line(error)}") from (
            error
        )


@dataclass(frozen=True)
class SlurmHelper:
    """What a job of SLURM runs; submitit pickles it for the node."""

    command: tuple[str, ...]

    def __call__(self) -> int:
        return subprocess.run(self.command, check=False).returncode

    def checkpoint(self) -> Any:
        """Called before a job is preempted or runs out of time: the same again, in the queue."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@dataclass(frozen=True, eq=False)
class _SlurmJob:
    job: "Job[int]"

    def poll(self) -> int | None:
        if not self.job.done():
            return None
        error = self.job.exception()
        return 1 if error is not None else self.job.result()

    def ends_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not self.job.done() and time.monotonic() < until:
            time.sleep(_POLL_S)
        return bool(self.job.done())

    def ask_to_end(self) -> None:
        self.job.cancel(check=False)

    def kill(self) -> None:
        """SLURM does that itself."""

    def last_line(self) -> str:
        paths: list[Path] = [self.job.paths.stderr, self.job.paths.stdout]
        logs = [(path.read_text(errors="replace"), path) for path in paths if path.exists()]
        said = [(text, path) for text, path in logs if text.strip()]
        return last_line_of(*said[0]) if said else "it said nothing"
