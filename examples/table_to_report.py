"""From a table to a report, a prediction with its interval, and the weight of each knob."""

import sys

import matlever as ml

out = sys.argv[1] if len(sys.argv) > 1 else "fullerenes-study"
study = ml.run_study("example:fullerenes", out=out, three_numbers=False)
print(study)  # what was found, one line for each target
print(study.scores())  # every model and protocol, with spread

new = ml.load_example("fullerenes").inputs.head(2) * [1.0, 1.1, 1.0]
print(study.model.predict_table(new))  # prediction, 90 % interval, inputs outside the data
ml.write_report(study.results, f"{out}/report.html")
