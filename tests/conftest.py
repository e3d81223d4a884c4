from pathlib import Path

import pytest
import stub_project


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """A copy of the project with a small study that stand-ins have built. Copy it before changing anything."""
    folder = tmp_path_factory.mktemp("project")
    stub_project.build(folder)
    return folder
