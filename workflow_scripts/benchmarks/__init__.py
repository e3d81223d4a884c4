"""Models and data are local files: the Hugging Face libraries that the modules below import must not use a network."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
