from .batches import RowStream as RowStream
from .settings import Member as Member
from .settings import TrainingResult as TrainingResult
from .settings import TrainingSettings as TrainingSettings
from .stacked import StackedNetwork as StackedNetwork
from .stacked_training import train_stacked as train_stacked
from .threads import one_torch_thread as one_torch_thread
