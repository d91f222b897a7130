"""Programs that are compiled in the background, while others run."""

import ctypes
import sys
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import jax
from jax.stages import Compiled

from jaxrnn.network import rnn_vjp
from jaxrnn.population.devices import cpu_cores


class Background:
    """A pool of threads that compile, as many as there are cores.

    Attributes:
        seconds: Seconds for which training waited.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._pool: ThreadPoolExecutor | None = None
        self._open: set[Future[Compiled]] = set()

    def start(self, compile: Callable[[], Compiled]) -> "Future[Compiled]":
        """Compile in the background, after everything that was started before."""
        self._pool = self._pool or ThreadPoolExecutor(cpu_cores(), "compiler")
        future = self._pool.submit(compile)
        self._open.add(future)
        future.add_done_callback(self._done)
        return future

    def _done(self, future: "Future[Compiled]") -> None:
        self._open.discard(future)
        if not self._open:
            release_memory()

    def wait(self, futures: Iterable["Future[Compiled]"], until: str = ALL_COMPLETED) -> None:
        """Return when all are done; after Ctrl-C the process does not wait for compilers."""
        begin = time.perf_counter()
        try:
            wait(futures, return_when=until)
        except BaseException:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
            raise
        finally:
            self.seconds += time.perf_counter() - begin


def release_memory() -> None:
    """Free traces that only compilers needed, and return their memory to the system.

    With glibc each thread that ever compiled keeps the memory of its largest program.
    """
    rnn_vjp.traced_layer.cache_clear()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)
        trim(0)


class Programs:
    """The programs of a cohort: one that trains, one that evaluates, and those for other splits.

    Reading one waits until it is compiled.
    """

    def __init__(
        self,
        background: Background,
        train: Callable[[], Compiled],
        evaluate: Callable[[Any], Compiled],
        validation: Any,
    ) -> None:
        """Start to compile both.

        Args:
            background: Threads that compile.
            train: Function that compiles the training program.
            evaluate: Function that compiles a program for batches of the shapes that it is given.
            validation: Batches that the second program is for; others follow when they are read.
        """
        self._background, self._evaluate = background, evaluate
        self._futures = background.start(train), background.start(partial(evaluate, validation))
        self._evaluations = {shapes_of(validation): self._futures[1]}

    @property
    def count(self) -> int:
        """Number of programs."""
        return 1 + len(self._evaluations)

    @property
    def ready(self) -> bool:
        """Whether both are compiled."""
        return all(future.done() for future in self._futures)

    @property
    def cancelled(self) -> bool:
        """Whether they were cancelled before they were compiled."""
        return any(future.cancelled() for future in self._futures)

    @property
    def train(self) -> Compiled:
        """Program that trains, see `jaxrnn.population.programs.compile_train`."""
        return self._result(0)

    @property
    def evaluate(self) -> Compiled:
        """Program that evaluates, see `jaxrnn.population.programs.compile_evaluate`."""
        return self._result(1)

    def evaluate_on(self, batches: Any) -> Compiled:
        """Return `evaluate` for batches of these shapes, compiled when it is first asked for."""
        shapes = shapes_of(batches)
        if shapes not in self._evaluations:
            compile = partial(self._evaluate, batches)
            self._evaluations[shapes] = self._background.start(compile)
        return self._wait(self._evaluations[shapes])

    def _result(self, which: int) -> Compiled:
        return self._wait(self._futures[which])

    def _wait(self, future: "Future[Compiled]") -> Compiled:
        if not future.done():
            self._background.wait([future])
        return future.result()


def shapes_of(tree: Any) -> Hashable:
    """Return the structure of a tree and the shapes of its arrays, to tell programs apart."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, *(leaf.shape for leaf in leaves)


def as_compiled(programs: Sequence[Programs]) -> Iterator[list[int]]:
    """Yield positions of programs as soon as some are compiled, until all were yielded."""
    waiting = [*range(len(programs))]
    while waiting:
        while not (ready := [k for k in waiting if programs[k].ready]):
            unfinished = [f for k in waiting for f in programs[k]._futures if not f.done()]
            programs[waiting[0]]._background.wait(unfinished, FIRST_COMPLETED)
        yield ready
        waiting = [k for k in waiting if k not in ready]
