# sh tools/on_gpus.sh ROOT PLAN/RUN...   does runs of plans where Snakemake is not installed, in this order, each on one GPU of this machine:
# sh tools/on_gpus.sh outputs tuning/PT-cosine-lr1e-3 tuning/PT-cosine-lr3e-3 tuning/study
# A GPU has one run at a time. What is finished stays as it is, what was stopped goes on. A study must stand behind the runs that it reads.
# A run that fails ends no other; the exit status is then not zero.
root=$1
gpus=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU ')
[ "$#" -gt 1 ] || { echo "usage: sh tools/on_gpus.sh ROOT PLAN/RUN..." >&2; exit 2; }
[ "$gpus" -gt 0 ] || { echo "nvidia-smi shows no GPU on this machine: these runs need one" >&2; exit 1; }
shift
printf '%s\n' "$@" | xargs -P "$gpus" -I{} sh -c \
    'exec python3 -m mambaflow.studies.runs "nbs/experiments/plans/${1%%/*}.yaml" "${1#*/}" --root "$2"' _ {} "$root"
