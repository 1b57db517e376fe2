"""A laboratory without machines: scripts whose cost and loss follow formulas, and the loop's records round them."""

from __future__ import annotations

import ast
import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from holdfast.agents.search.agent import SearchAgent
from holdfast.core.ports import Brief, Draft
from holdfast.core.problem import About, ProblemSpec, Work
from holdfast.core.records import (
    AnyRecord,
    BaselineMeasured,
    Decision,
    Landed,
    Limit,
    Proposal,
    RunStarted,
    Trial,
)

NUMERAL = re.compile(r"(?<![\w.])\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?(?![\w.])")
Response = Callable[[Mapping[str, float]], tuple[float, float]]


class BrokenError(Exception):
    """The program crashes."""


@dataclass(frozen=True)
class Subject:
    """A program under study: its files, its constants by name, and its cost (s) and loss as a function of them."""

    files: dict[str, str]
    constants: dict[str, str]
    respond: Response
    noise: float = 0.004

    def run(self, files: Mapping[str, str]) -> tuple[float, float]:
        """Cost and loss of a candidate without noise; raises `BrokenError`."""
        values, cost_factor, loss_added = {}, 1.0, 0.0
        for path, text in files.items():
            before, after = self.files[path].splitlines(), text.splitlines()
            values |= self._constants(text)
            missing = _multiset(before) - _multiset(after)
            for line in sorted(missing):
                factor, added = _consequence(line)
                cost_factor, loss_added = cost_factor * factor, loss_added + added
            self._other_numbers(before, after)
        if len(values) != len(self.constants):
            raise BrokenError
        cost, loss = self.respond(values)
        return cost * cost_factor, loss + loss_added

    def _constants(self, text: str) -> dict[str, float]:
        found = {}
        for name, pattern in self.constants.items():
            match = re.search(pattern, text)
            if match:
                found[name] = float(ast.literal_eval(match[1]))
        return found

    def _other_numbers(self, before: list[str], after: list[str]) -> None:
        """Numbers that are no choice break the program when changed (a third of them do nothing)."""
        known = re.compile("|".join(self.constants.values()))
        old = {_mask(line): line for line in before}
        for line in after:
            same = old.get(_mask(line))
            if same and same != line and not known.search(line) and _chance("number" + same) > 0.33:
                raise BrokenError


def _mask(line: str) -> str:
    return NUMERAL.sub("_", line.strip())


def _multiset(lines: list[str]) -> set[str]:
    return {_mask(line) for line in lines if line.strip()}


def _chance(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32


def _consequence(line: str) -> tuple[float, float]:
    """What a lost or changed line does: most break the program, some harm, few are only a waste."""
    chance = _chance(line)
    if "print" in line or "flush" in line:
        return 0.98, 0.0
    if chance < 0.6:
        raise BrokenError
    return (1.0, 0.5) if chance < 0.85 else (0.97, 0.0)


@dataclass
class Laboratory:
    """Runs an agent against a subject as the loop does, one trial at a time, and keeps every record."""

    subject: Subject
    agent: SearchAgent
    seed: int = 0
    check: str = "val_loss"
    records: list[AnyRecord] = field(default_factory=list)
    speed_ups: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.files = dict(self.subject.files)
        self.trunk = tree_of(self.files)
        self.cost, loss = self.subject.run(self.files)
        self.first = self.cost
        self.limit = loss * 1.01
        spec = ProblemSpec(problem=About("sim", "faster"), work=Work(tuple(self.files), ("python", "train.py")))
        self.tell(RunStarted("sim", "0", spec, self.trunk, "c", "b", "search", self.seed))
        for number in range(4):
            self.tell(self.trial(f"baseline.{number}", "baseline", self.trunk, self.cost, loss))
        self.baseline = BaselineMeasured(
            score=self.cost,
            values={self.check: loss},
            spread={self.check: self.subject.noise * loss},
            noise=0.03,
            noise_pairs=4,
            limits=(Limit(self.check, "max", self.limit),),
            deterministic=False,
        )
        self.tell(self.baseline)

    def tell(self, record: AnyRecord) -> None:
        self.records.append(record)
        self.agent.learn(record)

    def trial(self, name: str, role: str, tree: str, cost: float, loss: float, proposal: str = "") -> Trial:
        seconds = cost * math.exp(self.rng.normal(0, 0.02))
        seen = loss * math.exp(self.rng.normal(0, self.subject.noise))
        stop = role == "race" and seconds > 1.15 * self.cost
        outcome = "timeout" if stop else "ok" if seen <= self.limit or role == "baseline" else "wrong"
        seconds = 1.15 * self.cost if stop else seconds
        score = seconds if outcome == "ok" else None
        values = {} if stop else {self.check: seen}
        return Trial(name, role, tree, 1, "hidden", outcome, score, values, cpu_seconds=seconds, proposal=proposal)  # type: ignore[arg-type]

    def brief(self, number: int) -> Brief:
        return Brief("faster", self.trunk, dict(self.files), self.baseline, 600.0, number)

    def run(self, proposals: int) -> float:
        """Try `proposals` proposals; returns the speed-up of the trunk."""
        for number in range(proposals):
            draft = self.agent.propose(self.brief(number))
            if draft is None:
                break
            self.drafts.append(draft)
            self._try(f"p{number}", draft)
            self.speed_ups.append(self.first / self.cost)
        return self.first / self.cost

    def _try(self, name: str, draft: Draft) -> None:
        files = self.files | {path: text or "" for path, text in draft.edits.items()}
        tree = tree_of(files)
        self.tell(
            Proposal(
                name,
                "search",
                self.trunk,
                tree,
                draft.hypothesis,
                draft.forecast,
                draft.technique,
                draft.place,
                draft.basis,
            )
        )
        try:
            cost, loss = self.subject.run(files)
        except BrokenError:
            self.tell(Trial(f"{name}.race", "race", tree, 1, "hidden", "crashed", proposal=name))
            self.spent.append(0.05 * self.first)
            self.tell(Decision(name, tree, self.trunk, "discard", "race", "crashed"))
            return
        race = self.trial(f"{name}.race", "race", tree, cost, loss, name)
        self.tell(race)
        self.spent.append(race.cpu_seconds)
        if race.outcome != "ok" or race.cpu_seconds > 0.985 * self.cost:
            self.tell(Decision(name, tree, self.trunk, "discard", "race", "not better"))
            return
        self._confirm(name, tree, files, cost, loss, draft)

    def _confirm(self, name: str, tree: str, files: dict[str, str], cost: float, loss: float, draft: Draft) -> None:
        trials = [self.trial(f"{name}.{i}b", "confirm", tree, cost, loss, name) for i in range(4)]
        self.spent[-1] += 4 * (cost + self.cost)
        for trial in trials:
            self.tell(trial)
        seen = [trial.values[self.check] for trial in trials]
        bound = float(np.mean(seen)) + 1.2 * float(np.std(seen, ddof=1))
        if bound > self.limit or cost > 0.98 * self.cost:
            self.tell(Decision(name, tree, self.trunk, "discard", "confirm", "check"))
            return
        self.tell(Decision(name, tree, self.trunk, "keep", "confirm", "better", effect=self.cost / cost))
        self.files, self.trunk, self.cost = files, tree, cost
        self.kept.append(draft.hypothesis)
        self.tell(Landed(name, tree, "c" + name, "b", "h"))


def tree_of(files: Mapping[str, str]) -> str:
    return hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:16]
