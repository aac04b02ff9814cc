#!/bin/bash
# Eight workers, one GPU each. Beforehand, on a machine with such a GPU that sees the folder:
#   denoisebench sweep … workers=0 run=main
# Then: sbatch docs/scaling/slurm.sh runs/main
#SBATCH --job-name=denoisebench
#SBATCH --array=1-8
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --requeue
set -eu
. .venv/bin/activate
exec denoisebench work "$1" --wait=600
