# Snakemake runs this, in the project's folder, when it makes the environment of rendering.yaml. envs/lock.py writes it.
set -e
echo "793a6ecacb88eab5e934c90f46637fc76157b7169b5dfae7816e5b3884ff7582  envs/rendering.lock" | sha256sum --check --quiet
python -m pip install --quiet --no-deps --require-hashes -r envs/rendering.lock
