"""Counters on every memory port of an emitted network, and what the machine says of them.

The counters are written into the test bench. What a read is stands in
:mod:`rnnhw.accelerator.mapping.traffic`: a word that a port gives to a reader at work, which is
told by the module that drives the port's address.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from helpers.rtl_cases import Case
from helpers.verilog import stimulus_for, write_without_sinks

from rnnhw.accelerator import MemoryRole, accelerator
from rnnhw.accelerator.schedule.time_operations import window_source
from rnnhw.execution import engine
from rnnhw.graph.network import Last, Scan, Source, Steps, Total, Window
from rnnhw.rtl.modules import MODULES
from rnnhw.rtl.netlist import Instance
from rnnhw.rtl.network import emit_network
from rnnhw.rtl.project import sources
from rnnhw.rtl.tools.simulators import SIMULATORS
from rnnhw.rtl.verilog_text import identifier

__all__ = ["Ports", "assert_ports_equal", "counted_ports", "expected_ports"]

_INSTANCE = re.compile(
    r"^  (\w+) (?:#\(\n(.*?)\n  \) )?(\w+) \(\n(.*?)\n  \);$", re.MULTILINE | re.DOTALL
)
_VALUE = re.compile(r"\.(\w+)\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)")


@dataclass
class Ports:
    """Words read and written, by layer and then by what is alike: kind, depth and width."""

    reads: Counter = field(default_factory=Counter)
    writes: Counter = field(default_factory=Counter)

    def add(self, key, reads, writes):
        """Count words of a memory, perhaps none."""
        self.reads[key] += reads
        self.writes[key] += writes


def _instances(text: str) -> dict[str, Instance]:
    """The instances of a module's text by their names."""
    found = {}
    for module, parameters, name, ports in _INSTANCE.findall(text):
        numbers = {
            key: int(value) if value.isdigit() else value
            for key, value in _VALUE.findall(parameters)
        }
        found[name] = Instance(module, numbers, dict(_VALUE.findall(ports)))
    return found


class _Layer:
    """The memories of one layer in its Verilog, with conditions of a read and of a write."""

    def __init__(self, path: str, instances: dict[str, Instance]) -> None:
        self.path = path
        self.instances = instances
        self._drivers = {
            net: name
            for name, each in instances.items()
            for port, net in each.ports.items()
            if port in ("index", "word", "next") and port in MODULES[each.module].outputs
        }

    def memories(self):
        """Key, reads and writes of every memory: conditions, each a word where it holds."""
        for name, each in self.instances.items():
            if each.module in _MEMORIES:
                shapes = list(MODULES[each.module].memories(each))
                kind = "table" if each.module == "rnnhw_lookup" else None
                ports = _MEMORIES[each.module](self, name)
                for (depth, width, rom), (reads, writes) in zip(shapes, ports, strict=False):
                    yield (kind or ("rom" if rom else "ram"), depth, width), reads, writes

    def net(self, name: str, inner: str) -> str:
        """A net of an instance."""
        return f"{self.path}.{name}.{inner}"

    def reader(self, index: str) -> str:
        """The condition under which what drives an address asks for a word."""
        name = self._drivers[index]
        each = self.instances[name]
        at = self.net(name, "")
        match each.module:
            case "rnnhw_broadcast" | "rnnhw_block" | "rnnhw_blocks" | "rnnhw_stride":
                return f"{at}active"
            case "rnnhw_window":
                first, columns, span = (each[key] for key in ("FIRST", "COLUMNS", "SPAN"))
                low, high = first - span + 1, first + columns
                return f"({at}run && {at}column >= {low} && {at}column < {high})"
            case "rnnhw_pairs":
                return f"({at}run && {at}number < {at}WORDS)"
            case "rnnhw_unit_index" | "rnnhw_unit_address":
                return f"{at}next"
            case "rnnhw_transform":
                return self.passing(name)
            case "rnnhw_element":
                return self.reader(each.ports["index"])
        raise AssertionError(f"{self.path}: {name} drives an address")

    def passing(self, name: str) -> str:
        """The condition under which a pass reads a word."""
        at, words = self.net(name, ""), self.instances[name]["WORDS"]
        slow = f"{at}ordinal < {2 * words} && {at}ordinal[1:0] < 2"
        return f"({at}active && ({at}slow ? {slow} : {at}ordinal < {words}))"


def _simple(read: str, write: str = "1'b0"):
    def ports(layer, name):
        yield layer.net(name, read), layer.net(name, write) if write[0].isalpha() else write

    return ports


def _addressed(address: str, write: str = "1'b0"):
    def ports(layer, name):
        reads = layer.reader(layer.instances[name].ports[address])
        yield reads, layer.net(name, write) if write[0].isalpha() else write
        yield reads, "1'b0"  # the first values beside it

    return ports


def _transform(layer, name):
    words = layer.instances[name].ports["word"].strip("{}").split(", ")
    first, *others = map(layer.reader, reversed(words))
    at, passing = layer.net(name, ""), layer.passing(name)
    yield f"({passing} + {first})", f"({at}passes | {at}full)"
    for reads in others:
        yield reads, f"{at}passes"
    yield passing, "1'b0"


_MEMORIES = {
    "rnnhw_weights": _simple("next"),
    "rnnhw_drain": _simple("biases.next"),
    "rnnhw_snapshot": _simple("biases.next"),
    "rnnhw_bias_word": _simple("next"),
    "rnnhw_lookup": _simple("en"),
    "rnnhw_unit_ram": _simple("next", "we"),
    "rnnhw_unit_rom": _simple("next"),
    "rnnhw_unit_address": _simple("next"),
    "rnnhw_unit_input": _simple("next", "we"),
    "rnnhw_total": _simple("x_valid", "x_valid"),
    "rnnhw_vector": _addressed("read_index", "we"),
    "rnnhw_words": _addressed("word", "full"),
    "rnnhw_row": _addressed("word", "full"),
    "rnnhw_ring": _addressed("index", "we"),
    "rnnhw_ring_words": _addressed("word", "full"),
    "rnnhw_rom": _addressed("address"),
    "rnnhw_transform": _transform,
}


def counted_ports(case: Case, folder: Path) -> dict[str, Ports]:
    """The words that every memory of an emitted network reads and writes over the case's batch, by
    layer, as counters in a Verilog simulator say."""
    machine = accelerator(case.network, case.lanes)
    emission = emit_network("net", case.network, machine, case.parameters)
    result = engine.run(case.network, case.parameters, case.batch)
    stimulus = stimulus_for(case, machine, result)
    write_without_sinks(emission, folder, stimulus)
    top = _instances(emission.files["net.v"])
    counters = []
    for layer in machine.layers:
        if layer.mapping is None:
            found = [
                n for n, i in top.items() if i.module == "rnnhw_total" and n == _sum(layer.name)
            ]
            own = _Layer("dut", {name: top[name] for name in found})
        else:
            module = f"net_{identifier(layer.name)}"
            (name,) = (n for n, i in top.items() if i.module == module)
            own = _Layer(f"dut.{name}", _instances(emission.files[f"{module}.v"]))
        counters += [(layer.name, *each) for each in own.memories()]
    bench = folder / "net_tb.v"
    bench.write_text(_counting(bench.read_text(), counters))
    simulator = SIMULATORS["iverilog"]
    place = folder / "built"
    place.mkdir()
    command = simulator.build(folder, [*sources(emission), "net_tb.v"], "net_tb", place, None)
    said = simulator.run(command, folder, 600)
    assert "PASS" in said, said
    ports: dict[str, Ports] = {layer.name: Ports() for layer in machine.layers}
    for number, reads, writes in re.findall(r"^port (\d+) (\d+) (\d+)$", said, re.M):
        layer, key, *_ = counters[int(number)]
        ports[layer].add(key, int(reads), int(writes))
    return ports


def _sum(name: str) -> str:
    """The instance of a sum over time."""
    return f"{identifier(name)}_sum"


def _counting(bench: str, counters) -> str:
    """The text of a test bench with counters, which it prints when it ends."""
    declared, counted, printed = [], [], []
    for number, (_, _, reads, writes) in enumerate(counters):
        declared.append(f"  integer r{number} = 0, w{number} = 0;")
        counted.append(f"    r{number} = r{number} + {reads}; w{number} = w{number} + {writes};")
        printed.append(f'    $display("port {number} %0d %0d", r{number}, w{number});')
    lines = [
        *declared,
        "  always @(posedge clk) if (!rst) begin",
        *counted,
        "  end",
        "  task tell_ports; begin",
        *printed,
        "  end endtask",
        "endmodule",
    ]
    bench = bench.replace("$finish;", "tell_ports; $finish;")
    return bench.replace("endmodule", "\n".join(lines))


def expected_ports(case: Case) -> dict[str, Ports]:
    """The same by the machine: its memories' reads and writes of a step times the steps, and what
    arrives in front of a window times the vectors."""
    lengths = case.batch.lengths.tolist()
    nodes = {node.name: node for node in case.network.nodes}
    found = {}
    for layer in accelerator(case.network, case.lanes).layers:
        node, ports = nodes[layer.name], Ports()
        if isinstance(node, Total):
            runs = sum(_length(node.sources[0], n) for n in lengths)
        else:
            runs = sum(_length(node, n) for n in lengths)
        for memory in layer.memories:
            kind = "rom" if memory.kind.rom else "ram"
            kind = "table" if memory.role is MemoryRole.TABLE else kind
            arrived = 0
            if memory.arrivals:
                front = window_source(node.sources[memory.input_position])
                arrived = sum(_length(front.source, n) for n in lengths)
            reads = runs * memory.reads
            writes = runs * memory.writes + arrived * memory.arrivals
            ports.add((kind, memory.depth, memory.width), reads, writes)
        found[layer.name] = ports
    return found


def _length(node, steps: int) -> int:
    """The steps of what a node gives for a sequence of ``steps``."""
    match node:
        case Source():
            return steps
        case Window():
            return max(_length(node.sources[0], steps) - node.width + 1, 0)
        case Last() | Total() | Steps():
            return 1
        case Scan():
            return min(_length(source, steps) for source in node.sources)
    raise AssertionError(node)


def assert_ports_equal(case, folder) -> None:
    """Counters and machine agree on every kind of memory of every layer."""
    counted, expected = counted_ports(case, folder), expected_ports(case)
    assert counted.keys() == expected.keys()
    assert any(ports.reads.total() for ports in counted.values())
    for name, ports in counted.items():
        assert ports.reads == expected[name].reads, (name, "reads", case.lanes)
        assert ports.writes == expected[name].writes, (name, "writes", case.lanes)
