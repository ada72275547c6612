"""The compiled search against the plain one, what is known of shipped designs, and bounds."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count, product

import numpy as np
import pytest
from helpers.graphs import ISAS, draw_case
from helpers.paths import DESIGNS
from helpers.proofs import random_claim, searched

from rnnhw import Answer, Automaton, DesignError, Q, UsageError, load, simulate
from rnnhw.design.claims import Claim, Subject, claim_of
from rnnhw.design.tasks import UNWANTED, Samples
from rnnhw.proof.certificate import resumed, save
from rnnhw.proof.counterexample import counterexample
from rnnhw.proof.outcome import Verdict, packed, unpacked
from rnnhw.proof.plain import plain_search
from rnnhw.proof.search import Search

PLAIN_STATES = 120


def share(monkeypatch, worth_thread, worth_share):
    """Threads share levels and rounds of so many successors for each of them."""
    monkeypatch.setattr("rnnhw.proof.search._WORTH_THREAD", worth_thread)
    monkeypatch.setattr("rnnhw.proof.search._WORTH_SHARE", worth_share)


@pytest.fixture
def small_shares(monkeypatch):
    """Threads share even a single state."""
    share(monkeypatch, 1, 1)


def told(outcome):
    """All that a search says."""
    return outcome.verdict, outcome.states, outcome.depth, outcome.symbols, outcome.reason


def assert_equal_searches(claim, most=PLAIN_STATES, threads=(1,)):
    """Verdict, states, depth, sequence and every key in its order."""
    plain, sets = plain_search(claim, most)
    found = [assert_equals_plain(claim, plain, sets, most, number) for number in threads]
    assert all(told(each) == told(found[0]) for each in found)
    return found[0]


def assert_equals_plain(claim, plain, sets, most, threads):
    bound = most if plain.verdict is Verdict.OPEN else None
    search, found = searched(claim, max_states=bound, threads=threads)
    assert found.verdict is plain.verdict
    if plain.verdict is Verdict.OPEN:  # the plain one looks at its bound after a whole level
        assert found.depth <= plain.depth
    else:
        assert (found.states, found.depth) == (plain.states, plain.depth)
        assert found.symbols == plain.symbols or len(found.symbols) == len(plain.symbols)
    for state, keys in enumerate(sets):
        mine = search.keys(state)
        both = min(len(mine), len(keys))
        assert plain.verdict is Verdict.OPEN or len(mine) == len(keys)
        np.testing.assert_array_equal(mine[:both], keys[:both])
    if found.verdict is Verdict.WRONG:
        assert counterexample(claim, found.symbols).broken
    return found


# --- against the definition --------------------------------------------------------------------
@pytest.mark.parametrize("part", range(4))
@pytest.mark.usefixtures("small_shares")
def test_two_hundred_random_nets_are_decided_as_by_the_plain_search(part):
    verdicts = Counter()
    for seed in range(part, 200, 4):
        verdicts[assert_equal_searches(random_claim(seed), threads=(1, 2)).verdict] += 1
    assert min(verdicts[v] for v in (Verdict.CLOSED, Verdict.WRONG)) > 5


@pytest.mark.parametrize("seed", range(12))
def test_every_operation_and_width_is_stepped_as_the_definition_does(seed):
    """Random graphs over the closed set, 64-bit words too: no answer is asked, only states."""
    rng = random.Random(seed)
    case = draw_case(rng, streaming=True)
    numbers = np.random.default_rng(seed)
    source = case.network.source
    symbols = numbers.integers(*source.interval, (2, source.units), endpoint=True)
    automaton = Automaton(np.zeros((2, 1)), [[0, 1], [1, 0]], [[UNWANTED] * 2] * 2)
    name = case.network.scans[-1].graph.signal(case.network.scans[-1].graph.output)
    node = case.network.signal(name)
    bounds = {name: (node.format.min, node.format.max)}
    claim = Claim((Subject(case.network, case.parameters, symbols),), automaton, bounds)
    assert_equal_searches(claim, 12)


def test_the_random_graphs_have_wide_words():
    widths = set()
    for seed in range(12):
        network = draw_case(random.Random(seed), streaming=True).network
        widths |= {state.format.width for state in network.states().values()}
    assert max(widths) > 32 and min(widths) <= 8


def test_keys_hold_every_value_of_their_formats():
    claim = random_claim(3)
    values = {}
    for packing in claim.packings:
        format = packing.node.format
        ends = [format.min, format.max, 0, format.min + 1]
        values[packing.subject, packing.name] = np.array([[e] * packing.node.units for e in ends])
    keys = packed(claim, values)
    for name, vector in unpacked(claim, keys).items():
        np.testing.assert_array_equal(vector, values[name])


# --- what is known -----------------------------------------------------------------------------
def shipped(name, **settings):
    return load(DESIGNS / f"adder_{name}.py", settings)


WRONG = [
    ("tridiagonal", {"word": 5}, 11),
    ("butterfly", {"word": 4}, 4),
    ("diagonal", {"word": 4}, 3),
    ("diagonal", {"word": 5, "hidden": 4}, 1),
    ("diagonal", {"word": 5, "hidden": 8}, 2),
    ("diagonal", {"word": 6, "hidden": 32}, 4),
    ("window", {}, 8),
]


@pytest.mark.parametrize(("name", "settings", "steps"), WRONG)
def test_shipped_adders_that_go_wrong(name, settings, steps):
    claim = claim_of(shipped(name, **settings))
    _, found = searched(claim)
    assert (found.verdict, found.depth, len(found.symbols)) == (Verdict.WRONG, steps, steps)
    assert counterexample(claim, found.symbols).broken == ("the answer is wrong",)


def test_five_bits_forget_that_1027_and_2045_carry():
    """All pairs of 8 bits are right, and all chains of 16: `verify` passes."""
    claim = claim_of(shipped("tridiagonal", word=5))
    _, found = searched(claim)
    bits = claim.automaton.alphabet[list(found.symbols)].astype(int)
    a, b = (bits * (1 << np.arange(11))[:, None]).sum(0).tolist()
    assert (a, b) == (1027, 2045)


def test_designs_of_different_answers_are_not_equivalent():
    one, other = shipped("tridiagonal", word=5), shipped("dense", word=5)
    claim = claim_of(one, other=other)
    _, found = searched(claim)
    assert (found.verdict, found.depth) == (Verdict.WRONG, 11)
    assert counterexample(claim, found.symbols).broken == ("the answers differ",)


def test_bounds_on_a_signal_are_proved_or_broken():
    design = shipped("tridiagonal", word=6)
    format = design.network.signal("head.Wx").format
    claim = claim_of(design, within={"head.Wx": (format.min, format.max)})
    _, found = searched(claim)
    assert (found.verdict, found.states) == (Verdict.CLOSED, 31_958)
    values = simulate(design, traces=["head.Wx"]).run.traces["head.Wx"]
    claim = claim_of(design, within={"head.Wx": (int(values.min()) + 1, format.max)})
    _, found = searched(claim)
    assert found.verdict is Verdict.WRONG
    assert counterexample(claim, found.symbols).broken == ("head.Wx leaves its bounds",)


# --- shortest ----------------------------------------------------------------------------------
def wrong_sequences(design, steps):
    """How many of all sequences of so many steps are wrong somewhere."""
    automaton = design.task.automaton()
    words = np.array(list(product(range(automaton.symbols), repeat=steps)))
    state, expected, legal = np.zeros(len(words), int), [], np.ones(len(words), bool)
    for t in range(steps):
        expected.append(automaton.expected[state, words[:, t]])
        state = automaton.next[state, words[:, t]]
        legal &= state >= 0
    lengths = np.full(len(words), steps)
    samples = Samples(automaton.alphabet[words], lengths)
    outputs = simulate(design, samples=samples).run.outputs[:, :, 0]
    wanted = np.stack(expected, 1)[:, steps - outputs.shape[1] :]
    return int((((outputs > 0) != wanted) & (wanted != UNWANTED) & legal[:, None]).any(1).sum())


@pytest.mark.parametrize(
    ("name", "settings", "wrong"),
    [
        ("diagonal", {"word": 4}, 7),
        ("diagonal", {"word": 8}, 4),
        ("diagonal", {"word": 8, "hidden": 8}, 4),
        ("diagonal", {"word": 6, "hidden": 32}, None),
        ("butterfly", {"word": 4}, 1),
        ("window", {}, None),
    ],
)
def test_counterexamples_are_shortest_by_trying_all_sequences(name, settings, wrong):
    design = shipped(name, **settings)
    _, found = searched(claim_of(design))
    steps = found.depth
    lead = design.task.lead
    for fewer in range(lead + 1, steps):
        assert wrong_sequences(design, fewer) == 0
    found = wrong_sequences(design, steps)
    assert found > 0 and wrong in (None, found)


@pytest.mark.slow
def test_the_shortest_counterexample_of_five_bits_is_one_of_two_among_four_million():
    """All sequences of 11 steps: none is wrong in its first ten, two are in the last."""
    steps, part = 11, 1 << 18
    design = shipped("tridiagonal", word=5)
    alphabet, wrong = design.task.automaton().alphabet, []
    for begin in range(0, 4**steps, part):
        numbers = np.arange(begin, begin + part)
        symbols = numbers[:, None] >> 2 * np.arange(steps) & 3
        x = alphabet[symbols]
        totals = (x.sum(2) * 2 ** np.arange(steps)).sum(1).astype(int)
        found = simulate(design, samples=Samples(x, np.full(part, steps))).run.outputs[:, :, 0] > 0
        different = found != (totals[:, None] >> np.arange(steps) & 1)
        assert not different[:, :-1].any()
        wrong += symbols[different[:, -1]].tolist()
    assert len(wrong) == 2 and [3, 2, 1, 1, 1, 1, 1, 1, 1, 1, 3] in wrong
    _, found = searched(claim_of(design))
    assert list(found.symbols) in wrong


# --- bounds ------------------------------------------------------------------------------------
@pytest.mark.parametrize("bound", [1, 2, 50, 700, 774, 775])
def test_a_bound_leaves_a_search_open_and_says_how_far_it_is_right(bound):
    claim = claim_of(shipped("tridiagonal", word=4))
    _, found = searched(claim, max_states=bound)
    if bound == 775:
        assert (found.verdict, found.states) == (Verdict.CLOSED, 775)
        return
    assert found.verdict is Verdict.OPEN and found.states > bound
    levels = [searched(claim, max_states=n)[1].depth for n in (1, bound)]
    assert 0 <= levels[0] <= levels[1] < 11
    assert found.reason == f"more than {bound:,} states"


def test_the_memory_is_never_passed():
    claim = claim_of(shipped("tridiagonal", word=6))
    whole, _ = searched(claim)
    for memory in (20_000, 100_000, 500_000, whole.bytes - 1):
        search, found = searched(claim, memory=memory)
        assert found.verdict is Verdict.OPEN and search.bytes <= memory
        assert found.reason == f"the memory of {memory:,} bytes"
    assert searched(claim, memory=whole.bytes)[1].verdict is Verdict.CLOSED
    with pytest.raises(UsageError, match="the memory is too small"):
        searched(claim, memory=100)


@pytest.mark.parametrize("bounds", [{"max_states": 5}, {"max_states": 9_000}, {"memory": 300_000}])
def test_what_goes_on_ends_like_what_never_stopped(tmp_path, bounds):
    claim = claim_of(shipped("tridiagonal", word=6))
    whole, closed = searched(claim)
    save(tmp_path / "whole", whole, closed.verdict)
    part, found = searched(claim, **bounds)
    stops = 0
    while found.verdict is Verdict.OPEN:
        save(tmp_path / "part", part, found.verdict)
        before = found.states
        bounds = {name: 2 * value for name, value in bounds.items()}
        part = Search(claim, **bounds)
        resumed(tmp_path / "part", part)
        assert part.total == before
        found, stops = part.run(), stops + 1
    assert stops > 0 and (found.states, found.depth) == (closed.states, closed.depth)
    for state in range(2):
        np.testing.assert_array_equal(part.keys(state), whole.keys(state))
    save(tmp_path / "again", part, found.verdict)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_counterexample_is_found_behind_a_stop(tmp_path):
    claim = claim_of(shipped("tridiagonal", word=5))
    part, found = searched(claim, max_states=2_000)
    save(tmp_path / "part", part, found.verdict)
    again = Search(claim)
    resumed(tmp_path / "part", again)
    assert again.run().symbols == searched(claim)[1].symbols


def test_instruction_sets_find_the_same_states_in_the_same_order():
    claim = claim_of(shipped("tridiagonal", word=6))
    searches = [searched(claim, isa=isa)[0] for isa in ISAS]
    for state in range(2):
        for other in searches[1:]:
            np.testing.assert_array_equal(other.keys(state), searches[0].keys(state))


# --- threads -----------------------------------------------------------------------------------
def assert_same_keys(searches):
    for state in range(2):
        for other in searches[1:]:
            np.testing.assert_array_equal(other.keys(state), searches[0].keys(state))


@pytest.mark.usefixtures("small_shares")
def test_threads_find_the_same_states_in_the_same_order(tmp_path):
    """Of 16 threads some have a full bucket as their last, whose keys lie in another's."""
    claim = claim_of(shipped("tridiagonal", word=6))
    runs = [searched(claim, threads=threads) for threads in (1, 2, 16)]
    assert {found.states for _, found in runs} == {31_958}
    assert len({search.bytes for search, _ in runs}) == 1
    assert_same_keys([search for search, _ in runs])
    files = [tmp_path / str(number) for number in range(len(runs))]
    for file, (search, found) in zip(files, runs, strict=True):
        save(file, search, found.verdict)
    assert len({file.read_bytes() for file in files}) == 1


@pytest.mark.parametrize("worth", [(500, 1), (1, 600), (500, 600)])
def test_one_thread_takes_what_is_too_little_for_all(worth, monkeypatch):
    """Levels before the first of 1,000 successors are those of a lone thread; in a team, rounds of
    less than 1,200 candidates are taken by one of the two, and some rounds have more."""
    claim = claim_of(shipped("tridiagonal", word=6))
    alone = searched(claim, threads=1)
    share(monkeypatch, *worth)
    both = searched(claim, threads=2)
    assert (alone[0].workers, both[0].workers) == (1, 2)
    assert told(alone[1]) == told(both[1])
    assert_same_keys([alone[0], both[0]])


def test_a_search_of_small_levels_is_that_of_one_thread():
    search, found = searched(claim_of(shipped("tridiagonal", word=4)), threads=2)
    assert (search.workers, found.states) == (1, 775)


@pytest.mark.usefixtures("small_shares")
@pytest.mark.parametrize("bounds", [{"max_states": 9_000}, {"memory": 300_000}])
def test_threads_stop_at_the_same_state(tmp_path, bounds):
    claim = claim_of(shipped("tridiagonal", word=6))
    files = []
    for threads in (1, 2):
        search, found = searched(claim, threads=threads, **bounds)
        assert found.verdict is Verdict.OPEN
        save(tmp_path / str(threads), search, found.verdict)
        files.append((tmp_path / str(threads)).read_bytes())
    assert files[0] == files[1]
    ends = []
    for threads in (1, 2):
        again = Search(claim, threads=3 - threads)
        resumed(tmp_path / str(threads), again)
        ends.append(told(again.run()))
    assert ends[0] == ends[1] and ends[0][1] == 31_958


@pytest.mark.usefixtures("small_shares")
def test_an_interrupt_before_all_threads_have_begun_stops_them(monkeypatch):
    claim = claim_of(shipped("tridiagonal", word=4))
    search = Search(claim, threads=3)
    search.begin()
    submit, calls = ThreadPoolExecutor.submit, count()

    def interrupted(pool, *task):
        if next(calls) == 1:  # of two threads one has begun
            raise KeyboardInterrupt
        return submit(pool, *task)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search.run()
    assert told(search.run()) == told(searched(claim)[1])


def test_a_number_of_threads_that_cannot_be_is_refused():
    with pytest.raises(UsageError, match="threads=0"):
        Search(claim_of(shipped("three_neurons")), threads=0)


def test_formats_of_a_claim_do_not_matter_to_its_digest_unless_they_act():
    one, other = shipped("tridiagonal", word=4), shipped("tridiagonal", word=4, operand_bits=5)
    assert claim_of(one).digest == claim_of(other).digest
    assert claim_of(one).digest != claim_of(shipped("tridiagonal", word=5)).digest
    assert claim_of(one).digest != claim_of(one, other=one).digest
    assert claim_of(one).digest != claim_of(one, within={"head.Wx": (0, 1)}).digest


# --- what is refused ---------------------------------------------------------------------------
def test_symbols_must_fit_the_input():
    design = shipped("three_neurons")
    automaton = Automaton([[0, 0], [2, 1]], [[0, 0]], [[0, 1]])
    with pytest.raises(DesignError, match="a symbol of the automaton does not fit"):
        claim_of(design, automaton)
    narrow = Automaton([[0], [1]], [[0, 0]], [[0, 1]])
    with pytest.raises(DesignError, match="2 features, but the automaton's symbols have 1"):
        claim_of(design, narrow)
    assert design.network.source.format == Q(1, 0, signed=False)


def test_answers_must_be_of_the_outputs_kind():
    design = shipped("three_neurons")
    classes = Automaton([[0, 0], [1, 1]], [[0, 0]], [[0, 1]], Answer.CLASS)
    with pytest.raises(DesignError, match="1 outputs for answers of 2"):
        claim_of(design, classes)
    silent = Automaton([[0, 0]], [[0]], [[UNWANTED]])
    with pytest.raises(DesignError, match="the automaton wants no answer"):
        claim_of(design, silent)
    speaker = load(DESIGNS / "speaker_tridiagonal.py")
    with pytest.raises(DesignError, match="Classification has none"):
        claim_of(speaker)


def test_unknown_signals_and_empty_bounds_are_refused():
    design = shipped("three_neurons")
    with pytest.raises(UsageError, match=r"unknown signal 'rnn\.nothing'"):
        claim_of(design, within={"rnn.nothing": (0, 1)})
    with pytest.raises(UsageError, match="no value of"):
        claim_of(design, within={"rnn.sum": (1, 0)})
    with pytest.raises(UsageError, match=r"unknown cast 'rnn\.Wx'"):
        claim_of(design, never=("rnn.Wx",))
