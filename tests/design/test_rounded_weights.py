"""Numbers stored in place of the nearest ones: integers follow them, the float reference does
not, and another rounding's are refused."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from helpers.paths import DESIGNS

from rnnhw import DesignError, Q, load, simulate
from rnnhw.design.rounded_weights import weights_digest
from rnnhw.execution.reference import run_reference

ADDER = DESIGNS / "adder_tridiagonal.py"


@pytest.fixture
def adder():
    return load(ADDER, {"hidden": 4, "operand_bits": 3})


def other_numbers(design, key="rnn.U"):
    """The stored numbers of a tensor, one of them a step off."""
    tensor = next(each for each in design.network.tensors if each.key == key)
    numbers = design.parameters.raw[key] * tensor.format.step
    numbers[1, 1] += tensor.format.step
    return tensor, numbers


def test_integers_follow_them_and_the_float_reference_does_not(adder):
    _, numbers = other_numbers(adder)
    rounded = adder.with_rounded_weights({"rnn.U": numbers})
    before, after = adder.parameters, rounded.parameters
    changed = after.raw["rnn.U"] - before.raw["rnn.U"]
    assert changed[1, 1] == 1 and np.count_nonzero(changed) == 1
    assert np.array_equal(after.raw["rnn.W"], before.raw["rnn.W"])
    same = replace(adder, weights={**before.values, "rnn.U": numbers})
    assert np.array_equal(simulate(rounded).run.outputs, simulate(same).run.outputs)
    assert not np.array_equal(simulate(rounded).outputs, simulate(adder).outputs)
    samples = adder.task.samples()
    outputs = [
        run_reference(each.network, each.parameters, samples.x, samples.lengths).outputs
        for each in (adder, rounded, same)
    ]
    assert np.array_equal(outputs[0], outputs[1]) and not np.array_equal(outputs[0], outputs[2])
    nearest = rounded.with_rounded_weights(None).parameters
    assert np.array_equal(nearest.raw["rnn.U"], before.raw["rnn.U"])


def test_numbers_that_become_zero_are_counted_as_they_are_stored(adder):
    tensor, numbers = other_numbers(adder)
    small = {**adder.parameters.values, "rnn.U": np.where(numbers != 0, tensor.format.step / 8, 0)}
    adder = replace(adder, weights=small)
    count = int(np.count_nonzero(numbers))
    assert adder.parameters.underflows["rnn.U"] == count > 0
    kept = np.zeros_like(numbers)
    kept[1, 1] = tensor.format.step
    rounded = adder.with_rounded_weights({"rnn.U": kept})
    assert rounded.parameters.underflows["rnn.U"] == count - 1


def test_a_file_is_read_and_is_a_file_of_the_design(adder, tmp_path):
    place = tmp_path / "rounded.npz"
    _, numbers = other_numbers(adder)
    np.savez(place, **{"rnn.U": numbers})
    digests = {
        "sha256": hashlib.sha256(place.read_bytes()).hexdigest(),
        "weights_sha256": weights_digest(adder.network, adder.parameters),
    }
    rounded = adder.with_rounded_weights(place, **digests)
    by_array = adder.with_rounded_weights({"rnn.U": numbers})
    assert place in rounded.files and place not in adder.files
    assert np.array_equal(rounded.parameters.raw["rnn.U"], by_array.parameters.raw["rnn.U"])

    other = load(ADDER, {"hidden": 8, "operand_bits": 3}).with_rounded_weights(place, **digests)
    with pytest.raises(DesignError, match=r"rounded\.npz: other weights were rounded"):
        _ = other.parameters
    np.savez(place, **{"rnn.U": numbers, "rnn.W": adder.parameters.values["rnn.W"]})
    with pytest.raises(DesignError, match=r"rounded\.npz: its SHA-256 is [0-9a-f]{64}"):
        _ = adder.with_rounded_weights(place, **digests).parameters
    place.unlink()
    with pytest.raises(DesignError, match=r"rounded\.npz: no such file"):
        _ = adder.with_rounded_weights(place, **digests).parameters


def test_what_does_not_fit_is_refused(adder):
    tensor, numbers = other_numbers(adder)
    between, unknown = numbers.copy(), numbers.copy()
    between[1, 1] += tensor.format.step / 2
    unknown[1, 1] = np.nan
    cases = {
        r"rnn\.U\[1, 1\] is .*, which Q\(.*\) 8b does not hold": {"rnn.U": between},
        r"no tensor rnn\.V": {"rnn.V": numbers},
        r"rnn\.U has shape \(1, ": {"rnn.U": numbers[:1]},
        r"rnn\.U\[1, 1\] is nan": {"rnn.U": unknown},
    }
    for said, source in cases.items():
        with pytest.raises(DesignError, match=said):
            _ = adder.with_rounded_weights(source).parameters
    wider = replace(tensor.format, fraction=tensor.format.fraction - 1)
    with pytest.raises(DesignError, match="7b does not hold"):
        _ = adder.with_rounded_weights({"rnn.U": numbers}).with_formats({"rnn.U": wider}).parameters


def test_rows_with_scales_are_refused(adder):
    scaled = adder.with_formats({"scale_exponent": Q(1, 0, signed=False)})
    _, numbers = other_numbers(adder)
    with pytest.raises(DesignError, match=r"the rows of rnn\.U have scales"):
        _ = scaled.with_rounded_weights({"rnn.U": numbers}).parameters
