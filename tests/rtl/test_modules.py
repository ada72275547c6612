"""The table of static modules against their Verilog, and what is instantiated against the table."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from helpers.verilog import without_sinks

import rnnhw
from rnnhw.cost.fpga.flip_flops import REGISTERS
from rnnhw.cost.fpga.luts import AMOUNTS
from rnnhw.rtl.modules import MODULES, OPERATION_MODULES, module_table
from rnnhw.rtl.netlist import Instance
from rnnhw.rtl.project import static_module

FOLDER = Path(rnnhw.__file__).parent / "rtl"


def code(name):
    """A module's text without comments."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", static_module(name), flags=re.DOTALL)
    return re.sub(r"\s+", " ", text)


def header(name):
    """Parameters and ports of a module: the two lists in parentheses behind its name."""
    text = code(name)
    start = text.index(f"module {name}") + len(f"module {name}")
    return text[start : text.index(");", start)]


def ports(name, direction):
    """The ports of one direction, in order."""
    found, current = [], None
    for word in re.findall(r"[A-Za-z_]\w*", re.sub(r"\[[^]]*\]", "", header(name))):
        if word in {"input", "output", "parameter"}:
            current = word
        elif word not in {"wire", "reg", "signed", "integer"} and current == direction:
            found.append(word)
    return tuple(found)


def parameters(name):
    return set(re.findall(r"parameter (?:integer |\[[^]]*\] )?(\w+)", header(name)))


def layer_instances(text):
    """Static modules that generated text may instantiate, as the sources name them."""
    return set(re.findall(r'instance\(\s*"(rnnhw_\w+)"', text))


def test_the_table_has_every_module_and_no_other():
    assert set(MODULES) == {path.stem for path in (FOLDER / "verilog").glob("*.v")}
    assert list(MODULES) == sorted(MODULES)


@pytest.mark.parametrize("operation", OPERATION_MODULES)
def test_the_module_of_an_operation_has_its_operands_as_ports(operation):
    facts = OPERATION_MODULES[operation]
    operands = [each.name for each in fields(operation) if each.type == "Node"]
    assert list(MODULES[facts.module].inputs) == ["clk", "en", *operands]
    widths = {f"{name.upper()}_WIDTH" for name in operands}
    shifts = {f"{name.upper()}_SHIFT" for name in facts.aligned}
    assert parameters(facts.module) == {"WIDTH"} | widths | shifts | set(facts.constants)


@pytest.mark.parametrize("name", MODULES)
def test_ports_are_those_of_the_text(name):
    assert ports(name, "input") == MODULES[name].inputs
    assert ports(name, "output") == MODULES[name].outputs


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_holds_is_what_its_text_instantiates(name):
    inner = re.findall(r"(?<!module )\b(rnnhw_\w+) (?:#|\w+ ?\()", code(name))
    assert tuple(dict.fromkeys(inner)) == MODULES[name].holds


@pytest.mark.parametrize("name", MODULES)
def test_facts_name_ports_and_parameters_that_are_there(name):
    facts = MODULES[name]
    assert facts.result in {"", *facts.outputs}
    assert facts.passes in {"", *facts.inputs}
    if facts.merges or facts.passes or facts.lowest_bit_read or facts.may_lack_sign:
        assert facts.result
    if facts.merges:
        assert facts.outputs == (facts.result,)
    if facts.may_lack_sign:
        assert "UNSIGNED" in parameters(name)


@pytest.mark.parametrize("name", MODULES)
def test_memories_are_told_of_modules_that_have_them(name):
    def has_memory(module):
        array = re.search(r"\breg (?:signed )?\[[^]]*\] \w+ \[", code(module))
        return bool(array) or any(map(has_memory, MODULES[module].holds))

    class Largest(dict):
        """Parameters that are all large enough for every memory to be there."""

        def __missing__(self, key):
            assert key in parameters(name)
            return {"BIAS": 1}.get(key, 2)

    shapes = list(MODULES[name].memories(Instance(name, Largest(FIRST_VALUE=2), {})))
    assert bool(shapes) == has_memory(name)
    assert all(shape.depth > 0 and shape.width > 0 for shape in shapes)


@pytest.mark.parametrize("name", MODULES)
def test_multipliers_are_told_of_modules_that_have_them(name):
    multiplies = re.search(r"[a-z_]\w* \* [a-z_]\w*;", code(name))
    instance = Instance(name, dict.fromkeys(parameters(name), 2), {})
    assert bool(list(MODULES[name].multipliers(instance))) == bool(multiplies)


def test_every_module_has_registers_and_logic():
    assert set(REGISTERS) == set(AMOUNTS) == set(MODULES)


def test_a_table_that_lacks_a_module_or_has_another_is_refused():
    rows = dict.fromkeys(MODULES, 0)
    assert module_table(rows) == rows
    with pytest.raises(TypeError, match=r"missing \['rnnhw_add'\], unknown \['rnnhw_new'\]"):
        module_table({name: 0 for name in rows if name != "rnnhw_add"} | {"rnnhw_new": 0})


def test_no_module_has_sinks_where_it_is_simulated():
    """What tests compare with golden loses the wires for linters, and nothing beside them."""
    lost = 0
    for text in map(static_module, MODULES):
        simulated = without_sinks(text)
        assert "unused" not in simulated
        # A sink ends its line, but for a comment.
        lines = zip(text.splitlines(), simulated.splitlines(), strict=True)
        assert all(new == old or "unused" in old for old, new in lines)
        lost += simulated != text
    assert lost > 20


def test_every_module_is_instantiated_by_generated_text_or_by_another():
    instantiated = layer_instances("".join(path.read_text() for path in FOLDER.glob("*.py")))
    instantiated |= {facts.module for facts in OPERATION_MODULES.values()}
    inner = {name for facts in MODULES.values() for name in facts.holds}
    assert len(instantiated) > 30
    assert set(MODULES) == instantiated | inner
    # Their registers and logic are counted with the modules that hold them.
    assert inner - instantiated == {"rnnhw_bias", "rnnhw_gather"}
