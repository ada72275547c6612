# The public names of rnnhw and the modules that define them; __init__.py reads this list.
from rnnhw import profiles as profiles, report as report
from rnnhw.commands.emit import Emitted as Emitted, emit as emit
from rnnhw.commands.synth import Synthesis as Synthesis, synth as synth
from rnnhw.conversion.jordan import JordanForm as JordanForm, jordan_form as jordan_form
from rnnhw.commands.cost import (
    compare as compare,
    compare_costs as compare_costs,
    compare_reports as compare_reports,
    estimate as estimate,
)
from rnnhw.commands.run import (
    simulate as simulate,
    simulate_batch as simulate_batch,
    verify as verify,
)
from rnnhw.cost.model import Report as Report
from rnnhw.design.design import Design as Design, Target as Target, load as load
from rnnhw.design.schedule import Arrangement as Arrangement
from rnnhw.design.tasks import (
    Answer as Answer,
    Automaton as Automaton,
    BinaryAddition as BinaryAddition,
    Classification as Classification,
    ModuloCounter as ModuloCounter,
    Narma10 as Narma10,
    Parity as Parity,
    Recall as Recall,
    Regression as Regression,
    Samples as Samples,
    S3WordProblem as S3WordProblem,
)
from rnnhw.dynamics.analyze import analyze as analyze
from rnnhw.dynamics.model import Analysis as Analysis
from rnnhw.errors import (
    DesignError as DesignError,
    RnnhwError as RnnhwError,
    UsageError as UsageError,
)
from rnnhw.execution.simulate import Simulation as Simulation
from rnnhw.execution.verify import Verification as Verification
from rnnhw.graph.builder import Formats as Formats
from rnnhw.importers.importing import (
    ImportedDesign as ImportedDesign,
    import_network as import_network,
)
from rnnhw.layers.activations import (
    ELU as ELU,
    GELU as GELU,
    Affine as Affine,
    Clipped as Clipped,
    Exponential as Exponential,
    HardSigmoid as HardSigmoid,
    HardTanh as HardTanh,
    Identity as Identity,
    LeakyReLU as LeakyReLU,
    ReLU as ReLU,
    ScaledTanh as ScaledTanh,
    SiLU as SiLU,
    Sigmoid as Sigmoid,
    Softplus as Softplus,
    Softsign as Softsign,
    Tanh as Tanh,
    ThresholdedReLU as ThresholdedReLU,
)
from rnnhw.layers.cells import (
    GRU as GRU,
    LSTM as LSTM,
    Bidirectional as Bidirectional,
    Elman as Elman,
    Heads as Heads,
    JordanNetwork as JordanNetwork,
    Last as Last,
    LeakyElman as LeakyElman,
    Linear as Linear,
    Mean as Mean,
    MinGRU as MinGRU,
    Residual as Residual,
    Reverse as Reverse,
    Window as Window,
)
from rnnhw.layers.structures import (
    Banded as Banded,
    BlockDiagonal as BlockDiagonal,
    Butterfly as Butterfly,
    Circulant as Circulant,
    CyclicBand as CyclicBand,
    Dense as Dense,
    Diagonal as Diagonal,
    Hadamard as Hadamard,
    LowRank as LowRank,
    Monarch as Monarch,
    Permutation as Permutation,
    Product as Product,
    Sparse as Sparse,
    Sum as Sum,
    Toeplitz as Toeplitz,
    UnitWeights as UnitWeights,
)
from rnnhw.layers.vectors import (
    LayerNorm as LayerNorm,
    Max as Max,
    Pointwise as Pointwise,
    Scale as Scale,
)
from rnnhw.numerics.cast import Overflow as Overflow, Q as Q, Rounding as Rounding
from rnnhw.profiles import (
    Profile as Profile,
    load_profile as load_profile,
    profile_names as profile_names,
)
from rnnhw.report.comparison.model import Comparison as Comparison
from rnnhw.report.results import (
    ComparisonResult as ComparisonResult,
    ReportResult as ReportResult,
    SimulationResult as SimulationResult,
    VerificationResult as VerificationResult,
)
from rnnhw.proof.prove import Proof as Proof, prove as prove
from rnnhw.study.sweep.sweep import Sweep as Sweep, sweep as sweep
from rnnhw.study.word_lengths.quantize import Quantized as Quantized, quantize as quantize
from rnnhw.version import __version__ as __version__
