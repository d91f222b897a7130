"""Eight CPU devices for every test, strict shapes, and data small enough to train in a second."""

import atexit
import os
import shutil
import tempfile

import absent
import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import jaxrnn

# Each program is compiled once in all tests, and in the processes that they begin.
PROGRAMS = tempfile.mkdtemp(prefix="programs-")
atexit.register(shutil.rmtree, PROGRAMS, ignore_errors=True)
KEPT = {
    "jax_compilation_cache_dir": PROGRAMS,
    "jax_persistent_cache_min_compile_time_secs": 0.1,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
for name, value in KEPT.items():
    os.environ[name.upper()] = str(value)
    jax.config.update(name, value)

if absent.missing() is None:  # compilers for chips, which have none to start
    absent.only_cpu()
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_default_matmul_precision", "highest")

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")

TIME, FEATURES = 6, 3


def sequences(samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise whose label says which third of the sequence is largest, but for one label in four.

    Learnable, though no loss comes near zero, where relative errors would mean nothing.
    """
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(samples, TIME, FEATURES)).astype(np.float32)
    thirds = inputs.reshape(samples, 3, TIME // 3, FEATURES).sum((2, 3))
    labels = thirds.argmax(1)
    return inputs, np.where(rng.random(samples) < 0.25, rng.integers(0, 3, samples), labels)


def uneven(samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with true lengths from 2 to all steps, and NaN behind them."""
    inputs, labels = sequences(samples, seed)
    lengths = np.random.default_rng(seed + 100).integers(2, TIME + 1, samples)
    inputs[np.arange(TIME) >= lengths[:, None]] = np.nan
    return inputs, labels, lengths


@pytest.fixture(scope="session")
def uneven_data() -> jaxrnn.Data:
    parts = [uneven(samples, seed) for seed, samples in enumerate((64, 40, 30))]
    return jaxrnn.from_splits(*parts, name="uneven")


@pytest.fixture(scope="session")
def data() -> jaxrnn.Data:
    parts = [sequences(samples, seed) for seed, samples in enumerate((64, 40, 30))]
    return jaxrnn.from_splits(*parts, name="thirds")
