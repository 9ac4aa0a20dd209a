from .explanations import Explanations as Explanations
from .explanations import Importance as Importance
from .heatmap import draw_heat_map as draw_heat_map
from .lime import explain as explain
from .forward import sweep as sweep
from .sweeps import Sweep as Sweep
from .sweeps import Sweeps as Sweeps
