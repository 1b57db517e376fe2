"""The one sentence a run ends with: what was gained and how sure that is, or plainly that nothing was."""

from __future__ import annotations

from holdfast.core.problem import Metric
from holdfast.core.records import Claim
from holdfast.core.settings import Rules
from holdfast.core.state import RunState
from holdfast.core.verdicts import baseline_fault
from holdfast.ui import words
from holdfast.ui.standing import estimate, no_change, proven, tried


def sentence(state: RunState) -> str:
    """What the run amounts to so far, in one sentence that promises no more than was measured."""
    if state.run is None:
        return "Nothing has been run yet."
    name = words.clean(state.run.problem, 60)
    if state.baseline is None:
        return _before_baseline(state, name)
    claim = state.claim
    if claim is not None:
        return _claimed(claim, state.run.spec.metric, name, _share_kept(state))
    if state.kept:
        return _estimated(state, name)
    return _nothing_kept(state, name)


def support(claim: Claim) -> str:
    """What a claim rests on: `9 pairs on sealed data, fresh seeds`, with every reservation a reader must know."""
    pairs = words.count(claim.pairs, "pair")
    if claim.split == "sealed":
        uses = claim.sealed_uses
        used = f" that {words.count(uses, 'earlier claim')} used" if uses else ""
        basis = f"{pairs} on sealed data{used}, fresh seeds"
    elif claim.split == "none":
        basis = f"{pairs} with fresh seeds"
    else:
        basis = f"{pairs} on {words.clean(claim.split, 40)} data, which also steered the search, fresh seeds"
    reported = "; self-reported by the program" if claim.self_reported else ""
    return basis + reported + ("; nothing checks its result" if claim.unchecked else "")


def missed_checks(claim: Claim) -> str:
    """Which checks a claim fails: `val_loss came to 1.934, bound 1.941, limit 1.912`; empty when none does."""
    return "; ".join(
        f"{words.clean(check.name, 40)} came to {words.number(check.mean)}, "
        f"bound {words.number(check.bound)}, limit {words.number(check.limit)}"
        for check in claim.checks
        if not check.holds
    )


def _claimed(claim: Claim, metric: Metric, name: str, share: str) -> str:
    between = words.between(claim.low, claim.high, metric.scale)
    basis = f"(95 % interval {between}, {support(claim)})"
    if proven(claim):
        return f"{name} now {words.achieves(metric)} {words.gain(claim.ratio, metric)} {basis}; {share}."
    known = between != words.NOTHING_KNOWN
    effect = (
        f"the effect is {words.effect(claim.ratio, metric.scale)} {basis}" if known else "no effect could be measured"
    )
    if not claim.holds:
        why = missed_checks(claim) or _failed(claim)
        where = f" on {claim.split} data" if claim.split != "none" else ""
        return f"No gain is claimed for {name}: in the final measurement{where} {why}; {effect}; {share}."
    return f"No gain is proven for {name}: {effect}, which does not exclude no change; {share}."


def _failed(claim: Claim) -> str:
    if claim.failed:
        return f"{words.count(claim.failed, 'pair')} had a trial that failed"
    return "the trials ran without isolation"


def _estimated(state: RunState, name: str) -> str:
    metric = state.started().spec.metric
    now = estimate(state)
    interval = words.between(now.low, now.high, metric.scale)
    better = now.effect > no_change(metric.scale)
    gain = words.gain(now.effect, metric) if better else f"an effect of {words.effect(now.effect, metric.scale)}"
    said = " by a self-reported metric" if state.started().spec.self_reported else ""
    ended = state.session.ended if state.session else ""
    why = {"interrupted": " (the run was interrupted)", "failed": " (the run failed)"}.get(ended, "")
    return (
        f"{name} has no claim yet{why}: its trunk {words.achieves(metric)} an estimated {gain}{said} "
        f"(combined 95 % interval {interval}); {_share_kept(state)}."
    )


def _nothing_kept(state: RunState, name: str) -> str:
    amount = tried(state)
    over = state.session is not None and state.session.ended == "finished"
    verdict = "Nothing held" if over else "Nothing has held so far"
    if not amount:
        return f"{verdict}: no change was tried on {name}."
    return f"{verdict}: {words.count(amount, 'change')} tried on {name}, none proven better."


def _before_baseline(state: RunState, name: str) -> str:
    fault = baseline_fault(state, Rules())
    if fault is not None:
        return f"{name} has no baseline: {words.clean(fault[0], 300)}."
    ended = state.session.ended if state.session else ""
    why = {"interrupted": "the run was interrupted", "failed": "the run failed", "finished": "the run ended"}.get(ended)
    return f"{name} has no baseline: {why} before it was measured." if why else f"{name} has no baseline yet."


def _share_kept(state: RunState) -> str:
    return f"{words.count(len(state.kept), 'change')} kept of {tried(state):,} tried"
