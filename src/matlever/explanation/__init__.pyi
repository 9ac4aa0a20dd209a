from .explanations import Explanations as Explanations
from .forward import sweep as sweep
from .heatmap import draw_heat_map as draw_heat_map
from .importance import Importance as Importance
from .lime import explain as explain
from .sweeps import Sweep as Sweep
from .sweeps import Sweeps as Sweeps
