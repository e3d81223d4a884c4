"""Old names of planning.pictures, until nothing imports them."""

from planning.pictures import cells, grid, settings, tests_block, tuning_block  # noqa: F401
from planning.pictures import validated as _validated  # noqa: F401
