"""Names that differ from site to site: from the environment, from site.yaml, or slurm/profile.yaml's own.

site("gpu_partition", "gpu")   is   $SITE_GPU_PARTITION, or `gpu_partition:` in site.yaml, or "gpu"
"""

import os
from pathlib import Path

import yaml

KEYS = ("account", "partition", "gpu_partition", "gpu_model", "gres")


def read(path: Path = Path("site.yaml")) -> dict[str, str]:
    """What the site's file says ({} without one); ends with one line on an unknown key or a value that is no name."""
    try:
        names = yaml.safe_load(path.read_text()) or {}
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as error:
        raise SystemExit(f"{path}: not valid YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(names, dict):
        raise SystemExit(f"{path}: `name: value` lines are expected (names: {', '.join(KEYS)})")
    for key, value in names.items():
        if key not in KEYS:
            raise SystemExit(f"{path}: unknown name {key!r} (allowed: {', '.join(KEYS)})")
        if isinstance(value, (dict, list, bool)):
            raise SystemExit(f"{path}: {key}: a name is expected, not {value!r}")
    return {key: "" if value is None else str(value) for key, value in names.items()}


def site(key: str, default: str) -> str:
    """The site's own value of `key`, or `default`."""
    return os.environ.get(f"SITE_{key.upper()}", read().get(key, default))
