"""Contracts of the ports: what every implementation must do, as functions to call from a test; for plugins too.

Each raises `AssertionError` that says which part of the contract is broken.

    from holdfast.testing import check_agent
    def test_contract():
        check_agent(lambda: MyAgent(seed=1))
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from holdfast.core.chain import GENESIS, entry_hash
from holdfast.core.errors import ConflictError, LedgerError, WorkspaceError
from holdfast.core.ports import Agent, Brief, Draft, Executor, Grader, Job, Ledger, TrialRequest, Workspace
from holdfast.core.records import AgentSpent, BaselineMeasured, Decision, Proposal, SessionEnded, Trial

SAMPLE = {
    "train.py": """\
learning_rate = 0.001
steps = 400
batch = 32


def main():
    total = 0
    for step in range(steps):
        total += batch * learning_rate
    return total


if __name__ == "__main__":
    print(main())
"""
}
"""Editable files for trying an agent out."""


def check_ledger(make: Callable[[], Ledger]) -> None:
    """`make` gives an empty ledger: appends are atomic, ordered and chained, and reading is by run and position."""
    ledger = make()
    assert ledger.head().index == 0, "an empty ledger's head is 0"
    assert ledger.head().hash == GENESIS
    first = ledger.append("a", [SessionEnded("failed", "one"), SessionEnded("failed", "two")])
    assert first.index == 2, "append returns the new head"
    ledger.append("b", [AgentSpent("x", "t")])
    entries = list(ledger.entries())
    assert [entry.index for entry in entries] == [1, 2, 3], "entries come in order, numbered from 1"
    previous = GENESIS
    for entry in entries:
        assert entry.previous == previous, "each entry names the hash of the one before"
        previous = entry_hash(entry)
    assert ledger.head().hash == previous, "the head is the hash of the last entry"
    assert [entry.index for entry in ledger.entries("a")] == [1, 2], "a run sees its own entries"
    assert [entry.index for entry in ledger.entries("a", after=1)] == [2], "`after` skips what is known"
    try:
        ledger.append("a", [SessionEnded("failed"), Trial("t", "race", "x", 1, "hidden", "ok", float("nan"))])
    except (ValueError, LedgerError):
        pass
    else:
        raise AssertionError("a record that cannot be encoded is refused")
    assert ledger.head().index == 3, "a failed append leaves nothing behind"
    assert ledger.append("a", []).index == 3, "appending nothing changes nothing"


def check_workspace(make: Callable[[Mapping[str, str]], tuple[Workspace, str, str]]) -> None:
    """`make(files)` gives a workspace, its baseline tree (all files editable) and baseline commit."""
    files = {"a.py": "one = 1\n" * 5, "b/c.txt": "text\n"}
    workspace, base, commit = make(files)
    assert {path: data.decode() for path, data in workspace.read(base).items()} == files, (
        "the baseline is what was given"
    )
    changed = workspace.write(base, {"a.py": "one = 2\n"})
    assert changed != base
    assert workspace.write(base, {"a.py": "one = 2\n"}) == changed, "same content, same name"
    assert workspace.write(base, {"a.py": files["a.py"]}) == base
    assert workspace.read(changed)["b/c.txt"] == b"text\n", "other files stay"
    gone = workspace.write(base, {"b/c.txt": None})
    assert set(workspace.read(gone)) == {"a.py"}, "None deletes"
    both = workspace.merge(base, changed, gone)
    assert workspace.read(both) == {"a.py": b"one = 2\n"}, "a merge has both changes"
    _expect_conflict(workspace, base, changed, workspace.write(base, {"a.py": "one = 3\n"}))
    landed = workspace.land(changed, commit, "first\n", 1_700_000_000.0)
    assert workspace.land(changed, commit, "first\n", 1_700_000_000.0) == landed, "landing twice gives the same commit"
    second = workspace.land(both, landed, "second\n", 1_700_000_001.0)
    assert second != landed
    try:
        workspace.land(gone, commit, "stale\n", 1_700_000_002.0)
    except WorkspaceError:
        return
    raise AssertionError("landing on a parent that is not the head is refused")


def _expect_conflict(workspace: Workspace, base: str, ours: str, theirs: str) -> None:
    try:
        workspace.merge(base, ours, theirs)
    except ConflictError:
        return
    raise AssertionError("changes to the same lines conflict")


def check_executor(make: Callable[[], Executor], tree: str, seconds: float = 60.0) -> None:
    """`make` gives an executor on which `tree` runs to outcome `ok`: every job is reported once, whole, in order."""
    executor = make()
    try:
        assert executor.slots >= 1
        assert executor.tier, "the tier has a name"
        jobs = [_job(f"job{n}", tree, 1 + n % 2) for n in range(3)]
        for job in jobs:
            executor.submit(job)
        done: dict[str, tuple[Trial, ...]] = {}
        deadline = time.monotonic() + seconds
        while len(done) < len(jobs) and time.monotonic() < deadline:
            for result in executor.wait(0.1):
                assert result.key not in done, "a job is reported once"
                done[result.key] = result.trials
        for job in jobs:
            assert job.key in done, f"{job.key} was never reported"
            trials = done[job.key]
            assert [trial.id for trial in trials] == [request.id for request in job.trials], "in the job's order"
            for trial, request in zip(trials, job.trials, strict=True):
                assert trial.outcome == "ok", f"{trial.outcome}: {trial.detail}"
                assert (trial.tree, trial.seed, trial.split) == (request.tree, request.seed, request.split)
                assert trial.score is not None, "an ok trial has a score"
        executor.cancel(["unknown"])
        executor.submit(_job("late", tree, 1))
        executor.cancel(["late"])
        assert not [result for result in executor.wait(0.5) if result.key == "late"], (
            "what is cancelled is not reported"
        )
    finally:
        executor.close()
        executor.close()


def _job(key: str, tree: str, count: int) -> Job:
    requests = (TrialRequest(f"{key}.{n}", "race", tree, n, "hidden", proposal="p1") for n in range(count))
    return Job(key, tuple(requests))


def check_grader(make: Callable[[], Grader], good: str, bad: str, split: str = "hidden") -> None:
    """`good` is a directory the grader accepts, `bad` one it refuses; neither may raise."""
    grader = make()
    try:
        grade = grader.grade(good, split, 1)
        assert not grade.wrong, grade.wrong
        assert not grade.fault, grade.fault
        assert all(value == value and abs(value) != float("inf") for value in grade.values.values()), (
            "values are finite"
        )
        refused = grader.grade(bad, split, 1)
        assert refused.wrong or refused.fault, "a bad artifact is refused"
        assert not grader.grade(good, split, 1).wrong, "a bad artifact does not harm the next"
    finally:
        grader.close()
        grader.close()


def check_agent(make: Callable[[], Agent], files: Mapping[str, str] = SAMPLE, drafts: int = 30) -> None:
    """`make` gives a fresh agent: it proposes edits of the files, and never the same content twice."""
    agent = make()
    brief = _brief(files, 1)
    agent.learn(brief.baseline)
    seen: set[tuple[tuple[str, str | None], ...]] = set()
    for number in range(1, drafts + 1):
        draft = agent.propose(_brief(files, number))
        if draft is None:
            break
        _check_draft(draft, files)
        content = tuple(sorted(draft.edits.items()))
        assert content not in seen, f"draft {number} repeats an earlier one"
        seen.add(content)
        for record in _fate(draft, number):
            agent.learn(record)
    assert agent.name, "an agent has a name"


def _check_draft(draft: Draft, files: Mapping[str, str]) -> None:
    assert draft.parent == "trunk", "a draft names the tree it is against"
    assert draft.edits, "a draft edits something"
    assert set(draft.edits) <= set(files), "a draft edits the files it was given"
    assert any(files[path] != text for path, text in draft.edits.items()), "a draft changes something"
    assert draft.hypothesis.strip(), "a draft says why"
    assert 0.0 <= draft.forecast.probability <= 1.0, "a probability"
    assert draft.forecast.effect == draft.forecast.effect, "a number"


def _brief(files: Mapping[str, str], number: int) -> Brief:
    baseline = BaselineMeasured(10.0, {}, {}, 0.02, 3, (), False)
    return Brief("Be faster.", "trunk", files, baseline, 600.0, number)


def _fate(draft: Draft, number: int) -> tuple[Proposal | Trial | Decision, ...]:
    name, tree = f"p{number}", f"tree{number}"
    return (
        Proposal(name, "test", draft.parent, tree, draft.hypothesis, draft.forecast, draft.technique, draft.place),
        Trial(f"{name}.race", "race", tree, number, "hidden", "ok", 10.0, cpu_seconds=10.0, proposal=name),
        Decision(name, tree, "trunk", "discard", "race", "no better in the race: 1x", 1.0, (f"{name}.race",)),
    )
