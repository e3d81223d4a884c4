"""The settings of a run as they are really used: with what was tuned, and with the layer after which RMU steers."""

from jobs.stage import load


def with_tuned(settings: dict, tuned: dict[str, float], selection: dict) -> dict:
    """A cell's settings with the tuned values (the learning rate, and keys of the method) and the hook layer."""
    method = settings["method"] | {key: value for key, value in tuned.items() if key != "learning_rate"}
    method = with_hook_layer(method, settings["scope"], selection)
    return settings | {"method": method, "learning_rate": tuned["learning_rate"]}


def with_hook_layer(method: dict, scope: dict, selection: dict) -> dict:
    """A scope that trains the target layer steers there (the highest layer of several), not after the config's hook
    layer: a hook below it would train nothing, and one above would steer what other layers made of its output."""
    trains_target_layer = load("scopes", scope["kind"]).OTHER_LAYERS is not None
    if "hook_layer" in method and trains_target_layer and selection["experts"]:
        return method | {"hook_layer": max(map(int, selection["experts"]))}
    return method
