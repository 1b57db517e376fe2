"""What a report says, section by section, as plain rows of harmless text; HTML and Markdown render the same ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from holdfast.core.chain import Head
from holdfast.core.records import CheckResult, Comparison, Entry, Trial
from holdfast.core.state import Attempt, Kept, RunState
from holdfast.ui import words
from holdfast.ui.sentence import sentence, support
from holdfast.ui.standing import (
    causes,
    elapsed,
    estimate,
    fate,
    mishap,
    proven,
    status,
)

PROPOSALS_SHOWN = 1500
"""Rows of the table of all proposals; the kept ones are always among them."""

FAILURES_SHOWN = 25
"""Proposals listed under one cause."""

DIFF_LINES = 400
DIFFS_SIZE = 1_500_000
"""Lines of one diff, and characters of all diffs together, that are shown in full."""

Row = dict[str, Any]


def evidence(state: RunState, entries: Sequence[Entry], diffs: Mapping[str, str], head: Head, verified: bool) -> Row:
    """All sections of the report on `state`; `diffs` maps proposals to unified diffs, `head` is the ledger's."""
    return {
        "sentence": sentence(state),
        "about": _about(state, entries),
        "claim": _claim(state),
        "cards": _cards(state),
        "kept": _kept(state, diffs),
        "causes": _causes(state),
        "proposals": _proposals(state),
        "hidden": max(0, len(state.attempts) - PROPOSALS_SHOWN),
        "baseline": _baseline(state),
        "isolation": _isolation(state, entries),
        "sessions": _sessions(state),
        "environment": _environment(state),
        "ledger": {
            "records": f"{head.index:,}",
            "head": head.hash,
            "verified": verified,
            "run": words.clean(state.name),
        },
    }


def _about(state: RunState, entries: Sequence[Entry]) -> Row:
    run = state.started()
    started = datetime.fromtimestamp(entries[0].at, UTC).strftime("%d %B %Y, %H:%M UTC") if entries else ""
    ended = status(state)
    return {
        "problem": words.clean(run.problem, 80),
        "goal": words.clean(run.spec.problem.goal, 400),
        "run": words.clean(state.name, 80),
        "agent": words.clean(run.agent, 80),
        "seed": run.seed,
        "started": started,
        "status": "not ended" if ended == "killed" else ended,
        "duration": words.duration(elapsed(state, state.session.last)) if state.session else "0 s",
        "branch": words.clean(run.branch, 120),
        "commit": state.commit,
    }


def _claim(state: RunState) -> Row | None:
    claim, metric = state.claim, state.started().spec.metric
    if claim is None:
        return None
    verdict = "proven" if proven(claim) else "not proven" if claim.holds else "does not hold"
    return {
        "verdict": verdict,
        "good": proven(claim),
        "effect": words.effect(claim.ratio, metric.scale),
        "gain": words.gain(claim.ratio, metric) if proven(claim) else "no gain is claimed",
        "interval": words.between(claim.low, claim.high, metric.scale),
        "support": support(claim),
        "pairs": claim.pairs,
        "split": words.clean(claim.split, 40),
        "sealed_uses": claim.sealed_uses,
        "self_reported": claim.self_reported,
        "checks": [_check(check) for check in claim.checks],
        "commit": claim.commit,
    }


def _check(check: CheckResult) -> Row:
    return {
        "name": words.clean(check.name, 60),
        "mean": words.number(check.mean),
        "bound": words.number(check.bound),
        "limit": words.number(check.limit),
        "holds": check.holds,
    }


def _cards(state: RunState) -> list[Row]:
    """The few numbers that stand beside the claim."""
    metric = state.started().spec.metric
    fates = Counter(fate(attempt, state) for attempt in state.attempts.values())
    now = estimate(state)
    landed = any(kept.landed for kept in state.kept)
    interval = words.between(now.low, now.high, metric.scale)
    failed = sum(amount for outcome, amount in state.outcomes.items() if outcome != "ok")
    return [
        {
            "title": "Trunk, estimated",
            "value": words.effect(now.effect, metric.scale) if landed else "baseline",
            "note": f"from the kept changes, {interval}" if landed else "nothing has landed",
        },
        {
            "title": "Changes kept",
            "value": f"{fates['kept']:,} of {len(state.attempts):,}",
            "note": f"{fates['discarded']:,} discarded, {fates['failed']:,} failed"
            + (f", {fates['held']:,} held" if fates["held"] else "")
            + (f", {fates['open']:,} open" if fates["open"] else ""),
        },
        {
            "title": "Trials",
            "value": f"{state.trials:,}",
            "note": f"{state.outcomes.get('ok', 0):,} ok, {failed:,} failed",
        },
    ]


def _kept(state: RunState, diffs: Mapping[str, str]) -> list[Row]:
    left = DIFFS_SIZE
    rows = []
    for kept in state.kept:
        row = _change(state, kept)
        text = words.clean_block(diffs.get(kept.decision.proposal, ""))
        lines = text.splitlines()
        row["diff"] = [_diff_line(line) for line in lines[:DIFF_LINES]] if len(text) <= left else []
        row["diff_hidden"] = len(lines) - len(row["diff"])
        left -= sum(len(line["text"]) for line in row["diff"])
        rows.append(row)
    return rows


def _change(state: RunState, kept: Kept) -> Row:
    attempt = state.attempts[kept.decision.proposal]
    comparison, scale = attempt.comparison, state.started().spec.metric.scale
    row = _proposal(attempt, state)
    row |= {
        "interval": "not compared",
        "evidence": "none",
        "needed": "none",
        "level": "none",
        "method": "",
        "checks": [],
    }
    row |= {"minutes": words.duration(elapsed(state, kept.at)), "commit": kept.landed.commit if kept.landed else ""}
    if comparison is not None:
        row |= {
            "interval": words.between(comparison.low, comparison.high, scale),
            "evidence": f"{comparison.evidence:,.0f}" if comparison.evidence < 1e6 else f"{comparison.evidence:.2g}",
            "needed": f"{1 / comparison.level:,.0f}" if comparison.level > 0 else "",
            "level": f"{comparison.level:.2g}",
            "method": words.clean(comparison.method, 120),
            "checks": [_check(check) for check in comparison.checks],
        }
    return row


def _diff_line(line: str) -> Row:
    kind = "head" if line.startswith(("+++", "---")) else _DIFF_KINDS.get(line[:1], "")
    return {"kind": kind, "text": line[:300]}


def _causes(state: RunState) -> list[Row]:
    groups = causes(state.attempts.values(), state)
    most = max((len(members) for _, members in groups), default=1)
    return [
        {
            "cause": words.clean(cause, 120),
            "count": len(members),
            "share": round(100 * len(members) / most, 1),
            "hidden": max(0, len(members) - FAILURES_SHOWN),
            "members": [_failure(attempt, state) for attempt in members[-FAILURES_SHOWN:]],
        }
        for cause, members in groups
    ]


def _failure(attempt: Attempt, state: RunState) -> Row:
    failed = mishap(attempt, state)
    detail = failed.detail if failed is not None else attempt.decision.reason if attempt.decision else ""
    return {
        "id": words.clean(attempt.proposal.id, 20),
        "hypothesis": words.clean(attempt.proposal.hypothesis, 200),
        "detail": words.clean(detail, 300),
    }


def _proposals(state: RunState) -> list[Row]:
    """All proposals, or when there are too many the latest, with the kept ones in any case."""
    attempts = list(state.attempts.values())
    kept = [attempt for attempt in attempts if fate(attempt, state) == "kept"]
    others = [attempt for attempt in attempts if fate(attempt, state) != "kept"]
    room = max(0, PROPOSALS_SHOWN - len(kept))
    shown = {attempt.proposal.id for attempt in [*kept[-PROPOSALS_SHOWN:], *others[len(others) - room :]]}
    return [_proposal(attempt, state) for attempt in attempts if attempt.proposal.id in shown]


def _proposal(attempt: Attempt, state: RunState) -> Row:
    proposal, decision, scale = attempt.proposal, attempt.decision, state.started().spec.metric.scale
    failed = mishap(attempt, state)
    effect = _effect(attempt.comparison, decision.effect if decision else None) if failed is None else None
    return {
        "id": words.clean(proposal.id, 20),
        "fate": fate(attempt, state),
        "hypothesis": words.clean(proposal.hypothesis, 300),
        "technique": words.clean(proposal.technique, 60),
        "place": words.clean(proposal.place, 80),
        "agent": words.clean(proposal.agent, 40),
        "basis": words.clean(proposal.basis, 20),
        "stage": decision.stage if decision else "",
        "reason": words.clean(decision.reason, 160) if decision else "",
        "effect": words.effect(effect, scale) if effect is not None else "",
        "pairs": len(attempt.pairs),
        "forecast": words.percent(proposal.forecast.probability),
        "forecast_effect": words.effect(proposal.forecast.effect, scale),
    }


def _effect(comparison: Comparison | None, raced: float | None) -> float | None:
    return comparison.effect if comparison is not None else raced


def _baseline(state: RunState) -> Row | None:
    baseline, metric = state.baseline, state.started().spec.metric
    if baseline is None:
        return None
    limits = {
        limit.name: f"{'at most' if limit.side == 'max' else 'at least'} {words.number(limit.value)}"
        for limit in baseline.limits
    }
    return {
        "score": words.score(baseline.score, metric),
        "noise": words.noise(baseline.noise, metric),
        "pairs": baseline.noise_pairs,
        "deterministic": baseline.deterministic,
        "warnings": [words.clean(text, 300) for text in baseline.warnings],
        "values": [
            {
                "name": words.clean(name, 60),
                "mean": words.number(value),
                "spread": words.number(baseline.spread.get(name, 0.0)),
                "limit": limits.get(name, ""),
            }
            for name, value in sorted(baseline.values.items())
        ],
    }


def _isolation(state: RunState, entries: Sequence[Entry]) -> Row:
    """What protected the lab from its candidates, as recorded on every trial, with numbers of trials."""
    trials = [entry.record for entry in entries if isinstance(entry.record, Trial)]
    tiers = Counter(trial.tier for trial in trials if trial.tier)
    found = Counter(item for trial in trials for item in trial.controls.items())
    return {
        "tiers": ", ".join(f"{words.clean(tier, 20)} ({words.count(n, 'trial')})" for tier, n in tiers.most_common()),
        "tier": words.clean(state.session.start.tier, 20) if state.session else "",
        "controls": [
            {
                "name": words.clean(name, 60),
                "state": words.clean(finding, 160),
                "trials": f"{amount:,}",
                "enforced": finding == "enforced",
            }
            for (name, finding), amount in sorted(found.items())
        ],
    }


def _sessions(state: RunState) -> list[Row]:
    return [
        {
            "began": datetime.fromtimestamp(session.began, UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "budget": words.duration(session.start.budget_seconds),
            "lasted": words.duration(session.last - session.began),
            "workers": session.start.workers,
            "tier": words.clean(session.start.tier, 20),
            "version": words.clean(session.start.holdfast, 40),
            "ended": session.ended or "not ended",
        }
        for session in state.sessions
    ]


def _environment(state: RunState) -> list[tuple[str, str]]:
    run = state.started()
    rows = [(words.clean(name, 60), words.clean(value, 200)) for name, value in sorted(run.environment.items())]
    rows += [(f"{words.clean(split, 40)} data", digest) for split, digest in sorted(run.data.items())]
    return [*rows, ("problem", run.problem_digest), ("baseline tree", run.tree), ("baseline commit", run.commit)]


_DIFF_KINDS = {"+": "add", "-": "del", "@": "hunk"}
