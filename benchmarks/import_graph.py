"""The folders of both packages and the imports between them, read from the code.

The code is parsed and not imported, so that nothing has to be installed. `architecture.py` draws
the graph, `house.py` counts.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("search", "jaxrnn")
COMMAND = "scripts.population_search"
"""The main job; the scripts that it imports are part of the picture, other scripts are not."""


@dataclass(frozen=True)
class Module:
    """One Python file.

    Attributes:
        name: Dotted name; a folder's own for its `__init__.py`.
        path: The file, relative to the root of the repository.
        lines: Lines of the file.
        doc: First line of its docstring.
        imports: Dotted names of the modules of this repository that it imports.
    """

    name: str
    path: Path
    lines: int
    doc: str
    imports: frozenset[str]


@dataclass(frozen=True)
class Component:
    """A box of the picture: a folder of a package, or files that lie beside such folders.

    Attributes:
        name: Path of the folder or of the only file; of several files the package and their names.
        title: Short name.
        meaning: Content in one sentence, or the names of the files.
        modules: Files.
    """

    name: str
    title: str
    meaning: str
    modules: tuple[Module, ...]

    @property
    def package(self) -> str:
        """Name of the folder at the root of the repository."""
        return self.modules[0].path.parts[0]

    @property
    def lines(self) -> int:
        """Lines of all its files."""
        return sum(module.lines for module in self.modules)


@dataclass(frozen=True)
class Graph:
    """Components from top to bottom, and the arrows between them.

    Attributes:
        components: By name, importers before what they import.
        arrows: Pairs of names, importer first. An arrow that others imply is left out: where A
            imports B and B imports C, nothing is said of A and C.
    """

    components: dict[str, Component]
    arrows: tuple[tuple[str, str], ...]


def python_files(*folders: str) -> list[Path]:
    """All Python files below some folders of the repository, in order of their paths."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def modules() -> dict[str, Module]:
    """The modules of both packages and the scripts of the main job, by dotted name."""
    paths = {_dotted(path): path for path in python_files(*PACKAGES, "scripts")}
    parsed = {name: _module(name, path, paths) for name, path in paths.items()}
    scripts = reachable(COMMAND, {name: module.imports for name, module in parsed.items()})
    part = {COMMAND, *(name for name in scripts if name.startswith("scripts."))}
    return {n: m for n, m in parsed.items() if n in part or n.split(".")[0] in PACKAGES}


def graph() -> Graph:
    """The components of the repository and what they import."""
    known = modules()
    owner = _owners(known)
    parts: dict[str, list[Module]] = {}
    for name in known:
        parts.setdefault(owner[name], []).append(known[name])
    below = _quotient(known, owner)
    order = from_top(below)
    names = _names(parts, order)
    components = {names[key]: _component(names[key], parts[key]) for key in order}
    arrows = [(names[source], names[target]) for source, target in _reduced(below)]
    return Graph(components, tuple(sorted(arrows)))


def from_top(below: Mapping[str, Iterable[str]]) -> list[str]:
    """All nodes, importers before what they import; the same order whenever it is asked for."""
    ordered = {node: sorted(below[node]) for node in sorted(below)}
    return [*TopologicalSorter(ordered).static_order()][::-1]


def reachable(start: str, below: Mapping[str, Iterable[str]]) -> set[str]:
    """All nodes that a path of at least one step leads to from `start`."""
    visited: set[str] = set()
    waiting = [*below[start]]
    while waiting:
        node = waiting.pop()
        if node not in visited:
            visited.add(node)
            waiting += below[node]
    return visited


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _module(name: str, path: Path, known: Mapping[str, Path]) -> Module:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    doc = (ast.get_docstring(tree) or "").split("\n")[0]
    imports = frozenset(_imports(tree, known)) - {name}
    return Module(name, path.relative_to(ROOT), text.count("\n"), doc, imports)


def _imports(tree: ast.Module, known: Mapping[str, Path]) -> Iterator[str]:
    """Names of known modules; scripts import each other without the name of their folder."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wanted = [(alias.name,) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            wanted = [(f"{node.module}.{alias.name}", f"{node.module}") for alias in node.names]
        else:
            continue
        for names in wanted:
            candidates = [full for name in names for full in (name, f"scripts.{name}")]
            yield from [name for name in candidates if name in known][:1]


def _owners(known: Mapping[str, Module]) -> dict[str, str]:
    """The component of every module, by a key: its folder, or a part of its package's loose files.

    Loose files are taken from the top down, and each joins the first part that it can join without
    making a circle among components.
    """
    owner = {n: "/".join(m.path.parts[:2]) for n, m in known.items() if len(m.path.parts) > 2}
    owner |= {name: "scripts" for name in known if name.startswith("scripts.")}
    below = {name: module.imports for name, module in known.items()}
    for name in from_top(below):
        package, part = known[name].path.parts[0], 0
        while name not in owner:
            trial = {**owner, name: f"{package}#{part}"}
            owner = trial if _acyclic(_quotient(known, trial)) else owner
            part += 1
    return owner


def _quotient(known: Mapping[str, Module], owner: Mapping[str, str]) -> dict[str, set[str]]:
    """The imports of components; a module without a component stands for itself."""
    below: dict[str, set[str]] = {owner.get(name, name): set() for name in sorted(known)}
    for name, module in known.items():
        source = owner.get(name, name)
        below[source] |= {owner.get(target, target) for target in module.imports} - {source}
    return below


def _acyclic(below: Mapping[str, Iterable[str]]) -> bool:
    try:
        TopologicalSorter(below).prepare()
    except CycleError:
        return False
    return True


def _reduced(below: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    """The arrows that no other arrows imply."""
    for source, targets in below.items():
        implied = {far for target in targets for far in reachable(target, below)}
        yield from ((source, target) for target in targets - implied)


def _names(parts: Mapping[str, list[Module]], order: Iterable[str]) -> dict[str, str]:
    """The name of each component by its key; a package's own name is that of its top part."""
    names: dict[str, str] = {}
    for key in order:
        package, *part = key.split("#")
        if not part or package not in names.values():
            names[key] = package
        elif len(parts[key]) == 1:
            names[key] = str(parts[key][0].path)
        else:
            names[key] = f"{package}/{{{_stems(parts[key])}}}.py"
    return names


def _component(name: str, part: list[Module]) -> Component:
    """A component with its meaning: of the folder, of its only file, or of the main job."""
    docs = {module.name: module.doc for module in part}
    home = name.replace("/", ".").removesuffix(".py")
    meaning = docs.get(home) or docs.get(COMMAND) or _stems(part)
    title = f"{name.split('/')[0]}/*.py" if "{" in name else name
    return Component(name, title, meaning, tuple(part))


def _stems(part: list[Module]) -> str:
    return ", ".join(module.path.stem for module in part)
