from matplotlib.figure import Figure

from evidence.study import Study
from rendering.drawing import overlap_against_steps

TITLE = "Figure 5. Expert selection overlap against steps, one expert in every layer"
CAPTION = """**Figure 5.** Mean expert selection overlap against steps, the run of Figure 4: one expert in every layer
trains, router anchor on. Beside it, where the study has them: without the anchor, and one expert of one layer."""
READS = ("TRAJECTORY", "METRICS")


def figure(study: Study) -> Figure:
    return overlap_against_steps(study)
