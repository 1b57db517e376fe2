"""The ledger read aloud: one line per record, for `holdfast log`."""

from __future__ import annotations

from datetime import UTC, datetime

from holdfast.core import records
from holdfast.core.problem import Scale
from holdfast.ui import words

WIDTH = 160
"""Longest text of a record; a line with index, time and run is a little longer."""


def line(entry: records.Entry) -> str:
    """One entry for people: index, UTC time, run, and what happened; always a single harmless line."""
    at = datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    run = words.clean(entry.run, 24) or "-"
    kind, text = _tell(entry.record)
    return f"{entry.index:>6}  {at}  {run}  {kind:<9}{words.clean(text, WIDTH)}"


def _tell(record: records.AnyRecord) -> tuple[str, str]:
    """A record's kind as a word, and what it says; the text may still hold foreign characters."""
    match record:
        case records.RunStarted():
            return "run", f"{record.problem} by {record.agent}, seed {record.seed}, from commit {record.commit[:10]}"
        case records.SessionStarted():
            budget = words.duration(record.budget_seconds)
            workers = words.count(record.workers, "worker")
            return "session", f"begins: {budget} budget, {workers}, isolation {record.tier}, holdfast {record.holdfast}"
        case records.SessionEnded():
            return "session", f"{record.reason}" + (f": {record.detail}" if record.detail else "")
        case records.Trial():
            return _trial(record)
        case records.BaselineMeasured():
            return _baseline(record)
        case records.Proposal():
            return _proposal(record)
        case records.AgentSpent():
            return "agent", f"{record.agent} has nothing more to propose against {record.trunk[:10]}"
        case records.Admitted():
            return "admit", f"{record.proposal} goes into pairs as comparison {record.order}, level {record.level:.2g}"
        case records.Comparison():
            return _comparison(record)
        case records.Decision():
            return record.verdict, f"{record.proposal} ({record.stage}): {record.reason}"
        case records.Landed():
            return "landed", f"{record.proposal} as commit {record.commit[:10]} on {record.branch}"
        case records.ClaimBegun():
            pairs = words.count(record.pairs, "pair")
            return (
                "claim",
                f"{record.series} begins: {pairs} of baseline and trunk {record.trunk[:10]} on {record.split}",
            )
        case records.Claim():
            return _claim(record)
        case records.ProblemChecked():
            sound = "sound" if record.sound else "NOT SOUND"
            detail = f": {record.detail}" if record.detail else ""
            passed, refused = words.count(len(record.passed), "control"), len(record.refused)
            return "problem", f"{record.problem} is {sound}, {passed} passed, {refused} refused{detail}"


def _trial(trial: records.Trial) -> tuple[str, str]:
    score = f" {words.number(trial.score)}" if trial.score is not None else ""
    values = "".join(f", {name} {words.number(value)}" for name, value in sorted(trial.values.items()))
    detail = f": {trial.detail}" if trial.detail else ""
    return "trial", f"{trial.id} {trial.outcome}{score}{values} ({trial.cpu_seconds:.2f} CPU s){detail}"


def _baseline(baseline: records.BaselineMeasured) -> tuple[str, str]:
    limits = "".join(f", {limit.name} {limit.side} {words.number(limit.value)}" for limit in baseline.limits)
    pairs = words.count(baseline.noise_pairs, "pair")
    warnings = "".join(f"; {text}" for text in baseline.warnings)
    return "baseline", f"{words.number(baseline.score)}, noise {baseline.noise:.2g} ({pairs}){limits}{warnings}"


def _proposal(proposal: records.Proposal) -> tuple[str, str]:
    forecast = f"{100 * proposal.forecast.probability:.0f} % likely to be kept"
    return "propose", f"{proposal.id} by {proposal.agent} ({forecast}): {proposal.hypothesis}"


def _comparison(comparison: records.Comparison) -> tuple[str, str]:
    interval = f"95 % interval {words.number(comparison.low)} to {words.number(comparison.high)}"
    pairs = words.count(comparison.pairs, "pair")
    evidence = f"e-value {comparison.evidence:.3g}, needs {1 / comparison.level:.3g}" if comparison.level else ""
    return "compare", f"{comparison.proposal} {words.number(comparison.effect)}, {interval}, {pairs}, {evidence}"


def _claim(claim: records.Claim) -> tuple[str, str]:
    scale: Scale = "difference" if claim.scale == "difference" else "ratio"
    interval = f"95 % interval {words.between(claim.low, claim.high, scale)}"
    verdict = "holds" if claim.holds else "DOES NOT HOLD"
    label = ", self-reported" if claim.self_reported else ""
    pairs = f"{words.count(claim.pairs, 'pair')} on {claim.split} ({claim.sealed_uses} earlier uses)"
    return "claim", f"{words.effect(claim.ratio, scale)}, {interval}, {pairs}{label}: {verdict}"
