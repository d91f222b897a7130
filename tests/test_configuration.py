"""Configurations: completed once and for all, refused with the nearest good value, and alive."""

import json
import tomllib
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from support.marks import slow
from support.single_member import EXCLUDED, SPEC, TASK, TIME, jit_by_architecture, sequences

import jaxrnn
import search
from jaxrnn.configuration.hyperparameter import is_met
from jaxrnn.configuration.hyperparameters import Hyperparameters, hyperparameters
from jaxrnn.configuration.optimizers import OPTIMIZERS, arguments
from jaxrnn.configuration.registry import CROPS, SCHEDULES, TRACED
from jaxrnn.configuration.rules import check, check_parents, complete
from jaxrnn.network import initial
from jaxrnn.network.architecture import Architecture, OptionalCode, architecture_of
from jaxrnn.network.network import RecurrentNetwork
from jaxrnn.spaces import SpaceContext
from jaxrnn.tasks.spec import Outputs

MICROBATCH, MAX_EPOCHS = 32, 27
Entries = dict[str, Any]
STRUCTURAL = {
    "cell",
    "layers",
    "bidirectional",
    "kernel_init",
    "kernel_scale",
    "recurrent_init",
    "recurrent_scale",
    "forget_bias",
    "embedding_size",
}
CONTEXT = SpaceContext(TASK, TIME, MICROBATCH, MAX_EPOCHS)


@cache
def full_space() -> search.Space:
    return search.Space(jaxrnn.SPACES["full"](CONTEXT), jaxrnn.conditions())


def drawn(seed: int, count: int = 1) -> list[Entries]:
    return [
        one.configuration
        for one in search.make_sampler("random", full_space(), seed).ask(count, [])
    ]


def full(given: Any) -> Entries:
    return complete(given, MICROBATCH, MAX_EPOCHS)


one_drawn = st.integers(0, 100_000).map(lambda seed: drawn(seed)[0])

# Complete configurations


@given(one_drawn)
def test_completing_twice_is_completing_once(configuration: Entries) -> None:
    entries = full(configuration)
    assert full(entries) == entries
    assert list(full(entries)) == [name for name in jaxrnn.HYPERPARAMETERS if name in entries]
    given = {name: entries[name] for name in configuration if name != "epochs"}
    assert given == {name: value for name, value in configuration.items() if name != "epochs"}
    assert entries["epochs"] == min(configuration["epochs"], MAX_EPOCHS)


@given(one_drawn)
def test_exactly_the_active_hyperparameters_are_there(configuration: Entries) -> None:
    entries, conditions = full(configuration), jaxrnn.conditions()
    for name in jaxrnn.HYPERPARAMETERS:
        assert (name in entries) == is_met(conditions.get(name, {}), entries), name


@pytest.mark.parametrize("optimizer", ["lamb", "sm3", "lars", "novograd", "adabelief", "adamax"])
def test_completing_twice_is_completing_once_with_dotted_names(optimizer: str) -> None:
    entries = full({"optimizer": f"optax.{optimizer}"})
    assert full(entries) == entries
    assert set(arguments(f"optax.{optimizer}")) <= set(entries)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_optimizer_has_the_numbers_that_it_takes(optimizer: str) -> None:
    entries = full({"optimizer": optimizer})
    takes = {
        "sgd": set(),
        "momentum": {"momentum"},
        "nesterov": {"momentum"},
        "rmsprop": {"b2", "eps"},
        "adagrad": {"eps"},
        "adam": {"b1", "b2", "eps"},
        "adamw": {"b1", "b2", "eps", "weight_decay"},
        "nadam": {"b1", "b2", "eps"},
        "lion": {"b1", "b2", "weight_decay"},
    }[optimizer]
    assert {"momentum", "b1", "b2", "eps", "weight_decay"} & set(entries) == takes


def test_defaults() -> None:
    entries = full({"layers": 3, "hidden_size": 40, "hidden_size_3": 20})
    assert [entries[f"hidden_size_{k}"] for k in (2, 3)] == [40, 20]
    assert "hidden_size_4" not in entries
    assert (entries["batch_size"], entries["epochs"]) == (MICROBATCH, MAX_EPOCHS)
    assert full({"epochs": 1000})["epochs"] == MAX_EPOCHS
    assert full({"epochs": 5})["epochs"] == 5
    assert (entries["optimizer"], entries["b2"], entries["clip_norm"]) == ("adamw", 0.999, 1.0)
    assert entries["clip_value"] == float("inf")


def test_numbers_of_numpy_become_plain() -> None:
    given = {"hidden_size": np.int64(8), "dropout": np.float32(0.5), "layer_norm": np.bool_(True)}
    entries = full({**given, "cell": np.str_("gru")})
    kinds = {name: type(entries[name]) for name in (*given, "cell")}
    assert kinds == {"hidden_size": int, "dropout": float, "layer_norm": bool, "cell": str}


@given(one_drawn)
def test_configurations_survive_json_and_toml(configuration: Entries) -> None:
    for entries in (configuration, full(configuration)):
        assert json.loads(json.dumps(entries)) == entries
        assert tomllib.loads(tomli_w.dumps(entries)) == entries
        assert full(json.loads(json.dumps(entries))) == full(configuration)


@pytest.mark.parametrize("name", jaxrnn.SPACES)
def test_spaces_survive_toml(name: str, tmp_path: Any) -> None:
    conditions = jaxrnn.conditions()
    space = search.Space(jaxrnn.SPACES[name](CONTEXT), conditions)
    (tmp_path / "space.toml").write_text(space.to_toml())
    again = search.Space.from_toml(tmp_path / "space.toml", conditions)
    assert again.hyperparameters == space.hyperparameters and list(again.hyperparameters) == list(
        space.hyperparameters
    )
    first, second = (search.make_sampler("random", one, 2).ask(5, []) for one in (space, again))
    assert [trial.configuration for trial in first] == [trial.configuration for trial in second]


# Hyperparameters


def test_every_hyperparameter_is_traced_or_structural() -> None:
    """The typed fields are those of the registry, in its order."""
    assert Hyperparameters._fields == TRACED
    assert set(jaxrnn.HYPERPARAMETERS) - set(TRACED) == STRUCTURAL


def test_every_optional_code_is_needed_by_a_hyperparameter() -> None:
    """Except for that of lengths, which the data needs."""
    needed = {known.code for known in jaxrnn.HYPERPARAMETERS.values()} - {""}
    assert needed == set(OptionalCode._fields) - {"lengths"}


@given(one_drawn)
def test_numbers_are_those_of_the_configuration(configuration: Entries) -> None:
    entries = full(configuration)
    numbers = hyperparameters(entries, ("sgd", *OPTIMIZERS))._asdict()
    for name, number in numbers.items():
        entry, value = jaxrnn.HYPERPARAMETERS[name], entries.get(name)
        kinds = {bool: np.bool_, int: np.int32, float: np.float32, str: np.int32}
        assert type(number) is kinds[entry.kind], name
        if name == "optimizer":
            assert ("sgd", *OPTIMIZERS)[number] == value
        elif value is None:
            assert number == 0, name
        elif entry.kind is str:
            assert entry.choices[number] == value
        else:
            assert number == kinds[entry.kind](value)


@pytest.mark.parametrize("name", jaxrnn.HYPERPARAMETERS)
def test_defaults_keep_their_own_rule(name: str) -> None:
    entry = jaxrnn.HYPERPARAMETERS[name]
    assert (entry.default is None) == bool(entry.default_is)
    if entry.default is not None:
        check(name, entry.default)
        assert type(entry.default) is entry.kind
    assert entry.meaning and entry.rule


def test_the_full_space_has_every_hyperparameter_and_none_that_is_refused() -> None:
    space = full_space()
    assert set(space.hyperparameters) == set(jaxrnn.HYPERPARAMETERS)
    for name, value in space.extremes():
        check(name, value, MICROBATCH)
    for time, microbatch, epochs in ((1, 1, 1), (2, 3, 2), (1000, 32, 100)):
        asked = SpaceContext(TASK, time, microbatch, epochs)
        small = search.Space(jaxrnn.SPACES["full"](asked), jaxrnn.conditions())
        for name, value in small.extremes():
            check(name, value, microbatch)
        for trial in search.make_sampler("random", small, 1).ask(5, []):
            complete(trial.configuration, microbatch, epochs)


def test_the_full_space_can_give_every_choice() -> None:
    seen: dict[str, set[Any]] = {}
    for configuration in drawn(seed=5, count=300):
        for name, value in full(configuration).items():
            seen.setdefault(name, set()).add(value)
    assert set(seen) == set(jaxrnn.HYPERPARAMETERS)
    for name in ("cell", "activation", "kernel_init", "recurrent_init", "output_activation"):
        assert seen[name] == set(jaxrnn.HYPERPARAMETERS[name].choices)
    assert seen["optimizer"] == set(OPTIMIZERS)
    assert seen["schedule"] == set(SCHEDULES) and seen["crop_at"] == set(CROPS)
    assert all(len(values) > 1 for values in seen.values())


# Bad input

BAD: list[tuple[str, Entries, str]] = [
    ("no multiple", {"batch_size": 40}, "multiple of the microbatch, 32; the nearest is 32"),
    ("no multiple", {"batch_size": 50}, "the nearest is 64"),
    ("less than one", {"batch_size": 3}, "the nearest is 32"),
    ("none", {"batch_size": 0}, "at least 1"),
    ("overlap", {"tbptt_length": 4, "tbptt_overlap": 0.7}, "from 0 to 0.5; the nearest is 0.5"),
    ("rate", {"dropout": 1.5}, "from 0 to 0.95; the nearest is 0.95"),
    ("rate", {"dropout": -0.1}, "the nearest is 0.0"),
    ("NaN", {"learning_rate": float("nan")}, "`learning_rate` is nan, but must be a number"),
    ("infinite", {"learning_rate": float("inf")}, "below infinity"),
    ("name", {"kernel_init": "lecun"}, "the nearest is 'lecun_normal'"),
    ("name", {"recurrent_init": "orthogonol"}, "the nearest is 'orthogonal'"),
    ("name", {"activation": "tahn"}, "the nearest is 'tanh'"),
    ("name", {"cell": "LSTM"}, "one of 'lstm', 'gru', 'rnn'"),
    ("name", {"cell": 3}, "one of 'lstm', 'gru', 'rnn'"),
    ("entry", {"hidden_sise": 8}, "did you mean `hidden_size`?"),
    ("entry", {"xyz": 8}, "`xyz` is no hyperparameter"),
    ("inactive", {"optimizer": "adam", "momentum": 0.9}, "`momentum` is 0.9, but acts only where"),
    ("inactive", {"optimizer": "sgd", "weight_decay": 0.1}, "'adamw' or 'lion'"),
    ("inactive", {"residual": True}, "acts only where `layers` is at least 2, and `layers` is 1"),
    ("inactive", {"hidden_size_2": 8}, "`layers` is 1; leave it out"),
    ("inactive", {"bidirectional": True, "tbptt_length": 3}, "`bidirectional` is True"),
    ("inactive", {"tbptt_overlap": 0.3}, "`tbptt_length` is 0"),
    ("inactive", {"bidirectional": True, "tbptt_overlap": 0.3}, "`tbptt_length` does not act"),
    ("inactive", {"cell": "rnn", "forget_bias": 1.0}, "`cell` is 'rnn'"),
    ("inactive", {"cell": "gru", "output_activation": "relu"}, "`cell` is 'gru'"),
    ("inactive", {"min_delta": 0.1}, "`patience` is 0"),
    ("inactive", {"crop_at": "start"}, "`crop_length` is 0"),
    ("inactive", {"schedule": "linear", "decay_rate": 0.5}, "'exponential' or 'step'"),
    ("inactive", {"batch_growth": 2.0}, "`batch_growth_epochs` is 0"),
    ("inactive", {"dense_after_units": 3}, "`dense_after` is 0"),
    ("optimizer", {"optimizer": "adams"}, "the nearest is 'adam'"),
    ("optimizer", {"optimizer": ""}, "but must be one of 'sgd'"),
    ("optimizer", {"optimizer": "optax.nothing"}, "there is no such factory to import"),
    ("optimizer", {"optimizer": "no_such_module.adam"}, "there is no such factory to import"),
    ("optimizer", {"optimizer": ".adam"}, "but must be one of 'sgd'"),
    ("optimizer", {"optimizer": "optax."}, "there is no such factory to import"),
    ("optimizer", {"optimizer": "optax.__version__"}, "there is no such factory to import"),
    ("eps", {"eps": 0.0}, "must be a number from 1e-30 to 1"),
    ("huge", {"learning_rate": 10**400}, "the nearest is 3.4"),
    ("optimizer", {"optimizer": "optax.yogi"}, "does not fit populations"),
    ("optimizer", {"optimizer": "optax.contrib.dowg"}, "does not fit populations"),
    (
        "optimizer",
        {"optimizer": "optax.masked"},
        "takes inner, mask, mask_compatible_extra_args, but must be",
    ),
    ("optimizer", {"optimizer": "optax.polyak_sgd"}, "needs nothing else."),
    ("switch", {"hidden_size": True}, "`hidden_size` is True, but must be a whole number"),
    ("switch", {"dropout": False}, "`dropout` is False, but must be a number"),
    ("switch", {"layer_norm": 1}, "must be true or false"),
    ("fraction", {"hidden_size": 8.5}, "must be a whole number from 1 to 4096; the nearest is 8"),
    ("text", {"dropout": "0.5"}, "must be a number"),
    ("nothing", {"dropout": None}, "must be a number"),
    ("range", {"dropout": {"low": 0, "high": 1}}, "must be a number"),
    ("list", {"cell": ["lstm", "gru"]}, "one of 'lstm', 'gru', 'rnn'"),
]


@pytest.mark.parametrize(("_", "bad", "message"), BAD, ids=lambda value: str(value)[:40])
def test_bad_configurations_are_refused(_: str, bad: Entries, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        full(bad)
    assert message in str(caught.value)


@pytest.mark.parametrize("bad", [None, 3, "cell", [("cell", "lstm")]])
def test_what_is_no_configuration_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="must be a mapping"):
        full(bad)


def test_children_want_their_parents_in_the_space() -> None:
    for space in (
        {"weight_decay": 1, "b1": 1},  # adamw by default
        {"optimizer": 1, "momentum": 1},
        {"layers": 1, "residual": 1, "hidden_size_3": 1},
        {"cell": 1, "forget_bias": 1},
        {"forget_bias": 1, "output_activation": 1},  # an LSTM by default
        {"tbptt_length": 1, "tbptt_overlap": 1},  # one direction by default
        {"schedule": 1, "decay_rate": 1, "decay_epochs": 1},
        jaxrnn.SPACES["full"](SpaceContext(TASK, 8, 32, 27)),
        jaxrnn.DEFAULT_SPACE,
        {},
    ):
        check_parents(space)
    for space, message in (
        ({"momentum": 1}, "leaves `optimizer` at 'adamw'"),
        ({"residual": 1}, "acts only where `layers` is at least 2, but the space leaves `layers`"),
        ({"hidden_size_2": 1}, "leaves `layers` at 1"),
        ({"decay_rate": 1}, "leaves `schedule` at 'constant'"),
        ({"tbptt_overlap": 1}, "leaves `tbptt_length` at 0"),
        ({"tbptt_length": 1, "tbptt_growth": 1}, "leaves `tbptt_growth_epochs` at 0"),
        ({"min_delta": 1}, "leaves `patience` at 0"),
        ({"crop_at": 1, "cell": 1}, "leaves `crop_length` at 0"),
    ):
        with pytest.raises(ValueError) as caught:
            check_parents(space)
        assert message in str(caught.value)


# Networks of random configurations


def of_cell(cell: str, count: int) -> list[Entries]:
    """The first `count` configurations of a cell, and a residual one of unequal layers."""
    found = [full(one) for one in drawn(seed=7, count=60)]
    deep = {"cell": cell, "layers": 3, "residual": True, "hidden_size": 9, "layer_norm": True}
    own = [one for one in found if one["cell"] == cell][: count - 1]
    return [*own, full({**deep, "hidden_size_2": 5, "hidden_size_3": 13})]


@jit_by_architecture
def training_outputs(
    architecture: Architecture, hp: Any, weights: Any, x: jax.Array, lengths: jax.Array
) -> Any:
    key = jax.random.key(0)
    return RecurrentNetwork(architecture).apply({"params": weights}, x, lengths, hp, key)


@pytest.mark.parametrize("position", [*slow(*range(5)), 5])
@pytest.mark.parametrize("cell", [*slow("lstm", "rnn"), "gru"])
def test_first_outputs_are_finite_and_of_the_right_shape(cell: str, position: int) -> None:
    drawn, samples = of_cell(cell, 6)[position], sequences(5)
    entries = {name: value for name, value in drawn.items() if name not in EXCLUDED}
    architecture = architecture_of(entries, SPEC)
    weights = initial.init(architecture, entries, seed=1)
    hp = hyperparameters(entries, architecture.optimizers)
    x, lengths = jnp.asarray(samples.inputs), jnp.asarray(samples.lengths)
    outputs = training_outputs(architecture, hp, weights, x, lengths)
    assert isinstance(outputs, Outputs)
    assert outputs.last.shape == (5, SPEC.outputs)
    assert np.isfinite(outputs.last).all() and np.ptp(outputs.last) > 0
    assert (outputs.per_step is not None) == (entries["target_replication"] > 0)
    if outputs.per_step is not None:
        true = np.arange(TIME) < np.asarray(outputs.lengths)[:, None]
        assert outputs.per_step.shape == (5, TIME, SPEC.outputs)
        assert np.isfinite(np.asarray(outputs.per_step)[true]).all()
    most = entries["crop_length"] or TIME
    np.testing.assert_array_equal(outputs.lengths, np.minimum(samples.lengths, most))
    loss = TASK.losses(hp, outputs, jnp.asarray(samples.targets)).sums
    assert loss.shape == (5,) and np.isfinite(loss).all() and (np.asarray(loss) > 0).all()
