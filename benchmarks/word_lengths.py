"""The search of ``rnnhw quantize`` beside random searches of as many evaluations.

    python benchmarks/word_lengths.py designs/speaker_gru.py --noise 0.6 \\
        --min agreement=0.99 --margin 0.0025

A random search draws a word from 1 to 8 bits for every variable, with the same binary points, and
keeps the fewest stored bits that meet the demands; the best of five seeds is shown.
"""

import argparse
import random

from rnnhw import load
from rnnhw.cli.options import bounds
from rnnhw.numerics.binary_point import placed_point
from rnnhw.study.word_lengths.judge import Judge
from rnnhw.study.word_lengths.quantize import ROUNDINGS, quantize
from rnnhw.study.word_lengths.rounding import in_formats

SEEDS = range(5)
WIDEST = 8


def random_search(judge, variables, rounding, evaluations, seed):
    """The fewest stored bits of ``evaluations`` random designs that meet the demands."""
    drawn = random.Random(seed)
    best = None
    for _ in range(evaluations):
        words = {each: drawn.randint(each.least_bits, WIDEST) for each in variables}
        formats = {
            each.name: placed_point(each.format, bits, each.values, "mse", each.function)
            for each, bits in words.items()
        }
        outcome = judge.outcome(in_formats(judge.design, formats, rounding))
        if outcome is not None and judge.demands.met(outcome.figures):
            best = outcome.bits if best is None else min(best, outcome.bits)
    return best


def main():
    """Print a line a design."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("designs", nargs="+")
    parser.add_argument("--min", action="append", metavar="NAME=VALUE")
    parser.add_argument("--max", action="append", metavar="NAME=VALUE")
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--margin", type=float, default=0.0)
    parser.add_argument("--rounding", choices=ROUNDINGS, default="nearest")
    parser.add_argument("--evaluations", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    given = parser.parse_args()
    floors, ceilings = bounds("--min", given.min), bounds("--max", given.max)
    print(f"{'design':24}{'before':>8}{'chosen':>8}{'designs':>9}{'random':>8}  judged figures")
    for path in given.designs:
        result = quantize(
            load(path), minimum=floors, maximum=ceilings, noise=given.noise,
            margin=given.margin, evaluations=given.evaluations, rounding=given.rounding,
        )  # fmt: skip
        judge = Judge(result.design, result.samples, result.demands)
        count = result.choice.evaluations
        found = [
            random_search(judge, result.variables, result.rounding, count, seed)
            for seed in range(given.seeds)
        ]
        best = min((bits for bits in found if bits is not None), default=None)
        before = sum(result.stored_before.values())
        judged = {name: round(value, 4) for name, value in result.after.score.figures().items()}
        print(
            f"{result.design.path.stem:24}{before:8,}{result.choice.outcome.bits:8,}{count:9,}"
            f"{'none' if best is None else f'{best:,}':>8}  {judged}",
            flush=True,
        )


if __name__ == "__main__":
    main()
