"""Amounts as workflow files write them (Kubernetes' quantities), in numbers."""

from __future__ import annotations

_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def bytes_of(memory: str) -> int:
    """Give an amount of memory in bytes."""
    for unit, size in _UNITS.items():
        if memory.endswith(unit):
            return int(float(memory.removesuffix(unit)) * size)
    return int(memory)


def processors(cpu: str) -> float:
    """Give an amount of processor: 500m is 0.5."""
    return float(cpu.removesuffix("m")) / 1000 if cpu.endswith("m") else float(cpu)
