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

from benchmarks import hlo
from benchmarks.gpu.options import Trained, Way
from benchmarks.gpu.record import Record

LANES = 256
MOST = 12
"""Kinds of kernel that are named in a row."""
COPIES = ("Memcpy", "Memset")


class Event(NamedTuple):
    """Something that ran on the device, times in nanoseconds."""

    name: str
    begin: float
    duration: float


class Trace(NamedTuple):
    """What a trace holds.

    Attributes:
        events: Kernels and copies.
        lines: How many events there are, by plane and line, of whatever the profiler wrote.
    """

    events: list[Event]
    lines: dict[str, int]


def read(folder: Path, on_cpu: bool = False) -> Trace:
    """The trace below `folder`."""
    device_events, lines = [], {}
    for path in folder.rglob("*.xplane.pb"):
        for plane in jax.profiler.ProfileData.from_file(str(path)).planes:
            for line in plane.lines:
                events = [Event(e.name, e.start_ns, e.duration_ns) for e in line.events]
                lines[f"{plane.name} {line.name}"] = len(events)
                if _of_device(plane.name, line.name, on_cpu):
                    device_events += [event for event in events if event.duration > 0]
    return Trace(device_events, lines)


def _of_device(plane: str, line: str, on_cpu: bool) -> bool:
    """Whether a line of a trace holds what ran, and not what it belongs to."""
    if on_cpu:
        return plane == "/host:CPU" and line.startswith("tf_XLA")
    return plane.startswith("/device:GPU") and line.startswith("Stream")


def traced(population: Trained, on_cpu: bool) -> tuple[Trace, float]:
    """What an epoch runs, and its seconds."""
    population.train(2)  # what happens for the first time
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            seconds = population.train(1)
        return read(Path(folder), on_cpu), seconds


def row(way: Way, population: Trained, on_cpu: bool) -> dict[str, Any]:
    """What was seen of one way to compile, and what its text says."""
    (seen, lines), traced_seconds = traced(population, on_cpu)
    plain = [population.train(1) for _ in range(3)]
    (cohort,) = population.population.cohorts
    text, microbatches = cohort.programs.train.as_text() or "", SAMPLES // BATCH
    copies = sum(event.name.startswith(COPIES) for event in seen)
    return {
        **way.row,
        "kernels_per_microbatch": (len(seen) - copies) / microbatches,
        "copies_per_microbatch": copies / microbatches,
        "estimated_kernels_per_microbatch": hlo.Program(text).block.microbatch().turn(lambda _: 1),
        "busy_microseconds_per_microbatch": sum(e.duration for e in seen) / microbatches / 1e3,
        "busy_share_of_its_span": busy([(e.begin, e.begin + e.duration) for e in seen]),
        "microseconds_per_microbatch": 1e6 * min(plain) / microbatches,
        "microseconds_per_microbatch_traced": 1e6 * traced_seconds / microbatches,
        "most_time": most_time(seen),
        "lines": lines,
    }


def most_time(seen: list[Event]) -> list[dict[str, Any]]:
    """The kinds of kernel that take the most time."""
    spent: Counter[str] = Counter()
    for event in seen:
        spent[event.name] += int(event.duration)
    counts = Counter(event.name for event in seen)
    return [{"name": n[:120], "count": counts[n], "ns": ns} for n, ns in spent.most_common(MOST)]


def busy(spans: list[tuple[float, float]]) -> float:
    """Share of the time from the first begin to the last end in which something ran."""
    if not spans:
        return 0.0
    spans = sorted(spans)
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
            result = row(way, Trained.of(way), on_cpu=record.rehearsal)
            record.add(**result)
            if not result["kernels_per_microbatch"]:
                record.fail(f"{way}: the profiler saw nothing run on the device")
