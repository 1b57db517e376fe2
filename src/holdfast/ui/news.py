"""What is new since the last look at a run, found in time that does not grow with its history."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import islice

from holdfast.core.state import Attempt, RunState
from holdfast.ui.standing import Fate, fate

REMEMBERED = 32


@dataclass
class News:
    """Follows one run: `decided` returns the proposals decided since the last call and keeps the tally.

    The first call goes through the whole history, later ones only through what was open or is new.
    """

    tally: Counter[Fate] = field(default_factory=Counter)
    latest: deque[Attempt] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    seen: int = 0
    waiting: dict[str, Attempt] = field(default_factory=dict)

    def decided(self, state: RunState) -> list[Attempt]:
        """Proposals that got their decision since the last call, in the order in which they were made."""
        new = len(state.attempts) - self.seen
        self.seen = len(state.attempts)
        arrived = list(islice(reversed(state.attempts.values()), new))
        self.waiting.update((attempt.proposal.id, attempt) for attempt in reversed(arrived))
        decided = [attempt for attempt in self.waiting.values() if attempt.decision is not None]
        for attempt in decided:
            del self.waiting[attempt.proposal.id]
            self.tally[fate(attempt, state)] += 1
            self.latest.append(attempt)
        return decided
