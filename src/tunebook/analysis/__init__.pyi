from .curves.diagnosis import Diagnosis as Diagnosis
from .curves.diagnosis import diagnose as diagnose
from .results import Results as Results
from .results import load_results as load_results
from .run import Run as Run
from .sweeps.comparison import Comparison as Comparison
from .sweeps.comparison import compare as compare
from .sweeps.suggestions import suggest as suggest
