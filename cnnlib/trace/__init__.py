"""Run a module once, without data, and say what every layer does: shapes, costs, fields.

    rows = trace(LeNet5(), (1, 1, 32, 32))  # a list of LayerTrace, in the order of the run
    print(as_table(rows))

The run happens on torch's meta device, where tensors have a shape and no content. So a network of
any size is traced in well under a second and in no memory, and nothing in it is changed. It runs in
eval mode: dropout rests, and heads that are only for training do not run. :func:`evaluating` does
this for any run of a network, and :func:`plain_module` takes wrappers off first.

What is a row? A module without children is one, and its ``kind`` is its class. What a module with
children does itself (``torch.cat``, ``+``, ``F.relu``) is one row an operation, named after the
module and the operation: ``inception3a.cat``. A hand-written module without children is one row
too, unless it holds several layers (two convolutions in a row): then its operations are rows. A
name's second use is marked: ``relu#2``. Copies and changes of type (``contiguous``, ``clone``,
``to``) make no row, and neither does work that the network's input has no part in.

What is counted?

- A *multiply-add* is a multiplication whose product goes into a sum. Convolutions, transposed
  convolutions and matrix products have them: one for each weight and each place where it is used,
  places in the padding included. All else counts 0: biases, pools, activations, normalisation (at
  test it folds into the convolution before it), additions, element-wise products. A module that
  knows better defines ``multiply_adds(out_shape) -> int``, and its answer is taken. The whole batch
  counts.
- *Parameters* are counted in the row that uses them first. Shared ones are not counted again, those
  that the run does not use not at all, and buffers never.
- *Activations* are the bytes of the output, the whole batch: elements times bytes of an element.

What does a unit see? Per axis, in positions of the network's input:

- The *field* is theoretical: what could change the unit, whatever the weights, with the padding
  treated as more picture (Araujo, Norris & Sim 2019). For a maximum it is all it looks over.
- Where branches join, the field is the hull of theirs, and ``aligned`` is False where their strides
  or centres differ. One value spread over a map (the gate of squeeze-and-excitation) has no stride
  that could differ. But it has seen everything, so the field becomes everything, and its stride 0:
  every unit sees the same.
- Global pooling, a linear layer over a flattened map, a mean over positions see all that lies
  below. So do group, instance and layer normalisation over positions, for their statistics are sums
  over the map. Batch normalisation at test has its statistics stored, and sees nothing else.
- Behind a transposed convolution or a resampling the units differ. The field's ``size`` is then
  that of the unit that sees most; ``stride`` is the mean step (a Fraction where it is not whole),
  and ``start`` puts the centres right on average. :func:`seen_by` says exactly what each unit
  sees.
- A unit is a place with all its channels; channels are not told apart. A product of two tensors
  that both depend on the input (attention) is taken to see everything that they see.
- Values are never looked at. A network whose path depends on them is refused. So are scripted code
  and layers that the run itself makes, for trace cannot see the one nor count the other.
"""

from cnnlib.rows import (
    ALL_POSITIONS,
    LayerTrace,
    Positions,
    Summary,
    as_table,
    reaches,
    seen_by,
    summarise,
)
from cnnlib.trace.evaluation import evaluating
from cnnlib.trace.plain import plain_module
from cnnlib.trace.run import trace
from cnnlib.trace.source import Source, source_lines

__all__ = [
    "ALL_POSITIONS",
    "LayerTrace",
    "Positions",
    "Source",
    "Summary",
    "as_table",
    "evaluating",
    "plain_module",
    "reaches",
    "seen_by",
    "source_lines",
    "summarise",
    "trace",
]
