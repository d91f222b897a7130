"""Options of compilation, which change the speed of programs and never their meaning."""

from typing import Literal, NamedTuple, get_args

from jax.sharding import Mesh

CompilerOptions = dict[str, str | bool]
"""Options of XLA for a single program, by name."""
ALONE: CompilerOptions = {"xla_disable_hlo_passes": "cpu-parallel-task-assigner"}
"""Options for devices that share a CPU: XLA would split loops among cores that are busy."""
GRAPHS: CompilerOptions = {
    "xla_gpu_graph_min_graph_size": "1",
    "xla_gpu_enable_command_buffer": (
        "FUSION,CUBLAS,CUBLASLT,CUDNN,CUSTOM_CALL,DYNAMIC_SLICE_FUSION,CONDITIONAL,WHILE"
    ),
}
"""CUDA graphs that hold loops. Without the first, XLA finds the body of a loop too small for one,
and then starts every kernel of every time step by itself."""
Precision = Literal["highest", "high", "default"]
"""Precision of matrix products: `highest` is float32 on every device, `high` and `default` are
faster and less exact on accelerators (TF32 on GPUs; three passes of bfloat16 or one on TPUs)."""
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
UNROLL, MAX_WHOLE_LOOP = 4, 8
"""Loops over time are unrolled by `UNROLL` on accelerators: by what compilers say of them, more
steps gain little and take longer to compile. CUDA graphs hold loops over at most `MAX_WHOLE_LOOP`
steps whole."""


class Options(NamedTuple):
    """How the programs of a cohort are compiled.

    Attributes:
        unroll: Time steps in a turn of the loops over time, at least 1.
        graphs: Whether CUDA graphs hold loops, so that a GPU starts them at once.
    """

    unroll: int = 1
    graphs: bool = False

    @classmethod
    def default(cls, platform: str, time: int) -> "Options":
        """Return the options without a measurement, for loops over `time` steps."""
        if platform == "cpu":
            return cls()
        return cls(unroll=min(time, UNROLL))

    def with_graphs(self, time: int) -> "Options":
        """Return the same with CUDA graphs around loops over `time` steps."""
        return Options(time if time <= MAX_WHOLE_LOOP else self.unroll, graphs=True)

    def for_compiler(self, mesh: Mesh) -> CompilerOptions:
        """Return the options of XLA for the devices of `mesh`."""
        if mesh.devices.flat[0].platform == "cpu":
            return ALONE if mesh.size > 1 else {}
        return GRAPHS if self.graphs else {}


def check_precision(precision: str) -> None:
    """Accept a name of a precision.

    Raises:
        ValueError: It is none of `PRECISIONS`.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"`precision` is {precision!r}, but must be one of {', '.join(PRECISIONS)}."
        )


def options_of(autotune: bool | Options, platform: str, time: int) -> Options:
    """Return the options asked for, or those without a measurement, for loops of `time` steps.

    Raises:
        ValueError: No options, or no time step in a turn.
    """
    if isinstance(autotune, bool):
        return Options.default(platform, time)
    if not isinstance(autotune, Options):
        raise ValueError(f"`autotune` is {autotune!r}, but must be true, false, or Options.")
    if type(autotune.unroll) is not int or autotune.unroll < 1:
        raise ValueError(
            f"`unroll` is {autotune.unroll!r}, but must be a whole number of at least 1."
        )
    return autotune
