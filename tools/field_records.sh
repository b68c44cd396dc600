# sh tools/field_records.sh FOLDER [SECONDS]   makes every record of the fields that needs a GPU below FOLDER, relative to the repository: the final V2, V1 against V2,
# the ladder, the ideas, then the posterior mean, the samplers, every scale and the benchmark with the final V2. With one GPU 70 minutes on an H200; with two, the short runs take the second,
# three at a time, in half of that. The same command again goes on, also after SECONDS, which end everything where it is.
# FOLDER is outputs/fields unless the weights that V2 starts from lie there already (final.yaml). Needs the folder `data` (tools/pack_data.sh) and mambaflow installed or on the path. Read the records with ladder.ipynb and v1_v2.ipynb.
out=${1:?say which folder}; end=$(($(date +%s) + ${2:-1000000}))
gpus=$(python3 -c 'import torch; print(torch.cuda.device_count())') || exit 1
[ "$gpus" -gt 0 ] || { echo "torch finds no GPU here: make fields runs on a CPU"; exit 1; }
for d in cifar-jpeg bsds500 cifar10/original-3000.npz; do [ -e "data/$d" ] || { echo "no data/$d here: unpack what tools/pack_data.sh packed"; exit 1; }; done
short=$((gpus > 1))                                      # the GPU of the short runs
left() { echo $((end - $(date +%s))); }
batch() { CUDA_VISIBLE_DEVICES=$1 python3 -W ignore -c 'from mambaflow.batches import mambaflow_batch; mambaflow_batch()' "nbs/experiments/$2_runs.yaml" --out "$out$3" --only "$4" --limit "$(left)" || true; }
study() { gpu=$1; name=$2; folder=$out/$3; shift 3       # a notebook over the final V2
 [ -f "$folder/run.json" ] || [ "$(left)" -lt 60 ] && return
 mkdir -p "$folder"; CUDA_VISIBLE_DEVICES=$gpu timeout "$(left)" python3 -W ignore -m papermill --no-progress-bar --log-level ERROR "nbs/experiments/$name.ipynb" "$folder/$name.ipynb" -p out "$folder" "$@" && echo "$folder: finished"; }
lanes() {                                                # the small models of three runs fit one GPU beside each other
 { batch "$short" v1_v2 /v1_v2 '*'; batch "$short" ladder /ladder 'centres*'; } &
 { batch "$short" ladder /ladder '[mg]*'; batch "$short" ideas /ideas 'n*'; } &
 { batch "$short" ladder /ladder '[bl]*'; batch "$short" ideas /ideas '[!n]*'; } &
 wait; }
final() { batch 0 fields "" 'V2*'; }
if [ "$short" = 1 ]; then final & lanes; wait; else final; lanes; fi
[ -f "$out/V2/half.safetensors" ] && [ -f "$out/V2/run.json" ] || exit 0
V2=$out/V2/half.safetensors
study 0 posterior posterior -p weights "$V2" -p pictures npz:data/cifar10/original-3000.npz -p count 3000 -p sampled 500 -p samples 16 -p steps 10 -p noises 4 -p batch 250 -p autocast True
study 0 samplers samplers -p weights "$V2" -p pictures npz:data/cifar10/original-3000.npz -p size 32 -p count 100 -p calls '4 10 20 50' -p samples 4 -p batch 100 -p autocast True &
[ "$short" = 1 ] || wait
study "$short" multiscale multiscale -p weights "$V2" -p scales '32 64 96 128 256' -p photos folder:data/bsds500/test -p split all -p samples 8 -p steps 5 -p sampler midpoint -p count 16 -p batch 4 -p autocast True
wait
study "$short" field_benchmark benchmark -p tokens 408 -p batch 64 -p width 512 -p lengths '408 1024 4096 16384 65536' -p field 256 -p steps 50 -p weights "$V2" -p device cuda -p repeats 30
