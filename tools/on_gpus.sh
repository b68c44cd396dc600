# sh tools/on_gpus.sh ROOT PLAN/RUN...   does runs of plans where Snakemake is not installed, in this order, each on one GPU of this machine:
# sh tools/on_gpus.sh outputs tuning/PT-cosine-lr1e-3 tuning/PT-cosine-lr3e-3 tuning/study
# A GPU has one run at a time. What is finished stays as it is, what was stopped goes on. A study must stand behind the runs that it reads.
root=$1
shift
printf '%s\n' "$@" | xargs -P "$(nvidia-smi -L | grep -c GPU)" -I{} sh -c '
    python3 -m mambaflow.studies.runs "nbs/experiments/plans/${1%%/*}.yaml" "${1#*/}" --root "$2" || true' _ {} "$root"
