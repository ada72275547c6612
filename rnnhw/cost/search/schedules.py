"""The lanes and what was left "auto" of the schedules, chosen together.

    overlap       wherever it shortens a step: it takes no memory and no multiplier
    weights       on chip where they fit; else streamed, the largest layers first, as few as do
    interleave    the fewest sequences that meet the deadline; without one, those with the best
                  throughput, the fewest of several
    lanes         :mod:`rnnhw.cost.search.lanes` for each of these; of a shared engine the fewest
    that meet
                  the deadline, or the best throughput that fits

What is chosen is then built, and only what the built accelerator does is promised: where layers
wait for each other (a branch that is joined again, a common external memory) the lanes are chosen
for a shorter step, until the whole keeps the deadline.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rnnhw.accelerator import (
    Accelerator,
    Bandwidth,
    LaneOptions,
    MemoryRole,
    Stack,
    accelerator,
    arrange,
    can_stream,
    stack_of,
    streamed_bits,
)
from rnnhw.cost.figure import Figure, derived, not_used
from rnnhw.cost.fpga.placement import dsp_blocks, multiplier_blocks, place
from rnnhw.cost.model import PlanReport, revised
from rnnhw.cost.request import Request, bandwidth_at
from rnnhw.cost.search.lanes import Mode, plan_lanes
from rnnhw.design.schedule import Arrangement, Place
from rnnhw.errors import RnnhwError, UsageError
from rnnhw.graph.network import Network
from rnnhw.profiles import Fpga

__all__ = ["Choice", "choose_lanes"]

_SEQUENCES = (1, 2, 3, 4, 6, 8, 12, 16)
_TIGHTER = 8
"""How often lanes are chosen for a shorter step."""


@dataclass(frozen=True)
class Choice:
    """A plan with the arrangement that it is for."""

    plan: PlanReport
    arrangement: Arrangement


@dataclass(frozen=True)
class _Task:
    """The demands on a schedule. ``options`` are the layers on any lanes, ``stack`` is the network
    on the fewest: what is legal there is legal on any."""

    network: Network
    options: Sequence[LaneOptions]
    profile: Fpga
    clock: Figure | None
    rate: float | None
    bandwidth: Bandwidth | None
    stack: Stack

    @property
    def names(self) -> list[str]:
        """The layers' names."""
        return [layer.name for layer in self.stack.layers]

    def accelerator(self, lanes: int | Mapping[str, int], arrangement: Arrangement) -> Accelerator:
        """The network on ``lanes``."""
        return accelerator(self.network, lanes, arrangement, self.bandwidth, options=self.options)

    def plan(self, rate: float | None, modes: Mapping[str, Mode]) -> PlanReport:
        """The lanes of layers that share none, for ``rate`` steps a second."""
        return plan_lanes(
            self.network,
            self.profile,
            clock=self.clock,
            steps_per_second=rate,
            modes=modes,
            options=self.options,
        )


def choose_lanes(request: Request) -> Choice:
    """Lanes for the network of ``request`` on its FPGA, and all of its arrangement that is "auto":
    at the lowest clock, which is what --min judges.

    A clock, and the bandwidth of an external memory at it, are needed for a deadline and to stream
    weights. A plan that is not ``met`` says what is missing.

    Raises:
        UsageError: as :func:`rnnhw.cost.search.lanes.plan_lanes`.
        DesignError: a schedule is not possible; the hint lists what is.
    """
    try:
        return _choose(_task_of(request), request.arrangement)
    except RnnhwError as error:
        raise error.at(request.design.place) from None


def _task_of(request: Request) -> _Task:
    assert isinstance(request.profile, Fpga)
    network, options = request.design.network, request.options
    least = {layer.name: layer.lanes[0] for layer in options if layer.lanes[0]}
    clock = request.clocks[0] if request.clocks else None
    return _Task(
        network,
        options,
        request.profile,
        clock,
        request.required,
        bandwidth_at(request, clock),
        stack_of(network, least, options=options),
    )


def _choose(task: _Task, arrangement: Arrangement) -> Choice:
    open_weights = arrangement.weights in (None, "auto")
    first = replace(arrangement, weights="on-chip") if open_weights else arrangement
    best = _over_sequences(task, first)
    if not open_weights:
        return best
    if best.plan.met:
        return _with(best, "weights fit on chip")
    return _streamed(task, arrangement, best)


# --- weights -----------------------------------------------------------------------------------
def _streamed(task: _Task, arrangement: Arrangement, on_chip: Choice) -> Choice:
    """The fewest layers with streamed weights that make a plan; else ``on_chip``, which is none."""
    able = [k for k in range(len(task.names)) if not can_stream(task.stack, k)]
    if not able:
        return _with(on_chip, "weights: no layer's can be streamed")
    if task.bandwidth is None:
        return _with(
            on_chip,
            f"weights do not have to stay on chip, but {task.profile.name} has no external memory "
            "of known bandwidth at a known clock",
        )
    if "block_ram" not in on_chip.plan.short:
        return _with(on_chip, "weights: streamed ones would not help, block RAM is not short")
    able.sort(key=lambda k: -streamed_bits(task.stack.layers[k]))
    for count in range(1, len(able) + 1):
        chosen = {task.names[k]: "streamed" for k in able[:count]}
        places: Mapping[str, Place] = chosen  # type: ignore[assignment]
        schedule = _over_sequences(task, replace(arrangement, weights=places))
        if schedule.plan.met:
            return _with(
                schedule,
                f"on chip there is no such plan; weights of {', '.join(chosen)} must be streamed, "
                f"from {task.bandwidth.memory}",
            )
    return _with(on_chip, "weights: streamed ones would not help")


# --- sequences ---------------------------------------------------------------------------------
def _over_sequences(task: _Task, arrangement: Arrangement) -> Choice:
    if arrangement.interleave != "auto":
        return _fixed(task, arrangement)
    alone = _fixed(task, replace(arrangement, interleave=1))
    turns = any(len(task.stack.layers[k].phases) > 1 for k in task.stack.timed)
    if turns or arrangement.engines == "shared" or max(_steps(arrangement)) > 1:
        return _with(alone, "one sequence: these layers can not take turns")
    if task.rate is not None and alone.plan.met:
        return _with(alone, "one sequence meets the deadline")
    best, most = alone, _throughput(alone)
    for sequences in _SEQUENCES[1:]:
        schedule = _fixed(task, replace(arrangement, interleave=sequences))
        if task.rate is not None and schedule.plan.met:
            return _with(schedule, f"{sequences} sequences are the fewest that meet the deadline")
        if schedule.plan.chosen != "fewest resources" and _throughput(schedule) > most:
            best, most = schedule, _throughput(schedule)
    count = best.plan.interleaved_sequences
    if task.rate is not None:
        return _with(best, f"no number of sequences up to {_SEQUENCES[-1]} meets the deadline")
    return _with(best, f"no other number of sequences up to {_SEQUENCES[-1]} beats {count}")


def _steps(arrangement: Arrangement) -> list[int]:
    given = arrangement.steps_in_parallel
    return [1, *given.values()] if isinstance(given, Mapping) else [given]


def _throughput(choice: Choice) -> float:
    cycles = choice.plan.cycles_per_step.value
    fits = choice.plan.chosen != "fewest resources"
    return 1 / float(cycles) if fits and isinstance(cycles, int | float) else 0.0


# --- lanes -------------------------------------------------------------------------------------
def _fixed(task: _Task, arrangement: Arrangement) -> Choice:
    """The lanes for an arrangement in which nothing but overlap is open."""
    arranged = arrange(task.stack, arrangement, task.bandwidth)
    if arrangement.engines == "shared":
        return Choice(_SharedLanes(task, arrangement).plan(), arrangement)
    sequences = arrangement.interleave if isinstance(arrangement.interleave, int) else 1
    modes = {}
    for index, name in enumerate(task.names):
        if not task.stack.layers[index].once:
            modes[name] = Mode(
                arrangement.overlap is not False and arranged.can_overlap[index],
                sequences,
                arranged.steps[index],
                arranged.streamed[index],
            )
        else:
            modes[name] = Mode(sequences=sequences)
    if all(layer.once for layer in task.stack.layers):
        modes = {}
    rate = task.rate
    plan = task.plan(rate, modes)
    for _ in range(_TIGHTER):
        machine = task.accelerator(plan.lanes, arrangement)
        built, late = _as_built(task, plan, machine)
        if not late or rate is None or not plan.met:
            return Choice(built, arrangement)
        rate *= max(late, 1.001)
        tighter = task.plan(rate, modes)
        if not tighter.met:
            break
        plan = revised(
            tighter,
            required_steps_per_second=plan.required_steps_per_second,
            most_cycles_per_step=plan.most_cycles_per_step,
        )
    return Choice(_quickest(task, plan, arrangement), arrangement)


def _quickest(task: _Task, plan: PlanReport, arrangement: Arrangement) -> PlanReport:
    """Every layer on the lanes on which it takes fewest cycles: the last that is tried where layers
    wait for each other."""
    lanes = {
        each.name: min(each.lanes, key=lambda n: (each.outline(n)[0], n))
        for each in task.options
        if each.lanes[0]
    }
    machine = task.accelerator(lanes, arrangement)
    quickest = revised(plan, lanes=lanes, reasons=(*plan.reasons, "every layer at its quickest"))
    built, late = _as_built(task, quickest, machine)
    if not late:
        return built
    first = task.accelerator(plan.lanes, arrangement)
    return _unmet(_as_built(task, plan, first)[0], machine)


def _unmet(plan: PlanReport, machine: Accelerator) -> PlanReport:
    interval = float(machine.step_interval)
    limit = plan.most_cycles_per_step.value
    missing = (
        f"{machine.bound_by}: {interval:,.6g} cycles a step at its quickest, the deadline leaves "
        f"{limit:,}"
    )
    return revised(plan, met=False, missing=(missing,), chosen="best throughput that fits")


def _as_built(task: _Task, plan: PlanReport, machine: Accelerator) -> tuple[PlanReport, float]:
    """The plan with the figures of what was built, and by what factor it is late (0: it is not)."""
    interval = machine.step_interval
    cycles = interval if isinstance(interval, int) else float(interval)
    lowest, duty, late = plan.lowest_clock_mhz, plan.duty_cycle_percent, 0.0
    if task.rate is not None and task.clock is not None:
        mhz = float(task.clock.value or 0)
        lowest = derived(float(interval) * task.rate / 1e6)
        share = float(interval) * task.rate / (mhz * 1e6)
        late = share if share > 1 else 0.0
        duty = not_used("the clock is too low for the deadline")
        if not late:
            duty = Figure(100 * share, plan.most_cycles_per_step.status)
    over = dict(_over(task.profile, machine)) if plan.chosen != "fewest resources" else {}
    if over:
        missing, short = (*plan.missing, *over.values()), (*plan.short, *over)
        plan = revised(plan, met=False, missing=missing, short=tuple(dict.fromkeys(short)))
    overlapped = _named(machine, machine.overlapped)
    reasons = list(plan.reasons)
    if overlapped:
        reasons.append(f"overlap of the next step's inputs: {', '.join(overlapped)}")
    if cycles != plan.cycles_per_step.value:
        reasons.append(
            f"as built a step takes {float(cycles):,.6g} cycles, bound by {machine.bound_by}"
        )
    return (
        revised(
            plan,
            cycles_per_step=derived(cycles),
            bound_by=derived(machine.bound_by),
            lowest_clock_mhz=lowest,
            duty_cycle_percent=duty,
            interleaved_sequences=machine.sequences,
            overlapped=overlapped,
            streamed=_named(machine, machine.streamed),
            reasons=tuple(reasons),
        ),
        late,
    )


def _named(machine: Accelerator, chosen: Sequence[bool]) -> tuple[str, ...]:
    return tuple(layer.name for layer, mine in zip(machine.layers, chosen, strict=True) if mine)


def _resources(profile: Fpga, machine: Accelerator) -> tuple[int, int | None]:
    """Block RAMs, and DSP blocks where there are some."""
    blocks = sum(place(memory, profile).blocks for _, memory in machine.memories)
    if machine.engine is not None:
        return blocks, multiplier_blocks(machine.engine.multipliers, profile)
    each = [dsp_blocks(layer, profile) for layer in machine.layers]
    return blocks, None if profile.dsp is None else sum(n or 0 for n in each)


def _over(profile: Fpga, machine: Accelerator) -> Iterator[tuple[str, str]]:
    """The resources of which the machine takes too many, by name, and the amounts in words."""
    blocks, dsp = _resources(profile, machine)
    limits = [("block_ram", blocks, profile.block_ram.count.value, profile.block_ram.name)]
    if dsp is not None and profile.dsp is not None:
        limits.append(("dsp", dsp, profile.dsp.count.value, profile.dsp.name))
    for name, used, there, unit in limits:
        if used > there:
            yield name, f"{name}: {used:,} of {there:,} {unit}, {used - there:,} missing"


# --- one engine --------------------------------------------------------------------------------
class _SharedLanes:
    """The lanes of an engine that all layers share: the same number asked for in each of them."""

    def __init__(self, task: _Task, arrangement: Arrangement) -> None:
        self._task = task
        self._arrangement = arrangement
        self._options = task.options

    def plan(self) -> PlanReport:
        """The fewest lanes that meet the deadline, or the best throughput that fits."""
        task = self._task
        most = max(each.lanes[-1] for each in self._options)
        dsp = task.profile.dsp.count.value if task.profile.dsp else most
        legal = [n for n in range(1, most + 1) if self._legal(n)]
        # Where no layer has lanes to choose, the engine has the one that it is asked for.
        counts = [n for n in legal if n <= dsp] or legal[:1] or [1]
        if self._never_fits(counts[0]):
            counts = counts[:1]
        limit = None
        if task.rate is not None:
            if task.clock is None or not isinstance(task.clock.value, int | float):
                raise UsageError(
                    f"lanes auto: {task.profile.name} knows no clock, so it is not known how many "
                    f"cycles {task.rate:g} steps a second leave",
                    "give clock_mhz=",
                )
            limit = task.clock.value * 1e6 / task.rate
            for lanes in counts:
                if self._cycles(lanes) <= limit:
                    machine = self._built(lanes)
                    if machine.step_interval <= limit and not list(_over(task.profile, machine)):
                        return self._report(machine, limit, met=True)
        for lanes in sorted(counts, key=lambda n: (self._cycles(n), n)):
            machine = self._built(lanes)
            if not list(_over(task.profile, machine)):
                return self._report(machine, limit, met=limit is None)
        return self._report(self._built(counts[0]), limit, met=False)

    def _never_fits(self, lanes: int) -> bool:
        """Whether the numbers alone that ROMs hold are more bits than all block RAM."""
        ram = self._task.profile.block_ram
        machine = self._built(lanes)
        bits = sum(
            memory.stored_bits
            for _, memory in machine.memories
            if memory.kind.rom and memory.role is not MemoryRole.WEIGHT_BUFFER
        )
        return bits > ram.count.value * ram.capacity.value

    def _used(self, lanes: int) -> list[int]:
        return [min(lanes, each.lanes[-1]) for each in self._options]

    def _legal(self, lanes: int) -> bool:
        pairs = zip(self._options, self._used(lanes), strict=True)
        return all(used in each.lanes for each, used in pairs)

    def _cycles(self, lanes: int) -> int:
        pairs = zip(self._options, self._used(lanes), strict=True)
        timed = [(each, used) for each, used in pairs if not each.once] or list(
            zip(self._options, self._used(lanes), strict=True)
        )
        return sum(each.outline(used)[0] for each, used in timed)

    def _built(self, lanes: int) -> Accelerator:
        return self._task.accelerator(lanes, self._arrangement)

    def _report(self, machine: Accelerator, limit: float | None, *, met: bool) -> PlanReport:
        task = self._task
        over = dict(_over(task.profile, machine))
        interval = float(machine.step_interval)
        missing = tuple(over.values())
        if not met and not over and limit is not None:
            missing = (f"{interval:,.0f} cycles a step at best, the deadline leaves {limit:,.0f}",)
        unused = not_used("no deadline")
        most = required = lowest = duty = unused
        if limit is not None and task.rate is not None:
            status = (
                "second-hand" if task.clock and task.clock.status == "second-hand" else "derived"
            )
            most = Figure(math.floor(limit), status)  # type: ignore[arg-type]
            required, lowest = derived(task.rate), derived(interval * task.rate / 1e6)
            if met:
                duty = Figure(100 * interval / limit, status)  # type: ignore[arg-type]
        goal = "throughput" if limit is None else "deadline"
        told = "nothing fits; shown are the fewest lanes"
        if met:
            told = "the fewest lanes that meet the deadline" if limit else "the best throughput"
        elif not over:
            told = "no lanes that fit meet the deadline; shown is the best throughput that fits"
        chosen = "fewest resources" if over else "best throughput that fits"
        if met and limit is not None:
            chosen = "fewest resources that meet the deadline"
        return PlanReport(
            goal=goal,  # type: ignore[arg-type]
            met=met and not over,
            chosen=chosen,  # type: ignore[arg-type]
            lanes={layer.name: layer.lanes for layer in machine.layers if layer.lanes},
            clock_mhz=task.clock or not_used("no clock"),
            required_steps_per_second=required,
            most_cycles_per_step=most,
            cycles_per_step=derived(
                machine.step_interval if isinstance(machine.step_interval, int) else interval
            ),
            bound_by=derived(machine.bound_by),
            lowest_clock_mhz=lowest,
            duty_cycle_percent=duty,
            streamed=_named(machine, machine.streamed),
            reasons=(f"one engine, {machine.lanes} in all: {told}",),
            missing=missing,
            short=tuple(over),
        )


def _with(choice: Choice, reason: str) -> Choice:
    plan = revised(choice.plan, reasons=(*choice.plan.reasons, reason))
    return Choice(plan, choice.arrangement)
