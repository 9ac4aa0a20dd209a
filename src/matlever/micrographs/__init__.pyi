from .overlay import draw_overlay as draw_overlay
from .superpixels import SuperpixelEditor as SuperpixelEditor
from .wide_resnet import WideResNet as WideResNet
