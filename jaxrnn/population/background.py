"""Programs that are compiled in the background, while others run."""

import ctypes
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

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
    """The two programs of a cohort; nothing else of it is ever compiled.

    Reading one waits until it is compiled.
    """

    def __init__(
        self,
        background: Background,
        train: Callable[[], Compiled],
        evaluate: Callable[[], Compiled],
    ) -> None:
        """Start to compile both."""
        self._background = background
        self._futures = background.start(train), background.start(evaluate)

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

    def _result(self, which: int) -> Compiled:
        if not self._futures[which].done():
            self._background.wait([self._futures[which]])
        return self._futures[which].result()


def as_compiled(programs: Sequence[Programs]) -> Iterator[list[int]]:
    """Yield positions of programs as soon as some are compiled, until all were yielded."""
    waiting = [*range(len(programs))]
    while waiting:
        while not (ready := [k for k in waiting if programs[k].ready]):
            unfinished = [f for k in waiting for f in programs[k]._futures if not f.done()]
            programs[waiting[0]]._background.wait(unfinished, FIRST_COMPLETED)
        yield ready
        waiting = [k for k in waiting if k not in ready]
