import os
from pathlib import Path

import pytest
import stub_project

# Before torch is loaded, here and in subprocesses: on a busy machine its threads wait for each other ten times longer
# than the tests' small sums take, and with one thread sums have one order.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """A copy of the project with a small study that stand-ins have built. Copy it before changing anything."""
    folder = tmp_path_factory.mktemp("project")
    stub_project.build(folder)
    return folder
