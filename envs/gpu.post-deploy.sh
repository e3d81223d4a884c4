# Snakemake runs this, in the project's folder, when it makes the environment of gpu.yaml. envs/lock.py writes it.
set -e
echo "31cfc33c6d5f71c21e665a115b513cdbcd8b8476ac6eab68237cb936e6bcaadf  envs/gpu.lock" | sha256sum --check --quiet
python -m pip install --quiet --no-deps --require-hashes -r envs/gpu.lock -r envs/cuda.lock
