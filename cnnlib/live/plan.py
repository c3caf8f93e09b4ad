"""A network as a plan: a list of steps in plain JSON, which a page can run without torch.

    found = plan(network, (1, 3, 227, 227))

``torch.export`` gives the network's run as a graph. Each call of it becomes one of some twenty
steps, or the network is refused by the call's name. What does not hang on the input is worked out
here, once.

A plan is a dictionary:

- ``input``: the shape of the input, (1, C, H, W). ``values``: the shape of every value; number 0
  is the input. ``output``: the number of what the network gives.
- ``steps``, in order: ``op``, ``inputs`` (numbers of values), ``output`` (a number) and the
  settings of the operation, with torch's names. :data:`cnnlib.live.calls.STEPS` says how a call
  becomes one.
- ``layers``: ``name``, ``kind``, ``value`` and ``shape`` of each layer, in the order of the run.
  The names are those of :func:`cnnlib.trace.trace`; modules with children are there, too.
- ``parameters``: the names of the tensors that training changes.
- ``constants``: name -> ``{shape, data}``, float32 in base64, for what was worked out.

A setting that is a tensor is a dictionary: ``tensor``, its name among the network's parameters and
buffers or among the constants, and ``shape``.
"""

import base64
import math
import operator
import warnings
from collections import Counter
from typing import Any

import torch
from torch import Tensor, fx, nn

from cnnlib.geometry import whole_number
from cnnlib.live.calls import PARTS, STEPS, Refused, expect_one, same_value
from cnnlib.live.norms import find_response_norms
from cnnlib.trace import evaluating, plain_module, trace
from cnnlib.weights import WEIGHTS, load_weights

FORMAT = 1
LARGEST_CONSTANT = 2**16  # numbers


def plan(module: nn.Module, input_shape: tuple[int, ...]) -> dict[str, Any]:
    """The plan of ``module`` for one input of ``input_shape``, (1, C, H, W), in evaluation.

    The module is left as it was. Raises ``ValueError`` for another shape, and with the name of the
    operation for a network that has a call the engine cannot make, gives something else than one
    tensor, or does not hang on its input.
    """
    shape = _checked(input_shape)
    network = plain_module(module, "plan")
    with evaluating(network), torch.no_grad():
        weight = next(network.parameters(), torch.zeros(()))
        example = torch.zeros(shape, dtype=weight.dtype, device=weight.device)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # torch's of its own parts
                program = torch.export.export(network, (example,))
                program = program.run_decompositions({})  # without writing into tensors
        except Exception as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error)
            raise ValueError(f"plan: torch.export cannot follow the network: {first}") from error
        return _Planner(network, program, shape).found(program)


def describe(key: str) -> dict[str, Any]:
    """The plan of a network that ships, with its ``preprocessing`` and ``categories``."""
    record = WEIGHTS[key]
    how = record.preprocessing
    found = plan(load_weights(key), (1, how.channels, how.height, how.width))
    names = ("channel_order", "height", "width", "mean", "std", "fit", "resize")
    values = {name: getattr(how, name) for name in names}
    found["preprocessing"] = {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items()
    }
    found["categories"] = list(record.categories)
    return found


def _checked(input_shape: Any) -> tuple[int, ...]:
    try:
        shape = tuple(whole_number(size, "input_shape", 1) for size in input_shape)
    except (TypeError, ValueError):
        shape = ()
    if len(shape) != 4 or shape[0] != 1:
        raise ValueError(f"input_shape={input_shape!r}: expected (1, C, H, W)")
    return shape


class _Planner:
    """Goes through a program's graph once. A node is a value, a tensor known now, or other."""

    def __init__(self, network: nn.Module, program: Any, shape: tuple[int, ...]) -> None:
        self.network = network
        self.modules = dict(network.named_modules(remove_duplicate=False))
        self.graph: fx.Graph = program.graph
        self.values: list[list[int]] = [list(shape)]
        self.steps: list[dict[str, Any]] = []
        self.constants: dict[str, dict[str, Any]] = {}
        self.numbers: dict[fx.Node, int] = {}  # node -> the number of its value
        self.known: dict[fx.Node, Any] = {}  # node -> what it is, whatever the input
        self.sources: dict[fx.Node, tuple[str, list[int]]] = {}  # node -> tensor that it shows
        self.norms = find_response_norms(self.graph, self.module_of)
        self._read_placeholders(program)

    def found(self, program: Any) -> dict[str, Any]:
        for node in self.graph.nodes:
            if node.op == "call_function":
                self._read_call(node)
        output = self._output(program)
        return {
            "format": FORMAT,
            "input": self.values[0],
            "values": self.values,
            "steps": self.steps,
            "output": output,
            "layers": self._layers(),
            "constants": self.constants,
            "parameters": [name for name, _ in self.network.named_parameters()],
        }

    # ---- What the graph begins with.

    def _read_placeholders(self, program: Any) -> None:
        signature = program.graph_signature
        named = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        # A parameter that two modules share has the name by which named_parameters() knows it.
        shared = dict(self.network.named_parameters(remove_duplicate=False))
        first = {id(value): name for name, value in self.network.named_parameters()}
        lifted = getattr(signature, "inputs_to_lifted_tensor_constants", {})
        for node in self.graph.nodes:
            if node.op != "placeholder":
                continue
            if node.name in named:
                name = named[node.name]
                name = first.get(id(shared.get(name)), name)
                tensor = program.state_dict.get(name)
                tensor = program.constants[name] if tensor is None else tensor
                self.known[node] = tensor.detach()
                self.sources[node] = (name, list(tensor.shape))
            elif node.name in lifted:
                self.known[node] = program.constants[lifted[node.name]]
            else:
                self.numbers[node] = 0

    def _output(self, program: Any) -> int:
        signature = program.graph_signature
        if changed := sorted(signature.buffers_to_mutate.values()):
            raise ValueError(f"plan: the network changes its buffer {changed[0]!r} in every run")
        (node,) = [node for node in self.graph.nodes if node.op == "output"]
        given = node.args[0][len(signature.user_inputs_to_mutate) :]  # behind what it wrote into
        nested = program.call_spec.out_spec.num_children > 0
        if nested or len(given) != 1 or given[0] not in self.numbers:
            raise ValueError("plan: expected a network that gives one tensor made of its input")
        return self.numbers[given[0]]

    # ---- A call.

    def _read_call(self, node: fx.Node) -> None:
        if node in self.norms:
            norm = self.norms[node]
            if norm.settings is not None:
                try:
                    expect_one(norm.source)
                except Refused as refused:
                    raise self._refusal(node, str(refused)) from None
                self._add(node, "lrn", [norm.source], norm.settings)
            return None
        if not any(source in self.numbers for source in node.all_input_nodes):
            return self._work_out(node)
        if (origin := same_value(node)) is not None:
            self.numbers[node] = self.numbers[origin]
            return None
        if _name_of(node.target) in PARTS:  # each part is a slice, where it is taken out
            self.numbers[node] = self.numbers[node.args[0]]
            return None
        rule = STEPS.get(_name_of(node.target))
        if rule is None:
            raise self._refusal(node, "the engine has no such operation")
        try:
            op, inputs, settings = rule(self, node)
        except Refused as refused:
            raise self._refusal(node, str(refused)) from None
        return self._add(node, op, inputs, settings)

    def _refusal(self, node: fx.Node, why: str) -> ValueError:
        path = self.module_path(node)
        where = f" in {path!r}" if path else ""
        return ValueError(f"plan: {_name_of(node.target)}{where}: {why}")

    def _add(self, node: fx.Node, op: str, inputs: list[fx.Node], settings: dict[str, Any]) -> None:
        given = node.meta["val"]
        shape = list((given[0] if isinstance(given, tuple) else given).shape)
        if math.prod(shape) == 0:
            raise self._refusal(node, f"it gives an empty tensor, of shape {tuple(shape)}")
        for name, value in settings.items():  # JSON has neither infinity nor nan
            if isinstance(value, float) and not math.isfinite(value):
                raise self._refusal(node, f"{name}={value}: expected a finite number")
        self.values.append(shape)
        self.numbers[node] = len(self.values) - 1
        step = {"op": op, "inputs": [self.numbers[n] for n in inputs], "output": self.numbers[node]}
        self.steps.append(step | settings)

    def _work_out(self, node: fx.Node) -> None:
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            raise self._refusal(node, "it draws at random, in every run anew")
        args, kwargs = (
            fx.node.map_arg(part, lambda n: self.known[n]) for part in (node.args, node.kwargs)
        )
        self.known[node] = node.target(*args, **kwargs)
        first = node.all_input_nodes[0] if node.all_input_nodes else None
        if first in self.sources and isinstance(self.known[node], Tensor):
            before, after = self.known[first], self.known[node]
            same_order = _name_of(node.target) in _VIEWS or same_value(node) is first
            if same_order and before.numel() == after.numel():
                self.sources[node] = (self.sources[first][0], list(after.shape))

    # ---- For the rules of calls.

    def is_value(self, thing: Any) -> bool:
        """Whether it is a node that hangs on the input."""
        return isinstance(thing, fx.Node) and thing in self.numbers

    def tensor(self, thing: Any) -> dict[str, Any] | None:
        """A setting for a tensor that is known now; None for None."""
        if thing is None:
            return None
        if thing in self.sources:
            name, shape = self.sources[thing]
            return {"tensor": name, "shape": shape}
        known = self.known[thing]
        if table := self._table(thing, known):
            return table
        if known.numel() > LARGEST_CONSTANT:
            raise Refused(
                f"it uses {known.numel()} numbers worked out from weights, expected at most "
                f"{LARGEST_CONSTANT}"
            )
        name = f"constant {thing.name}"
        data = known.detach().float().contiguous().cpu().numpy().astype("<f4").tobytes()
        self.constants[name] = {
            "shape": list(known.shape),
            "data": base64.b64encode(data).decode("ascii"),
        }
        return {"tensor": name, "shape": list(known.shape)}

    def _table(self, thing: fx.Node, known: Tensor) -> dict[str, Any] | None:
        """The kernels of a :class:`~cnnlib.layers.TableConv2d`, which are stored packed."""
        path = self.module_path(thing)
        module = self.modules.get(path)
        if type(module).__name__ != "TableConv2d" or known.dim() != 4:
            return None
        pairs = [list(pair) for pair in module.pairs]
        return {"tensor": f"{path}.weight", "shape": list(known.shape), "pairs": pairs}

    def constant(self, thing: Any) -> Any:
        """A number, list or tensor's setting that is known now."""
        return self.known[thing] if isinstance(thing, fx.Node) else thing

    # ---- Names.

    def module_path(self, node: fx.Node) -> str:
        stack = node.meta.get("nn_module_stack") or {"": ("", None)}
        return list(stack.values())[-1][0]

    def module_of(self, node: fx.Node) -> nn.Module:
        return self.modules.get(self.module_path(node), self.network)

    def _layers(self) -> list[dict[str, Any]]:
        """All layers, as trace names them: the calls of modules, and what modules do themselves."""
        runs: dict[tuple[str, str], list[fx.Node]] = {}  # (key of the call, path) -> its nodes
        found: list[tuple[int, float, str, str, fx.Node]] = []
        order = {node: place for place, node in enumerate(self.graph.nodes)}
        used: Counter[str] = Counter()
        for node in self.graph.nodes:
            if node not in self.numbers or node.op != "call_function":
                continue
            stack = list((node.meta.get("nn_module_stack") or {}).items())
            for key, (path, _) in stack:
                if path:
                    runs.setdefault((key, path), []).append(node)
            path = stack[-1][1][0] if stack else ""
            module = self.modules.get(path, self.network)
            if _name_of(node.target) in PARTS:
                continue
            if (path == "" or any(module.children())) and same_value(node) is None:
                op = _name_of(node.target).split(".")[0]
                if op == "getitem":
                    op = _name_of(node.args[0].target).split(".")[0]  # split
                name = f"{path}.{op}" if path else op
                used[name] += 1
                marked = name if used[name] == 1 else f"{name}#{used[name]}"
                found.append((order[node], -math.inf, marked, op, node))
        for (_key, path), nodes in runs.items():
            inside = set(nodes)
            out = [node for node in nodes if any(user not in inside for user in node.users)]
            used[path] += 1
            if len(out) == 1 and isinstance(out[0].meta.get("val"), Tensor):
                name = path if used[path] == 1 else f"{path}#{used[path]}"
                depth = -path.count(".")
                kind = type(self.modules[path]).__name__
                found.append((order[out[0]], depth, name, kind, out[0]))
        layers = [
            {
                "name": name,
                "kind": kind,
                "value": self.numbers[node],
                "shape": self.values[self.numbers[node]],
            }
            for _, _, name, kind, node in sorted(found, key=lambda entry: entry[:2])
        ]
        return self._with_those_of_trace(layers)

    def _with_those_of_trace(self, layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Also the layers that the graph names otherwise, or not at all: nn.Identity, a dropout."""
        rows = trace(self.network, tuple(self.values[0]))
        known = {layer["name"]: layer for layer in layers}
        found: dict[str, dict[str, Any]] = {}
        for row in rows:
            layer = known.get(row.name)
            passes = row.kind == "Identity" or "Dropout" in row.kind
            if layer is None and passes and len(row.inputs) == 1:
                (source,) = row.inputs
                value = found[rows[source].name]["value"] if source >= 0 else 0
                layer = {"name": row.name, "kind": row.kind, "value": value}
                layer["shape"] = self.values[value]
                layers.append(layer)
            elif layer is None and row.kind in _SHOWN_AS:
                layer = known.get(row.name.replace(row.kind, _SHOWN_AS[row.kind]))
                if layer is None or tuple(layer["shape"]) != row.out_shape:
                    continue
                layer |= {"name": row.name, "kind": row.kind}
            if layer is not None:
                found[row.name] = layer
        return sorted(layers, key=lambda layer: layer["value"])  # stable


# What torch calls it -> what may stand in its place in the graph.
_SHOWN_AS = {"flatten": "view", "reshape": "view", "chunk": "split"}

_VIEWS = {"view.default", "reshape.default", "unsqueeze.default", "squeeze.default",
          "squeeze.dim", "squeeze.dims", "flatten.using_ints", "detach.default"}  # fmt: skip


def _name_of(target: Any) -> str:
    """``conv2d.default`` for torch.ops.aten.conv2d.default."""
    if target is operator.getitem:
        return "getitem"
    text = str(target)
    return text.removeprefix("aten.")
