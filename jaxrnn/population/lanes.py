"""The number of members of a cohort that run side by side on a device.

It is one of few numbers, so that there are few programs.
"""

from jax.sharding import Mesh

from jaxrnn.network.architecture import Architecture
from jaxrnn.population.devices import MAX_LANES

LADDER = tuple(1 << power for power in range(MAX_LANES.bit_length()))
"""Numbers of lanes: every power of two from 1 to the most."""
LANES = {"cpu": 1, "tpu": 128}
"""Most lanes by default, by platform."""
GPU_LANES = 256
"""Most lanes by default elsewhere: by what compilers estimate, more gain little and take more
memory, see `benchmarks/chips.py`."""


class LanePlan:
    """Lanes of each cohort: one on a CPU, whose cores are the devices; elsewhere by its members.

    Attributes:
        most: Most lanes of any cohort.
    """

    def __init__(self, asked: int | None, mesh: Mesh) -> None:
        """Plan for the devices of `mesh`, with `asked` lanes if it is not None.

        Raises:
            ValueError: `asked` is below 1 or above 4096.
        """
        usual = LANES.get(mesh.devices.flat[0].platform, GPU_LANES)
        self.most = usual if asked is None else asked
        if not 1 <= self.most <= MAX_LANES:
            raise ValueError(f"`lanes` is {asked}, but must be from 1 to {MAX_LANES}.")
        self._fixed, self._devices = asked is not None, mesh.size
        self._least: dict[Architecture, int] = {}

    def lanes(self, architecture: Architecture, members: int) -> int:
        """Return the lanes of a cohort of so many members on all devices."""
        most = min(self.most, self._least.get(architecture, self.most))
        return most if self._fixed else min(most, lanes_for(-(-members // self._devices)))

    def narrow(self, architecture: Architecture, lanes: int) -> None:
        """Allow no more than `lanes` from now on: memory holds no more, or fewer are faster."""
        self._least[architecture] = min(lanes, self._least.get(architecture, lanes))


def lanes_for(members: int) -> int:
    """Return the fewest lanes that hold so many members of a device, or the most there are."""
    return next((count for count in LADDER if count >= members), LADDER[-1])


def fewer_lanes(lanes: int) -> int | None:
    """Return the next lower number of lanes; None where there is none."""
    return max((count for count in LADDER if count < lanes), default=None)
