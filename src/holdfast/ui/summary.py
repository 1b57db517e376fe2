"""A run in one page: as plain data for programs, and as aligned text for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from holdfast.core.chain import Head
from holdfast.core.state import Attempt, Kept, RunState
from holdfast.ui import words
from holdfast.ui.sentence import sentence, support
from holdfast.ui.standing import (
    Estimate,
    cause,
    elapsed,
    estimate,
    fate,
    mishap,
    stages,
    status,
    tried,
)

FAILURES_SHOWN = 5
CHANGES_SHOWN = 20


def summary(state: RunState, head: Head, verified: bool, alive: bool = False) -> dict[str, Any]:
    """The run as JSON-ready values; `head` is the ledger's, `alive` whether a coordinator holds the run now.

    Effects are on the metric's scale (a ratio, or a difference), larger is better; times are in seconds.
    `baseline` and `claim` are null until measured. Raises `AssertionError` for a state without a run.
    """
    run = state.started()
    metric = run.spec.metric
    return {
        "problem": run.problem,
        "run": state.name,
        "agent": run.agent,
        "status": status(state, alive),
        "sentence": sentence(state),
        "metric": {
            "name": metric.name,
            "goal": metric.goal,
            "scale": metric.scale,
            "self_reported": run.spec.self_reported,
        },
        "trials": state.trials,
        "proposals": len(state.attempts),
        "tried": tried(state),
        "kept": len(state.kept),
        "outcomes": dict(sorted(state.outcomes.items())),
        "decisions": dict(sorted(stages(state).items())),
        "baseline": _baseline(state),
        "trunk": {"commit": state.commit, "branch": run.branch, "estimate": _estimate(estimate(state))},
        "changes": [_change(kept, state) for kept in state.kept],
        "claim": _claim(state),
        "ledger": {"records": head.index, "head": head.hash, "verified": verified},
        "seconds": _seconds(state),
    }


def summary_text(state: RunState, head: Head, verified: bool | None = None, alive: bool = False) -> str:
    """The run as text for a terminal without colour; `verified` None when nobody looked. Ends in a newline."""
    lines = [sentence(state), "", *_facts(state, head, verified, alive)]
    lines += _section("now", _doing(state) if alive else [])
    lines += _section("kept", _kept_lines(state))
    lines += _section("last failures", _failure_lines(state))
    return "\n".join(lines) + "\n"


def doing(attempt: Attempt) -> str:
    """What an undecided proposal is waiting for: its race, or its next pair."""
    if attempt.race is None:
        return "race"
    return f"pair {len(attempt.pairs) + 1}" if attempt.admitted else "race done"


def _baseline(state: RunState) -> dict[str, Any] | None:
    baseline = state.baseline
    if baseline is None:
        return None
    return {
        "score": baseline.score,
        "values": baseline.values,
        "noise": baseline.noise,
        "pairs": baseline.noise_pairs,
        "limits": [{"name": limit.name, "side": limit.side, "value": limit.value} for limit in baseline.limits],
        "deterministic": baseline.deterministic,
        "warnings": list(baseline.warnings),
    }


def _estimate(value: Estimate) -> dict[str, float]:
    return {"ratio": value.effect, "low": value.low, "high": value.high}


def _change(kept: Kept, state: RunState) -> dict[str, Any]:
    attempt = state.attempts[kept.decision.proposal]
    comparison = attempt.comparison
    return {
        "proposal": attempt.proposal.id,
        "hypothesis": attempt.proposal.hypothesis,
        "effect": comparison.effect if comparison else None,
        "low": comparison.low if comparison else None,
        "high": comparison.high if comparison else None,
        "pairs": comparison.pairs if comparison else 0,
        "commit": kept.landed.commit if kept.landed else None,
    }


def _claim(state: RunState) -> dict[str, Any] | None:
    claim = state.claim
    if claim is None:
        return None
    return {
        "ratio": claim.ratio,
        "low": claim.low,
        "high": claim.high,
        "pairs": claim.pairs,
        "split": claim.split,
        "scale": claim.scale,
        "holds": claim.holds,
        "failed": claim.failed,
        "tier": claim.tier,
        "sealed_uses": claim.sealed_uses,
        "self_reported": claim.self_reported,
    }


def _seconds(state: RunState) -> dict[str, float]:
    session = state.session
    return {
        "budget": session.start.budget_seconds if session else 0.0,
        "left": round(state.budget_left, 3),
        "elapsed": round(elapsed(state, session.last), 3) if session else 0.0,
    }


def _facts(state: RunState, head: Head, verified: bool | None, alive: bool) -> Iterator[str]:
    run = state.started()
    seconds = _seconds(state)
    rows = {
        "problem": words.clean(f"{run.problem}: {run.spec.problem.goal}", 100),
        "run": f"{words.clean(state.name, 60)}, {status(state, alive)}, agent {words.clean(run.agent, 40)}",
        "baseline": _baseline_text(state),
        "trunk": _trunk_text(state),
        "claim": _claim_text(state),
        "tried": _tried_text(state),
        "time": f"{words.duration(seconds['elapsed'])} used, {words.duration(seconds['left'])} of the budget left",
        "branch": f"{words.clean(run.branch, 80)} at {state.commit[:12]}",
        "ledger": f"{words.count(head.index, 'record')}{_CHECKED[verified]}, head {head.hash[:16]}",
    }
    return (f"{name:<10}{text}" for name, text in rows.items())


def _baseline_text(state: RunState) -> str:
    baseline, metric = state.baseline, state.started().spec.metric
    if baseline is None:
        return "not measured yet"
    limits = "".join(
        f"; {words.clean(limit.name, 40)} at {'most' if limit.side == 'max' else 'least'} {words.number(limit.value)}"
        for limit in baseline.limits
    )
    noise = f"a pair differs by {words.noise(baseline.noise, metric)} ({words.count(baseline.noise_pairs, 'pair')})"
    warnings = "".join(f"; {words.clean(text, 120)}" for text in baseline.warnings)
    return f"{words.score(baseline.score, metric)}, {noise}{limits}{warnings}"


def _trunk_text(state: RunState) -> str:
    if not any(kept.landed for kept in state.kept):
        return "the baseline itself"
    now, metric = estimate(state), state.started().spec.metric
    interval = words.between(now.low, now.high, metric.scale)
    return f"{words.effect(now.effect, metric.scale)} estimated, combined 95 % interval {interval}"


def _claim_text(state: RunState) -> str:
    claim = state.claim
    if claim is None:
        return "none yet" if state.kept else "none: nothing was kept"
    interval = words.between(claim.low, claim.high, state.started().spec.metric.scale)
    effect = words.effect(claim.ratio, state.started().spec.metric.scale)
    verdict = "" if claim.holds else "; DOES NOT HOLD"
    return f"{effect}, 95 % interval {interval}, {support(claim)}{verdict}"


def _tried_text(state: RunState) -> str:
    fates = [fate(attempt, state) for attempt in state.attempts.values()]
    parts = [f"{fates.count(name)} {name}" for name in ("kept", "discarded", "failed", "held", "open") if name in fates]
    return f"{words.count(len(fates), 'proposal')} ({', '.join(parts) or 'none'}), {words.count(state.trials, 'trial')}"


def _doing(state: RunState) -> list[str]:
    if state.baseline is None:
        return ["measuring the baseline"]
    if state.claiming is not None:
        done, wanted = len(state.claiming.pairs), state.claiming.begun.pairs
        return [f"measuring the final claim: {done} of {words.count(wanted, 'pair')} done"]
    return [
        f"{attempt.proposal.id:<7}{doing(attempt):<10}{words.clean(attempt.proposal.hypothesis, 78)}"
        for attempt in state.open.values()
    ]


def _kept_lines(state: RunState) -> list[str]:
    scale = state.started().spec.metric.scale
    lines = []
    for kept in state.kept[-CHANGES_SHOWN:]:
        attempt = state.attempts[kept.decision.proposal]
        comparison = attempt.comparison
        if comparison is None:
            continue
        effect = words.effect(comparison.effect, scale)
        interval = words.between(comparison.low, comparison.high, scale)
        hypothesis = words.clean(attempt.proposal.hypothesis, 56)
        pairs = words.count(comparison.pairs, "pair")
        lines.append(f"{attempt.proposal.id:<7}{effect:>8}  {interval:<16}{pairs:>8}  {hypothesis}")
    hidden = len(state.kept) - len(lines)
    return [f"({hidden} earlier ones)", *lines] if hidden > 0 else lines


def _failure_lines(state: RunState) -> list[str]:
    lines: list[str] = []
    for attempt in reversed(state.attempts.values()):
        if len(lines) == FAILURES_SHOWN:
            break
        trial = mishap(attempt, state)
        if trial is not None and attempt.decision is not None:
            detail = words.clean(trial.detail, 72) or "no detail"
            lines.append(f"{attempt.proposal.id:<7}{cause(attempt, state):<10}{detail}")
    return lines


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", title, *(f"  {line}" for line in lines)] if lines else []


_CHECKED = {True: ", verified", False: ", BROKEN: see `holdfast verify`", None: ""}
