"""The run: ask core what is next, do it through the ports, append what happened, until time or a person ends it."""

from __future__ import annotations

import contextlib
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.core.errors import ConflictError, ExecutionError, HoldfastError, LedgerError
from holdfast.core.paths import matches
from holdfast.core.ports import Agent, Brief, Draft, Executor, Job, JobDone, Ledger, Workspace
from holdfast.core.problem import ProblemSpec
from holdfast.core.records import AgentSpent, AnyRecord, Decision, Landed, Proposal, SessionEnded, Trial
from holdfast.core.schedule import Ask, Cancel, Land, Merge, Scene, Step, Stop, Submit, Wait, Write, next_step
from holdfast.core.settings import Rules
from holdfast.core.state import Kept, RunState, apply

SUBJECT = 100
"""Characters in the first line of a commit message."""

START_PATIENCE = 120.0
"""Wall seconds that starting a trial may take at the very most."""

PATIENCE = 0.2
"""Seconds to wait for results before looking at the clock and at a person's wish to stop again."""


def _never() -> bool:
    return False


def _unwatched(state: RunState, busy: Mapping[str, Job]) -> None:
    del state, busy


@dataclass(frozen=True)
class Lab:
    """Everything a run needs of the world. `watch` is called after every step; `stop_asked` is polled."""

    ledger: Ledger
    workspace: Workspace
    executor: Executor
    agent: Agent
    rules: Rules = field(default_factory=Rules)
    clock: Callable[[], float] = time.time
    stop_asked: Callable[[], bool] = _never
    watch: Callable[[RunState, Mapping[str, Job]], None] = _unwatched


def conduct(lab: Lab, run: str) -> RunState:
    """Carry the run named `run` on from its ledger to its end; the latest `SessionStarted` sets the budget.

    Returns the final state, also when a person stopped it (the session's `ended` says which). Raises
    `HoldfastError` when it cannot go on; what was recorded stays, and a later call resumes from it.
    """
    return _Conductor(lab, run).conduct()


class _Conductor:
    """One session: the state as folded so far, and the jobs in flight."""

    def __init__(self, lab: Lab, run: str) -> None:
        self.lab = lab
        self.run = run
        self.state = RunState()
        self.busy: dict[str, Job] = {}
        self.due: dict[str, float] = {}
        self.texts: tuple[str, dict[str, str]] = ("", {})
        self.sync()

    def conduct(self) -> RunState:
        try:
            while not self.lab.stop_asked():
                step = next_step(self.scene())
                if isinstance(step, Stop):
                    return self.stop(step)
                self.do(step)
                self.lab.watch(self.state, self.busy)
            self.append(SessionEnded("interrupted", "stopped by a person"))
            return self.state
        except HoldfastError as error:
            self.give_up(error)
            raise
        finally:
            self.lab.executor.close()

    def scene(self) -> Scene:
        return Scene(self.state, self.busy.keys(), self.lab.executor.slots, self.lab.clock(), self.lab.rules)

    def do(self, step: Step) -> None:
        match step:
            case Wait(until):
                self.collect(min(PATIENCE, max(0.0, until - self.lab.clock())))
            case Submit(job):
                self.busy[job.key] = job
                self.due[job.key] = self.lab.clock() + patience_for(job, self.state.started().spec)
                self.lab.executor.submit(job)
            case Write(records):
                self.append(*records)
            case Ask():
                self.ask()
            case Merge(proposal):
                self.merge(proposal)
            case Land(kept):
                self.land(kept)
            case Cancel(keys):
                self.lab.executor.cancel(keys)
                for key in keys:
                    self.busy.pop(key, None)

    def stop(self, step: Stop) -> RunState:
        """End the session; a fault is recorded where it is caught."""
        if step.fault:
            raise ExecutionError(step.fault, step.hint)
        self.append(SessionEnded("finished"))
        self.lab.watch(self.state, self.busy)
        return self.state

    def give_up(self, error: HoldfastError) -> None:
        """Record why the session failed, where the ledger still takes it."""
        with contextlib.suppress(LedgerError):
            self.append(SessionEnded("failed", error.message))
            self.lab.watch(self.state, self.busy)

    def append(self, *records: AnyRecord) -> None:
        """Make `records` durable, then take in everything new, other writers' records included."""
        self.lab.ledger.append(self.run, records)
        self.sync()

    def sync(self) -> None:
        for entry in self.lab.ledger.entries(self.run, after=self.state.index):
            apply(self.state, entry)
            self.lab.agent.learn(entry.record)

    def collect(self, seconds: float) -> None:
        """Record what the executor has finished; a result counts once, and only for a job in flight."""
        for done in self.lab.executor.wait(seconds):
            if self.busy.pop(done.key, None) is not None:
                self.append(*_in_pair_order(done))
        for key in [key for key in self.busy if self.lab.clock() > self.due[key]]:
            self.lab.executor.cancel([key])
            self.append(*_in_pair_order(lost(self.busy.pop(key))))

    def ask(self) -> None:
        """Get one new candidate from the agent; drafts that repeat a known tree are asked for again, for a while."""
        for _ in range(self.lab.rules.ask_retries):
            started = time.process_time()
            draft = self.lab.agent.propose(self.brief())
            cost = time.process_time() - started
            if draft is None:
                break
            tree = self.tree_of(draft)
            if tree not in self.state.tried:
                self.append(self.proposal(draft, tree, cost))
                return
        self.append(AgentSpent(self.lab.agent.name, self.state.trunk))

    def brief(self) -> Brief:
        state = self.state
        assert state.baseline is not None
        return Brief(
            goal=state.started().spec.problem.goal,
            trunk=state.trunk,
            files=self.editable_texts(),
            baseline=state.baseline,
            seconds_left=max(0.0, state.deadline - self.lab.clock()),
            number=len(state.attempts) + 1,
        )

    def editable_texts(self) -> dict[str, str]:
        """The trunk's editable files, read once per trunk."""
        if self.texts[0] != self.state.trunk:
            files = self.lab.workspace.read(self.state.trunk)
            texts = {path: data.decode("utf-8", "replace") for path, data in files.items() if self.editable(path)}
            self.texts = (self.state.trunk, texts)
        return self.texts[1]

    def editable(self, path: str) -> bool:
        return matches(path, self.state.started().spec.work.editable)

    def tree_of(self, draft: Draft) -> str:
        forbidden = sorted(path for path in draft.edits if not self.editable(path))
        if forbidden:
            raise HoldfastError(
                f"agent {self.lab.agent.name!r} edited {', '.join(forbidden)}, which the problem does not allow",
                "only the paths under [work] editable may change",
            )
        return self.lab.workspace.write(draft.parent, draft.edits)

    def proposal(self, draft: Draft, tree: str, cost: float) -> Proposal:
        return Proposal(
            id=self.next_id(),
            agent=self.lab.agent.name,
            parent=draft.parent,
            tree=tree,
            hypothesis=draft.hypothesis,
            forecast=draft.forecast,
            technique=draft.technique,
            place=draft.place,
            basis=draft.basis,
            cost_cpu_seconds=round(cost, 4),
        )

    def next_id(self) -> str:
        return f"p{len(self.state.attempts) + 1}"

    def merge(self, name: str) -> None:
        """Rebase a proposal onto the trunk's new head; the merged tree is a new proposal, measured afresh."""
        state = self.state
        old = state.attempts[name].proposal
        tree, reason = "", ""
        try:
            tree = self.lab.workspace.merge(old.parent, state.trunk, old.tree)
        except ConflictError as error:
            reason = f"the trunk moved and the merge conflicts: {error.message}"
        if tree in state.tried:
            reason = "the trunk moved and the merged tree is known already"
        rebased = self.next_id()
        decision = Decision(
            name, old.tree, state.trunk, "discard", "merge", reason or f"rebased onto the new trunk as {rebased}"
        )
        if reason:
            self.append(decision)
            return
        proposal = Proposal(
            id=rebased,
            agent=old.agent,
            parent=state.trunk,
            tree=tree,
            hypothesis=old.hypothesis,
            forecast=old.forecast,
            technique=old.technique,
            place=old.place,
            basis=old.basis,
            merged_from=name,
        )
        self.append(decision, proposal)

    def land(self, kept: Kept) -> None:
        """Move the branch after the decision is on the ledger; doing it twice gives the same commit."""
        decision = kept.decision
        commit = self.lab.workspace.land(decision.tree, self.state.commit, landing_message(self.state, kept), kept.at)
        branch = self.state.started().branch
        self.append(Landed(decision.proposal, decision.tree, commit, branch, kept.hash))


def landing_message(state: RunState, kept: Kept) -> str:
    """The commit message of a kept change: what and how much, then trailers that tie it to the ledger."""
    attempt = state.attempts[kept.decision.proposal]
    comparison = attempt.comparison
    assert comparison is not None
    unit = "x" if state.started().spec.metric.scale == "ratio" else ""
    subject = textwrap.shorten(attempt.proposal.hypothesis, SUBJECT, placeholder=" ...") or attempt.proposal.id
    return (
        f"{subject}\n\n"
        f"Effect {comparison.effect:.4g}{unit}, 95 % interval {comparison.low:.4g} to {comparison.high:.4g}, "
        f"{comparison.pairs} pairs.\n\n"
        f"Holdfast-Run: {state.name}\n"
        f"Holdfast-Proposal: {attempt.proposal.id}\n"
        f"Holdfast-Agent: {attempt.proposal.agent}\n"
        f"Holdfast-Ledger: {kept.hash}\n"
    )


def patience_for(job: Job, spec: ProblemSpec) -> float:
    """Wall seconds after which an executor that has not reported `job` has lost it."""
    return len(job.trials) * (4 * spec.limits.seconds + spec.grader.seconds + START_PATIENCE)


def lost(job: Job) -> JobDone:
    """The outcome of a job that the executor never reported."""
    detail = "the executor never reported it"
    trials = (
        Trial(
            id=request.id,
            role=request.role,
            tree=request.tree,
            seed=request.seed,
            split=request.split,
            outcome="infra",
            proposal=request.proposal,
            pair=request.pair,
            side=request.side,
            detail=detail,
        )
        for request in job.trials
    )
    return JobDone(job.key, tuple(trials))


def _in_pair_order(done: JobDone) -> Sequence[Trial]:
    """The incumbent's trial first, whichever ran first."""
    return sorted(done.trials, key=lambda trial: trial.side != "incumbent")
