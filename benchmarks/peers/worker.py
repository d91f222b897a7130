"""A process that trains when asked; requests and answers are lines of JSON.

    python -m peers.worker jaxrnn [DEVICES]
    python -m peers.worker torch DEVICE THREADS

It sleeps between requests, and ends with the process that asks.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

from peers.cases import Case
from peers.timing import Runner, measure

Make = Callable[[dict[str, Any]], Runner]
"""Makes the runner that a request asks for."""


def jaxrnn_makers(devices: str | None = None) -> tuple[Make, dict[str, Any]]:
    """A function that makes runners, and facts about the process."""
    from peers import jaxrnn_runner  # which imports JAX

    all_devices = int(devices) if devices else None

    def make(request: dict[str, Any]) -> Runner:
        limits = {name: request[name] for name in ("devices", "lanes") if name in request}
        limits = {"devices": all_devices} | limits
        return jaxrnn_runner.PopulationRunner(Case(*request["case"]), request["members"], **limits)

    return make, jaxrnn_runner.about(all_devices)


def torch_makers(device: str, threads: str) -> tuple[Make, dict[str, Any]]:
    """The same for PyTorch."""
    from peers import torch_runner  # which imports PyTorch

    torch_runner.torch().set_num_threads(int(threads))

    def make(request: dict[str, Any]) -> Runner:
        return torch_runner.TrialRunner(Case(*request["case"]), device)

    return make, torch_runner.about()


def serve(requests: TextIO, answers: TextIO, make: Make, about: dict[str, Any]) -> None:
    """Answer every request, until there are no more."""
    runners: dict[str, Runner] = {}
    for line in requests:
        request = json.loads(line)
        answer: dict[str, Any] = {}
        if request["do"] == "about":
            answer = about
        elif request["do"] == "prepare":
            runner = runners[request["key"]] = make(request)
            answer = {name: getattr(runner, name, None) for name in ("compile_seconds", "lanes")}
        elif request["do"] == "measure":
            answer = measure(runners[request["key"]], request["seconds"], request["least"])
        elif request["do"] == "forget":
            runners.clear()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main() -> None:
    """Serve the process that started this."""
    # What libraries print goes elsewhere.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    kind, *arguments = sys.argv[1:]
    makers: dict[str, Callable[..., tuple[Make, dict[str, Any]]]]
    makers = {"jaxrnn": jaxrnn_makers, "torch": torch_makers}
    serve(sys.stdin, answers, *makers[kind](*arguments))


if __name__ == "__main__":
    main()
