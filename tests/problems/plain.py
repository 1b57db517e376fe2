"""An executor that follows the written trial contract with plain processes: no isolation, one job at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from holdfast.core.ports import Job, JobDone, TrialRequest
from holdfast.core.records import Trial
from holdfast.problems.load import Problem
from holdfast.problems.workspace import GitWorkspace

PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


class PlainExecutor:
    slots = 1
    tier = "T0"

    def __init__(self, problem: Problem, workspace: GitWorkspace, data: Mapping[str, Path]) -> None:
        self.problem, self.workspace, self.data = problem, workspace, data
        self.queue: list[Job] = []
        self.ran: list[Trial] = []

    def submit(self, job: Job) -> None:
        self.queue.append(job)

    def wait(self, seconds: float) -> Sequence[JobDone]:
        if not self.queue:
            return []
        job = self.queue.pop(0)
        done = tuple(self.run(trial) for trial in job.trials)
        self.ran += done
        return [JobDone(job.key, done)]

    def cancel(self, keys: Iterable[str]) -> None:
        self.queue = [job for job in self.queue if job.key not in set(keys)]

    def close(self) -> None:
        self.queue = []

    def run(self, trial: TrialRequest) -> Trial:
        spec = self.problem.spec
        with tempfile.TemporaryDirectory() as directory:
            tree, out, stdout = (Path(directory) / name for name in ("tree", "out", "stdout"))
            out.mkdir()
            for name, content in self.workspace.read(trial.tree).items():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                (tree / name).write_bytes(content)
            environment = {
                "HOLDFAST_DATA": str(self.data["train"]),
                "HOLDFAST_OUT": str(out),
                "HOLDFAST_SEED": str(trial.seed),
            }
            before = sum(os.times()[2:4])
            done = self.start(spec.work.command, tree, environment)
            cpu_seconds = sum(os.times()[2:4]) - before
            if done.returncode != 0:
                return self.result(trial, outcome="crashed", detail=done.stderr.decode()[-200:])
            stdout.write_bytes(done.stdout)
            judged = self.start(
                spec.grader.command,
                self.problem.judge,
                {
                    "HOLDFAST_ARTIFACT": str(out),
                    "HOLDFAST_DATA": str(self.data[trial.split]),
                    "HOLDFAST_SEED": str(trial.seed),
                    "HOLDFAST_STDOUT": str(stdout),
                },
            )
            assert judged.returncode == 0, judged.stderr.decode()
            values = json.loads(judged.stdout.splitlines()[-1])
        if "wrong" in values:
            return self.result(trial, outcome="wrong", detail=values["wrong"])
        values["cpu_seconds"] = cpu_seconds
        score = values.get(spec.metric.name)
        return self.result(trial, outcome="ok", score=score, values=values, cpu_seconds=cpu_seconds)

    @staticmethod
    def start(
        command: Sequence[str], directory: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[bytes]:
        program = [sys.executable, "-B"] if command[0] == "python" else [command[0]]
        return subprocess.run(
            [*program, *command[1:]], cwd=directory, env=PATH | dict(environment), capture_output=True, timeout=60
        )

    @staticmethod
    def result(trial: TrialRequest, **changes: object) -> Trial:
        return Trial(trial.id, trial.role, trial.tree, trial.seed, trial.split, **changes)  # type: ignore[arg-type]
