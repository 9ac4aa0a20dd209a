from .explanations import Explanations as Explanations
from .explanations import Importance as Importance
from .forward import sweep as sweep
from .heatmap import draw_heat_map as draw_heat_map
from .lime import explain as explain
from .sweeps import Sweep as Sweep
from .sweeps import Sweeps as Sweeps
