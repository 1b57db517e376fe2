"""The rules of a run: every number that steers decisions, in one frozen value with its reason."""

from __future__ import annotations

import msgspec


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the lab measures and decides; the defaults suit trials of seconds on a few cores."""

    baseline_pairs: int = 3
    """A/A pairs of the unchanged program: they give the target and the noise of a pair."""

    min_pairs: int = 3
    """Pairs before a verdict may be `keep`; fewer say too little about checks, however clear the effect."""

    max_pairs: int = 20
    """Pairs after which a comparison that is still open is discarded as unsettled."""

    claim_pairs_min: int = 3
    claim_pairs_max: int = 10
    claim_share: float = 0.3
    """Share of the budget that the final claim may take; its pairs follow from it, within the two bounds."""

    error_level: float = 0.05
    """False discovery rate over the whole run."""

    expected_candidates: int = 200
    """Comparisons the level is spread over; later ones still get a shrinking share."""

    history_freedom: float = 3.0
    """Degrees of freedom that earlier pairs may lend to a comparison; more would trust their noise too far.

    With 3, a candidate that is five times noisier than what came before passes its level about ten times too often,
    with 10 about seventy times; with equal noise neither does.
    """

    check_coverage: float = 0.99
    """One-sided coverage of the bound that a check must keep in a comparison.

    Stricter than the claim's 95 %: a search tries many candidates near a limit and looks after every pair, so that
    some would pass by luck and fail on sealed data.
    """

    check_seeds: int = 6
    """Seeds that narrow that bound at most: more would let a candidate nearer to the limit than a claim can show."""

    race_slack: float = 1.15
    """A race stops once the candidate's cost passes this multiple of the incumbent's."""

    worth: float = 0.01
    """Smallest improvement worth a confirmation (relative on the ratio scale, in noise units otherwise)."""

    infra_retries: int = 2
    """How often a job is issued again when the infrastructure, not the candidate, was at fault."""

    infra_streak: int = 12
    """Trials in a row that fail through our own fault before the run stops: the machine is not fit for it."""

    ask_retries: int = 20
    """Drafts in a row that repeat a known tree before the agent counts as spent."""


LONGEST = 60 * 24 * 3600.0
"""Seconds in the longest budget that is not a slip of the pen."""


def parse_duration(text: str) -> float:
    """Seconds in `90`, `90s`, `10m`, `1h30m` or `2h`; raises `ValueError` for anything else."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    rest, total, number = text.strip().lower(), 0.0, ""
    if not rest:
        raise ValueError("an empty duration")
    for letter in rest + ("" if rest[-1] in units else "s"):
        if letter in units:
            total += float(number) * units[letter]
            number = ""
        else:
            number += letter
    if not 0 < total <= LONGEST:
        raise ValueError(f"a duration must be positive and at most 60 days, not {text!r}")
    return total
