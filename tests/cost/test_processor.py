"""The microcontroller: instructions by hand from the figures, flash and RAM, and their edges."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from helpers.machines import FORMATS, elman, head, lstm, scanned

from rnnhw import Banded, Design, Diagonal, Elman, Hadamard, Last, Linear, Mean, Q, ReLU
from rnnhw.cost.processor import processor, storage_bytes
from rnnhw.layers.cells import Layer
from rnnhw.layers.structures import (
    BlockDiagonal,
    Butterfly,
    ButterflyStage,
    Circulant,
    CyclicBand,
    InterleavedBlocks,
    LowRank,
    Permutation,
    Sparse,
    Structure,
    Toeplitz,
    UnitWeights,
)
from rnnhw.profiles import Microcontroller, OperationCost, SourcedValue


def figure(value: float, unit: str) -> SourcedValue:
    return SourcedValue(value=value, unit=unit, source="this test", status="measured")


def cost(operation: str, unit: str, size_name: str, *points: tuple[int | None, float]) -> object:
    return msgspec.convert(
        {
            "operation": operation,
            "unit": unit,
            "size_name": size_name,
            "operand_bits": 8,
            "status": "measured",
            "source": "this test",
            "points": [
                {"value": value} if size is None else {"size": size, "value": value}
                for size, value in points
            ],
        },
        OperationCost,
    )


def device(*costs: object, **more: object) -> Microcontroller:
    return Microcontroller(
        name="test",
        title="Test",
        vendor="none",
        part="none",
        core="none",
        flash=figure(1000, "bytes"),
        ram=figure(100, "bytes"),
        clock_max_mhz=figure(10, "MHz"),
        operations=tuple(costs),  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )


def costs(counted: str) -> tuple[object, ...]:
    return (
        cost("matvec_dense", f"{counted}/MAC", "units", (8, 4), (16, 3)),
        cost("matvec_banded", f"{counted}/MAC", "diagonals", (3, 9), (5, 7)),
        cost("hadamard", f"{counted}/butterfly", "length", (16, 6), (64, 5)),
        cost("lookup", f"{counted}/value", "none", (None, 20)),
        cost("multiply_requantise", f"{counted}/value", "none", (None, 30)),
    )


DEVICE = device(*costs("instructions"))


def test_instructions_of_a_dense_layer() -> None:
    found = processor(elman(16).network, DEVICE)
    # W 8 columns at 4, U 16 columns at 3, a table look-up a unit; the sum's cast is part of it.
    assert found.per_step == 16 * 8 * 4 + 16 * 16 * 3 + 16 * 20
    assert found.counted == "instructions"
    assert found.macs == 16 * 24
    (layer,) = found.layers
    assert not [note for note in layer.notes if "outside" in note]


def test_cycles_are_preferred_where_all_are_known() -> None:
    both = device(*costs("cycles"), *costs("instructions"))
    assert processor(elman(16).network, both).counted == "cycles"
    some = device(costs("cycles")[0], *costs("instructions"))
    assert processor(elman(16).network, some).counted == "instructions"


@pytest.mark.parametrize(("units", "price"), [(7, 4), (8, 4), (16, 3), (17, 3)])
def test_a_size_outside_is_clamped_and_noted(units: int, price: float) -> None:
    found = processor(head(units, 2).network, DEVICE)
    assert found.per_step == units * 2 * price
    noted = any("outside" in note for note in found.layers[0].notes)
    assert noted is (units in (7, 17))


def test_a_size_between_is_interpolated_as_a_cost_a_row() -> None:
    # 4 at 8 and 3 at 16 columns: 2 a term and 16 a row.
    assert processor(head(12, 1).network, DEVICE).per_step == 2 * 12 + 16


def test_a_band_and_its_requantisation() -> None:
    found = processor(elman(16, Banded(1, 1)).network, DEVICE)
    assert found.per_step == 16 * 8 * 4 + 46 * 9 + 16 * 30 + 16 * 20


def test_a_diagonal_is_a_band_of_one_and_says_so() -> None:
    found = processor(elman(16, Diagonal()).network, DEVICE)
    assert any("for 3 diagonals used for 1" in note for note in found.layers[0].notes)


def test_butterflies_of_a_transform() -> None:
    found = processor(elman(16, Hadamard(before=False, after=False)).network, DEVICE)
    # 16/2 log2 16 butterflies, the cast of the sum, the table; the addition has no figure.
    assert found.per_step == 16 * 8 * 4 + 32 * 6 + 16 * 30 + 16 * 20
    assert any("16 additions" in note for note in found.layers[0].notes)


@pytest.mark.parametrize(
    ("structure", "price", "note"),
    [  # 16 units; 8 columns cost 4 a MAC, 16 cost 3; 3 diagonals 9, 5 cost 7
        (BlockDiagonal(8), 16 * 8 * 4, "block diagonal MACs: figure for dense MACs used"),
        (InterleavedBlocks(8), 16 * 8 * 4, "interleaved blocks MACs: figure for dense MACs used"),
        (Toeplitz(), 16 * 16 * 3, "toeplitz MACs: figure for dense MACs used"),
        (Circulant(), 16 * 16 * 3, "circulant MACs: figure for dense MACs used"),
        (Sparse(2, 4), 16 * 8 * 4, "sparse MACs: figure for dense MACs used"),
        (CyclicBand(2, 2), 16 * 5 * 7 + 16 * 30, "cyclic band MACs: figure for banded MACs used"),
        (ButterflyStage(), 32 * 9 + 16 * 30, "butterfly MACs: figure for banded MACs used"),
    ],
)
def test_a_structure_takes_the_nearest_figure_and_says_so(
    structure: Structure, price: int, note: str
) -> None:
    # Behind short rows of a band the requantisation is not part of the figure.
    found = processor(elman(16, structure).network, DEVICE)
    assert found.per_step == 16 * 8 * 4 + price + 16 * 20
    assert note in found.layers[0].notes
    assert found.macs == 16 * 8 + structure.multiplies(16, 16)


def test_decoding_and_permuting_have_no_figure() -> None:
    sparse = processor(elman(16, Sparse(2, 4)).network, DEVICE)
    assert sparse.partial
    assert any("128 index decodings" in note for note in sparse.layers[0].notes)
    turned = processor(elman(16, Permutation([*range(1, 16), 0])).network, DEVICE)
    assert turned.partial
    assert any(
        "16 permuted elements" in note and "16 additions" in note for note in turned.layers[0].notes
    )
    plain = processor(elman(16, UnitWeights()).network, DEVICE)
    assert plain.partial
    assert not any("permuted" in note for note in plain.layers[0].notes)


def test_factors_are_priced_one_by_one() -> None:
    staged = replace(FORMATS, stage=Q(3, 4))
    layers: list[Layer] = [Elman(16, recurrent=LowRank(8), name="rnn")]
    found = processor(Design(layers=layers, formats=staged, inputs=8).network, DEVICE)
    # right: 8 rows of 16; left: 16 rows of 8; both requantise within the figure.
    assert found.per_step == 16 * 8 * 4 + 8 * 16 * 3 + 16 * 8 * 4 + 16 * 20
    butterfly = Elman(16, recurrent=Butterfly(), name="rnn")
    found = processor(Design(layers=[butterfly], formats=staged, inputs=8).network, DEVICE)
    # Four stages of 32 MACs; three casts between them and that of the sum.
    assert found.per_step == 16 * 8 * 4 + 4 * 32 * 9 + 4 * 16 * 30 + 16 * 20


def test_what_has_no_figure_is_named() -> None:
    layers: list[Layer] = [Elman(16, activation=ReLU(), name="rnn")]
    network = Design(layers=layers, formats=FORMATS, inputs=8).network
    assert any("16 clamps" in note for note in processor(network, DEVICE).layers[0].notes)


def test_a_missing_figure_makes_the_whole_unknown() -> None:
    found = processor(elman(16).network, device(*costs("instructions")[1:]))
    assert (found.per_step, found.counted) == (None, None)
    assert "no figure for dense MACs" in found.layers[0].notes[0]
    assert found.flash_bytes > 0  # storage needs no figures


def test_layers_behind_the_last_step_count_once() -> None:
    layers: list[Layer] = [Elman(16, name="rnn"), Last(), Linear(2, name="head")]
    found = processor(Design(layers=layers, formats=FORMATS, inputs=8).network, DEVICE)
    assert found.after_last_step == 16 * 2 * 3
    assert found.macs == 16 * 24


def test_a_total_has_no_figure_and_a_sum_to_keep() -> None:
    layers: list[Layer] = [Elman(16, name="rnn"), Mean(), Linear(2, name="head")]
    design = Design(layers=layers, formats=FORMATS, inputs=8, max_steps=100)
    found = processor(design.network, DEVICE)
    assert found.partial and found.per_step is not None
    total = found.layers[1]
    assert total.bytes("state") == 16 * 2  # 8 bits and 7 for 100 steps
    assert any("16 additions" in note for note in total.notes)


# --- storage -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("bits", "size"), [(1, 1), (8, 1), (9, 2), (16, 2), (17, 4), (32, 4), (33, 8), (64, 8)]
)
def test_storage_is_the_next_c_integer(bits: int, size: int) -> None:
    assert storage_bytes(bits) == size


def test_flash_and_ram_of_a_dense_layer() -> None:
    found = processor(elman(16).network, DEVICE)
    assert found.bytes("weights") == 16 * 24
    assert found.bytes("biases") == 16 * 2  # 14 bits
    assert found.bytes("tables") == 256
    assert found.flash_bytes == 16 * 24 + 32 + 256
    assert found.bytes("state") == 2 * 16  # the old one is read until the new one is complete
    assert found.bits("state") == 16 * 8
    # Input, both states, and the accumulators (added to in place) while they are cast.
    assert found.ram_bytes == 8 + 32 + 16 * 4 + 16


def test_storage_of_structures() -> None:
    sparse = processor(elman(16, Sparse(2, 4)).network, DEVICE).layers[0]
    # 128 inputs, 128 kept weights with 2 bits of index, which the program keeps in a byte.
    assert (sparse.bits("weights"), sparse.bytes("weights")) == (128 * 8 + 128 * 10, 128 + 128 * 2)
    shared = processor(elman(16, Circulant()).network, DEVICE).layers[0]
    assert (shared.bits("weights"), shared.bytes("weights")) == ((128 + 16) * 8, 128 + 16)
    turned = processor(elman(16, Permutation([*range(1, 16), 0])).network, DEVICE).layers[0]
    assert turned.bits("tables") == 256 * 8
    assert turned.bytes("tables") == 256 + 16  # and a list of indices
    assert turned.bytes("state") == 2 * 16  # read in another order than it is written
    plain = processor(elman(16, UnitWeights()).network, DEVICE).layers[0]
    assert plain.bytes("state") == 16


def test_a_state_that_no_product_reads_is_there_once() -> None:
    found = processor(scanned(lstm(16)), DEVICE)
    assert found.bytes("state") == 2 * 16 + 16


def test_one_table_for_each_function() -> None:
    assert processor(scanned(lstm(16)), DEVICE).bytes("tables") == 2 * 256


def test_nothing_but_operations_without_a_figure_is_not_zero() -> None:
    design = Design(layers=[Mean(), Linear(2)], formats=FORMATS, inputs=8, max_steps=100)
    found = processor(design.network, DEVICE)
    assert found.per_step is None
    assert found.after_last_step is not None
