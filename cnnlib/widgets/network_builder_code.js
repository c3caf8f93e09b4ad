// A plan as a torch module that can be copied: the twin of network_builder_code.py; both write the
// same text.

import { isBlock, settingsOf } from "./network_builder_plan.js";
import { times } from "./network_builder_sums.js";

const BRANCHES = `
    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)
`;

const CLASSES = {
  add: `
class Add(nn.Module):
    """Branches side by side; what they give is added."""
${BRANCHES}
    def forward(self, x):
        total, *others = [branch(x) for branch in self.branches]
        for other in others:
            total = total + other
        return total
`,
  cat: `
class Cat(nn.Module):
    """Branches side by side; their channels are put one after the other."""
${BRANCHES}
    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], dim=1)
`,
  dense: `
class Dense(nn.Module):
    """Layers of which each reads all that stands before it."""

    def __init__(self, in_channels, growth, layers):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(in_channels + number * growth),
                nn.ReLU(),
                nn.Conv2d(
                    in_channels + number * growth, growth, kernel_size=3, padding=1, bias=False
                ),
            )
            for number in range(layers)
        )

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x
`,
};

const PLAIN = {
  global: "AdaptiveAvgPool2d(1)", lrn: "LocalResponseNorm(5)", relu: "ReLU()", relu6: "ReLU6()",
  sigmoid: "Sigmoid()", tanh: "Tanh()", flatten: "Flatten()",
};
const CALLED = { add: "Add", cat: "Cat" };
const MARGIN = "    ";

const key = (path) => path.join();

// The text of a plan that has no fault. `net` in it is the module.
export function writeCode(plan, { entries }) {
  const shapes = new Map(entries.map(({ path, shape }) => [key(path), shape]));
  const kinds = kindsOf(plan);
  const imports = kinds.has("cat") || kinds.has("dense") ? "import torch\nfrom torch import nn\n"
    : "from torch import nn\n";
  const classes = Object.keys(CLASSES).filter((kind) => kinds.has(kind))
    .map((kind) => `\n${CLASSES[kind]}`);
  const lines = linesOf(plan, [], 1, shapes.get(""), shapes);
  const body = lines.length ? ["net = nn.Sequential(", ...lines, ")"] : ["net = nn.Sequential()"];
  return `${imports}${classes.join("")}${classes.length ? "\n\n" : "\n"}${body.join("\n")}\n`;
}

function kindsOf(plan) {
  return new Set(plan.flatMap((layer) => [layer[0],
    ...(isBlock(layer) ? layer.slice(1).flatMap((branch) => [...kindsOf(branch)]) : [])]));
}

function linesOf(layers, path, depth, given, shapes) {
  const margin = MARGIN.repeat(depth);
  let coming = given;
  return layers.flatMap((layer, place) => {
    const here = [...path, place];
    const from = coming;
    coming = shapes.get(key(here));
    const out = times(coming);
    if (!isBlock(layer)) return [`${margin}${call(layer, from)},  # ${out}`];
    const inner = layer.slice(1).flatMap((branch, number) => {
      const lines = linesOf(branch, [...here, number], depth + 2, from, shapes);
      if (!lines.length) return [`${margin}${MARGIN}nn.Sequential(),  # hands its input on`];
      return [`${margin}${MARGIN}nn.Sequential(`, ...lines, `${margin}${MARGIN}),`];
    });
    return [`${margin}${CALLED[layer[0]]}(`, ...inner, `${margin}),  # ${out}`];
  });
}

// The call that makes a layer's module.
function call(layer, given) {
  const [kind] = layer;
  const found = settingsOf(layer);
  if (Object.hasOwn(PLAIN, kind)) return `nn.${PLAIN[kind]}`;
  if (kind === "norm") return `nn.BatchNorm${given.length === 3 ? 2 : 1}d(${given[0]})`;
  if (kind === "dropout") return `nn.Dropout(${found.percent / 100})`;
  if (kind === "shuffle") return `nn.ChannelShuffle(${found.groups})`;
  if (kind === "dense") return `Dense(${given[0]}, growth=${found.growth}, layers=${found.layers})`;
  if (kind === "linear") {
    return `nn.Linear(${given[0]}, ${found.out_features}${found.bias ? "" : ", bias=False"})`;
  }
  if (kind === "conv") return `nn.Conv2d(${given[0]}, ${found.out_channels}, ${convolution(found)})`;
  const sizes = `kernel_size=${found.kernel_size}, stride=${found.stride}${
    found.padding ? `, padding=${found.padding}` : ""}`;
  if (kind === "transposed") return `nn.ConvTranspose2d(${given[0]}, ${found.out_channels}, ${sizes})`;
  return `nn.${kind === "max" ? "Max" : "Avg"}Pool2d(${sizes}${found.ceil_mode ? ", ceil_mode=True" : ""})`;
}

// A convolution's settings; those that have torch's defaults are left out.
function convolution(found) {
  const said = [`kernel_size=${pair(found.kernel_size)}`];
  if (found.stride > 1) said.push(`stride=${found.stride}`);
  if (found.padding.some(Boolean)) said.push(`padding=${pair(found.padding)}`);
  for (const name of ["dilation", "groups"]) if (found[name] > 1) said.push(`${name}=${found[name]}`);
  if (!found.bias) said.push("bias=False");
  return said.join(", ");
}

const pair = ([rows, columns]) => (rows === columns ? String(rows) : `(${rows}, ${columns})`);
