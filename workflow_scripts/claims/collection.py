"""All claims, in the order of the ledger's rows."""

from claims import (
    anchor,
    attribution,
    entropy,
    existing_methods,
    layer_choice,
    muse,
    one_expert,
    parameters,
    peft,
    placement,
    routing,
    trace,
    utility_and_forgetting,
)

SUBJECTS = (
    existing_methods,
    routing,
    one_expert,
    utility_and_forgetting,
    parameters,
    peft,
    placement,
    attribution,
    layer_choice,
    anchor,
    entropy,
    trace,
    muse,
)
CLAIMS = [claim for subject in SUBJECTS for claim in subject.CLAIMS]
