"""The records that follow from a state: baseline, admission, comparison, decision and claim. Pure."""

from __future__ import annotations

import numpy as np

from holdfast.core import decide
from holdfast.core.measure import (
    Noise,
    check_means,
    express,
    interval,
    null_noise,
    pair_effect,
    resolve_limits,
)
from holdfast.core.problem import Metric
from holdfast.core.records import (
    Admitted,
    AnyRecord,
    BaselineMeasured,
    Claim,
    Comparison,
    Decision,
    Stage,
    Values,
)
from holdfast.core.settings import Rules
from holdfast.core.state import Attempt, Pair, RunState

losing_over = decide.losing_over

UNISOLATED = "T0"
"""The tier of trials that ran without a sandbox; nothing from it is kept without a person."""


def baseline_fault(state: RunState, rules: Rules) -> tuple[str, str] | None:
    """Why the unchanged program cannot serve as a baseline, with what to do; None while it can."""
    for pair in state.baseline_pairs.values():
        for trial in pair:
            if trial.outcome != "ok":
                what = f"the unchanged program came out {trial.outcome}: {trial.detail or 'no detail'}"
                return what, "run `holdfast problem check` and mend the problem; nothing was changed"
    if any(count > rules.infra_retries for count in state.infra.values()):
        return "the baseline could not be run on this machine", "see `holdfast log` for the fault, then --resume"
    return None


def measure_baseline(state: RunState) -> BaselineMeasured:
    """Target, noise floor and limits from the A/A pairs. Raises `ProblemError` for an unusable metric or check."""
    spec = state.started().spec
    pairs = _ordered(state.baseline_pairs)
    effects = _effects(pairs, spec.metric)
    noise = null_noise(effects)
    per_seed = [_mean_values([first.values, second.values]) for first, second in pairs]
    values = _mean_values(per_seed)
    score = float(np.mean([trial.score for pair in pairs for trial in pair if trial.score is not None]))
    spread = {name: float(np.std([v[name] for v in per_seed], ddof=1)) if len(per_seed) > 1 else 0.0 for name in values}
    return BaselineMeasured(
        score=score,
        values=values,
        spread=spread,
        noise=noise.sigma,
        noise_pairs=len(pairs),
        limits=resolve_limits(spec.checks, values),
        deterministic=noise.squares == 0.0,
        warnings=_warnings(noise, score, spec.metric),
    )


def settle(state: RunState, attempt: Attempt, rules: Rules, seconds_left: float) -> tuple[AnyRecord, ...]:
    """What the attempt's measurements imply by now: nothing yet, an admission, or a verdict.

    A race is held against the parent's score, so that a change is judged by what it adds.
    """
    failures = _infra_failures(state, attempt)
    if failures > rules.infra_retries:
        return (_discard(state, attempt, "stop", f"could not be run: infrastructure failed {failures} times"),)
    if attempt.admitted is not None:
        return _settle_pairs(state, attempt, rules)
    if attempt.race is None or state.baseline is None:
        return ()
    metric = state.started().spec.metric
    failure = decide.race_failure(attempt.race, state.trunks[attempt.proposal.parent], state.baseline, metric, rules)
    if failure:
        return (_discard(state, attempt, "race", failure, _race_effect(state, attempt), (attempt.race.id,)),)
    order = state.admitted + 1
    level = decide.level(order, len(state.kept), rules)
    dear = _too_dear(state, attempt, level, rules, seconds_left)
    if dear:
        return (_discard(state, attempt, "race", dear, _race_effect(state, attempt), (attempt.race.id,)),)
    return (Admitted(attempt.proposal.id, attempt.proposal.tree, state.trunk, order, level),)


def out_of_time(state: RunState, attempt: Attempt) -> Decision:
    """The verdict on what the budget could not settle."""
    reason = f"not settled: the budget ended after {len(attempt.pairs)} pairs"
    return _discard(state, attempt, "budget", reason)


def claim(state: RunState) -> Claim:
    """Baseline against trunk over the claim's pairs: fixed in number before they ran, on seeds used nowhere else."""
    run, baseline = state.started(), state.baseline
    assert baseline is not None
    pairs = _ordered(state.claim_pairs)
    metric = run.spec.metric
    mean, low, high = interval(_effects(pairs, metric), Noise())
    claimed = [trial.values for _, trial in pairs]
    spread, freedom = baseline.spread, max(0.0, baseline.noise_pairs - 1.0)
    limits = resolve_limits(run.spec.checks, _mean_values([trial.values for trial, _ in pairs]))
    checks = check_means(claimed, limits, spread, freedom)
    failed = any(trial.outcome != "ok" for _, trial in pairs)
    return Claim(
        baseline=run.tree,
        trunk=state.trunk,
        commit=state.commit,
        ratio=express(mean, metric.scale),
        low=express(low, metric.scale),
        high=express(high, metric.scale),
        pairs=len(pairs),
        split=pairs[0][0].split,
        scale=metric.scale,
        holds=not failed and all(check.holds for check in checks),
        sealed_uses=run.sealed_uses + len(state.claims),
        self_reported=run.spec.self_reported,
        checks=checks,
        trials=_ids(pairs),
    )


def _too_dear(state: RunState, attempt: Attempt, level: float, rules: Rules, seconds_left: float) -> str:
    """Whether proving what the race promises would cost more of the time left than it is worth (ratio scale only)."""
    metric = state.started().spec.metric
    race = attempt.race
    if metric.scale != "ratio" or race is None or race.score is None or attempt.proposal.parent != state.trunk:
        return ""
    effect = pair_effect(race.score, state.incumbent_score, metric)
    pairs = decide.pairs_needed(effect, state.noise.sigma, level, rules)
    slots = state.sessions[-1].start.workers
    pair_seconds = (race.occupied_seconds + state.occupied.get(state.trunk, race.occupied_seconds)) / slots
    return decide.too_dear(effect, pairs, pair_seconds, seconds_left)


def _infra_failures(state: RunState, attempt: Attempt) -> int:
    """How often the worst of the attempt's jobs failed through no fault of its own in this session."""
    start = f"{attempt.proposal.id}."
    return max((count for key, count in state.infra.items() if key.startswith(start)), default=0)


def _settle_pairs(state: RunState, attempt: Attempt, rules: Rules) -> tuple[AnyRecord, ...]:
    admitted, baseline = attempt.admitted, state.baseline
    assert admitted is not None
    assert baseline is not None
    if not attempt.pairs or admitted.incumbent != state.trunk:
        return ()
    metric = state.started().spec.metric
    pairs = _ordered(attempt.pairs)
    judged = decide.judge(pairs, baseline, state.noise, metric, admitted.level, rules)
    if judged.next == "more":
        return ()
    trials = _ids(pairs)
    comparison = Comparison(
        proposal=admitted.proposal,
        tree=admitted.tree,
        incumbent=admitted.incumbent,
        pairs=judged.pairs,
        effect=express(judged.effect, metric.scale),
        low=express(judged.low, metric.scale),
        high=express(judged.high, metric.scale),
        evidence=judged.evidence,
        level=admitted.level,
        method=decide.METHOD,
        checks=judged.checks,
        trials=trials,
    )
    held = judged.next == "keep" and UNISOLATED in {trial.tier for pair in pairs for trial in pair}
    decision = Decision(
        proposal=admitted.proposal,
        tree=admitted.tree,
        incumbent=admitted.incumbent,
        verdict="hold" if held else judged.next,
        stage="confirm",
        reason="better, but measured without isolation: a person has to look" if held else judged.reason,
        effect=comparison.effect,
        trials=trials,
    )
    return comparison, decision


def _discard(
    state: RunState,
    attempt: Attempt,
    stage: Stage,
    reason: str,
    effect: float | None = None,
    trials: tuple[str, ...] = (),
) -> Decision:
    return Decision(
        proposal=attempt.proposal.id,
        tree=attempt.proposal.tree,
        incumbent=state.trunk,
        verdict="discard",
        stage=stage,
        reason=reason,
        effect=effect,
        trials=trials,
    )


def _race_effect(state: RunState, attempt: Attempt) -> float | None:
    if attempt.race is None or attempt.race.score is None:
        return None
    metric = state.started().spec.metric
    return express(pair_effect(attempt.race.score, state.trunks[attempt.proposal.parent], metric), metric.scale)


def _ordered(pairs: dict[int, Pair]) -> list[Pair]:
    return [pairs[number] for number in sorted(pairs)]


def _ids(pairs: list[Pair]) -> tuple[str, ...]:
    return tuple(trial.id for pair in pairs for trial in pair)


def _effects(pairs: list[Pair], metric: Metric) -> list[float]:
    """Effects of the pairs in which both sides have a score; a failure is handled by whoever asks."""
    return [
        pair_effect(candidate.score, incumbent.score, metric)
        for incumbent, candidate in pairs
        if incumbent.score is not None and candidate.score is not None
    ]


def _mean_values(rows: list[Values]) -> Values:
    names = [name for name in rows[0] if all(name in row for row in rows)] if rows else []
    return {name: float(np.mean([row[name] for row in rows])) for name in names}


def _warnings(noise: Noise, score: float, metric: Metric) -> tuple[str, ...]:
    relative = noise.sigma if metric.scale == "ratio" else noise.sigma / abs(score) if score else 0.0
    if noise.squares == 0.0:
        return ("the metric came out identical in every pair: it may be deterministic",)
    if relative > 0.1:
        return (f"the metric is noisy: {relative:.0%} between two runs of the same program",)
    return ()
