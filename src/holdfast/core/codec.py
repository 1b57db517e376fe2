"""Canonical bytes for records: one value has exactly one encoding, and decoding it gives the value back."""

from __future__ import annotations

import hashlib
import math
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_encoder = msgspec.json.Encoder(order="sorted")


def encode(value: Any) -> bytes:
    """Encode `value` as canonical JSON (sorted keys, no spaces, shortest floats).

    Raises `ValueError` for NaN and infinities: JSON would silently turn them into null.
    """
    _refuse_non_finite(msgspec.to_builtins(value))
    return _encoder.encode(value)


def decode(data: bytes, kind: type[T]) -> T:
    """Decode canonical JSON into `kind`, a struct or a union of structs; raises `msgspec.DecodeError`."""
    return msgspec.json.decode(data, type=kind)


def digest(data: bytes) -> str:
    """SHA-256 of `data` in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def _refuse_non_finite(value: Any) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"a record cannot hold {value}: only finite numbers are evidence")
    elif isinstance(value, dict):
        for item in value.values():
            _refuse_non_finite(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_non_finite(item)
