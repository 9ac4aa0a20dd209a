from .reproduction import REPRODUCTION_SCHEMA as REPRODUCTION_SCHEMA
from .reproduction import render_reproduction as render_reproduction
from .reproduction import write_reproduction as write_reproduction
from .study_report import RESULTS_SCHEMA as RESULTS_SCHEMA
from .study_report import render_report as render_report
from .study_report import write_report as write_report
