"""Watching a run: a calm live view on a terminal, and one timestamped line per event everywhere else."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Self

from rich.console import Console
from rich.live import Live

from holdfast.core.ports import Job
from holdfast.core.settings import Rules
from holdfast.core.state import Attempt, RunState
from holdfast.ui import words
from holdfast.ui.frame import Scenery, frame, outcome
from holdfast.ui.news import News
from holdfast.ui.sentence import sentence
from holdfast.ui.standing import cause, estimate, fate

FRAME_SECONDS = 0.25
"""Shortest time between two frames."""

BATCH_SECONDS = 10.0
"""Plain lines about changes that were not kept are gathered for this long into one."""

Clock = Callable[[], float]


class View:
    """What a person sees of a run while it goes: use as a context, and as `Lab.watch`.

    Draws where `console` (standard error by default) is a terminal that can, and writes plain lines otherwise.
    """

    def __init__(self, console: Console | None = None, rules: Rules | None = None, clock: Clock = time.time) -> None:
        console = console or Console(stderr=True)
        drawable = console.is_terminal and not console.is_dumb_terminal and console.encoding.startswith("utf")
        self._face = LiveView(console, rules or Rules(), clock) if drawable else PlainView(console, clock)

    def __enter__(self) -> Self:
        self._face.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._face.__exit__(*error)

    def __call__(self, state: RunState, busy: Mapping[str, Job]) -> None:
        """Take a look at the run; called after every step, it costs next to nothing."""
        self._face(state, busy)


class LiveView:
    """A picture redrawn in place, at most four times a second and only from `__call__`: it has no thread."""

    def __init__(self, console: Console, rules: Rules, clock: Clock = time.time) -> None:
        self.console = console
        self.rules = rules
        self.clock = clock
        self.news = News()
        self.drawn = float("-inf")
        self.last: tuple[RunState, Mapping[str, Job]] | None = None
        self.live = Live(console=console, auto_refresh=False, redirect_stdout=False, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.last is not None:
            self._draw(self.last[0], {}, self.clock())
        self.live.stop()

    def __call__(self, state: RunState, busy: Mapping[str, Job]) -> None:
        """Redraw if the last frame is old enough."""
        now = self.clock()
        self.last = (state, busy)
        self.news.decided(state)
        if abs(now - self.drawn) >= FRAME_SECONDS:
            self._draw(state, busy, now)

    def _draw(self, state: RunState, busy: Mapping[str, Job], now: float) -> None:
        self.drawn = now
        self.news.decided(state)
        width, height = self.console.size
        scenery = Scenery(busy, self.news, now, self.rules, width, height - 1)
        self.live.update(frame(state, scenery), refresh=True)


class PlainView:
    """Lines for logs and pipes: baseline, kept, landed, claim at once; all other verdicts gathered."""

    def __init__(self, console: Console, clock: Clock = time.time) -> None:
        self.console = console
        self.clock = clock
        self.news = News()
        self.told: set[str] = set()
        self.landed = 0
        self.claims = 0
        self.dropped: list[Attempt] = []
        self.flushed = clock()
        self.last: RunState | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.last is not None:
            self(self.last, {})
            self._flush(self.last)
            ended = self.last.session.ended if self.last.session else ""
            if ended in ("interrupted", "failed"):
                self._once("ended", f"{ended}: {sentence(self.last)}")

    def __call__(self, state: RunState, busy: Mapping[str, Job]) -> None:
        """Tell what happened since the last call."""
        if state.run is None:
            return
        if self.last is None:
            self._begin(state)
        self.last = state
        self._baseline(state)
        for attempt in self.news.decided(state):
            if fate(attempt, state) == "kept":
                self._flush(state)
                hypothesis = words.clean(attempt.proposal.hypothesis, 200)
                self._say(f"{attempt.proposal.id} {outcome(state, attempt)}: {hypothesis}")
            else:
                self.dropped.append(attempt)
        self._landings(state)
        self._claim(state, busy)
        if self.dropped and self.clock() - self.flushed >= BATCH_SECONDS:
            self._flush(state)

    def _begin(self, state: RunState) -> None:
        """Say what run this is; what an earlier session told is not told again."""
        run, session = state.started(), state.session
        start = session.start if session else None
        budget = f", {words.duration(start.budget_seconds)} budget" if start else ""
        workers = f", {words.count(start.workers, 'worker')}, isolation {start.tier}" if start else ""
        self._say(f"run {state.name} on {run.problem}, agent {run.agent}{workers}{budget}")
        if len(state.sessions) > 1:
            self._say(f"resumed: {sentence(state)}")
            self.news.decided(state)
            self.landed = sum(kept.landed is not None for kept in state.kept)
            self.claims = len(state.claims)

    def _baseline(self, state: RunState) -> None:
        baseline = state.baseline
        if baseline is None:
            self._once("measuring", "measuring the baseline")
        elif "baseline" not in self.told:
            metric = state.started().spec.metric
            noise = words.noise(baseline.noise, metric)
            pairs = words.count(baseline.noise_pairs, "pair")
            self._once("baseline", f"baseline {words.score(baseline.score, metric)}, noise {noise} ({pairs})")
            for warning in baseline.warnings:
                self._say(f"warning: {warning}")

    def _landings(self, state: RunState) -> None:
        scale = state.started().spec.metric.scale
        while self.landed < len(state.kept) and (landed := state.kept[self.landed].landed) is not None:
            self.landed += 1
            now = estimate(state)
            interval = words.between(now.low, now.high, scale)
            trunk = f"trunk {words.effect(now.effect, scale)} estimated (95 % interval {interval})"
            self._say(f"{landed.proposal} landed as {landed.commit[:10]} on {landed.branch}; {trunk}")

    def _claim(self, state: RunState, busy: Mapping[str, Job]) -> None:
        if any(key.startswith("claim") for key in busy):
            self._once(f"claiming {len(state.claims)}", "measuring the final claim: baseline against trunk")
        if len(state.claims) > self.claims:
            self.claims = len(state.claims)
            self._say(f"claim: {sentence(state)}")

    def _flush(self, state: RunState) -> None:
        """One line for all that was not kept since the last one."""
        dropped, self.dropped, self.flushed = self.dropped, [], self.clock()
        if len(dropped) == 1:
            attempt = dropped[0]
            hypothesis = words.clean(attempt.proposal.hypothesis, 120)
            self._say(f"{attempt.proposal.id} not kept, {outcome(state, attempt)}: {hypothesis}")
        elif dropped:
            counts = Counter(cause(attempt, state) for attempt in dropped)
            parts = ", ".join(f"{amount} {words.clean(why, 60)}" for why, amount in counts.most_common())
            self._say(f"{len(dropped)} changes not kept: {parts}")

    def _once(self, key: str, text: str) -> None:
        if key not in self.told:
            self.told.add(key)
            self._say(text)

    def _say(self, text: str) -> None:
        at = time.strftime("%H:%M:%S", time.localtime(self.clock()))
        encoding = self.console.encoding
        line = f"{at}  {words.clean(text)}\n".encode(encoding, "replace").decode(encoding)
        self.console.file.write(line)
        self.console.file.flush()
