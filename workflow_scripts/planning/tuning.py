"""What is tuned, how often, and for which cells. Standard library only: Snakemake imports this at every start."""


def tuned_as(config: dict, scope: str) -> str:
    """The scope whose tuned learning rate this one uses: itself, or for a variant the scope that it varies."""
    return config["scopes"][scope].get("tuned_as", scope)


def method_tuned_as(config: dict, method: str) -> str:
    """The same for methods."""
    return config["methods"][method].get("tuned_as", method)


def tuned_settings(config: dict, method: str) -> list[str]:
    """What is tuned of a method: the learning rate, and the method's own keys that the config names."""
    return ["learning_rate", *config["tuning"]["settings"].get(method, [])]


def number_of_trials(config: dict, method: str) -> int:
    """The same for every scope: the first, and so many for each setting that is tuned."""
    return 1 + config["tuning"]["trials"] * len(tuned_settings(config, method))
