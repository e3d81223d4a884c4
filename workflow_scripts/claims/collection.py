"""All claims, in the order of the ledger's rows."""

from claims import existing_methods, experts, hidden, other_scopes, routing, trace, utility_and_forgetting

SUBJECTS = (existing_methods, routing, utility_and_forgetting, other_scopes, experts, hidden, trace)
CLAIMS = [claim for subject in SUBJECTS for claim in subject.CLAIMS]
