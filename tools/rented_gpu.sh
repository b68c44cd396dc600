# sh tools/rented_gpu.sh [PLAN]   on a blank Debian or Ubuntu machine with a GPU's driver, in a clone of this repository:
# installs compiler and packages, looks at the GPU, lists what the plan lacks (protocol by default), and runs it in the background.
# The same command again goes on where the machine was taken away. DRY=1 stops after the list.
set -e
plan=${1:-protocol}
venv=.venv
command -v nvidia-smi >/dev/null || { echo "no nvidia-smi here: the driver of the GPU is missing" >&2; exit 1; }
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
if ! command -v gcc >/dev/null || ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
    [ "$(id -u)" = 0 ] || { echo "as root: apt-get install gcc python3-dev python3-venv rsync" >&2; exit 1; }
    apt-get update -qq
    apt-get install -y -qq git rsync gcc python3-dev python3-venv
fi
[ -x $venv/bin/python ] || python3 -m venv $venv
. $venv/bin/activate
pip install --quiet ${CONSTRAINTS:+--constraint "$CONSTRAINTS"} --editable '.[workflow]'
python -c "import torch; print('torch', torch.__version__, 'on', torch.cuda.get_device_name(0))"
snakemake "$plan" --profile workflow/profiles/local --dry-run --quiet rules
[ -z "$DRY" ] || exit 0
nohup snakemake "$plan" --profile workflow/profiles/local >"$plan.log" 2>&1 &
echo "running as process $!: tail -f $plan.log; records come to runs/$plan"
