from .goals import Goal as Goal
from .suggest import suggest as suggest
from .suggestions import Suggestions as Suggestions
