"""The ports: everything the loop asks of the world, on one page. Implementations pass `holdfast.testing`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from holdfast.core.chain import Head
from holdfast.core.records import AnyRecord, BaselineMeasured, Entry, Forecast, Role, Side, Trial


class TrialRequest(msgspec.Struct, frozen=True):
    """What to execute: `tree` with `seed`, graded on `split`.

    With `losing_over` set, the trial is stopped as soon as its CPU charge passes it: it can no longer win.
    """

    id: str
    role: Role
    tree: str
    seed: int
    split: str
    proposal: str = ""
    pair: int = -1
    side: Side = ""
    losing_over: float | None = None


class Job(msgspec.Struct, frozen=True):
    """Trials that one slot runs one after the other, so that a pair shares core and moment."""

    key: str
    trials: tuple[TrialRequest, ...]


class JobDone(msgspec.Struct, frozen=True):
    """All trials of a job, in the job's order; a trial that could not be run has outcome `infra`."""

    key: str
    trials: tuple[Trial, ...]


class Executor(Protocol):
    """Runs jobs on `slots` slots at once. A candidate's failure is an outcome, never an exception."""

    slots: int
    tier: str

    def submit(self, job: Job) -> None:
        """Queue `job`; returns at once."""

    def wait(self, seconds: float) -> Sequence[JobDone]:
        """Jobs finished since the last call, waiting up to `seconds` for the first; may be empty."""

    def cancel(self, keys: Iterable[str]) -> None:
        """Stop these jobs and kill their processes; they are not reported any more. Unknown keys are ignored."""

    def close(self) -> None:
        """Kill everything that still runs and free the slots; idempotent."""


class Grade(msgspec.Struct, frozen=True):
    """What the judge says of an artifact: `values`, or why it does not count (`wrong`), or the judge's own `fault`."""

    values: Mapping[str, float] = {}
    wrong: str = ""
    fault: str = ""


class Grader(Protocol):
    """Judges artifacts out of the candidate's reach; recomputes every number."""

    def grade(self, artifact: str, split: str, seed: int) -> Grade:
        """Grade the directory `artifact` on `split`; never raises for a bad artifact."""

    def close(self) -> None:
        """Stop the judge's processes; idempotent."""


class Workspace(Protocol):
    """The trees of a problem, named by git tree hash, and the branch that kept ones land on."""

    def read(self, tree: str) -> Mapping[str, bytes]:
        """All files of `tree` by relative path."""

    def write(self, base: str, edits: Mapping[str, str | None]) -> str:
        """The tree that `base` becomes with `edits` (path to new text, None deletes); same content, same name."""

    def merge(self, base: str, ours: str, theirs: str) -> str:
        """Three-way merge of trees; raises `ConflictError`."""

    def land(self, tree: str, parent: str, message: str, at: float) -> str:
        """Commit `tree` on `parent` and move the branch by compare-and-swap; returns the commit.

        Deterministic: the same arguments give the same commit, and a branch already there is left as it is.
        Raises `WorkspaceError` when the branch is at neither `parent` nor the new commit.
        """


class Ledger(Protocol):
    """The append-only, hash-chained record of everything that happened."""

    def append(self, run: str, records: Sequence[AnyRecord]) -> Head:
        """Append `records` in one transaction: all of them or none; durable on return."""

    def entries(self, run: str | None = None, after: int = 0) -> Iterable[Entry]:
        """Entries with index above `after`, in order; of one run, or of all."""

    def head(self) -> Head:
        """The chain's last index and hash."""


class Brief(msgspec.Struct, frozen=True):
    """What an agent is told before it proposes: the trunk's tree and editable files, and what is left.

    `limits` and scores are in `baseline`; the history reaches the agent record by record through `learn`.
    """

    goal: str
    trunk: str
    files: Mapping[str, str]
    baseline: BaselineMeasured
    seconds_left: float
    number: int


class Draft(msgspec.Struct, frozen=True):
    """An agent's answer: new text for editable files (None deletes) against tree `parent`, with reason and forecast."""

    parent: str
    edits: Mapping[str, str | None]
    hypothesis: str
    forecast: Forecast
    technique: str = ""
    place: str = ""
    basis: str = ""


class Agent(Protocol):
    """Who proposes. What it knows is a function of the records it has learned, so that resume loses nothing."""

    name: str

    def learn(self, record: AnyRecord) -> None:
        """Take in one record of the run; called for every record, in order, also on resume. Never raises."""

    def propose(self, brief: Brief) -> Draft | None:
        """The next draft, never one with content it proposed before; None when it has nothing more for this trunk."""
