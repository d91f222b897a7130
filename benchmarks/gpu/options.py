"""How a population should be compiled: unrolled loops, CUDA graphs, precision, lanes.

Around one way of compiling, one thing changes at a time; the ways of a group take turns, so that
what slows the machine slows them all. Each population fills its lanes once.
"""

import gc
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from peers.cases import BATCH, SAMPLES, Case, configurations, noise
from peers.jaxrnn_runner import HELD_OUT

import jaxrnn
from benchmarks.gpu.record import Record
from jaxrnn.population.options import Precision

LANES, UNROLLS = (64, 128, 512, 1024), (4, 8)
USUAL = 256
SIZES = ((64, 50), (64, 8), (128, 50), (16, 8))
ROUNDS, LEAST, MOST_EPOCHS = 3, 0.3, 100_000


class Way(NamedTuple):
    """How to compile a population.

    Attributes:
        case: Network and data.
        lanes: Members, all side by side.
        unroll: Time steps per turn of the loops over time.
        graphs: CUDA graphs around loops.
        precision: Precision of matrix products.
    """

    case: Case
    lanes: int = USUAL
    unroll: int = 1
    graphs: bool = False
    precision: Precision = "highest"

    @property
    def row(self) -> dict[str, Any]:
        """Its attributes, as a row of the results."""
        attributes = self._asdict()
        return attributes.pop("case")._asdict() | attributes


def groups(case: Case, usual: int = USUAL, lanes: Sequence[int] = LANES) -> list[list[Way]]:
    """What takes turns, the first way being the one around which the others lie."""
    plain = Way(case, usual)
    unrolls = [*(steps for steps in UNROLLS if steps < case.length), case.length]
    graphs = [plain._replace(graphs=True, unroll=steps) for steps in (1, *unrolls)]
    return [
        [plain, *(plain._replace(unroll=steps) for steps in unrolls)],
        [plain, *graphs],
        [plain, *(plain._replace(precision=precision) for precision in ("high", "default"))],
        [plain, *(plain._replace(lanes=count) for count in lanes)],
    ]


@dataclass
class Trained:
    """A population that trains on and on."""

    trainer: jaxrnn.Trainer
    population: jaxrnn.Population
    epochs: int = 0

    @classmethod
    def of(cls, way: Way) -> "Trained":
        """The population before its first epoch, its programs being compiled."""
        case = way.case
        parts = [noise(case.length, samples) for samples in (SAMPLES, HELD_OUT, HELD_OUT)]
        trainer = jaxrnn.Trainer(
            jaxrnn.from_splits(*parts, name="noise"),
            microbatch=BATCH,
            lanes=way.lanes,
            devices=1,
            precision=way.precision,
            autotune=jaxrnn.Options(unroll=way.unroll, graphs=way.graphs),
        )
        members = configurations(case, way.lanes)
        return cls(trainer, trainer.start(members, range(way.lanes), MOST_EPOCHS))

    def train(self, epochs: int) -> float:
        """Seconds of so many more epochs."""
        begin = time.perf_counter()
        self.epochs += epochs
        self.population = self.trainer.train(self.population, self.epochs)
        return time.perf_counter() - begin

    @property
    def about(self) -> dict[str, Any]:
        """What the compiler says."""
        (cohort,) = self.population.cohorts
        memory: Any = cohort.programs.train.memory_analysis()
        return {
            "lanes_used": cohort.layout.lanes,
            "waited_for_compiler_seconds": self.trainer.compiler.seconds,
            "temporary_megabytes": memory.temp_size_in_bytes / 1e6,
        }


def measure(record: Record) -> None:
    """Measure group after group."""
    for group in record.steps(_groups(record.rehearsal), lambda group: f"{group[1:]}"):
        with record.guard(f"{group[0].case}, {len(group)} ways"):
            _measure(record, group)
        gc.collect()


def _groups(rehearsal: bool) -> Iterator[list[Way]]:
    if rehearsal:  # one way of each kind
        plain = Way(Case("lstm", 4, 3), 2)
        changes: list[dict[str, Any]] = [{"unroll": 3, "graphs": True, "precision": "default"}]
        yield [plain, *(plain._replace(**change) for change in changes), plain._replace(lanes=4)]
        return
    for size in SIZES:
        yield from groups(Case("lstm", *size))


def _measure(record: Record, group: list[Way]) -> None:
    """Compile all, then take turns, then keep a row for each."""
    trained: dict[Way, Trained] = {}
    for way in group:
        with record.guard(str(way)):
            trained[way] = Trained.of(way)
    ready = {}
    for way, population in trained.items():
        with record.guard(str(way)):  # memory, or the compiler
            population.train(1)
            ready[way] = population
    epochs = {way: max(1, round(LEAST / population.train(1))) for way, population in ready.items()}
    seconds: dict[Way, list[float]] = {way: [] for way in ready}
    for _ in range(ROUNDS):
        for way, population in ready.items():
            seconds[way].append(population.train(epochs[way]) / epochs[way])
    for way, population in ready.items():
        each = statistics.median(seconds[way])
        record.add(
            **way.row,
            **population.about,
            epoch_seconds=seconds[way],
            trial_epochs_per_second=way.lanes / each,
            microseconds_per_lane_and_microbatch=1e6 * each / way.lanes / (SAMPLES // BATCH),
        )
