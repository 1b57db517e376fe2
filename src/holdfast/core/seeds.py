"""Seeds that no earlier step has used: each is a hash of the run's seed and the place it is for."""

from __future__ import annotations

import hashlib


def seed_for(run_seed: int, *place: object) -> int:
    """A seed in [0, 2^31) that depends on every part of `place`, the same on every resume."""
    text = "/".join([str(run_seed), *map(str, place)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
