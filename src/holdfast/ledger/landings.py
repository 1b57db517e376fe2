"""Whether every landed commit rests on evidence: problem, proposal, trials, comparison, decision, commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from holdfast.core.chain import entry_hash
from holdfast.core.records import Comparison, Decision, Entry, Landed, Proposal, RunStarted, Trial

TRAILER = "Holdfast-Ledger: "
"""The line of a trunk commit's message that names the ledger's head when the decision was made."""

Commits = Callable[[str], tuple[str, tuple[str, ...], str] | None]
"""A commit's tree, parents and message by its hash; None when there is no such commit."""


def verify_landings(entries: Iterable[Entry], commits: Commits) -> list[str]:
    """Follow each landed commit back to its problem; returns the faults found, none when all is well.

    `entries` are all records of a verified ledger in order. Evidence counts only if it was recorded before the
    record that rests on it.
    """
    runs: dict[str, _Evidence] = {}
    faults: list[str] = []
    for entry in entries:
        evidence = runs.setdefault(entry.run, _Evidence())
        if isinstance(entry.record, Landed):
            landed = entry.record
            found = [*evidence.faults(landed), *_commit_faults(landed, evidence.commit, commits)]
            faults += (f"record {entry.index}, commit {landed.commit[:12]}: {fault}" for fault in found)
        evidence.learn(entry)
    return faults


class _Decided(NamedTuple):
    """A decision, the hash of its entry, and the comparison it rests on with what is wrong with that."""

    decision: Decision | None = None
    hash: str = ""
    comparison: Comparison | None = None
    faults: Sequence[str] = ()


class _Evidence:
    """What has been recorded of one run so far."""

    def __init__(self) -> None:
        self.branch = self.tree = self.commit = ""
        self.proposals: dict[str, Proposal] = {}
        self.trials: dict[str, Trial] = {}
        self.compared: dict[str, tuple[Comparison, list[str]]] = {}
        self.decided: dict[str, _Decided] = {}

    def learn(self, entry: Entry) -> None:
        """Take in the next entry; a comparison and a decision are tied to what stands before them."""
        match record := entry.record:
            case RunStarted():
                self.branch, self.tree, self.commit = record.branch, record.tree, record.commit
            case Proposal():
                self.proposals[record.id] = record
            case Trial():
                self.trials[record.id] = record
            case Comparison():
                self.compared[record.proposal] = record, list(self._trial_faults(record))
            case Decision():
                comparison, faults = self.compared.get(record.proposal, (None, []))
                self.decided[record.proposal] = _Decided(record, entry_hash(entry), comparison, faults)
            case Landed():
                self.tree, self.commit = record.tree, record.commit

    def faults(self, landed: Landed) -> Iterator[str]:
        """What is missing or does not fit between the run's problem and `landed`."""
        if not self.commit:
            yield f"its run has no problem: no {RunStarted.__struct_config__.tag} record stands before it"
            return
        if landed.branch != self.branch:
            yield f"it is on the branch {landed.branch}, and the run's is {self.branch}"
        proposal = self.proposals.get(landed.proposal)
        if proposal is None or proposal.tree != landed.tree:
            yield f"no proposal {landed.proposal} of the tree {landed.tree}"
        decision, head, comparison, trial_faults = self.decided.get(landed.proposal, _Decided())
        if decision is None or decision.verdict != "keep" or decision.tree != landed.tree:
            yield f"no decision to keep {landed.proposal} with the tree {landed.tree}"
        elif decision.incumbent != self.tree:
            yield f"the decision was against {decision.incumbent}, and the trunk was at {self.tree}"
        if landed.ledger_head != head:
            yield f"the ledger head {landed.ledger_head} is not its decision's, which is {head or 'nowhere'}"
        if comparison is None or comparison.tree != landed.tree:
            yield f"no comparison of {landed.proposal} with the tree {landed.tree} before the decision"
        elif comparison.incumbent != self.tree:
            yield f"the comparison was against {comparison.incumbent}, and the trunk was at {self.tree}"
        yield from trial_faults

    def _trial_faults(self, comparison: Comparison) -> Iterator[str]:
        if not comparison.trials:
            yield "its comparison rests on no trial"
        for name in comparison.trials:
            trial = self.trials.get(name)
            if trial is None:
                yield f"its comparison rests on trial {name}, which was not recorded before it"
            elif trial.role != "confirm" or trial.proposal != comparison.proposal:
                yield f"its comparison rests on trial {name}, which is a {trial.role} trial of {trial.proposal!r}"
            elif trial.tree not in (comparison.tree, comparison.incumbent):
                yield f"its comparison rests on trial {name}, which ran the tree {trial.tree}"
        sides = {self.trials[name].tree for name in comparison.trials if name in self.trials}
        if comparison.trials and not {comparison.tree, comparison.incumbent} <= sides:
            yield "its comparison rests on trials of one side only"


def _commit_faults(landed: Landed, parent: str, commits: Commits) -> Iterator[str]:
    found = commits(landed.commit)
    if found is None:
        yield "git has no such commit"
        return
    tree, parents, message = found
    if tree != landed.tree:
        yield f"it holds the tree {tree}, and the ledger says {landed.tree}"
    if parents != (parent,):
        yield f"its parents are {', '.join(parents) or 'none'}, and the trunk was at {parent}"
    named = [line.removeprefix(TRAILER).strip() for line in message.splitlines() if line.startswith(TRAILER)]
    if named != [landed.ledger_head]:
        yield f"its message names the ledger head {', '.join(named) or 'nowhere'}, not {landed.ledger_head}"
