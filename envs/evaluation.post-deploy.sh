# Snakemake runs this, in the project's folder, when it makes the environment of evaluation.yaml. envs/lock.py writes it.
set -e
echo "7e563442250383d5f06a11b1c33379f9c3aab7a0a7ddf8fb08ad36e38e43ed81  envs/evaluation.lock" | sha256sum --check --quiet
python -m pip install --quiet --no-deps --require-hashes -r envs/evaluation.lock -r envs/cuda.lock
