"""Scope `random`: as `uoe`, with an expert of the target layer drawn at random instead of the selected one (UOE, Table 6).

The draw itself is `moe.selection.random_expert`; training does not differ.
"""

from scopes.uoe import prepare

__all__ = ["prepare"]
