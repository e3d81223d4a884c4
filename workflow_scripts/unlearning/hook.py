"""The layer after which RMU steers activations."""

from jobs.stage import load


def with_hook_layer(method: dict, scope: dict, selection: dict) -> dict:
    """The method's block with the hook layer that is really used.

    A scope that trains the target layer steers there (the highest layer of several), not after the config's hook layer:
    a hook below it would train nothing, and one above would steer what other layers made of its output.
    """
    trains_target_layer = load("scopes", scope["kind"]).OTHER_LAYERS is not None
    if "hook_layer" in method and trains_target_layer and selection["experts"]:
        return method | {"hook_layer": max(map(int, selection["experts"]))}
    return method
