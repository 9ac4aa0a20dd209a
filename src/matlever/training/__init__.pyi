from .batches import RowStream as RowStream
from .stacked import StackedNetwork as StackedNetwork
from .stacked_training import Member as Member
from .stacked_training import TrainingResult as TrainingResult
from .stacked_training import TrainingSettings as TrainingSettings
from .stacked_training import train_stacked as train_stacked
