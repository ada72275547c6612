"""Tasks: real inputs with expected outputs, and how a network's outputs are judged."""

from rnnhw.design.tasks.addition import BinaryAddition
from rnnhw.design.tasks.automaton import (
    FORBIDDEN,
    UNWANTED,
    Answer,
    Automaton,
    AutomatonTask,
    ReplayedTask,
)
from rnnhw.design.tasks.classification import Classification
from rnnhw.design.tasks.labels import Judge, Labels, answering, further_judges, judge_of
from rnnhw.design.tasks.narma import Narma10
from rnnhw.design.tasks.recall import Recall
from rnnhw.design.tasks.regression import Regression
from rnnhw.design.tasks.samples import Samples, load_samples, samples_of
from rnnhw.design.tasks.scores import Accuracy, Score, SquaredError, score_names, wilson_interval
from rnnhw.design.tasks.task import HarderTask, Task
from rnnhw.design.tasks.words import ModuloCounter, Parity, S3WordProblem

__all__ = [
    "FORBIDDEN",
    "UNWANTED",
    "Accuracy",
    "Answer",
    "Automaton",
    "AutomatonTask",
    "BinaryAddition",
    "Classification",
    "HarderTask",
    "Judge",
    "Labels",
    "ModuloCounter",
    "Narma10",
    "Parity",
    "Recall",
    "Regression",
    "ReplayedTask",
    "S3WordProblem",
    "Samples",
    "Score",
    "SquaredError",
    "Task",
    "answering",
    "further_judges",
    "judge_of",
    "load_samples",
    "samples_of",
    "score_names",
    "wilson_interval",
]
