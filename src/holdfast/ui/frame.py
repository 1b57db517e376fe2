"""One picture of a running lab for a terminal: what is known, what is being tried and why, and the time left."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from holdfast.core.ports import Job
from holdfast.core.schedule import claim_reserve
from holdfast.core.settings import Rules
from holdfast.core.state import Attempt, RunState
from holdfast.ui import words
from holdfast.ui.news import News
from holdfast.ui.sentence import support
from holdfast.ui.standing import additive, cause, elapsed, estimate, estimates, fate, mishap, proven

BARS = "▁▂▃▄▅▆▇█"
FIXED_LINES = 13
"""Lines of a frame beside its two lists: title, rule, goal, facts, headings and the spaces between them."""

_MARKS = {"kept": ("✓", "green"), "failed": ("✗", "red"), "held": ("‖", "yellow")}


@dataclass(frozen=True)
class Scenery:
    """What a frame is drawn from besides the state: jobs in flight, the news so far, the time, rules and size."""

    busy: Mapping[str, Job]
    news: News
    now: float
    rules: Rules
    width: int
    height: int


def frame(state: RunState, scenery: Scenery) -> RenderableType:
    """The whole view, at most `scenery.height` lines of `scenery.width` columns. Pure; foreign text is inert."""
    if state.run is None:
        return Text("starting", style="dim")
    slots = state.session.start.workers if state.session else 1
    room = max(2, scenery.height - FIXED_LINES)
    doing = max(1, min(slots, room // 2, 8))
    lately = min(room - doing, 6)
    parts: list[RenderableType] = [
        _title(state, scenery.width),
        Rule(style="dim", characters="─"),
        _line(words.clean(state.run.spec.problem.goal), "italic"),
        Text(),
        _facts(state, scenery),
        Text(),
    ]
    if state.session is None or not state.session.ended:
        parts += [Text("now", style="bold"), *_padded(_doing(state, scenery, doing), doing), Text()]
    else:
        lately = min(lately, len(scenery.news.latest))
    return Group(*parts, Text("lately", style="bold"), *_padded(_lately(state, scenery, lately), lately))


def phase(state: RunState) -> str:
    """What the run is at: `baseline`, `search`, `final claim`, or how its last session ended."""
    ended = state.session.ended if state.session else ""
    if ended:
        return ended
    if state.baseline is None:
        return "baseline"
    return "final claim" if state.claiming is not None else "search"


def sparkline(state: RunState, now: float, width: int) -> str:
    """The trunk's estimated gain over the run's time so far, one bar per `width`-th of it; empty without gains."""
    steps = estimates(state)
    if not steps:
        return ""
    scale = state.started().spec.metric.scale
    span = max(elapsed(state, now), 1.0)
    top = max(additive(estimate.effect, scale) for _, estimate in steps)
    levels = [0.0] * width
    for kept, value in steps:
        first = min(width - 1, int(width * elapsed(state, kept.at) / span))
        levels[first:] = [additive(value.effect, scale)] * (width - first)
    return "".join(BARS[_height(level, top)] for level in levels)


def _height(level: float, top: float) -> int:
    if not (0 < level <= top and math.isfinite(top)):
        return 0
    return min(len(BARS) - 1, int(len(BARS) * level / top))


def _title(state: RunState, width: int) -> Text:
    run = state.started()
    left = Text.assemble(("holdfast", "bold cyan"), "  ", (words.clean(run.problem, 30), "bold"))
    tier = f" · {words.clean(state.session.start.tier, 12)}" if state.session else ""
    right = Text(f"{words.clean(state.name, 30)} · {words.clean(run.agent, 16)}{tier}", style="dim")
    gap = max(1, width - left.cell_len - right.cell_len)
    line = Text.assemble(left, " " * gap, right)
    line.truncate(width, overflow="ellipsis")
    return line


def _facts(state: RunState, scenery: Scenery) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True, width=8)
    grid.add_column(no_wrap=True, overflow="ellipsis", width=max(20, scenery.width - 10))
    grid.add_row("trunk", _trunk(state))
    grid.add_row("", Text(sparkline(state, scenery.now, max(10, scenery.width - 34)), style="green"))
    grid.add_row("baseline", _baseline(state))
    grid.add_row("tried", _tally(state, scenery.news))
    grid.add_row("time", _clock(state, scenery))
    return grid


def _trunk(state: RunState) -> Text:
    metric = state.started().spec.metric
    claim = state.claim
    if claim is not None:
        interval = f"95 % interval {words.between(claim.low, claim.high, metric.scale)}"
        if proven(claim):
            return Text.assemble((words.gain(claim.ratio, metric), "bold green"), f"  {interval}, {support(claim)}")
        found = f"{words.effect(claim.ratio, metric.scale)}  {interval}, {support(claim)}"
        return Text.assemble(("nothing proven  ", "bold yellow"), found)
    if not any(kept.landed for kept in state.kept):
        return Text("the baseline itself; nothing kept yet" if state.baseline else "not known yet", style="dim")
    now = estimate(state)
    interval = words.between(now.low, now.high, metric.scale)
    return Text.assemble((words.gain(now.effect, metric), "bold green"), f"  estimated, 95 % interval {interval}")


def _baseline(state: RunState) -> Text:
    baseline, metric = state.baseline, state.started().spec.metric
    if baseline is None:
        failed = next((t for pair in state.baseline_pairs.values() for t in pair if t.outcome != "ok"), None)
        if failed is not None:
            return Text(f"{failed.outcome}: {words.clean(failed.detail, 200) or 'no detail'}", style="red")
        return Text(f"being measured, {words.count(len(state.baseline_pairs), 'pair')} done", style="dim")
    text = Text(f"{words.score(baseline.score, metric)} ± {words.noise(baseline.noise, metric)}")
    for limit in baseline.limits:
        sign = "≤" if limit.side == "max" else "≥"
        text.append(f"   {words.clean(limit.name, 24)} {sign} {words.number(limit.value)}", style="dim")
    for warning in baseline.warnings:
        text.append(f"   {words.clean(warning)}", style="yellow")
    return text


def _tally(state: RunState, news: News) -> Text:
    tally = news.tally
    text = Text(f"{sum(tally.values()):,}", style="bold")
    text.append(f"   kept {tally['kept']:,}", style="green" if tally["kept"] else "dim")
    text.append(f"   discarded {tally['discarded']:,}")
    text.append(f"   failed {tally['failed']:,}", style="red" if tally["failed"] else "dim")
    if tally["held"]:
        text.append(f"   held {tally['held']:,}", style="yellow")
    text.append(f"   {words.count(state.trials, 'trial')}", style="dim")
    return text


def _clock(state: RunState, scenery: Scenery) -> RenderableType:
    session = state.session
    if session is None or session.ended:
        ended = f"{session.ended} after {words.duration(elapsed(state, session.last))}" if session else "not started"
        return Text(ended)
    budget = max(session.start.budget_seconds, 1.0)
    left = max(0.0, state.deadline - scenery.now)
    reserve = min(left, claim_reserve(state, scenery.rules)) if state.baseline else 0.0
    text = Text(f"{words.duration(left)} left of {words.duration(budget)}")
    if reserve:
        text.append(f", {words.duration(reserve)} of it for the claim", style="dim")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=max(8, min(30, scenery.width - 60)))
    grid.add_column(no_wrap=True, overflow="ellipsis")
    bar = ProgressBar(total=budget, completed=budget - left, width=None, complete_style="cyan", finished_style="cyan")
    grid.add_row(bar, text)
    return grid


def _doing(state: RunState, scenery: Scenery, most: int) -> list[Text]:
    lines = [_job(state, job, scenery.rules) for job in scenery.busy.values()]
    if not lines:
        lines = [_line("  thinking of something to try", "dim")]
    if len(lines) > most:
        lines = [*lines[: most - 1], _line(f"  and {len(lines) - most + 1} more", "dim")]
    return lines


def _job(state: RunState, job: Job, rules: Rules) -> Text:
    first = job.trials[0]
    if first.role in ("baseline", "claim"):
        total = state.claiming.begun.pairs if state.claiming is not None else rules.baseline_pairs
        what = "the unchanged program against itself" if first.role == "baseline" else "baseline against trunk"
        return _row(first.role, f"pair {first.pair + 1}/{total}", what)
    attempt = state.attempts.get(first.proposal)
    stage = "race" if first.role == "race" else f"pair {first.pair + 1}"
    return _row(first.proposal, stage, attempt.proposal.hypothesis if attempt else "")


def _row(name: str, stage: str, text: str) -> Text:
    line = Text.assemble(
        ("  ▸ ", "cyan"), f"{words.clean(name, 8):<9}", (f"{stage:<10}", "cyan"), words.clean(text, 400)
    )
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _lately(state: RunState, scenery: Scenery, most: int) -> list[Text]:
    latest = list(scenery.news.latest)[-most:] if most > 0 else []
    return [_verdict(state, attempt) for attempt in reversed(latest)]


def _verdict(state: RunState, attempt: Attempt) -> Text:
    end = fate(attempt, state)
    mark, style = _MARKS.get(end, ("·", "dim"))
    about = words.clean(attempt.proposal.hypothesis, 200)
    return Text.assemble(
        (f"  {mark} ", style),
        f"{words.clean(attempt.proposal.id, 8):<9}",
        (f"{outcome(state, attempt)}  ", style),
        (about, "" if end == "kept" else "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )


def outcome(state: RunState, attempt: Attempt) -> str:
    """A decision with its reason in a few words: `kept 1.31x (1.28 to 1.35)`, `crashed: ...`, `no better ...`."""
    comparison, scale = attempt.comparison, state.started().spec.metric.scale
    if fate(attempt, state) == "kept" and comparison is not None:
        interval = words.between(comparison.low, comparison.high, scale)
        return f"kept {words.effect(comparison.effect, scale)} ({interval})"
    failed = mishap(attempt, state)
    if failed is not None:
        return f"{failed.outcome}: {words.clean(failed.detail, 40)}" if failed.detail else failed.outcome
    decision = attempt.decision
    measured = decision.effect if decision else None
    shown = f" ({words.effect(measured, scale)})" if measured is not None else ""
    return words.clean(cause(attempt, state), 60) + shown


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _padded(lines: list[Text], height: int) -> list[Text]:
    """Exactly `height` lines, so that nothing below jumps."""
    blank = [Text() for _ in range(height - len(lines))]
    return lines[:height] + blank
