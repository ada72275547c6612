"""Tasks: real inputs with expected outputs, and how a network's outputs are judged."""

from rnnhw.tasks.addition import BinaryAddition
from rnnhw.tasks.classification import Classification
from rnnhw.tasks.narma import Narma10
from rnnhw.tasks.recall import Recall
from rnnhw.tasks.regression import Regression
from rnnhw.tasks.samples import Samples, load_samples, samples_of
from rnnhw.tasks.scores import Accuracy, Score, SquaredError, score_names, wilson_interval
from rnnhw.tasks.task import HarderTask, Task

__all__ = [
    "Accuracy",
    "BinaryAddition",
    "Classification",
    "HarderTask",
    "Narma10",
    "Recall",
    "Regression",
    "Samples",
    "Score",
    "SquaredError",
    "Task",
    "load_samples",
    "samples_of",
    "score_names",
    "wilson_interval",
]
