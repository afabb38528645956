"""Specs: canonical JSON texts that say exactly what a job depends on, and their digests."""

import hashlib
import json
from typing import Any


def clean(value: Any) -> Any:
    """Drop nulls from mappings and make integral floats ints, so that equal meanings give equal texts."""
    if isinstance(value, dict):
        return {str(key): clean(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def canonical(value: Any) -> str:
    """The one JSON text of a value: keys sorted, nulls dropped, 4.0 written as 4, no spaces."""
    return json.dumps(clean(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the canonical text (a string counts as already canonical)."""
    text = value if isinstance(value, str) else canonical(value)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
