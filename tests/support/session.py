"""Eight CPU devices for every test, strict shapes, programs that are kept, and small data."""

import gc
from collections.abc import Iterator

import absent
import jax
import psutil
import pytest
from hypothesis import HealthCheck, settings
from support import program_cache
from support.datasets import sequences, uneven

import jaxrnn
from jaxrnn.population.background import release_memory

MEMORY = 1 << 30
"""Bytes of a process above which it lets its programs go when a module of tests ends."""

if absent.missing() is None:  # compilers for chips, which have none to start
    absent.only_cpu()
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")


def pytest_configure(config: pytest.Config) -> None:
    cache: pytest.Cache | None = getattr(config, "cache", None)  # absent with `-p no:cacheprovider`
    if cache is not None:
        program_cache.use(cache.mkdir("programs"))


def pytest_collection_finish() -> None:
    """Imported objects are no garbage: the collector skips them while JAX traces."""
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def memory() -> Iterator[None]:
    """Freed of what a module has compiled."""
    yield
    if psutil.Process().memory_info().rss > MEMORY:
        jax.clear_caches()
        gc.collect()
        release_memory()


@pytest.fixture(scope="session")
def uneven_data() -> jaxrnn.Data:
    parts = [uneven(samples, seed) for seed, samples in enumerate((64, 40, 30))]
    return jaxrnn.from_splits(*parts, name="uneven")


@pytest.fixture(scope="session")
def data() -> jaxrnn.Data:
    parts = [sequences(samples, seed) for seed, samples in enumerate((64, 40, 30))]
    return jaxrnn.from_splits(*parts, name="thirds")
