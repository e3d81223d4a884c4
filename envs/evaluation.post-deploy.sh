# Snakemake runs this, in the project's folder, when it makes the environment of evaluation.yaml. envs/lock.py writes it.
set -e
echo "fccc70f05fd587cf15f50b0d7e55b00b9b41a02fcb7f43471e08048996959f85  envs/evaluation.lock" | sha256sum --check --quiet
python -m pip install --quiet --no-deps --require-hashes -r envs/evaluation.lock -r envs/cuda.lock
