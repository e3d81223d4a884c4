"""Scope `random`: as `uoe`, but an expert of the target layer drawn at random in place of the selected one (Table 6).

The draw itself is `moe.selection.random_expert`; training does not differ.
"""

from scopes.uoe import prepare

__all__ = ["prepare"]
