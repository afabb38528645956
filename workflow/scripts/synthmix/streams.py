"""Independent random streams: each purpose has its own, so that changing one draw changes no other."""

import hashlib

import numpy as np


def stream(purpose: str, *numbers: int) -> np.random.Generator:
    """A numpy Generator for a purpose ("draw", "order", ...) and integers such as seed and class.

    Different purposes or numbers give independent streams; equal ones give the same stream on every machine.
    """
    return np.random.Generator(np.random.PCG64(seed(purpose, *numbers)))


def seed(purpose: str, *numbers: int) -> int:
    """A 63-bit seed for a purpose and integers, for generators that take an integer (torch)."""
    text = "/".join([purpose, *map(str, map(int, numbers))])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
