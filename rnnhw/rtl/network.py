"""A network as a Verilog top module: layers and time operations wired as streams of vectors."""

from __future__ import annotations

from dataclasses import dataclass

from rnnhw.accelerator import Accelerator, Basis
from rnnhw.accelerator.mapping import address_bits
from rnnhw.accelerator.schedule.time_operations import window_source
from rnnhw.design.weights import Parameters
from rnnhw.errors import DesignError
from rnnhw.graph.network import Last, Network, Scan, Source, Steps, TimeNode, Total
from rnnhw.rtl.bundle import Emission, OutputPort
from rnnhw.rtl.layer import emit_layer
from rnnhw.rtl.modules import MODULES
from rnnhw.rtl.names import Names, bench_ends, top_name
from rnnhw.rtl.netlist import FALSE, TRUE, Constant, Expression, all_of, concat
from rnnhw.rtl.verilog_text import Module, Wiring, identifier, wired

__all__ = ["emit_network"]


_ENDS = ("valid", "first", "last", "ready", "data", "layer", "filter", "sum", "count")
"""Of the nets and instances of a stream, behind its name."""


_FLAGS = ("valid", "first", "last")
"""Of a stream, beside its ready and data."""


def _output_ports(network: Network) -> dict[TimeNode, OutputPort]:
    """The streams of all outputs: ``y``, then ``y1``, ``y2``..."""
    several = len(network.outputs) > 1
    return {
        node: OutputPort(
            f"y{position or ''}", node.units, node.format, node.name if several else ""
        )
        for position, node in enumerate(network.outputs)
    }


def _ends(port: str, stream: str, flags: str) -> dict[str, Wiring]:
    """Ports of a module that are wired to the nets of a stream."""
    return {f"{port}_{flag}": f"{stream}_{flag}" for flag in flags.split()}


@dataclass(frozen=True)
class _Stream:
    """The nets of one stream: prefix of valid, first, last, data and ready."""

    name: str
    width: int


def emit_network(
    name: str, network: Network, machine: Accelerator, parameters: Parameters
) -> Emission:
    """The Verilog of ``network`` on ``machine``.

    Raises:
        DesignError: something in the network or its schedule cannot be emitted; the message says
            what.
    """
    for layer in machine.layers:
        for where, what, cure in layer.mapping.obstacles if layer.mapping else ():
            raise DesignError(f"{where}: {what} cannot be emitted as Verilog", cure)
    modelled = [
        (layer.name, layer.assumptions[0])
        for layer in machine.layers
        if layer.basis is not Basis.REALISED
    ]
    for where, what in (*modelled, *machine.obstacles):
        raise DesignError(
            f"{where}: {what} cannot be emitted as Verilog",
            "rnnhw report still gives its modelled cycles and storage",
        )
    return _Top(name, network, machine, parameters).emission()


class _Top:
    def __init__(
        self, name: str, network: Network, machine: Accelerator, parameters: Parameters
    ) -> None:
        self._network = network
        self._mappings = {layer.name: layer.mapping for layer in machine.layers}
        self._parameters = parameters
        names = Names(MODULES)
        top = top_name(name, names)
        self._modules = {
            scan: names.fresh(f"{top}_{identifier(scan.name)}") for scan in network.scans
        }
        self._ports = _output_ports(network)
        ends = bench_ends(port.suffix for port in self._ports.values())
        self._images = Names(f"{top}{end}".removesuffix(".hex") for end in ends)
        # No net has the name of a module either.
        taken = {*MODULES, top, *self._modules.values()}
        self._module = Module(top, names=taken, image_names=self._images.fresh)
        self._claimed: set[str] = set()
        self._layers: list[Module] = []
        self._streams: dict[TimeNode, _Stream] = {}
        self._ready: dict[TimeNode, list[Expression]] = {}
        self._write()

    def emission(self) -> Emission:
        """The texts of all modules."""
        modules = [*self._layers, self._module]
        source = self._network.source
        first, *further = self._ports.values()
        files: dict[str, str] = {}
        for module in modules:
            files |= module.images
        used = {name for module in modules for name in module.used}
        files |= {f"{module.name}.v": module.text() for module in modules}
        return Emission(
            name=self._module.name,
            files=files,
            modules=tuple(sorted(used - {layer.name for layer in self._layers})),
            inputs=source.units,
            input_format=source.format,
            outputs=first.units,
            output_format=first.format,
            output_name=first.name,
            further=tuple(further),
        )

    def _write(self) -> None:
        module, source = self._module, self._network.source
        module.port("input", "clk")
        module.port("input", "rst")
        for flag in ("valid", "first", "last"):
            module.port("input", f"x_{flag}")
        module.port("input", "x_data", source.format.width, signed=source.format.signed)
        module.port("output", "x_ready")
        for port in self._ports.values():
            y = port.port
            for flag in ("valid", "first", "last"):
                module.port("output", f"{y}_{flag}")
            module.port("output", f"{y}_data", port.format.width, signed=port.format.signed)
            module.port("input", f"{y}_ready")
        for node in self._network.nodes:
            if window_source(node) is None:
                self._ready[node] = []
                self._streams[node] = self._node(node)
        for output, port in self._ports.items():
            y, final = port.port, self._streams[output]
            self._ready[output].append(module.nets[f"{y}_ready"])
            module.comment(f"output {port.name}: {y}" if port.name else "output")
            data = module.nets[f"{final.name}_data"].slice(output.format.width - 1, 0)
            module.drive({f"{y}_{flag}": f"{final.name}_{flag}" for flag in _FLAGS})
            module.assign(f"{y}_data", data)
        for node, ready in self._ready.items():
            name = self._streams[node].name
            module.assign(f"{name}_ready", all_of(*ready) if ready else Constant(1))
        module.assign("x_ready", f"{self._streams[source].name}_ready")
        module.ignore_unread()

    # --- nodes -----------------------------------------------------------------------------------
    def _node(self, node: TimeNode) -> _Stream:
        match node:
            case Source():
                return self._source(node)
            case Scan():
                return self._scan(node)
            case Last():
                return self._last(node)
            case Total():
                return self._total(node)
            case Steps():
                return self._steps(node)
        raise AssertionError(f"{node.name}: no obstacle, and no Verilog")

    def _stream(self, node: TimeNode) -> _Stream:
        """Declare the nets of what ``node`` gives."""
        name = self._prefix(node)
        width = node.format.signed_width
        self._module.comment(f"{node.name}: {node.units} of {node.format}")
        for flag in ("valid", "first", "last", "ready"):
            self._module.declare(f"{name}_{flag}")
        self._module.declare(f"{name}_data", width, signed=True)
        return _Stream(name, width)

    def _prefix(self, node: TimeNode) -> str:
        """The prefix of a stream's nets and instances, so that none meets another."""
        inputs = (f"x{position or ''}_ready" for position in range(len(node.sources)))
        ends = [f"_{end}" for end in (*_ENDS, *inputs)]
        name = identifier(node.name)
        while {name, *(name + end for end in ends)} & (self._module.names | self._claimed):
            name += "_"
        self._claimed |= {name + end for end in ends}
        return self._module.fresh(name)

    def _source(self, node: Source) -> _Stream:
        stream = self._stream(node)
        data = self._module.nets["x_data"]
        self._module.drive({f"{stream.name}_{flag}": f"x_{flag}" for flag in _FLAGS})
        self._module.assign(
            f"{stream.name}_data", data if node.format.signed else concat(FALSE, data)
        )
        return stream

    def _scan(self, node: Scan) -> _Stream:
        windows = {
            position: window
            for position, window in enumerate(map(window_source, node.sources))
            if window is not None
        }
        mapping = self._mappings[node.name]
        assert mapping is not None
        layer = emit_layer(self._modules[node], mapping, self._parameters, self._images)
        self._layers.append(layer)
        stream = self._stream(node)
        ports = wired("clk rst")
        for position, each in enumerate(node.sources):
            source = windows[position].source if position in windows else each
            x = "x" if position == 0 else f"x{position}"
            before = self._streams[source].name
            ready = self._module.declare(f"{stream.name}_{x}_ready")
            ports |= {**_ends(x, before, "valid first last data"), f"{x}_ready": ready}
            self._ready[source].append(ready)
        ports |= _ends("y", stream.name, "valid first last data ready")
        self._module.instance(layer.name, f"{stream.name}_layer", {}, ports)
        return stream

    def _last(self, node: Last) -> _Stream:
        (source,) = node.sources
        before, stream = self._streams[source].name, self._stream(node)
        self._module.instance(
            "rnnhw_last",
            f"{stream.name}_filter",
            {},
            {**_ends("x", before, "valid last"), **_ends("y", stream.name, "valid")},
        )
        self._module.assign(f"{stream.name}_data", f"{before}_data")
        return self._single(source, stream)

    def _total(self, node: Total) -> _Stream:
        (source,) = node.sources
        before, stream = self._streams[source], self._stream(node)
        self._module.instance(
            "rnnhw_total",
            f"{stream.name}_sum",
            {
                "UNITS": node.units,
                "INPUT_WIDTH": before.width,
                "WIDTH": stream.width,
                "INDEX_BITS": address_bits(node.units),
            },
            {
                **wired("clk rst"),
                **_ends("x", before.name, "valid first last data"),
                **_ends("y", stream.name, "valid data"),
            },
        )
        return self._single(source, stream, behind=True)

    def _steps(self, node: Steps) -> _Stream:
        (source,) = node.sources
        before, stream = self._streams[source], self._stream(node)
        self._module.instance(
            "rnnhw_steps",
            f"{stream.name}_count",
            {
                "UNITS": source.units,
                "WIDTH": stream.width,
                "INDEX_BITS": address_bits(source.units),
            },
            {
                **wired("clk rst"),
                **_ends("x", before.name, "valid first last"),
                **_ends("y", stream.name, "valid data"),
            },
        )
        return self._single(source, stream, behind=True)

    def _single(self, source: TimeNode, stream: _Stream, *, behind: bool = False) -> _Stream:
        """A stream of one vector a sequence; its reader's room is its source's. Where it is a cycle
        ``behind`` its source, the reader does not know yet of what is on its way."""
        nets = self._module.nets
        self._module.drive({f"{stream.name}_{flag}": TRUE for flag in ("first", "last")})
        room, valid = nets[f"{stream.name}_ready"], nets[f"{stream.name}_valid"]
        self._ready[source].append((room & ~valid).grouped if behind else room)
        return stream
