"""Try a problem out before it is used: honest controls must pass its checks, and every other one must fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from holdfast.core.errors import ExecutionError, ProblemError, WorkspaceError
from holdfast.core.measure import breaches, resolve_limits
from holdfast.core.ports import Executor, Job, TrialRequest, Workspace
from holdfast.core.problem import ProblemSpec
from holdfast.core.records import Limit, ProblemChecked, Role, Trial
from holdfast.problems.load import Problem
from holdfast.problems.paths import files_below

HONEST = "honest"
"""Controls whose name begins so must pass."""

EMPTY = "empty"
"""The control that every problem has: all editable files without a word in them."""

SEEDS = 2
"""Trials of the baseline and of honest controls, whose values are averaged; a cheat needs one to pass."""

START_SECONDS = 120.0
"""Wall seconds that starting a trial may take at the very most."""


def check(
    problem: Problem,
    tree: str,
    workspace: Workspace,
    executor: Executor,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> ProblemChecked:
    """Run the baseline `tree` and the controls on the hidden split; `say` is told of each result.

    Raises `ProblemError` for a control that cannot be laid over the tree and `ExecutionError` when a trial could
    not be run, or none comes back for longer than the problem's limits allow.
    """
    candidates = controls(problem, tree, workspace)
    bench = _Bench(executor, _patience(problem.spec), clock)
    baseline = bench.run({"baseline": tree}, "baseline")["baseline"]
    failed = _failure(baseline, ())
    say(f"baseline: {failed or 'passes'}")
    if failed:
        return _report(problem, {}, f"the unchanged program does not pass: {failed}")
    limits = resolve_limits(problem.spec.checks, _means(baseline))
    results = {}
    for name, trials in bench.run(candidates, "control").items():
        results[name] = _failure(trials, limits)
        say(f"{name}: {results[name] or 'passes'}{'' if _as_wanted(name, results[name]) else '  <- should not'}")
    return _report(problem, results, "")


def controls(problem: Problem, tree: str, workspace: Workspace) -> dict[str, str]:
    """The trees of the controls by name: each directory of `controls/` laid over `tree`, and the empty one."""
    editable = problem.editable(workspace.read(tree))
    edits: dict[str, Mapping[str, str]] = {EMPTY: dict.fromkeys(editable, "")}
    place = problem.root / "controls"
    try:
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if path.is_dir():
                edits[path.name] = {name: file.read_text(encoding="utf-8") for name, file in files_below(path)}
        return {name: workspace.write(tree, files) for name, files in edits.items()}
    except (WorkspaceError, UnicodeDecodeError) as error:
        raise ProblemError(
            f"a control holds what no candidate may change: {error}", "controls hold editable files only, in UTF-8"
        ) from error


class _Bench(NamedTuple):
    """Where trees are run, and for how many seconds at most nothing may come back from there."""

    executor: Executor
    patience: float
    clock: Callable[[], float]

    def run(self, trees: Mapping[str, str], role: Role) -> dict[str, tuple[Trial, ...]]:
        """Run every tree as a job of its own and wait for them all."""
        waiting = {}
        for name, tree in trees.items():
            count = SEEDS if role == "baseline" or name.startswith(HONEST) else 1
            seeds = range(1, count + 1)
            trials = tuple(TrialRequest(f"check.{name}.{seed}", role, tree, seed, "hidden") for seed in seeds)
            waiting[f"check.{name}"] = name
            self.executor.submit(Job(f"check.{name}", trials))
        results: dict[str, tuple[Trial, ...]] = {}
        heard = self.clock()
        while waiting:
            for done in self.executor.wait(1.0):
                if done.key in waiting:
                    results[waiting.pop(done.key)] = done.trials
                    heard = self.clock()
            if waiting and self.clock() - heard > self.patience:
                late = ", ".join(sorted(waiting.values()))
                raise ExecutionError(
                    f"no trial came back for {self.patience:.0f} seconds; still out: {late}",
                    "nothing was recorded: see what keeps the machine busy, and check again",
                )
        return dict(sorted(results.items()))


def _patience(spec: ProblemSpec) -> float:
    """Wall seconds in which at least one job must be done; a trial's wall time may exceed its CPU limit."""
    return SEEDS * (4 * spec.limits.seconds + spec.grader.seconds + START_SECONDS)


def _failure(trials: Sequence[Trial], limits: Sequence[Limit]) -> str:
    """Why these trials do not pass; empty when they do."""
    for trial in trials:
        if trial.outcome == "infra":
            raise ExecutionError(
                f"{trial.id} could not be run: {trial.detail}",
                "this is the machine's or the judge's fault, not the control's: mend it and check again",
            )
        if trial.outcome != "ok":
            return f"{trial.outcome}: {trial.detail}" if trial.detail else trial.outcome
    return breaches(_means(trials), limits)


def _means(trials: Sequence[Trial]) -> dict[str, float]:
    shared = set.intersection(*(set(trial.values) for trial in trials))
    return {name: fmean(trial.values[name] for trial in trials) for name in sorted(shared)}


def _as_wanted(name: str, failure: str) -> bool:
    return bool(failure) != name.startswith(HONEST)


def _report(problem: Problem, results: Mapping[str, str], fault: str) -> ProblemChecked:
    wrong = [name for name, failure in results.items() if not _as_wanted(name, failure)]
    faults = [fault] if fault else []
    faults += (f"{name} fails: {results[name]}" for name in wrong if results[name])
    faults += (f"{name} passes and must not" for name in wrong if not results[name])
    return ProblemChecked(
        problem=problem.spec.problem.name,
        problem_digest=problem.digest,
        passed=tuple(name for name, failure in results.items() if not failure),
        refused=tuple(name for name, failure in results.items() if failure),
        sound=not faults,
        detail="; ".join(faults),
    )
