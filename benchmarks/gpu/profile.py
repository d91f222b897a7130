"""Kernels per microbatch as they ran, from a trace by JAX's profiler, beside the compiler's.

An epoch is traced after one that warms up. Kernels that a CUDA graph launches count too.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
from peers.cases import BATCH, SAMPLES, Case

from benchmarks.gpu.kernels import launches, per_microbatch
from benchmarks.gpu.options import Trained, Way
from benchmarks.gpu.record import Record

LANES = 256
MOST = 12
"""Kinds of kernel that are named in a row."""


class Event(NamedTuple):
    """Something that ran on the device, times in nanoseconds."""

    name: str
    begin: float
    duration: float


def events(folder: Path, on_cpu: bool = False) -> list[Event]:
    """Kernels and copies in the trace below `folder`."""
    found = []
    for path in folder.rglob("*.xplane.pb"):
        for plane in jax.profiler.ProfileData.from_file(str(path)).planes:
            for line in plane.lines:
                if _of_device(plane.name, line.name, on_cpu):
                    found += [Event(e.name, e.start_ns, e.duration_ns) for e in line.events]
    return [event for event in found if event.duration > 0]


def _of_device(plane: str, line: str, on_cpu: bool) -> bool:
    """Whether a line of a trace holds what ran, and not what it belongs to."""
    if on_cpu:
        return plane == "/host:CPU" and line.startswith("tf_XLA")
    return plane.startswith("/device:GPU") and line.startswith("Stream")


def traced(own: Trained, on_cpu: bool) -> tuple[list[Event], float]:
    """What an epoch runs, and its seconds."""
    own.train(2)  # what happens for the first time
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            seconds = own.train(1)
        return events(Path(folder), on_cpu), seconds


def row(way: Way, own: Trained, on_cpu: bool) -> dict[str, Any]:
    """What was seen of one way to compile, and what its text says."""
    seen, traced_seconds = traced(own, on_cpu)
    plain = [own.train(1) for _ in range(3)]
    (cohort,) = own.population.cohorts
    text, microbatches = cohort.programs.train.as_text() or "", SAMPLES // BATCH
    durations: Counter[str] = Counter()
    for event in seen:
        durations[event.name] += int(event.duration)
    counts = Counter(event.name for event in seen)
    most = [{"name": n[:120], "count": counts[n], "ns": t} for n, t in durations.most_common(MOST)]
    spans = sorted((event.begin, event.begin + event.duration) for event in seen)
    return {
        **way.told,
        "kernels_per_microbatch": len(seen) / microbatches,
        "estimated_kernels_per_microbatch": per_microbatch(text),
        "estimated_kernels_of_an_epoch": launches(text)._asdict(),
        "busy_microseconds_per_microbatch": sum(durations.values()) / microbatches / 1e3,
        "busy_share_of_its_span": busy(spans),
        "microseconds_per_microbatch": 1e6 * min(plain) / microbatches,
        "microseconds_per_microbatch_traced": 1e6 * traced_seconds / microbatches,
        "most_time": most,
    }


def busy(spans: list[tuple[float, float]]) -> float:
    """Share of the time from the first begin to the last end in which something ran."""
    if not spans:
        return 0.0
    covered, reached = 0.0, spans[0][0]
    for begin, end in spans:
        covered += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return covered / (reached - spans[0][0])


def ways(rehearsal: bool) -> Iterator[Way]:
    """What is traced."""
    if rehearsal:
        yield Way(Case("lstm", 4, 3), 2, unroll=3)
        return
    for length in (50, 8):
        plain = Way(Case("lstm", 64, length), LANES)
        yield plain
        yield plain._replace(graphs=True)
        yield plain._replace(unroll=min(8, length))
    yield Way(Case("gru", 64, 50), LANES)


def measure(record: Record) -> None:
    """Trace way after way."""
    for way in record.steps(ways(record.rehearsal), str):
        with record.guard(str(way)):
            told = row(way, Trained.of(way), on_cpu=record.rehearsal)
            record.add(**told)
            if not told["kernels_per_microbatch"]:
                record.fail(f"{way}: the profiler saw nothing run on the device")
