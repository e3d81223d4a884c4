"""Scope `esft`: in every layer the experts that ESFT's rule selects train, nothing else (arXiv 2407.01906)."""

from scopes.uoe import prepare  # an ESFT selection names no router, so the same code leaves all of them frozen

__all__ = ["prepare"]
