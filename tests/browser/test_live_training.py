"""Steps of SGD and AdamW in the page are torch's."""

from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cnnlib.data import load_digits
from cnnlib.train.losses import map_criterion
from cnnlib.weights import load_weights, preprocess
from tests.browser.live import numbers_of, text_of, write_live

TRAIN = """async ([key, images, labels, batch, how, started]) => {
    const { openNetwork } = await import(new URL("live/engine.js", document.baseURI));
    const numbers = (text) =>
        new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
    const network = await openNetwork(`live/${key}.safetensors`);
    if (started) {
        await network.train.setWeights(Object.fromEntries(
            Object.entries(started).map(([name, text]) => [name, numbers(text)])));
    }
    const all = numbers(images);
    const size = 1024;
    await network.train.begin(how);
    const told = [];
    for (let start = 0; start < labels.length; start += batch) {
        const rows = labels.slice(start, start + batch).map((_, i) => start + i);
        const pictures = rows.map((row) => all.slice(row * size, (row + 1) * size));
        told.push(await network.train.step(pictures, labels.slice(start, start + batch)));
    }
    const weights = await network.train.weights();
    network.close();
    const packed = {};
    for (const [name, found] of Object.entries(weights)) {
        const bytes = new Uint8Array(found.buffer);
        let all = "";
        for (let i = 0; i < bytes.length; i += 8192) {
            all += String.fromCharCode(...bytes.subarray(i, i + 8192));
        }
        packed[name] = btoa(all);
    }
    return { told, weights: packed };
}"""

STEPS, BATCH = 10, 8
KINDS = {
    "sgd": {"optimiser": "sgd", "lr": 0.02},
    "sgd with momentum": {"optimiser": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 0.01},
    "adamw": {"optimiser": "adamw", "lr": 1e-3, "weight_decay": 0.05},
}


@pytest.fixture
def page(new_page, serve, tmp_path):
    write_live(tmp_path, ("lenet5", "lenet_modern"))
    page = new_page()
    page.goto(f"{serve(tmp_path)}/index.html")
    return page


@pytest.mark.parametrize("key", ["lenet5", "lenet_modern"])
@pytest.mark.parametrize("kind", KINDS)
def test_ten_steps_are_torchs(page, key, kind):
    how = KINDS[kind] | ({"rubbish": 20.0} if key == "lenet5" else {})
    if key == "lenet5" and how["optimiser"] == "sgd":
        how = how | {"lr": how["lr"] / 20}  # its loss is a distance
    data = load_digits("train")
    images = preprocess(key, data.images[: STEPS * BATCH])
    # Other labels than it has learned, so that there is something to learn.
    labels = (torch.as_tensor(np.array(data.labels[: STEPS * BATCH])).long() + 3) % 10
    torch.manual_seed(1)
    network = load_weights(key)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    started = {name: text_of(value.detach()) for name, value in network.named_parameters()}
    found = page.evaluate(
        TRAIN, [key, text_of(images), labels.tolist(), BATCH, how, started]
    )  # fmt: skip
    settings = {name: how[name] for name in ("lr", "momentum", "weight_decay") if name in how}
    make = torch.optim.AdamW if how["optimiser"] == "adamw" else torch.optim.SGD
    optimiser = make(network.parameters(), **settings)
    cost = partial(map_criterion, rubbish_penalty=20.0) if key == "lenet5" else F.cross_entropy
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    for step in range(STEPS):
        part = slice(step * BATCH, (step + 1) * BATCH)
        loss = cost(network(images[part]), labels[part])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        assert found["told"][step]["loss"] == pytest.approx(loss.item(), rel=1e-4)
    for name, value in network.named_parameters():
        moved = (value - before[name]).detach()
        assert moved.abs().max() > 0, name
        apart = np.abs(numbers_of(found["weights"][name]) - value.detach().numpy().ravel()).max()
        assert apart < 1e-4 * max(1.0, float(value.detach().abs().max())), name


def test_weights_that_do_not_fit_change_nothing(page):
    answer = page.evaluate("""async () => {
        const { openNetwork } = await import(new URL("live/engine.js", document.baseURI));
        const network = await openNetwork("live/lenet_modern.safetensors");
        const before = await network.train.weights();
        const name = Object.keys(before)[0];
        const errors = [];
        for (const bad of [{ [name]: [1, 2] }, { nothing: [1] }]) {
            await network.train.setWeights({ ...before, ...bad })
                .catch((e) => errors.push(e.code, e.message));
        }
        const after = await network.train.weights();
        network.close();
        const same = Object.keys(before).every((n) => before[n].every((x, i) => x === after[n][i]));
        return { errors, same };
    }""")
    assert answer["same"]
    assert answer["errors"][0] == answer["errors"][2] == "input"
    assert "has 2 numbers, expected" in answer["errors"][1]


REFUSED = """async ([key, how, labels]) => {
    const { openNetwork } = await import(new URL("live/engine.js", document.baseURI));
    const network = await openNetwork(`live/${key}.safetensors`);
    const image = new Float32Array(network.inputShape.reduce((a, b) => a * b));
    try {
        if (how) await network.train.begin(how);
        await network.train.step([image], labels);
        return null;
    } catch (error) {
        return [error.code, error.message];
    } finally {
        network.close();
    }
}"""


@pytest.mark.parametrize(
    ("key", "how", "labels", "text"),
    [
        ("lenet_modern", None, [0], "expected begin() before it"),
        ("lenet_modern", {"optimiser": "adam", "lr": 0.1}, [0], "optimiser=adam: expected sgd or"),
        ("lenet_modern", {"optimiser": "sgd"}, [0], "lr=undefined"),
        ("lenet_modern", {"optimiser": "sgd", "lr": 0.1}, [10], "from 0 to 9, found 10"),
        ("lenet_modern", {"optimiser": "sgd", "lr": 0.1}, [], "expected 1 numbers"),
        ("small_resnet18", {"optimiser": "sgd", "lr": 0.1}, [0], "cannot train"),  # batch norm
    ],
)
def test_what_cannot_be_trained_is_told(page, tmp_path, key, how, labels, text):
    write_live(tmp_path, ("lenet_modern", "small_resnet18"))
    code, message = page.evaluate(REFUSED, [key, how, labels])
    assert code == "input" and text in message


def test_steps_take_no_more_and_more_memory(page):
    ends = page.evaluate("""async () => {
        const module = (name) => import(new URL(`live/${name}.js`, document.baseURI));
        const [{ Network }, { readSafetensors }, { Trainer }] =
            await Promise.all(["network", "safetensors", "training"].map(module));
        const file = await (await fetch("live/lenet_modern.safetensors")).arrayBuffer();
        const { metadata, tensors } = readSafetensors(file);
        const network = new Network(JSON.parse(metadata.plan), tensors);
        const trainer = new Trainer(network, { optimiser: "sgd", lr: 0.01 });
        const ends = [];
        for (let i = 0; i < 4; i += 1) {
            await trainer.step([new Float32Array(1024)], [3]);
            ends.push(network.arena.end);
        }
        return ends;
    }""")
    assert len(set(ends)) == 1
