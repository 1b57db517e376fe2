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
from holdfast.core.problem import ProblemSpec
from holdfast.core.records import (
    Admitted,
    AnyRecord,
    BaselineMeasured,
    Claim,
    ClaimBegun,
    Comparison,
    Decision,
    Stage,
    Values,
)
from holdfast.core.settings import Rules
from holdfast.core.state import Attempt, Pair, RunState, effects_of

UNISOLATED = "T0"
"""The tier of trials that ran without a sandbox; nothing from it is kept without a person."""


HINTS = {
    "No module named": "add the package it imports to `packages` under [work] in problem.toml",
    "fork": "a program that starts others needs `processes` above 1 under [limits] in problem.toml",
    "Operation not permitted": "a program that starts others needs `processes` above 1 under [limits] in problem.toml",
    "Read-only file system": "write results to $HOLDFAST_OUT and the rest to /tmp, or name directories of the tree in "
    "`writable` under [work]",
}
MEND = "mend the problem (`holdfast problem check` tries it out); nothing was changed"


def baseline_fault(state: RunState, rules: Rules) -> tuple[str, str] | None:
    """Why the unchanged program cannot serve as a baseline, with what to do; None while it can."""
    metric = state.started().spec.metric
    for pair in state.baseline_pairs.values():
        for trial in pair:
            if trial.outcome != "ok":
                what = f"the unchanged program came out {trial.outcome}: {trial.detail or 'no detail'}"
                return what, next((hint for sign, hint in HINTS.items() if sign in trial.detail), MEND)
            if pair_effect(trial.score, trial.score, metric) is None:
                what = f"the metric {metric.name!r} came to {trial.score}, but a ratio needs positive numbers"
                return what, 'set scale = "difference" under [metric] in problem.toml'
    if state.infra > rules.infra_retries:
        return "the baseline could not be run on this machine", "see `holdfast log` for the fault, then --resume"
    return None


def measure_baseline(state: RunState) -> BaselineMeasured:
    """Target, noise floor and limits from the A/A pairs. Raises `ProblemError` for an unusable metric or check."""
    spec = state.started().spec
    pairs = _ordered(state.baseline_pairs)
    noise = null_noise(effects_of(state.baseline_pairs, spec.metric))
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
        warnings=_warnings(noise, score, spec),
    )


def settle(state: RunState, attempt: Attempt, rules: Rules, seconds_left: float) -> tuple[AnyRecord, ...]:
    """What the attempt's measurements imply by now: nothing yet, an admission, or a verdict.

    A race is held against the parent's score, so that a change is judged by what it adds.
    """
    if attempt.infra > rules.infra_retries:
        return (_discard(state, attempt, "stop", f"could not be run: infrastructure failed {attempt.infra} times"),)
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


def begin_claim(state: RunState, pairs: int, split: str) -> ClaimBegun:
    """Fix how the trunk will be measured, before any of it is."""
    return ClaimBegun(
        series=f"claim{state.begun_claims + 1}",
        baseline=state.started().tree,
        trunk=state.trunk,
        pairs=pairs,
        split=split,
        sealed_uses=state.sessions[-1].start.sealed_uses + state.begun_claims,
    )


def claim(state: RunState) -> Claim:
    """Baseline against trunk over the claim's pairs, on seeds used nowhere else."""
    run, claiming, baseline = state.started(), state.claiming, state.baseline
    assert claiming is not None
    assert baseline is not None
    pairs = _ordered(claiming.pairs)
    metric = run.spec.metric
    effects = effects_of(claiming.pairs, metric)
    mean, low, high = interval(effects, Noise())
    reference = [trial.values for trial, _ in pairs if trial.outcome == "ok"]
    limits = resolve_limits(run.spec.checks, _mean_values(reference)) if reference else ()
    claimed = [trial.values for _, trial in pairs if trial.outcome == "ok"]
    checks = check_means(claimed, limits, decide.value_noise(baseline))
    tiers = {trial.tier for pair in pairs for trial in pair}
    failed = len(pairs) - len(effects)
    return Claim(
        baseline=run.tree,
        trunk=state.trunk,
        commit=state.commit,
        ratio=express(mean, metric.scale),
        low=express(low, metric.scale),
        high=express(high, metric.scale),
        pairs=len(effects),
        split=claiming.begun.split,
        scale=metric.scale,
        holds=not failed and UNISOLATED not in tiers and all(check.holds for check in checks),
        sealed_uses=claiming.begun.sealed_uses,
        self_reported=run.spec.self_reported,
        unchecked=run.spec.unchecked,
        failed=failed,
        tier=UNISOLATED if UNISOLATED in tiers else min(tiers),
        checks=checks,
        trials=_ids(pairs),
    )


def _too_dear(state: RunState, attempt: Attempt, level: float, rules: Rules, seconds_left: float) -> str:
    """Whether proving what the race promises would cost more of the time left than it is worth (ratio scale only)."""
    metric = state.started().spec.metric
    race = attempt.race
    if metric.scale != "ratio" or race is None or race.score is None or attempt.proposal.parent != state.trunk:
        return ""
    effect = pair_effect(race.score, state.incumbent_score, metric) or 0.0
    pairs = decide.pairs_needed(effect, state.noise.sigma, level, rules)
    slots = state.sessions[-1].start.workers
    pair_seconds = (race.occupied_seconds + state.occupied.get(state.trunk, race.occupied_seconds)) / slots
    return decide.too_dear(effect, pairs, pair_seconds, seconds_left)


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
    metric = state.started().spec.metric
    score = attempt.race.score if attempt.race is not None else None
    effect = pair_effect(score, state.trunks[attempt.proposal.parent], metric)
    return None if effect is None else express(effect, metric.scale)


def _ordered(pairs: dict[int, Pair]) -> list[Pair]:
    return [pairs[number] for number in sorted(pairs)]


def _ids(pairs: list[Pair]) -> tuple[str, ...]:
    return tuple(trial.id for pair in pairs for trial in pair)


def _mean_values(rows: list[Values]) -> Values:
    names = [name for name in rows[0] if all(name in row for row in rows)] if rows else []
    return {name: float(np.mean([row[name] for row in rows])) for name in names}


def _warnings(noise: Noise, score: float, spec: ProblemSpec) -> tuple[str, ...]:
    found = []
    relative = noise.sigma if spec.metric.scale == "ratio" else noise.sigma / abs(score) if score else 0.0
    if spec.unchecked:
        found.append("nothing checks what the program computes: a change that breaks it may count as a gain")
    if noise.squares == 0.0:
        found.append("the metric came out identical in every pair: it may be deterministic")
    elif relative > 0.1:
        found.append(f"the metric is noisy: {relative:.0%} between two runs of the same program")
    return tuple(found)
