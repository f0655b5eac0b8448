#!/usr/bin/env python3
"""Runs images through a guide file, as docs/guide.md defines it, with nothing but Python's standard library.

    guide_runner.py GUIDE IMAGE...          the results' codes
    guide_runner.py --all GUIDE IMAGE...    every tensor's codes, in every form

An IMAGE is a file of bytes in height, width, channel order. Each tensor is one line of JSON:
{"image": 0, "tensor": "conv1", "form": "written", "codes": [...]}. Slow and plain.
"""

import base64
import itertools
import json
import sys


def clamp(value, low, high):
    return max(low, min(high, value))


def requantized(d, sets, f, zero_and_limits):
    multiplier, shift, bias = sets["multipliers"][f], sets["shifts"][f], sets["biases"][f]
    limits = zero_and_limits
    return clamp(((d * multiplier + bias) >> shift) + limits["zero"], limits["low"], limits["high"])


def with_activation(d, layer, f):
    negative = layer.get("negative")
    if negative is not None:
        rounding = 1 << (layer["shifts"][f] - 1)
        if d * layer["multipliers"][f] + layer["biases"][f] < rounding:
            return requantized(d, negative, f, layer)
    return requantized(d, layer, f, layer)


def both(steps):
    """Of rows and of columns."""
    return steps if isinstance(steps, list) else [steps, steps]


def sides(pad):
    """Top, left, bottom, right."""
    return pad if len(pad) == 4 else [pad[0], pad[0], pad[1], pad[1]]


def windows(layer, in_shape, out_shape):
    """Per output position, the (window index, row, column) of all positions of its window."""
    rows, columns = layer["kernel"]
    stride, dilation = both(layer["stride"]), both(layer.get("dilation", 1))
    pad = sides(layer["pad"])
    for y, x in itertools.product(range(out_shape[1]), range(out_shape[2])):
        top, left = y * stride[0] - pad[0], x * stride[1] - pad[1]
        yield [(i * columns + j, top + i * dilation[0], left + j * dilation[1])
               for i in range(rows) for j in range(columns)]


def inside(shape, row, column):
    return 0 <= row < shape[1] and 0 <= column < shape[2]


def plane(codes, shape, channel):
    size = shape[1] * shape[2]
    return codes[channel * size:(channel + 1) * size]


def padded_windows(layer, codes, shape, out_shape):
    """[channel][output position] -> the window's codes."""
    layout = list(windows(layer, shape, out_shape))
    result = []
    for c in range(shape[0]):
        channel, pad = plane(codes, shape, c), layer["pad_codes"][c]
        result.append([[channel[row * shape[2] + column] if inside(shape, row, column) else pad
                        for _, row, column in window] for window in layout])
    return result


def weighted(layer, codes, shape, out_shape):
    taps = layer["kernel"][0] * layer["kernel"][1]
    values = [layer["alpha"] * w - layer["beta"] for w in base64.b64decode(layer["weights"])]
    channels = padded_windows(layer, codes, shape, out_shape)
    groups = shape[0] if layer["kind"] == "depthwise" else layer.get("groups", 1)
    each, filters = shape[0] // groups, out_shape[0] // groups  # channels and filters of a group
    result = []
    for f in range(out_shape[0]):
        read = range(f // filters * each, (f // filters + 1) * each)
        for position in range(out_shape[1] * out_shape[2]):
            d = 0
            for k, c in enumerate(read):
                first = (f * len(read) + k) * taps
                d += sum(map(int.__mul__, channels[c][position], values[first:first + taps]))
            result.append(with_activation(d, layer, f))
    return result


def sets_of_windows(layer, shape, out_shape):
    """Per output position the set that its window takes: by the number of taps that count."""
    if "uncounted" not in layer:
        return [0] * (out_shape[1] * out_shape[2])
    top, left, bottom, right = (a - b for a, b in zip(sides(layer["pad"]), sides(layer["uncounted"])))
    counted = [sum(-top <= row < shape[1] + bottom and -left <= column < shape[2] + right
                   for _, row, column in window) for window in windows(layer, shape, out_shape)]
    return [layer["counts"].index(taps) for taps in counted]


def average_pool(layer, codes, shape, out_shape):
    sets = sets_of_windows(layer, shape, out_shape)
    return [requantized(sum(window), layer, f, layer)
            for channel in padded_windows(layer, codes, shape, out_shape) for window, f in zip(channel, sets)]


def max_pool(layer, codes, shape, out_shape):
    layout = list(windows(layer, shape, out_shape))
    result = []
    for c in range(shape[0]):
        channel = plane(codes, shape, c)
        result += [max(channel[row * shape[2] + column] for _, row, column in window
                       if inside(shape, row, column)) for window in layout]
    return result


def add(layer, first, second):
    m1, m2 = layer["multipliers"]
    bias, shift = layer["biases"][0], layer["shifts"][0]
    return [clamp(((x1 * m1 + x2 * m2 + bias) >> shift) + layer["zero"], layer["low"], layer["high"])
            for x1, x2 in zip(first, second)]


def product(layer, shape, codes, vector):
    z1, z2 = layer["zeros"]
    size = shape[1] * shape[2]
    return [requantized((x - z1) * (vector[i // size] - z2), layer, 0, layer) for i, x in enumerate(codes)]


def upsample(layer, codes, shape, out_shape):
    rows, columns = both(layer["factor"])
    return [codes[(c * shape[1] + y // rows) * shape[2] + x // columns]
            for c, y, x in itertools.product(*map(range, out_shape))]


def interleave(layer, inputs, shape, out_shape):
    rows, columns = both(layer["factor"])
    return [inputs[y % rows * columns + x % columns][(c * shape[1] + y // rows) * shape[2] + x // columns]
            for c, y, x in itertools.product(*map(range, out_shape))]


def result_of(layer, inputs, shapes, out_shape):
    kind = layer["kind"]
    if kind == "add":
        return add(layer, *inputs)
    if kind == "product":
        return product(layer, shapes[0], *inputs)
    if kind == "function":
        return [layer["table"][code] for code in inputs[0]]
    if kind == "concat":
        return list(itertools.chain(*inputs))
    if kind == "interleave":
        return interleave(layer, inputs, shapes[0], out_shape)
    if kind == "select":
        size = shapes[0][1] * shapes[0][2]
        return [code for c in layer["channels"] for code in inputs[0][c * size:(c + 1) * size]]
    one_input = {"conv": weighted, "depthwise": weighted, "linear": weighted,
                 "average_pool": average_pool, "max_pool": max_pool, "upsample": upsample}
    return one_input[kind](layer, inputs[0], shapes[0], out_shape)


def run(guide, image):
    """{(tensor, form): codes} of one image."""
    tensors = {tensor["name"]: tensor for tensor in guide["tensors"]}
    codes = {}

    def keep(name, written):
        codes[name, "written"] = written
        narrow = tensors[name].get("narrow")
        if narrow is not None:
            codes[name, "narrow"] = [requantized(x, narrow, 0, narrow) for x in written]

    name = guide["input"]["tensor"]
    channels, height, width = tensors[name]["shape"]
    if len(image) != channels * height * width:
        sys.exit(f"guide_runner: the image has {len(image)} bytes, not {channels * height * width}")
    keep(name, [image[p * channels + c] for c in range(channels) for p in range(height * width)])
    for layer in guide["layers"]:
        inputs = [codes[i["tensor"], i["form"]] for i in layer["inputs"]]
        shapes = [tensors[i["tensor"]]["shape"] for i in layer["inputs"]]
        keep(layer["output"], result_of(layer, inputs, shapes, tensors[layer["output"]]["shape"]))
    return codes


def main(arguments):
    everything = arguments[:1] == ["--all"]
    if everything:
        arguments = arguments[1:]
    if len(arguments) < 2:
        sys.exit(__doc__)
    with open(arguments[0], encoding="utf-8") as file:
        guide = json.load(file)
    if guide.get("format") != "bitloop-guide" or guide.get("version") != 1:
        sys.exit(f"guide_runner: {arguments[0]} is no guide file of version 1")
    for index, path in enumerate(arguments[1:]):
        with open(path, "rb") as file:
            codes = run(guide, file.read())
        wanted = codes if everything else [(name, "written") for name in guide["results"]]
        for tensor, form in wanted:
            print(json.dumps({"image": index, "tensor": tensor, "form": form, "codes": codes[tensor, form]}))


if __name__ == "__main__":
    main(sys.argv[1:])
