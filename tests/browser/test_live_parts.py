"""A run that computes only what can have changed gives what a whole run gives, to the bit."""

import pytest
import torch
from torch import nn

from cnnlib.weights import WEIGHTS
from tests.browser.live import add_network, write_live

# Two networks of the same weights: one run after the other on the first, whole runs on the second.
COMPARE = """async ([key, seed, turns]) => {
    const module = (name) => import(new URL(`live/${name}.js`, document.baseURI));
    const [{ Network }, { readSafetensors }, { drawsOf }] =
        await Promise.all(["network", "safetensors", "draws"].map(module));
    const file = await (await fetch(`live/${key}.safetensors`)).arrayBuffer();
    const { metadata, tensors } = readSafetensors(file);
    const plan = JSON.parse(metadata.plan);
    const [partly, whole] = [new Network(plan, tensors), new Network(plan, tensors)];
    const [, channels, height, width] = plan.values[0];
    const cellsOf = (due) => due.reduce((sum, { part: [t, b, l, r] }) =>
        sum + (b - t) * (r - l), 0);
    const draw = drawsOf(seed);
    const below = (end) => Math.floor(draw() * end);
    let image = Float32Array.from({ length: channels * height * width }, () => 2 * draw() - 1);
    const found = { differing: 0, changed: 0, shares: [] };
    let cells = 0;
    const due = partly.due.bind(partly);
    partly.due = (image) => {
        const steps = due(image);
        cells = cellsOf(steps);
        return steps;
    };
    await partly.run(image);
    const all = cells;
    found.all = all;
    for (let turn = 0; turn < turns; turn += 1) {
        const [top, left] = [below(height), below(width)];
        const [tall, broad] = turn % 2 ? [height, width] : [9, 7];
        const bottom = Math.min(height, top + 1 + below(tall));
        const right = Math.min(width, left + 1 + below(broad));
        image = image.slice();
        for (let c = 0; c < channels; c += 1) {
            for (let y = top; y < bottom; y += 1) {
                for (let x = left; x < right; x += 1) {
                    image[(c * height + y) * width + x] = 2 * draw() - 1;
                }
            }
        }
        const before = partly.scores;
        await partly.run(image);
        found.shares.push(cells / all);
        whole.runAtOnce(image);
        found.changed += Number(before.some((score, i) => score !== partly.scores[i]));
        plan.values.forEach((_, value) => {
            const [a, b] = [partly.values(value), whole.values(value)];
            for (let i = 0; i < a.length; i += 1) found.differing += Number(!Object.is(a[i], b[i]));
        });
    }
    await partly.run(image);
    found.again = cells;
    await partly.run(image, null, { whole: true });
    found.anew = cells;
    return found;
}"""


def compared(page, key, seed=1, turns=6):
    found = page.evaluate(COMPARE, [key, seed, turns])
    assert found["differing"] == 0 and found["changed"] > turns / 2
    assert found["again"] == 0  # the same picture again: nothing is due
    assert found["anew"] == found["all"]  # unless all is asked for
    assert all(0 <= share <= 1 for share in found["shares"])
    return min(found["shares"])


def opened(new_page, serve, folder):
    page = new_page()
    page.goto(f"{serve(folder)}/index.html")
    return page


@pytest.mark.parametrize("key", WEIGHTS)
def test_runs_that_follow_each_other_are_whole_ones(new_page, serve, tmp_path, key):
    write_live(tmp_path, (key,))
    turns = 3 if key == "squeezenet1_1" else 6
    assert compared(opened(new_page, serve, tmp_path), key, turns=turns) < 0.9


class Odd(nn.Module):
    """Strides, paddings and dilations that differ along the axes, branches, all kinds of pools."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Conv2d(2, 6, (3, 5), stride=(2, 1), padding=(0, 2), padding_mode="zeros")
        self.wide = nn.Conv2d(6, 5, 3, dilation=(1, 2), padding=(1, 2))
        self.beyond = nn.Conv2d(14, 14, 1, padding=1)  # its outer windows see no pixel
        self.groups = nn.Conv2d(6, 9, 3, padding=1, groups=3)
        self.most = nn.MaxPool2d((2, 3), stride=(1, 2), padding=(1, 1), ceil_mode=True)
        self.mean = nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)
        self.norm = nn.BatchNorm2d(14)
        self.near = nn.LocalResponseNorm(3)
        self.up = nn.Upsample(scale_factor=2)
        self.last = nn.Conv2d(14, 4, 4, stride=3)  # some pixels are seen by no window
        self.shrink = nn.AdaptiveMaxPool2d((2, 3))

    def forward(self, x):
        x = torch.relu(self.start(x))
        x = torch.cat([self.wide(x), torch.tanh(self.groups(x))], dim=1)
        x = self.beyond(x)
        x = self.near(self.norm(self.most(x)) * 0.5)
        x = self.mean(x)
        x = self.last(self.up(x) - x.mean(dim=(2, 3), keepdim=True))
        return self.shrink(x).flatten(1)


@pytest.mark.parametrize("seed", range(1, 5))
def test_odd_windows_and_branches(new_page, serve, tmp_path, seed):
    torch.manual_seed(seed)
    write_live(tmp_path)
    add_network(tmp_path, "odd", Odd().eval(), (1, 2, 47, 38))
    assert compared(opened(new_page, serve, tmp_path), "odd", seed, 12) < 0.9


def test_after_an_ended_run_or_other_weights_the_next_is_whole(new_page, serve, tmp_path):
    write_live(tmp_path, ("lenet_modern",))
    found = opened(new_page, serve, tmp_path).evaluate("""async () => {
        const module = (name) => import(new URL(`live/${name}.js`, document.baseURI));
        const [{ Network }, { readSafetensors }] =
            await Promise.all(["network", "safetensors"].map(module));
        const file = await (await fetch("live/lenet_modern.safetensors")).arrayBuffer();
        const { metadata, tensors } = readSafetensors(file);
        const network = new Network(JSON.parse(metadata.plan), tensors);
        const images = [1, 2, 3].map((n) =>
            Float32Array.from({ length: 1024 }, (_, i) => Math.sin(n * i * i)));
        const scores = async (image) => {
            await network.run(image);
            return Array.from(network.scores);
        };
        const first = await scores(images[0]);
        let left = 3;
        const ended = await network.run(images[1], () => {
            left -= 1;
            if (left === 0) throw new Error("enough");
        }).catch((error) => error.message);
        const again = await scores(images[0]);
        network.runAtOnce(images[2]);
        const third = await scores(images[0]);
        const [name] = network.plan.parameters;
        network.tensors.get(name).fill(0);
        network.reload();
        return { first, ended, again, third, other: await scores(images[0]) };
    }""")
    assert found["ended"] == "enough"
    assert found["first"] == found["again"] == found["third"] != found["other"]
