from matplotlib.figure import Figure

from evidence.study import Study
from rendering.drawing import overlap_against_steps

TITLE = "Figure 3a. Expert selection overlap against steps"
CAPTION = """**Figure 3a.** Expert selection overlap (share of the original top-K experts that are still chosen on the
same forget text, mean over MoE layers) against steps of gradient ascent on all parameters."""
READS = ("TRAJECTORY", "METRICS")


def figure(study: Study) -> Figure:
    return overlap_against_steps(study)
