"""Seeds that no earlier step has used: each is a hash of a salt and the place it is for."""

from __future__ import annotations

import hashlib


def seed_for(salt: str, *place: object) -> int:
    """A seed in [0, 2^31) that depends on `salt` and every part of `place`, the same on every resume."""
    text = "/".join([salt, *map(str, place)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
