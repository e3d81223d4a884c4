# Snakemake runs this, in the project's folder, when it makes the environment of gpu.yaml. envs/lock.py writes it.
set -e
echo "3c8b06059765fe5808fed86f0ebc35b9fa9217e0cdbdaaf6228a5095ef60c22c  envs/gpu.lock" | sha256sum --check --quiet
python -m pip install --quiet --no-deps --require-hashes -r envs/gpu.lock -r envs/cuda.lock
