"""How many members of a cohort run side by side on a device: a ladder of few counts.

Few, so that there are few programs.
"""

from jax.sharding import Mesh

from jaxrnn.network.architecture import Architecture
from jaxrnn.population.devices import MOST_LANES

LADDER = tuple(1 << power for power in range(MOST_LANES.bit_length()))
"""Every power of two from 1 to the most."""
LANES = {"cpu": 1, "tpu": 128}
"""The most that are taken without being asked for, by platform."""
GPU_LANES = 256
"""The same elsewhere. By what compilers estimate, more lanes gain little and take more memory, see
`benchmarks/chips.py`."""


class LanePlan:
    """On a CPU one, whose cores are the devices; elsewhere as many as there are members for.

    Attributes:
        most: Lanes of any cohort.
    """

    def __init__(self, asked: int | None, mesh: Mesh) -> None:
        """Plan for the devices of `mesh`.

        Raises:
            ValueError: `asked` below 1 or above 4096.
        """
        usual = LANES.get(mesh.devices.flat[0].platform, GPU_LANES)
        self.most = usual if asked is None else asked
        if not 1 <= self.most <= MOST_LANES:
            raise ValueError(f"`lanes` is {asked}, but must be from 1 to {MOST_LANES}.")
        self._fixed, self._devices = asked is not None, mesh.size
        self._least: dict[Architecture, int] = {}

    def lanes(self, architecture: Architecture, members: int) -> int:
        """For a cohort of so many members on all devices."""
        most = min(self.most, self._least.get(architecture, self.most))
        return most if self._fixed else min(most, lanes_for(-(-members // self._devices)))

    def narrow(self, architecture: Architecture, lanes: int) -> None:
        """From now on no more than `lanes`: memory holds no more, or fewer are faster."""
        self._least[architecture] = min(lanes, self._least.get(architecture, lanes))


def lanes_for(members: int) -> int:
    """The narrowest step that holds so many members of a device, or the widest that there is."""
    return next((step for step in LADDER if step >= members), LADDER[-1])


def fewer_lanes(lanes: int) -> int | None:
    """The next narrower step, whether or not `lanes` is one; None where there is none."""
    return max((step for step in LADDER if step < lanes), default=None)
