"""What a phase used: wall and CPU seconds, peak memory."""

from __future__ import annotations

import resource
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

_KIB_PER_MIB = 1024


def _cpu_seconds() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _peak_kib() -> int:
    """Give the most memory that this process had; `getrusage` would count that of the process it was forked from."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@dataclass(slots=True)
class Stopwatch:
    """Measures this process from its creation to `stop`."""

    wall: float = field(default_factory=time.monotonic)
    cpu: float = field(default_factory=_cpu_seconds)

    def stop(self) -> Usage:
        """Give what was used; the peak is the whole process's, in MiB."""
        peak = _peak_kib() / _KIB_PER_MIB
        return Usage(round(time.monotonic() - self.wall, 3), round(_cpu_seconds() - self.cpu, 3), round(peak, 1))


@dataclass(frozen=True, slots=True)
class Usage:
    """Wall and CPU time in seconds, peak memory in MiB."""

    wall_seconds: float
    cpu_seconds: float
    peak_memory_mib: float

    def to_dict(self) -> dict[str, float]:
        """Give the JSON form."""
        return asdict(self)
