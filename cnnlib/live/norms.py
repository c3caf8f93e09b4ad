"""Finds local response normalisation in a graph: eight calls that are one layer."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import fx, nn


class ResponseNorm(NamedTuple):
    """A call that belongs to a normalisation of ``source``; the last one has its settings."""

    source: fx.Node
    settings: dict[str, Any] | None


def find_response_norms(
    graph: fx.Graph, module_of: Callable[[fx.Node], nn.Module]
) -> dict[fx.Node, ResponseNorm]:
    """Node -> what it belongs to, for the calls of every local response normalisation.

    ``torch.nn.functional.local_response_norm`` and the modules that call it are found by their
    calls, this library's own layer by its class.
    """
    found: dict[fx.Node, ResponseNorm] = {}
    for node in graph.nodes:
        if _is(node, "div") and (norm := _by_calls(node) or _by_class(node, module_of)):
            source, settings, nodes = norm
            found |= dict.fromkeys(nodes, ResponseNorm(source, None))
            found[node] = ResponseNorm(source, settings)
    return found


def _is(node: Any, *names: str) -> bool:
    if not isinstance(node, fx.Node) or node.op != "call_function":
        return False
    return str(node.target).removeprefix("aten.").split(".")[0] in names


def _by_calls(node: fx.Node) -> tuple[fx.Node, dict[str, Any], list[fx.Node]] | None:
    """x / (k + alpha * mean of x * x over a window of channels) ** beta, as torch computes it."""
    source, power = node.args[:2]
    nodes = []

    def step(at: Any, name: str) -> Any:
        if not _is(at, name) or len(at.users) != 1:
            raise LookupError
        nodes.append(at)
        return at

    def past_views(at: Any) -> Any:
        while _is(at, "view", "reshape", "squeeze", "unsqueeze") and len(at.users) == 1:
            nodes.append(at)
            at = at.args[0]
        return at

    try:
        power = step(power, "pow")
        add = step(power.args[0], "add")
        scaled = step(add.args[0], "mul")
        mean = step(past_views(scaled.args[0]), "avg_pool3d")
        padded = step(mean.args[0], "pad")
        square = step(past_views(padded.args[0]), "mul")
    except LookupError:
        return None
    size, *rest = mean.args[1]
    if rest != [1, 1] or square.args != (source, source):
        return None
    if list(padded.args[1]) != [0, 0, 0, 0, size // 2, (size - 1) // 2]:
        return None
    settings = {
        "size": size,
        "alpha": scaled.args[1],
        "beta": power.args[1],
        "k": add.args[1],
    }
    return source, settings, nodes


def _by_class(
    node: fx.Node, module_of: Callable[[fx.Node], nn.Module]
) -> tuple[fx.Node, dict[str, Any], list[fx.Node]] | None:
    module = module_of(node)
    if type(module).__name__ != "LocalResponseNorm":
        return None
    key = _call(node)
    nodes = [other for other in node.graph.nodes if _call(other) == key and other is not node]
    settings = {name: getattr(module, name) for name in ("size", "alpha", "beta", "k")}
    return node.args[0], settings, nodes


def _call(node: fx.Node) -> str | None:
    """Which call of which module the node belongs to."""
    return next(reversed(node.meta.get("nn_module_stack") or {}), None)
