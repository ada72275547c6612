"""Certificates: what the check accepts, and the changes that it refuses."""

import ast
import copy
import random
import re
import zipfile

import numpy as np
import pytest
from helpers.graphs import ISAS
from helpers.paths import DESIGNS, ROOT
from helpers.proofs import random_claim, rewritten, searched

from rnnhw import DesignError, load
from rnnhw.design.claims import Claim, Subject, claim_of
from rnnhw.design.tasks import Automaton
from rnnhw.design.weights import Parameters
from rnnhw.graph.nodes import Lookup
from rnnhw.proof.certificate import resumed, save
from rnnhw.proof.check import check
from rnnhw.proof.outcome import Verdict
from rnnhw.proof.search import Search


def shipped(name, **settings):
    return load(DESIGNS / f"{name}.py", settings)


CLAIMS = {
    "three neurons": lambda: claim_of(shipped("adder_three_neurons")),
    "tridiagonal": lambda: claim_of(shipped("adder_tridiagonal", word=4)),
    "dense": lambda: claim_of(shipped("adder_dense", word=4)),
    "recall": lambda: claim_of(shipped("recall_elman")),
    "lowrank, equal": lambda: claim_of(
        shipped("adder_lowrank", word=4), other=shipped("adder_three_neurons")
    ),
    "bounded": lambda: claim_of(
        shipped("adder_butterfly", word=5), within={"head.Wx": (-(1 << 13), 1 << 13)}
    ),
}


@pytest.fixture(params=CLAIMS)
def proved(request, tmp_path):
    """A claim that holds, and its certificate."""
    claim = CLAIMS[request.param]()
    search, found = searched(claim)
    assert found.verdict is Verdict.CLOSED
    save(tmp_path / "proof", search, found.verdict)
    return claim, tmp_path / "proof", found.states


@pytest.mark.parametrize("golden", [False, True])
def test_a_certificate_holds(proved, golden):
    claim, path, states = proved
    edges = (claim.automaton.next >= 0).sum(1)
    checked = check(claim, path, golden=golden)
    assert checked.states == states and checked.fault == ""
    assert states * edges.min() <= checked.steps <= states * edges.max()


def test_every_state_is_needed(proved, tmp_path):
    """Without any one of its states, or with a bit of one flipped, it is refused."""
    claim, path, _ = proved
    rng = np.random.default_rng(0)
    for mutant in range(12):

        def change(meta, sets, mutant=mutant):
            state = int(rng.choice([q for q, keys in enumerate(sets) if len(keys)]))
            row = int(rng.integers(len(sets[state])))
            if mutant % 2:
                sets[state] = np.delete(sets[state], row, 0)
                return
            # A bit of an element: others of the word are in no key.
            packing = claim.packings[int(rng.integers(len(claim.packings)))]
            unit = int(rng.integers(packing.node.units))
            bit = packing.shifts[unit] + int(rng.integers(packing.node.format.width))
            byte = 8 * packing.words[unit] + 7 - bit // 8
            sets[state][row, byte] ^= 1 << bit % 8
            order = np.lexsort(sets[state].T[::-1])
            sets[state] = sets[state][order]

        rewritten(path, tmp_path / "mutant", change)
        fault = check(claim, tmp_path / "mutant").fault
        assert fault in {
            "the start is not in the set",
            "a step leaves the set",
            "its states are not in ascending order",  # it became another one
            "a state gives a wrong answer",  # one that is never reached
            "head.Wx leaves its bounds",
        }


def test_the_order_is_checked(proved, tmp_path):
    claim, path, _ = proved

    def turned(meta, sets):
        sets[:] = [keys[::-1] for keys in sets]

    rewritten(path, tmp_path / "mutant", turned)
    assert check(claim, tmp_path / "mutant").fault == "its states are not in ascending order"


def changed_weight(claim, key, step=1):
    subject = claim.subjects[0]
    raw = {name: values.copy() for name, values in subject.parameters.raw.items()}
    flat = raw[key].ravel()
    flat[flat.argmax()] -= step
    parameters = Parameters(subject.parameters.values, raw, subject.parameters.events)
    first = Subject(subject.network, parameters, subject.symbols)
    return Claim((first, *claim.subjects[1:]), claim.automaton, claim.within, claim.never)


def test_another_claim_is_refused_by_its_digest(proved, tmp_path):
    claim, path, _ = proved
    automaton = claim.automaton
    others = [changed_weight(claim, key) for key in claim.subjects[0].parameters.raw]
    others.append(
        Claim(
            claim.subjects,
            Automaton(
                automaton.alphabet,
                automaton.next,
                np.where(automaton.expected >= 0, 1 - automaton.expected, -1),
                automaton.answer,
            ),
            claim.within,
            ("rnn.sum",),
        )
    )
    for other in others:
        assert other.digest != claim.digest
        fault = check(other, path).fault
        assert fault == "it was made for another design, or for another claim"


def other_table(claim):
    """The same claim with another entry in the middle of its activation's table."""
    subject = claim.subjects[0]
    network = copy.deepcopy(subject.network)
    [lookup] = [n for scan in network.scans for n in scan.graph.nodes if isinstance(n, Lookup)]
    entries = lookup.table.entries.copy()
    entries[len(entries) // 2] += 1
    lookup.table.__dict__.update(entries=entries)
    lookup.table.__dict__.pop("contents", None)
    return Claim((Subject(network, subject.parameters, subject.symbols),), claim.automaton)


def test_an_alphabet_a_language_or_a_table_that_changed_is_refused(tmp_path):
    claim = claim_of(shipped("adder_tridiagonal", word=4))
    search, found = searched(claim)
    save(tmp_path / "proof", search, found.verdict)
    [subject], automaton = claim.subjects, claim.automaton
    symbols = subject.symbols.copy()
    symbols[[1, 2]] = symbols[[2, 1]]
    after = automaton.next.copy()
    after[0, 3] = 0
    others = [
        Claim((Subject(subject.network, subject.parameters, symbols),), automaton),
        Claim((subject,), Automaton(automaton.alphabet, after, automaton.expected)),
        Claim((subject,), Automaton(automaton.alphabet, automaton.next[:1] * 0, [[0, 1, 1, 0]])),
        other_table(claim),
    ]
    for other in others:
        assert other.digest != claim.digest
        fault = check(other, tmp_path / "proof").fault
        assert fault == "it was made for another design, or for another claim"


def largest(sets):
    return max(range(len(sets)), key=lambda state: len(sets[state]))


def test_a_state_that_is_there_twice_is_refused(proved, tmp_path):
    claim, path, _ = proved

    def twice(meta, sets):
        state = largest(sets)
        sets[state] = sets[state][np.sort([*range(len(sets[state])), 0])]

    rewritten(path, tmp_path / "mutant", twice)
    assert check(claim, tmp_path / "mutant").fault == "its states are not in ascending order"


def test_a_bit_that_belongs_to_no_element_is_refused(tmp_path):
    claim = claim_of(shipped("adder_three_neurons"))  # 24 bits of a word of 64
    search, found = searched(claim)
    save(tmp_path / "proof", search, found.verdict)

    def changed(meta, sets):
        sets[largest(sets)][-1, 7] = 1

    rewritten(tmp_path / "proof", tmp_path / "mutant", changed)
    assert check(claim, tmp_path / "mutant").fault == "a step leaves the set"


def test_a_forged_digest_does_not_help(tmp_path):
    """The states of one net are no proof of another: here of another's weights and answers."""
    claim = claim_of(shipped("adder_tridiagonal", word=4))
    search, found = searched(claim)
    save(tmp_path / "proof", search, found.verdict)
    automaton = claim.automaton
    wrong = Automaton(automaton.alphabet, automaton.next, 1 - automaton.expected)
    forged = [
        (changed_weight(claim, "rnn.U"), {"a step leaves the set", "a state gives a wrong answer"}),
        (Claim(claim.subjects, wrong), {"a state gives a wrong answer"}),
        (Claim(claim.subjects, automaton, {"rnn.state": (0, 14)}), {"rnn.state leaves its bounds"}),
        (
            Claim(claim.subjects, automaton, {}, ("rnn.sum",)),
            {"rnn.sum meets a value that does not fit"},
        ),
    ]
    for other, faults in forged:
        rewritten(
            tmp_path / "proof",
            tmp_path / "forged",
            lambda meta, sets, other=other: meta.update(digest=other.digest),
        )
        for golden in (False, True):
            assert check(other, tmp_path / "forged", golden=golden).fault in faults


@pytest.mark.parametrize("seed", range(0, 60, 2))
def test_certificates_of_random_nets_hold(tmp_path, seed):
    claim = random_claim(seed)
    search, found = searched(claim, max_states=2_000)
    path = tmp_path / "proof"
    save(path, search, found.verdict)
    if found.verdict is Verdict.CLOSED:
        for golden in (False, True):
            assert check(claim, path, golden=golden).fault == ""
    else:
        with pytest.raises(DesignError, match="its search was not at its end"):
            check(claim, path)


def test_instruction_sets_write_one_file(tmp_path):
    claim = claim_of(shipped("adder_tridiagonal", word=6))
    for isa in ISAS:
        search, found = searched(claim, isa=isa)
        save(tmp_path / isa, search, found.verdict)
    assert len({(tmp_path / isa).read_bytes() for isa in ISAS}) == 1


def test_a_state_takes_less_than_two_thirds_of_a_byte(tmp_path):
    claim = claim_of(shipped("adder_tridiagonal"))
    search, found = searched(claim)
    save(tmp_path / "proof", search, found.verdict)
    assert found.states == 285_945
    assert (tmp_path / "proof").stat().st_size < 285_945 * 2 / 3


# --- files that are none -----------------------------------------------------------------------
def test_what_is_no_certificate_is_a_clean_error(tmp_path):
    claim = claim_of(shipped("adder_three_neurons"))
    search, found = searched(claim)
    path = tmp_path / "proof"
    save(path, search, found.verdict)
    whole = path.read_bytes()
    for name, content in {
        "empty": b"",
        "text": b"closed: 12 states",
        **{f"cut at {part}": whole[: len(whole) * part // 8] for part in range(1, 8)},
        "one byte less": whole[:-1],
        "other zip": None,
    }.items():
        bad = tmp_path / name
        if content is None:
            rewritten(path, bad, lambda meta, sets: meta.pop("verdict"))
        else:
            bad.write_bytes(content)
        with pytest.raises(DesignError, match=f"{name}: no certificate"):
            check(claim, bad)
        with pytest.raises(DesignError, match=f"{name}: no search that can go on"):
            resumed(bad, Search(claim))
    with pytest.raises(DesignError, match=r"missing: no certificate: .*No such file"):
        check(claim, tmp_path / "missing")
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("notes.txt", "nothing")
    with pytest.raises(DesignError, match="no certificate: a part that every certificate has is"):
        check(claim, tmp_path / "notes.zip")


def test_a_damaged_certificate_is_refused_or_still_holds(tmp_path):
    """A byte of the file changed: no other error leaves the reader."""
    claim = claim_of(shipped("adder_three_neurons"))
    search, found = searched(claim)
    save(tmp_path / "proof", search, found.verdict)
    whole, numbers = (tmp_path / "proof").read_bytes(), random.Random(15)
    refused = 0
    for _ in range(150):
        at = numbers.randrange(len(whole))
        byte = bytes([whole[at] ^ 1 << numbers.randrange(8)])
        (tmp_path / "bad").write_bytes(whole[:at] + byte + whole[at + 1 :])
        for read in (lambda path: check(claim, path).fault, lambda p: resumed(p, Search(claim))):
            try:
                refused += bool(read(tmp_path / "bad"))
            except DesignError:
                refused += 1
    assert refused > 200


def test_a_search_goes_on_with_its_own_claim_alone(tmp_path):
    claim = claim_of(shipped("adder_tridiagonal", word=6))
    search, found = searched(claim, max_states=100)
    save(tmp_path / "open", search, found.verdict)
    with pytest.raises(DesignError, match="it is of another design, or of another claim"):
        resumed(tmp_path / "open", Search(claim_of(shipped("adder_tridiagonal", word=5))))
    for change in (
        lambda meta, sets: meta.update(done=[1 << 40, 0]),
        lambda meta, sets: meta.update(starts=[[0, 0], [5, 5], [1, 1]]),
        lambda meta, sets: meta.update(starts=[]),
        lambda meta, sets: meta.update(ends=[1]),
        lambda meta, sets: sets[0].__setitem__(1, sets[0][0]),  # a state twice
    ):
        rewritten(tmp_path / "open", tmp_path / "bad", change)
        with pytest.raises(DesignError, match="no search that can go on"):
            resumed(tmp_path / "bad", Search(claim))
    whole, closed = searched(claim)
    save(tmp_path / "closed", whole, closed.verdict)
    with pytest.raises(DesignError, match="it is a certificate"):
        resumed(tmp_path / "closed", Search(claim))


# --- the check itself --------------------------------------------------------------------------
CHECK = ROOT / "rnnhw" / "proof" / "check.py"


def test_the_check_imports_nothing_of_the_search_and_the_engine():
    imported = set(re.findall(r"^from (rnnhw\.\w+)", CHECK.read_text(), re.MULTILINE))
    assert imported == {"rnnhw.design", "rnnhw.errors", "rnnhw.graph"}


def test_the_check_is_short():
    """150 lines without docstrings and blank lines."""
    source = CHECK.read_text()
    told = set()
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", [])
        for part in body if isinstance(body, list) else []:
            if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant):
                told |= set(range(part.lineno, part.end_lineno + 1))
    lines = [
        line for number, line in enumerate(source.splitlines(), 1) if number not in told and line
    ]
    assert len(lines) <= 150
