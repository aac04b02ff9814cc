"""Workers as actors of a Ray cluster, or of one that is started on this machine."""

import contextlib
import signal
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from denoisebench.bench.errors import UserError, first_line
from denoisebench.bench.plan.plan import Plan
from denoisebench.bench.queue.crew import USERS_ERROR, Starter
from denoisebench.bench.queue.here import last_line_of
from denoisebench.bench.queue.order import QUEUE

_OWN = {"worker_niceness": 0}  # configuration of a cluster that is started here


def ray_starter(plan: Plan) -> Starter:
    """Raises UserError where Ray is not installed, does not answer or has too little for all."""
    try:
        ray: Any = import_module("ray")  # few of its functions are annotated
    except ImportError as error:
        raise UserError(
            "launcher=ray: Ray is not installed; pip install 'denoisebench[ray]'"
        ) from error
    _connect(ray, plan.ray.address)
    needs = _needs(plan)
    _check_room(ray.cluster_resources(), needs, plan.workers or 0)
    options = {"num_cpus": needs["CPU"], "num_gpus": needs["GPU"], "scheduling_strategy": "SPREAD"}
    helper = ray.remote(RayHelper).options(**options)

    def start(place: int) -> _Actor:
        log = (plan.run_folder / QUEUE / f"ray-{place}.log").absolute()
        actor = helper.remote()
        ended = actor.work.remote(str(Path.cwd()), str(plan.run_folder.absolute()), str(log))
        return _Actor(ray, actor, ended, log)

    return start


def _connect(ray: Any, address: str | None) -> None:
    if ray.is_initialized():
        return
    # Without "local" Ray would join a cluster that RAY_ADDRESS names or that runs here, and refuse
    # the configuration: its workers on this machine would have the lowest priority, and starve.
    there = {"address": address} if address else {"address": "local", "_system_config": _OWN}
    try:
        ray.init(log_to_driver=False, logging_level="ERROR", **there)
    except Exception as error:  # each way of not answering has its own
        raise UserError(_unreached(address, first_line(error))) from error


def _unreached(address: str | None, why: str) -> str:
    """Why there is no cluster, and what to do."""
    if address:
        cure = "give the address of a running cluster, or null to start one here"
        return f"ray.address={address}: {why}; {cure}"
    return (
        f"launcher=ray: no cluster can be started on this machine: {why}; give the address of a "
        "running one by ray.address"
    )


def _needs(plan: Plan) -> dict[str, int]:
    """What a worker takes of a cluster."""
    machine = plan.jobs[0].machine
    return {
        "CPU": machine.threads or plan.ray.cpus,
        "GPU": 1 if machine.device == "cuda" else 0,
    }


def _check_room(there: dict[str, float], needs: dict[str, int], workers: int) -> None:
    """Raises UserError where some workers would wait for ever."""
    for name, need in needs.items():
        if need * workers > there.get(name, 0):
            raise UserError(
                f"workers={workers}: take {need * workers} {name} and the Ray cluster has "
                f"{there.get(name, 0):g}; give fewer, or ray.cpus=N for each"
            )


class RayHelper:
    """What an actor runs: a worker within its process, which ends with it."""

    def work(self, folder: str, run_folder: str, log: str) -> int:
        """Exit code of the worker. folder: that of the driver, where relative paths begin."""
        from denoisebench.bench.queue.worker import work

        with contextlib.ExitStack() as stack:
            if Path(folder).is_dir():
                stack.enter_context(contextlib.chdir(folder))
            out = stack.enter_context(Path(log).open("a"))
            stack.enter_context(contextlib.redirect_stderr(out))
            try:
                work(Path(run_folder), lambda line: print(line, file=out, flush=True))
            except UserError as error:
                print(f"denoisebench: {error}", file=out)
                return USERS_ERROR
        return 0


@dataclass(frozen=True, eq=False)
class _Actor:
    ray: Any
    actor: Any
    ended: Any  # reference to its exit code
    log: Path

    def poll(self) -> int | None:
        return self._code() if self.ends_within(0) else None

    def _code(self) -> int:
        """Exit code as of a process: 1 after an error that nobody expected, whose traceback ends
        the log."""
        try:
            return int(self.ray.get(self.ended))
        except self.ray.exceptions.RayTaskError as error:  # the actor lives: it raised this
            with self.log.open("a") as out:
                print(error, file=out)
            return 1
        except self.ray.exceptions.RayError:  # the actor died
            return -signal.SIGKILL

    def ends_within(self, seconds: float) -> bool:
        return bool(self.ray.wait([self.ended], timeout=seconds)[0])

    def ask_to_end(self) -> None:
        self.ray.kill(self.actor)

    def kill(self) -> None:
        """Ray has done that when it was asked."""

    def last_line(self) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return last_line_of(text, self.log)
