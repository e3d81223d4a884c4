# Snakemake runs this, in the project's folder, when it makes the environment of rendering.yaml. envs/lock.py writes it.
set -e
echo "59ff8d98eee798dd026b4c1c8bb45da038eaab2de05a8fed15db35190d907f51  envs/rendering.lock" | sha256sum --check --quiet
python -m pip install --quiet --no-deps --require-hashes -r envs/rendering.lock
