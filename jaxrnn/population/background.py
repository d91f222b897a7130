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
    """Compiles in threads of its own, as many as there are cores.

    Attributes:
        seconds: For which somebody waited.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._pool: ThreadPoolExecutor | None = None
        self._open: set[Future[Compiled]] = set()

    def start(self, compile: Callable[[], Compiled]) -> "Future[Compiled]":
        """Have something compiled, after all that was asked for before."""
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
        """Return when all are done; nobody waits for a compiler after Ctrl-C."""
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
    """Let traces go that only compilers needed, and hand back to the system what those took.

    With glibc each thread that ever compiled keeps as much as its largest program took.
    """
    rnn_vjp.traced_layer.cache_clear()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)
        trim(0)


class Programs:
    """The two programs of a cohort; nothing else of it is ever compiled.

    Whoever asks for one waits until it is there.
    """

    def __init__(
        self,
        background: Background,
        train: Callable[[], Compiled],
        evaluate: Callable[[], Compiled],
    ) -> None:
        """Have both compiled."""
        self._background = background
        self._futures = background.start(train), background.start(evaluate)

    @property
    def ready(self) -> bool:
        """Whether nobody has to wait."""
        return all(future.done() for future in self._futures)

    @property
    def cancelled(self) -> bool:
        """Whether they were given up before they were compiled."""
        return any(future.cancelled() for future in self._futures)

    @property
    def train(self) -> Compiled:
        """See `jaxrnn.population.programs.compile_train`."""
        return self._result(0)

    @property
    def evaluate(self) -> Compiled:
        """See `jaxrnn.population.programs.compile_evaluate`."""
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
