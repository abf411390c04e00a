"""Random numbers from (seed, task, index), so that results do not depend on workers or on order."""

import hashlib

import numpy as np


def seed_for(seed: int, task: str, index: int = 0) -> int:
    """A 63-bit seed that belongs to this task alone."""
    digest = hashlib.sha256(f"{seed}/{task}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def rng_for(seed: int, task: str, index: int = 0) -> np.random.Generator:
    """A generator that belongs to this task alone."""
    return np.random.default_rng(seed_for(seed, task, index))
