"""`cnnlib.geometry` against torch: sizes over every small case, fields against gradients.

The oracle for what a unit reads is the gradient. Through layers whose weights are all ones, in
float64, nothing cancels: the gradient of a unit is positive at exactly the inputs that it sees.
"""

import enum
import itertools
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cnnlib.geometry import (
    Field,
    Window,
    covering_size,
    input_indices,
    input_range,
    output_indices,
    output_range,
    output_size,
    receptive_field,
    unread_inputs,
    whole_number,
)


class Count(enum.IntEnum):
    """Numbers that are int, and more than int."""

    NONE, ONE, TWO, THREE = range(4)
    NINE = 9


def torch_size(layer, size):
    """The size torch gives, or None where torch refuses."""
    try:
        return layer(torch.zeros(1, 1, size)).shape[-1]
    except RuntimeError:
        return None


def our_size(size, window):
    try:
        return output_size(size, window)
    except ValueError:
        return None


def ones(window):
    return torch.ones(1, 1, window.kernel_size, dtype=torch.float64)


def run(window, x):
    """One all-ones layer of `window` over the last axis of x (batch, 1, size)."""
    if window.transposed:
        full = F.conv_transpose1d(
            x, ones(window), stride=window.stride, dilation=window.dilation,
            output_padding=window.output_padding,
        )  # fmt: skip
        return full[..., window.before : full.shape[-1] - window.after]
    count = output_size(x.shape[-1], window)
    behind = max(window.after, (count - 1) * window.stride + window.span - x.shape[-1])
    padded = F.pad(x, (window.before, behind))
    return F.conv1d(padded, ones(window), stride=window.stride, dilation=window.dilation)[
        ..., :count
    ]


def support(network, size):
    """For each unit of a 1-D network: is its gradient positive at each input? (units, inputs)"""
    units = network(torch.zeros(1, 1, size, dtype=torch.float64)).shape[-1]
    x = torch.zeros(units, 1, size, dtype=torch.float64, requires_grad=True)
    network(x).squeeze(1).backward(torch.eye(units, dtype=torch.float64))
    return x.grad.squeeze(1) > 0


def hull(mask):
    found = mask.nonzero().flatten().tolist()
    return range(found[0], found[-1] + 1) if found else range(0)


def small_windows():
    """Every window of a grid of small settings, forward, ceil-mode and transposed."""
    grid = itertools.product((1, 2, 3, 4), (1, 2, 3), ((0, 0), (1, 1), (0, 2)), (1, 2, 3))
    for kernel_size, stride, padding, dilation in grid:
        yield Window(kernel_size, stride, padding, dilation)
        yield Window(kernel_size, stride, padding, dilation, ceil_mode=True)
        for output_padding in {0, max(stride, dilation) - 1}:
            yield Window(kernel_size, stride, padding, dilation, output_padding, transposed=True)


def random_window(rng, transposed):
    """Settings as they come, including gaps between windows and padding wider than the kernel."""
    kernel_size, stride, dilation = rng.randint(1, 4), rng.randint(1, 3), rng.randint(1, 3)
    padding = (rng.randint(0, 3), rng.randint(0, 3))
    if transposed:
        extra = rng.randrange(max(stride, dilation))
        return Window(kernel_size, stride, padding, dilation, extra, transposed=True)
    return Window(kernel_size, stride, padding, dilation, ceil_mode=rng.random() < 0.2)


def random_stack(rng, size, transposed=0.35, longest=90):
    """A chain of one to five windows that leaves something of an axis of `size`."""
    windows, length = [], rng.randint(1, 5)
    while len(windows) < length:
        window = random_window(rng, rng.random() < transposed)
        after = our_size(size, window)
        if after is not None and after <= longest:
            windows.append(window)
            size = after
    return windows


def through(windows):
    def network(x):
        for window in windows:
            x = run(window, x)
        return x

    return network


class TestOutputSize:
    def test_equals_conv1d_for_every_small_case(self):
        cases = itertools.product(range(1, 10), range(1, 5), range(1, 4), range(4), range(1, 4))
        for size, kernel_size, stride, padding, dilation in cases:
            weight = torch.zeros(1, 1, kernel_size)
            expected = torch_size(
                lambda x, w=weight, s=stride, p=padding, d=dilation: F.conv1d(x, w, None, s, p, d),
                size,
            )
            assert our_size(size, Window(kernel_size, stride, padding, dilation)) == expected

    def test_equals_conv1d_after_uneven_padding(self):
        cases = itertools.product(range(1, 8), range(1, 5), range(1, 4), range(3), range(3))
        for size, kernel_size, stride, before, after in cases:
            weight = torch.zeros(1, 1, kernel_size)
            expected = torch_size(
                lambda x, w=weight, s=stride, p=(before, after): F.conv1d(F.pad(x, p), w, None, s),
                size,
            )
            assert our_size(size, Window(kernel_size, stride, (before, after))) == expected

    @pytest.mark.parametrize("ceil_mode", [False, True])
    def test_equals_max_pool1d_for_every_small_case(self, ceil_mode):
        cases = itertools.product(range(1, 13), range(1, 6), range(1, 6), range(3), range(1, 4))
        for size, kernel_size, stride, padding, dilation in cases:
            if padding > kernel_size // 2:
                continue  # torch's pools refuse it; a convolution does not
            expected = torch_size(
                lambda x, a=(kernel_size, stride, padding, dilation, ceil_mode): F.max_pool1d(
                    x, *a
                ),
                size,
            )
            window = Window(kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)
            assert our_size(size, window) == expected, (size, window)

    @pytest.mark.parametrize("ceil_mode", [False, True])
    def test_equals_avg_pool1d_for_every_small_case(self, ceil_mode):
        cases = itertools.product(range(1, 13), range(1, 6), range(1, 6), range(3))
        for size, kernel_size, stride, padding in cases:
            if padding > kernel_size // 2:
                continue
            expected = torch_size(
                lambda x, a=(kernel_size, stride, padding, ceil_mode): F.avg_pool1d(x, *a), size
            )
            window = Window(kernel_size, stride, padding, ceil_mode=ceil_mode)
            assert our_size(size, window) == expected, (size, window)

    def test_equals_conv_transpose1d_for_every_small_case(self):
        cases = itertools.product(range(1, 7), range(1, 5), range(1, 4), range(4), range(1, 4))
        for size, kernel_size, stride, padding, dilation in cases:
            weight = torch.zeros(1, 1, kernel_size)
            for extra in range(max(stride, dilation)):
                expected = torch_size(
                    lambda x, w=weight, a=(stride, padding, extra, 1, dilation): F.conv_transpose1d(
                        x, w, None, *a
                    ),
                    size,
                )
                window = Window(kernel_size, stride, padding, dilation, extra, transposed=True)
                assert our_size(size, window) == expected, (size, window)

    def test_chain_of_the_notes(self):
        sizes = [200]
        for window in (Window(5, stride=2, padding=1), Window(3), Window(3, padding=1)):
            sizes.append(output_size(sizes[-1], window))
        assert sizes == [200, 99, 97, 97]

    def test_squeezenet_pools_round_up(self):
        pool = Window(3, stride=2, ceil_mode=True)
        assert [output_size(size, pool) for size in (113, 56, 28)] == [56, 28, 14]


class TestOneLayer:
    @pytest.mark.parametrize("size", [1, 2, 5, 8])
    def test_input_indices_equal_the_support_of_the_gradient(self, size):
        """Padding is made of real inputs here, so that reads of the padding show as well."""
        for window in small_windows():
            count = our_size(size, window)
            if count is None:
                continue
            if window.transposed:
                seen = support(lambda x, w=window: run(w, x), size)
                for unit in range(count):
                    read = [i for i in input_indices(window, size, unit) if 0 <= i < size]
                    assert read == seen[unit].nonzero().flatten().tolist(), (window, unit)
                continue
            behind = max(window.after, (count - 1) * window.stride + window.span - size)
            bare = Window(window.kernel_size, window.stride, 0, window.dilation)
            seen = support(lambda x, w=bare: run(w, x), size + window.before + behind)
            for unit in range(count):
                read = input_indices(window, size, unit)
                expected = (seen[unit].nonzero().flatten() - window.before).tolist()
                assert list(read) == expected, (window, unit)

    @pytest.mark.parametrize("size", [1, 3, 6, 9])
    def test_output_indices_are_the_transpose_of_input_indices(self, size):
        for window in small_windows():
            count = our_size(size, window)
            if count is None:
                continue
            reads = [set(input_indices(window, size, unit)) for unit in range(count)]
            for index in range(size):
                feeds = output_indices(window, size, index)
                assert isinstance(feeds, range)
                assert list(feeds) == [u for u in range(count) if index in reads[u]], window

    def test_a_transposed_window_swaps_the_two_questions(self):
        """Output o of the one reads what feeds input o of the other (size 9 -> 4 and 4 -> 9)."""
        forward = Window(3, stride=2)
        backward = Window(3, stride=2, transposed=True)
        assert output_size(9, forward) == 4 and output_size(4, backward) == 9
        for position in range(9):
            feeds = list(output_indices(forward, 9, position))
            reads = [i for i in input_indices(backward, 4, position) if 0 <= i < 4]
            assert feeds == reads

    def test_case_by_hand(self):
        """Kernel 3, stride 2, padding 1 over 5 inputs: units at -1..1, 1..3, 3..5."""
        window = Window(3, stride=2, padding=1)
        assert [list(input_indices(window, 5, unit)) for unit in range(3)] == [
            [-1, 0, 1],
            [1, 2, 3],
            [3, 4, 5],
        ]
        assert [list(output_indices(window, 5, i)) for i in range(5)] == [
            [0], [0, 1], [1], [1, 2], [2],
        ]  # fmt: skip

    def test_transposed_case_by_hand(self):
        """Kernel 2, stride 3 over 2 inputs: copies at 0..1 and 3..4, and output 2 gets nothing."""
        window = Window(2, stride=3, transposed=True)
        assert output_size(2, window) == 5
        assert [list(input_indices(window, 2, unit)) for unit in range(5)] == [
            [0], [0], [], [1], [1],
        ]  # fmt: skip
        assert list(output_indices(window, 2, 1)) == [3, 4]

    def test_dilated_transposed_case_by_hand(self):
        """Dilation 3 and stride 2 leave a range with a step: output 6 is 2*0+3*2 and 2*3+3*0."""
        window = Window(3, stride=2, dilation=3, transposed=True)
        assert output_size(4, window) == 13
        assert input_indices(window, 4, 6) == range(0, 4, 3)


class TestStacks:
    def test_ranges_equal_gradient_support_through_random_stacks(self):
        rng = random.Random(1998)
        transposed = empty = 0
        for _ in range(2500):
            size = rng.randint(1, 24)
            windows = random_stack(rng, size)
            seen = support(through(windows), size)
            transposed += any(window.transposed for window in windows)
            for unit in range(len(seen)):
                expected = hull(seen[unit])
                empty += not expected
                got = input_range(windows, size, unit)
                assert got == expected, (windows, size, unit)
            for index in range(size):
                expected = hull(seen[:, index])
                assert output_range(windows, size, [index]) == expected, (windows, size, index)
            first, last = sorted((rng.randrange(size), rng.randrange(size)))
            expected = hull(seen[:, first : last + 1].any(dim=1))
            assert output_range(windows, size, range(first, last + 1)) == expected
        assert transposed > 1000 and empty > 1000  # the draw holds the hard cases

    def test_axes_are_independent_in_random_2d_stacks(self):
        """H != W, and each axis has a geometry of its own; one torch layer does both."""
        rng = random.Random(2012)
        for _ in range(300):
            height, width = rng.sample(range(3, 14), 2)
            layers, sizes = [], (height, width)
            while len(layers) < 3:
                kind = rng.random() < 0.35
                pair = [random_window(rng, kind) for _ in range(2)]
                after = [our_size(size, window) for size, window in zip(sizes, pair, strict=True)]
                even = all(window.before == window.after for window in pair)
                if None in after or max(after) > 40 or any(w.ceil_mode for w in pair) or not even:
                    continue
                layers.append(pair)
                sizes = tuple(after)

            names = ("kernel_size", "stride", "before", "dilation", "output_padding")

            def network(x, layers=layers, names=names):
                for pair in layers:
                    kernel, stride, padding, dilation, extra = (
                        tuple(getattr(window, name) for window in pair) for name in names
                    )
                    weight = torch.ones(1, 1, *kernel, dtype=torch.float64)
                    if pair[0].transposed:
                        x = F.conv_transpose2d(x, weight, None, stride, padding, extra, 1, dilation)
                    else:
                        x = F.conv2d(x, weight, None, stride, padding, dilation)
                return x

            units = [tuple(rng.randrange(size) for size in sizes) for _ in range(6)]
            x = torch.zeros(len(units), 1, height, width, dtype=torch.float64, requires_grad=True)
            y = network(x)
            assert y.shape[2:] == sizes
            sum(y[i, 0, row, column] for i, (row, column) in enumerate(units)).backward()
            for i, (row, column) in enumerate(units):
                rows = input_range([pair[0] for pair in layers], height, row)
                columns = input_range([pair[1] for pair in layers], width, column)
                seen = x.grad[i, 0] > 0
                if rows and columns:
                    assert (hull(seen.any(1)), hull(seen.any(0))) == (rows, columns), layers
                else:
                    assert not seen.any()

    def test_receptive_field_equals_gradient_support_of_an_interior_unit(self):
        rng = random.Random(2019)
        for _ in range(400):
            windows = [
                Window(rng.randint(1, 4), rng.randint(1, 3), (before, 0), rng.randint(1, 3))
                for before in rng.choices(range(4), k=rng.randint(1, 4))
            ]
            field = receptive_field(windows)
            unit = sum(window.before for window in windows)  # so far in that no padding is met
            size = field.start + (unit + 2) * field.stride + field.size
            network = through(windows)
            x = torch.zeros(1, 1, size, dtype=torch.float64, requires_grad=True)
            network(x)[0, 0, unit].backward()
            start = field.start + unit * field.stride
            assert hull(x.grad[0, 0] > 0) == range(start, start + field.size), windows

    def test_without_clipping_every_unit_has_the_whole_field(self):
        rng = random.Random(2014)
        for _ in range(300):
            size = rng.randint(4, 40)
            windows = random_stack(rng, size, transposed=0)
            field = receptive_field(windows)
            units = size
            for window in windows:
                units = output_size(units, window)
            for unit in range(units):
                start = field.start + unit * field.stride
                got = input_range(windows, size, unit, clip=False)
                assert got == range(start, start + field.size), windows

    def test_without_clipping_a_stack_goes_on_beyond_its_border(self):
        """Transposed layers too: give every layer so much more room that no border is met."""
        rng = random.Random(2016)
        for _ in range(300):
            windows = [
                Window(rng.randint(1, 4), 2, (1, 0), rng.randint(1, 2), transposed=transposed)
                for transposed in rng.choices((False, True), k=3)
            ]
            sizes = [12]
            for window in windows:
                sizes.append(our_size(sizes[-1], window))
                if sizes[-1] is None:
                    break
            if sizes[-1] is None:
                continue
            room = 64  # inputs in front; every stride here divides it
            wide = support(through(windows), room + 12 + 64)
            shift = room
            for window in windows:
                shift = shift * 2 if window.transposed else shift // 2
            for unit in range(sizes[-1]):
                expected = hull(wide[unit + shift])
                got = input_range(windows, 12, unit, clip=False)
                if expected:
                    expected = range(expected.start - room, expected.stop - room)
                assert got == expected, (windows, unit)

    def test_an_empty_chain_sees_itself(self):
        assert receptive_field([]) == Field(size=1, stride=1, start=0)
        assert input_range([], 7, 3) == range(3, 4)
        assert output_range([], 7, [2, 5]) == range(2, 6)

    def test_nothing_reaches_nothing(self):
        assert output_range([Window(3, padding=1)], 7, []) == range(0)


CONV3 = Window(3, padding=1)
POOL2 = Window(2, stride=2)
POOL3 = Window(3, stride=2)


class TestPrintedNumbers:
    """Araujo, Norris & Sim 2019, table of receptive fields: size, effective stride, padding."""

    def test_alexnet_at_its_last_pooling(self):
        windows = [
            Window(11, stride=4), POOL3, Window(5, padding=2), POOL3, CONV3, CONV3, CONV3, POOL3,
        ]  # fmt: skip
        assert receptive_field(windows) == Field(size=195, stride=32, start=-64)

    def test_vgg16_at_its_last_pooling(self):
        windows = [w for convs in (2, 2, 3, 3, 3) for w in [CONV3] * convs + [POOL2]]
        assert receptive_field(windows) == Field(size=212, stride=32, start=-90)

    def test_mobilenet_v1(self):
        strides = [2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
        windows = [Window(3, stride, padding=1) for stride in strides]
        field = receptive_field(windows)
        assert (field.size, field.stride) == (315, 32)

    @pytest.mark.parametrize(
        ("blocks", "size"), [((3, 4, 6, 3), 483), ((3, 4, 23, 3), 1027), ((3, 8, 36, 3), 1507)]
    )
    def test_resnet_v1(self, blocks, size):
        """Their ResNets stride in the last block of a stage, and not in the last stage."""
        windows = [Window(7, stride=2, padding=3), Window(3, stride=2, padding=1)]
        for stage, count in enumerate(blocks):
            last = 1 if stage == 3 else 2
            windows += [CONV3] * (count - 1) + [Window(3, stride=last, padding=1)]
        field = receptive_field(windows)
        assert (field.size, field.stride) == (size, 32)

    def test_two_small_kernels_see_as_much_as_a_large_one(self):
        """Simonyan & Zisserman 2015, section 2.3: two 3x3 see 5x5, three see 7x7."""
        assert receptive_field([CONV3] * 2) == receptive_field([Window(5, padding=2)])
        assert receptive_field([CONV3] * 3) == receptive_field([Window(7, padding=3)])

    def test_growing_dilation_grows_the_field_exponentially(self):
        """Yu & Koltun 2016, figure 1: dilations 1, 2, 4 see 3, 7, 15."""
        windows = [Window(3, padding=d, dilation=d) for d in (1, 2, 4)]
        sizes = [receptive_field(windows[:depth]).size for depth in (1, 2, 3)]
        assert sizes == [3, 7, 15]


class TestRefusals:
    @pytest.mark.parametrize(
        ("settings", "named"),
        [
            ({"kernel_size": 0}, "kernel_size=0"),
            ({"kernel_size": -3}, "kernel_size=-3"),
            ({"kernel_size": 2.0}, "kernel_size=2.0"),
            ({"kernel_size": "3"}, "kernel_size='3'"),
            ({"kernel_size": None}, "kernel_size=None"),
            ({"kernel_size": True}, "kernel_size=True"),
            ({"kernel_size": (3, 3)}, r"kernel_size=\(3, 3\)"),
            ({"stride": 0}, "stride=0"),
            ({"stride": -1}, "stride=-1"),
            ({"stride": 1.5}, "stride=1.5"),
            ({"stride": False}, "stride=False"),
            ({"dilation": 0}, "dilation=0"),
            ({"dilation": float("nan")}, "dilation=nan"),
            ({"padding": -1}, "padding=-1"),
            ({"padding": 0.5}, "padding=0.5"),
            ({"padding": "same"}, "padding='same'"),
            ({"padding": True}, "padding=True"),
            ({"padding": (1, -2)}, "padding=-2"),
            ({"padding": (1, 2, 3)}, r"padding=\(1, 2, 3\)"),
            ({"padding": (1,)}, r"padding=\(1,\)"),
            ({"padding": (0, 1.0)}, "padding=1.0"),
            ({"output_padding": 1, "stride": 2}, "output_padding=1"),
            ({"output_padding": -1, "transposed": True}, "output_padding=-1"),
            ({"output_padding": 2, "stride": 2, "transposed": True}, "output_padding=2"),
            ({"output_padding": 1, "transposed": True}, "output_padding=1"),
            ({"output_padding": 3, "dilation": 3, "transposed": True}, "output_padding=3"),
            ({"transposed": True, "ceil_mode": True}, "ceil_mode=True"),
            ({"transposed": 1}, "transposed=1"),
            ({"ceil_mode": "yes"}, "ceil_mode='yes'"),
        ],
    )
    def test_impossible_settings_are_named(self, settings, named):
        with pytest.raises(ValueError, match=named):
            Window(**{"kernel_size": 3} | settings)

    def test_output_padding_needs_only_one_of_stride_and_dilation(self):
        Window(3, stride=3, output_padding=2, transposed=True)
        Window(3, dilation=3, output_padding=2, transposed=True)

    @pytest.mark.parametrize("size", [0, -4, 5.0, True, None, "5"])
    def test_sizes_must_be_whole_and_positive(self, size):
        for call in (
            lambda: output_size(size, CONV3),
            lambda: input_indices(CONV3, size, 0),
            lambda: output_indices(CONV3, size, 0),
            lambda: input_range([CONV3], size, 0),
            lambda: output_range([CONV3], size, [0]),
        ):
            with pytest.raises(ValueError, match=f"size={size!r}"):
                call()

    @pytest.mark.parametrize(
        ("size", "window"),
        [
            (2, Window(5, padding=1)),
            (6, Window(3, dilation=3)),
            (3, Window(7, padding=(1, 2))),
            (1, Window(3, padding=2, transposed=True)),
            (2, Window(1, stride=2, padding=(1, 2), transposed=True)),
        ],
    )
    def test_nothing_left_is_an_error_that_names_the_size(self, size, window):
        for call in (
            lambda: output_size(size, window),
            lambda: input_indices(window, size, 0),
            lambda: input_range([window], size, 0),
            lambda: output_range([window], size, [0]),
        ):
            with pytest.raises(ValueError, match=f"size={size}"):
                call()

    @pytest.mark.parametrize("index", [-1, 4, 100, 1.0, True, None])
    def test_units_outside_the_map_are_named(self, index):
        pool = Window(2, stride=2)
        for call in (
            lambda: input_indices(pool, 8, index),  # 4 outputs: 0 to 3
            lambda: input_range([CONV3, pool], 8, index),
            lambda: output_indices(CONV3, 4, index),
            lambda: output_range([CONV3, pool], 4, [index]),
        ):
            with pytest.raises(ValueError, match=f"index={index!r}"):
                call()

    @pytest.mark.parametrize("whole", [np.int64, np.uint8, np.array, torch.tensor, Count])
    def test_whole_numbers_may_be_of_any_kind(self, whole):
        window = Window(whole(3), stride=whole(2), padding=(whole(1), whole(0)), dilation=whole(1))
        assert window == Window(3, stride=2, padding=(1, 0))
        assert hash(window) == hash(Window(3, stride=2, padding=(1, 0)))
        for name in ("kernel_size", "stride", "dilation", "output_padding", "before", "after"):
            assert type(getattr(window, name)) is int
        assert output_size(whole(9), window) == output_size(9, window) == 4
        assert input_indices(window, whole(9), whole(2)) == input_indices(window, 9, 2)
        assert output_indices(window, whole(9), whole(2)) == output_indices(window, 9, 2)
        assert input_range([window], whole(9), whole(2)) == input_range([window], 9, 2)
        assert output_range([window], whole(9), [whole(2)]) == output_range([window], 9, [2])
        assert Window(3, padding=whole(1)).padding == 1 and whole_number(whole(3), "n", 3) == 3

    @pytest.mark.parametrize(
        "value",
        [
            True, np.True_, torch.tensor(True), 3.0, np.float64(3), torch.tensor(3.0), "3", None,
            [3], np.array([3]), torch.tensor([3]), torch.empty((), dtype=int, device="meta"),
        ],
    )  # fmt: skip
    def test_what_is_no_whole_number_is_named(self, value):
        with pytest.raises(ValueError, match=r"^n=.*: expected a whole number$"):
            whole_number(value, "n")
        with pytest.raises(ValueError, match="kernel_size=.*: expected a whole number"):
            Window(value)
        with pytest.raises(ValueError, match=r"index=.*: expected a whole number from 0 to \d"):
            input_indices(CONV3, 8, value)

    def test_a_whole_number_may_have_a_least(self):
        assert whole_number(np.int64(-2), "n") == -2 and whole_number(0, "n", 0) == 0
        with pytest.raises(ValueError, match="n=-2: expected 0 or more"):
            whole_number(np.int64(-2), "n", 0)

    def test_receptive_field_refuses_transposed_windows(self):
        with pytest.raises(ValueError, match="transposed"):
            receptive_field([CONV3, Window(2, stride=2, transposed=True)])

    def test_windows_cannot_be_changed(self):
        with pytest.raises(AttributeError):
            CONV3.stride = 2


# --- Covering an axis -----------------------------------------------------------------------------


def test_an_axis_is_covered_by_as_few_windows_as_reach_its_padded_end():
    """By torch: filled up with columns until the last window is whole, and by one fewer not."""
    sides = itertools.product(
        range(1, 9), range(1, 5), range(1, 5), range(3), range(3), range(1, 3)
    )
    tried = 0
    for size, kernel, stride, before, after, dilation in sides:
        window = Window(kernel, stride, (before, after), dilation)
        padded = size + before + after
        if window.span > padded:
            with pytest.raises(ValueError, match=f"size={size}: with padding"):
                covering_size(size, window)
            continue
        count = covering_size(size, window)
        more = max(0, (count - 1) * stride + window.span - padded)
        filled = F.pad(torch.zeros(1, 1, size), (before, after + more))
        kept = F.conv1d(filled, torch.zeros(1, 1, kernel), stride=stride, dilation=dilation)
        assert kept.shape[2] == count and more < stride
        assert (count - 2) * stride + window.span < padded or count == 1
        tried += 1
    assert tried > 1000


def test_the_published_input_of_224_gives_the_55_places_of_alexnets_figure():
    assert covering_size(224, Window(11, 4)) == 55 and output_size(224, Window(11, 4)) == 54


def test_unread_inputs_are_those_without_a_gradient():
    sides = itertools.product(range(1, 9), range(1, 5), range(1, 5), range(3), range(1, 3))
    for size, kernel, stride, padding, dilation in sides:
        window = Window(kernel, stride, padding, dilation)
        count = our_size(size, window)
        if count is None:
            continue
        x = torch.zeros(1, 1, size, requires_grad=True)
        F.conv1d(x, torch.ones(1, 1, kernel), None, stride, padding, dilation).sum().backward()
        assert (
            unread_inputs(size, window, count) == (x.grad[0, 0] == 0).nonzero().flatten().tolist()
        )


def test_a_transposed_window_covers_nothing():
    with pytest.raises(ValueError, match="expected a forward window"):
        covering_size(4, Window(2, transposed=True))
