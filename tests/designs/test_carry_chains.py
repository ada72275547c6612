"""Carry chains of the adder's task: every length at every place, and what they find."""

import numpy as np
import pytest

from rnnhw import BinaryAddition, DesignError
from rnnhw.design.tasks import HarderTask, Recall
from rnnhw.design.tasks.addition import carry_chains


def propagating(pairs, bits):
    """Whether each column's two bits differ, [pairs, bits]."""
    columns = (pairs[:, :, None] >> np.arange(bits)) & 1
    return columns[:, 0] != columns[:, 1]


@pytest.mark.parametrize("bits", [1, 2, 5, 12, 32, 62])
def test_a_chain_of_every_length_starts_at_every_place_with_and_without_a_carry(bits):
    pairs = carry_chains(bits)
    places = bits * (bits + 1) // 2
    assert pairs.shape == (8 * places, 2) and pairs.dtype == np.int64
    assert pairs.min() >= 0 and int(pairs.max()) < 1 << bits
    chains, differs = pairs[2 * places :], propagating(pairs[2 * places :], bits)
    first, last = np.triu_indices(bits)
    for block in range(6):
        carry = block % 2
        part = slice(block * places, (block + 1) * places)
        for pair, differ, start, end in zip(chains[part], differs[part], first, last, strict=True):
            assert ((pair >> start) & 1).tolist() == [carry, carry]
            assert differ[start + 1 : end + 1].all()


def test_there_are_4224_pairs_of_32_bits_and_a_seed_names_them():
    pairs = carry_chains(32)
    assert len(pairs) == 4224
    np.testing.assert_array_equal(pairs, carry_chains(32))
    assert (pairs != carry_chains(32, seed=1)).any()
    # Random pairs and surroundings: neither operand is constant, no column always propagates.
    shares = propagating(pairs[:1056], 32).mean(0)
    assert shares.min() > 0.4 and shares.max() < 0.6


def test_the_task_offers_them_whatever_its_own_operands_are():
    task = BinaryAddition(4)
    assert isinstance(task, HarderTask) and not isinstance(Recall(2), HarderTask)
    (name, samples), *others = task.harder().items()
    assert name == "long chains" and not others
    again = BinaryAddition(32, chains=True)
    np.testing.assert_array_equal(again.operands(), carry_chains(32))
    np.testing.assert_array_equal(samples.x, again.samples().x)
    assert samples.x.shape == (4224, 33, 2)
    weights = 2 ** np.arange(33, dtype=np.int64)
    sums = (samples.x.astype(np.int64) * weights[:, None]).sum((1, 2))
    np.testing.assert_array_equal(samples.y @ weights, sums)
    assert task.score(2.0 * samples.y[:, :, None] - 1, samples.lengths, samples).accuracy == 1


def test_a_carry_that_fades_is_right_on_short_operands_and_found_on_chains():
    """The sum of a machine that forgets its carry after six propagating columns."""
    for task, exact in ((BinaryAddition(6), True), (BinaryAddition(32, chains=True), False)):
        samples = task.samples()
        a, b = samples.x[:, :, 0], samples.x[:, :, 1]
        carry, age = np.zeros(len(a)), np.zeros(len(a))
        outputs = []
        for column in range(samples.x.shape[1]):
            total = a[:, column] + b[:, column] + carry * (age <= 6)
            outputs.append(total % 2 - 0.5)
            age = np.where(a[:, column] == b[:, column], 0, age + 1)
            carry = (total >= 2).astype(float)
        score = task.score(np.stack(outputs, 1)[:, :, None], samples.lengths, samples)
        assert (score.accuracy == 1) is exact
    assert 0.4 < score.accuracy < 0.8


@pytest.mark.parametrize("bits", [0, 63])
def test_no_chains_of_widths_that_there_are_not(bits):
    with pytest.raises(DesignError, match="operand_bits"):
        BinaryAddition(bits, chains=True)
