from .overlay import draw_overlay as draw_overlay
from .superpixels import SuperpixelEditor as SuperpixelEditor
