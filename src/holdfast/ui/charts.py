"""A run in four pictures: progress, every trial, the kept changes, and the pairs behind baseline and claim; as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from holdfast.core.problem import Metric
from holdfast.core.records import Claim, Entry, Trial
from holdfast.core.state import Pair, RunState
from holdfast.ui import words
from holdfast.ui.canvas import AMBER, BLUE, GREY, INK, RED, STYLE, TEAL, canvas, legible, svg
from holdfast.ui.standing import Estimate, elapsed, estimates, no_change

LABELLED = 12
"""Most kept changes that are named in the progress picture; the largest are."""

ROWS = 40
"""Most kept changes in the forest plot; the largest are shown."""

MARKS = 2000
"""More trials than this are drawn as an image inside the picture, to keep it small."""

_OUTCOMES = {
    "wrong": (AMBER, "s"),
    "crashed": (RED, "X"),
    "timeout": ("#7a5195", "v"),
    "tampered": (INK, "P"),
    "infra": (GREY, "D"),
}


@rc_context(STYLE)
def progress(state: RunState) -> str:
    """The trunk's estimated gain over the run's time as steps, with the interval, and the claim at the end."""
    metric = state.started().spec.metric
    figure, (axes,) = canvas(7.6, 3.4)
    same = no_change(metric.scale)
    steps = [(_minutes(state, kept.at), kept.decision.proposal, value) for kept, value in estimates(state)]
    end = max(_minutes(state, state.session.last) if state.session else 0.0, 0.1)
    times = [0.0, *(at for at, _, _ in steps), end]
    values = [Estimate(same, same, same), *(value for _, _, value in steps)]
    values.append(values[-1])
    axes.fill_between(
        times, [v.low for v in values], [min(v.high, 1e6) for v in values], step="post", color=BLUE, alpha=0.15, lw=0
    )
    axes.step(times, [v.effect for v in values], where="post", color=BLUE, lw=2, label="trunk, estimated")
    _name_steps(axes, steps, metric)
    claim = state.claim
    if claim is not None and words.between(claim.low, claim.high, metric.scale) == words.NOTHING_KNOWN:
        claim = None
    if claim is not None:
        _interval(axes, end, claim, metric)
    axes.set_xlim(0, end * 1.12)
    _effect_axis(axes, metric, [v.effect for v in values] + ([claim.ratio] if claim else []), "y")
    _time_axis(axes)
    axes.set_ylabel(_effect_name(metric))
    axes.legend(loc="lower right", frameon=False)
    return svg(figure, "progress", f"Progress of {state.started().problem} over time")


@rc_context(STYLE)
def trials(state: RunState, entries: Sequence[Entry]) -> str:
    """Every trial over the run's time: its score where it has one, failures in lanes below."""
    metric = state.started().spec.metric
    rows = [(_minutes(state, entry.at), entry.record) for entry in entries if isinstance(entry.record, Trial)]
    figure, (upper, lower) = canvas(7.6, 4.0, heights=(4, 1))
    kept = {change.decision.proposal for change in state.kept}
    for layer, (name, (color, size)) in enumerate(_LAYERS.items(), start=2):
        scored = [(at, trial.score) for at, trial in rows if trial.score is not None and _layer(trial, kept) == name]
        upper.scatter([at for at, _ in scored], [score for _, score in scored], s=size, color=color, label=name,
                      edgecolors="white", linewidths=0.4, zorder=layer, rasterized=len(rows) > MARKS)  # fmt: skip
    if state.baseline is not None:
        upper.axhline(state.baseline.score, color=GREY, lw=1, ls=(0, (4, 3)), zorder=1)
    _score_axis(upper, metric, [trial.score for _, trial in rows if trial.score is not None])
    upper.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False, handletextpad=0.2)
    _failure_lanes(lower, rows)
    _time_axis(lower)
    return svg(figure, "trials", f"Every trial of {state.started().problem}")


@rc_context(STYLE)
def effects(state: RunState) -> str:
    """Each kept change with its effect and 95 % interval against the trunk of its time."""
    metric = state.started().spec.metric
    rows = []
    for kept in state.kept:
        attempt = state.attempts[kept.decision.proposal]
        if attempt.comparison is not None:
            measured = attempt.comparison
            label = f"{attempt.proposal.id}  {attempt.proposal.hypothesis}"
            rows.append((label, Estimate(measured.effect, measured.low, measured.high)))
    hidden = max(0, len(rows) - ROWS)
    rows = [row for row in rows if row in sorted(rows, key=lambda row: -row[1].effect)[:ROWS]]
    figure, (axes,) = canvas(7.6, 0.9 + 0.29 * max(2, len(rows)))
    for height, (label, value) in enumerate(rows):
        _whisker(axes, height, value)
        text = f"{words.effect(value.effect, metric.scale)}  ({words.between(value.low, value.high, metric.scale)})"
        axes.text(1.02, height, text, transform=axes.get_yaxis_transform(), va="center", color=INK)
        axes.text(-0.02, height, legible(label, 46), transform=axes.get_yaxis_transform(), va="center", ha="right",
                  color=INK)  # fmt: skip
    axes.axvline(no_change(metric.scale), color=GREY, lw=1)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks([])
    _effect_axis(axes, metric, [end for _, v in rows for end in (v.low, v.effect, v.high)], "x")
    axes.set_xlabel(_effect_name(metric) + (f"; the {hidden} smallest are left out" if hidden else ""))
    return svg(figure, "effects", f"Kept changes of {state.started().problem} with their effects")


@rc_context(STYLE)
def pairs(state: RunState, entries: Sequence[Entry]) -> str:
    """The raw pairs: the baseline against itself (the noise), and baseline against trunk (the claim), as scores."""
    metric = state.started().spec.metric
    noise = [state.baseline_pairs[number] for number in sorted(state.baseline_pairs)]
    claimed = claim_pairs(state, entries)
    rows = [*noise, *claimed]
    figure, (axes,) = canvas(7.6, 1.1 + 0.2 * max(4, len(rows)))
    for height, (first, second) in enumerate(rows):
        later = TEAL if height >= len(noise) else GREY
        scores = [trial.score for trial in (first, second) if trial.score is not None]
        axes.plot(scores, [height] * len(scores), color=later, lw=1.4, alpha=0.6, zorder=1)
        for trial, color in ((first, GREY), (second, later)):
            if trial.score is not None:
                axes.scatter([trial.score], [height], s=30, color=color, edgecolors="white", linewidths=0.5, zorder=2)
    for label, first_row, group in (("baseline, twice", 0, noise), ("baseline and trunk", len(noise), claimed)):
        if group:
            at = first_row + (len(group) - 1) / 2
            axes.text(-0.02, at, label, transform=axes.get_yaxis_transform(), va="center", ha="right", color=INK)
    axes.set_ylim(max(len(rows), 1) - 0.4, -0.6)
    axes.set_yticks([])
    _score_axis(axes, metric, [t.score for pair in rows for t in pair if t.score is not None], "x")
    return svg(figure, "pairs", f"The pairs behind the baseline and the claim of {state.started().problem}")


def claim_pairs(state: RunState, entries: Sequence[Entry]) -> list[Pair]:
    """The pairs behind the current claim, which the state does not keep; an aborted attempt at one does not count."""
    claim = state.claim
    if claim is None:
        return []
    found: dict[str, Trial] = {}
    latest: dict[str, Trial] = {}
    for entry in entries:
        if isinstance(entry.record, Trial) and entry.record.role == "claim" and entry.record.outcome != "infra":
            found[entry.record.id] = entry.record
        elif isinstance(entry.record, Claim):
            latest = dict(found)
    trials = [latest[name] for name in claim.trials if name in latest]
    return list(zip(trials[::2], trials[1::2], strict=False))


def _minutes(state: RunState, at: float) -> float:
    return elapsed(state, at) / 60


def _name_steps(axes: Axes, steps: list[tuple[float, str, Estimate]], metric: Metric) -> None:
    """Name the largest steps, each above its point; the others keep a dot."""
    axes.scatter([at for at, _, _ in steps], [value.effect for _, _, value in steps], s=22, color=BLUE, zorder=3)
    before = [no_change(metric.scale), *(value.effect for _, _, value in steps)]
    sizes = [
        value.effect / previous if metric.scale == "ratio" and previous > 0 else value.effect - previous
        for previous, (_, _, value) in zip(before, steps, strict=False)
    ]
    smallest = sorted(sizes, reverse=True)[:LABELLED][-1] if sizes else 0.0
    for (at, name, value), size in zip(steps, sizes, strict=True):
        if size >= smallest:
            axes.annotate(legible(name, 8), (at, value.effect), (-3, 5), textcoords="offset points", ha="right",
                          fontsize=8, color=INK)  # fmt: skip


def _interval(axes: Axes, at: float, claim: Claim, metric: Metric) -> None:
    """The claim as a point with whiskers, and its numbers."""
    low, high = _within(claim.low, metric), _within(claim.high, metric)
    color = TEAL if claim.holds else RED
    spread = [[max(0.0, claim.ratio - low)], [max(0.0, high - claim.ratio)]]
    axes.errorbar([at * 1.03], [claim.ratio], yerr=spread, fmt="D", ms=6, color=color, capsize=4, lw=2, zorder=4,
                  label="claim, measured" if claim.holds else "claim, does not hold")  # fmt: skip
    text = words.effect(claim.ratio, metric.scale)
    axes.annotate(text, (at * 1.03, claim.ratio), (8, 0), textcoords="offset points", va="center", weight="bold",
                  color=color)  # fmt: skip


def _whisker(axes: Axes, height: float, value: Estimate) -> None:
    ends = [max(value.low, -1e290), min(value.high, 1e290)]
    axes.plot(ends, [height, height], color=BLUE, lw=2, solid_capstyle="butt")
    axes.scatter([value.effect], [height], s=34, color=BLUE, zorder=3)


def _within(value: float, metric: Metric) -> float:
    """An interval's end that can be drawn."""
    return min(max(value, 1e-6 if metric.scale == "ratio" else -1e6), 1e6)


def _failure_lanes(axes: Axes, rows: Sequence[tuple[float, Trial]]) -> None:
    """Failures have no score, so they stand in lanes, one per outcome."""
    present = [name for name in _OUTCOMES if any(trial.outcome == name for _, trial in rows)]
    for lane, name in enumerate(present):
        color, marker = _OUTCOMES[name]
        times = [at for at, trial in rows if trial.outcome == name]
        axes.scatter(times, [lane] * len(times), s=22, color=color, marker=marker, linewidths=0,
                     rasterized=len(rows) > MARKS)  # fmt: skip
    counts = [sum(trial.outcome == name for _, trial in rows) for name in present]
    labels = [f"{name} ({count})" for name, count in zip(present, counts, strict=True)]
    axes.set_yticks(range(len(present)), labels or [])
    axes.set_ylim(max(len(present), 1) - 0.4, -0.6)
    if not present:
        axes.text(0.5, 0.5, "no trial failed", transform=axes.transAxes, ha="center", va="center", color=GREY)


def _effect_axis(axes: Axes, metric: Metric, values: Sequence[float], which: str) -> None:
    """A log axis with round ticks for ratios, a plain one for differences; infinite ends do not stretch it."""
    finite = [value for value in values if 1e-4 < value < 1e5] if metric.scale == "ratio" else list(values)
    low, high = min([no_change(metric.scale), *finite]), max([no_change(metric.scale), *finite])
    axis = axes.yaxis if which == "y" else axes.xaxis
    limit = axes.set_ylim if which == "y" else axes.set_xlim
    if metric.scale == "ratio":
        axes.set_yscale("log") if which == "y" else axes.set_xscale("log")
        limit(low / 1.06, max(high, 1.05) * (1.25 if which == "y" else 1.06))
        axis.set_major_locator(FixedLocator(_round_ticks(low / 1.06, max(high, 1.05) * 1.25)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    else:
        spread = max(high - low, 1e-9)
        limit(low - 0.08 * spread, high + 0.15 * spread)
        axis.set_major_locator(MaxNLocator(6))


def _score_axis(axes: Axes, metric: Metric, scores: Sequence[float], which: str = "y") -> None:
    axis = axes.yaxis if which == "y" else axes.xaxis
    if metric.scale == "ratio" and scores and min(scores) > 0 and max(scores) / min(scores) > 1.5:
        axes.set_yscale("log") if which == "y" else axes.set_xscale("log")
        axis.set_major_locator(FixedLocator(_round_ticks(min(scores) / 1.1, max(scores) * 1.1)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    better = "less" if metric.goal == "minimize" else "more"
    label = legible(f"{words.unit(metric)} ({better} is better)", 60)
    axes.set_ylabel(label) if which == "y" else axes.set_xlabel(label)


def _round_ticks(low: float, high: float) -> list[float]:
    """Round numbers from `low` to `high` (both positive) for a log axis: evenly spaced as long as that reads well."""
    if high / low < 4:
        ticks = [float(tick) for tick in MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]
    else:
        steps = (1, 2, 5) if high / low > 30 else (1, 2, 3, 5)
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [step * 10.0**decade for decade in decades for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def _effect_name(metric: Metric) -> str:
    if metric.scale == "difference":
        return "gain over the baseline"
    return (
        "speed-up" if metric.name in ("cpu_seconds", "wall_seconds") and metric.goal == "minimize" else "times better"
    )


def _layer(trial: Trial, kept: set[str]) -> str:
    if trial.role in ("baseline", "claim") or trial.side == "incumbent":
        return "baseline and trunk"
    return "kept changes" if trial.proposal in kept else "changes not kept"


def _time_axis(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axes.set_xlabel("minutes of the run")


_LAYERS = {"baseline and trunk": ("#c3ccd4", 14), "changes not kept": ("#e0a458", 16), "kept changes": (BLUE, 26)}
