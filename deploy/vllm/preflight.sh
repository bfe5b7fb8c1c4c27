#!/bin/bash
# Checks a node before vLLM starts on it; says every problem and ends with 4 when there is one.
# usage: preflight.sh VENDOR GPUS GPU_MEMORY_GB MODEL FOLDER
#   VENDOR nvidia or amd; GPUs and memory (1e9 bytes) that the placement counts on; MODEL a folder, or a name that the
#   Hugging Face cache holds; FOLDER where the server writes.
set -u
vendor=$1 gpus=$2 memory_gb=$3 model=$4 folder=$5
least_driver=570  # of CUDA 12.8 and newer: https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/
least_free_mb=2048
problems=0

problem() { printf 'minerva: %s\n' "$*"; problems=$((problems + 1)); }

check_nvidia() {
    command -v nvidia-smi >/dev/null || { problem "no nvidia-smi on $(hostname): is this a GPU node?"; return; }
    local rows driver count smallest
    rows=$(nvidia-smi --query-gpu=driver_version,memory.total --format=csv,noheader,nounits 2>/dev/null) ||
        { problem "nvidia-smi fails on $(hostname): the driver does not answer"; return; }
    count=$(grep -c . <<<"$rows")
    [ "$count" -ge "$gpus" ] || problem "$count GPUs on $(hostname), $gpus are needed"
    driver=$(head -n 1 <<<"$rows" | cut -d, -f1 | tr -d ' ')
    [ "${driver%%.*}" -ge "$least_driver" ] 2>/dev/null ||
        problem "driver $driver is older than $least_driver, which this vLLM's CUDA needs: take an older image"
    smallest=$(cut -d, -f2 <<<"$rows" | tr -d ' ' | sort -n | head -n 1)
    # MiB to 1e9 bytes; a tenth is allowed for what driver and ECC keep
    awk -v mib="$smallest" -v gb="$memory_gb" 'BEGIN { exit !(mib * 1048576 / 1e9 >= 0.9 * gb) }' ||
        problem "a GPU has $smallest MiB, $memory_gb GB were counted on"
}

check_amd() {
    command -v rocm-smi >/dev/null || { problem "no rocm-smi on $(hostname): is this a GPU node?"; return; }
    local count
    count=$(rocm-smi --showid --csv 2>/dev/null | grep -c '^card')
    [ "$count" -ge "$gpus" ] || problem "$count GPUs on $(hostname), $gpus are needed"
}

check_model() {
    case $model in
    /*)
        [ -d "$model" ] || { problem "no model folder $model: download the model there, or mend models in sites.yaml"; return; }
        [ -r "$model/config.json" ] || [ -r "$model/params.json" ] || problem "$model holds no config.json or params.json"
        compgen -G "$model/*.safetensors" >/dev/null || problem "$model holds no weights (*.safetensors)"
        ;;
    *)
        local cached="${HF_HOME:-$HOME/.cache/huggingface}/hub/models--${model//\//--}"
        [ -d "$cached" ] || problem "$model is in no cache ($cached): state its folder under models in sites.yaml"
        ;;
    esac
}

check_disk() {
    local free
    free=$(df -Pm "$folder" | awk 'NR == 2 { print $4 }')
    [ "${free:-0}" -ge "$least_free_mb" ] || problem "$free MB free in $folder, $least_free_mb are needed"
}

case $vendor in
nvidia) check_nvidia ;;
amd) check_amd ;;
*) problem "no such kind of GPU: $vendor" ;;
esac
check_model
check_disk
[ "$problems" -eq 0 ] || exit 4
