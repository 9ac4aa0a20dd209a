from .model import StudyModel as StudyModel
from .nanorods import reproduce_nanorods as reproduce_nanorods
from .run import Study as Study
from .run import load_study as load_study
from .run import read_study_table as read_study_table
from .run import run_study as run_study
from .run import study_settings as study_settings
from .settings import StudySettings as StudySettings
