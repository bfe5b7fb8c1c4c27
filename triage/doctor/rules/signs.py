"""What a script gives away about the kind of work it does."""

from __future__ import annotations

import re

from triage.doctor.job import Job

_TRAIN = re.compile(
    r"(?i)train|finetun|fine_tun|sft|dpo|grpo|lora|pretrain|run_clm|megatron|nanotron|axolotl|llamafactory|torchtune|trl|ddp|fsdp"
)
_PREP = re.compile(
    r"(?i)download|tokeni[sz]e|preprocess|prepare|convert|snapshot|\bpip\d? install|singularity (?:build|pull)|"
    r"apptainer (?:build|pull)|cotainr|rsync|\btar\b|wget"
)
_HUB = re.compile(
    r"(?i)transformers|datasets|huggingface|\bhf\b|vllm|accelerate|lm_eval|lm-eval|sglang|"
    r"--model(?:_name(?:_or_path)?)?[ =]\"?[\w\-]+/[\w.\-]+|"
    r"\btrl\b|peft|axolotl|llamafactory|llama-factory|sentence[-_]transformers|diffusers|run_clm|run_glue|"
    r"text-generation|--dataset(?:_name)?[ =]"
)
_HUB_MODEL = re.compile(
    r"(?<![\w/$}.~\-])(?:meta-llama|mistralai|Qwen|google|EleutherAI|bigscience|facebook|microsoft|deepseek-ai|openai|tiiuae|HuggingFaceTB|HuggingFaceH4|"
    r"BAAI|intfloat|utter-project|BSC-LT|openGPT-X|swiss-ai|LumiOpen|CohereForAI|allenai|stabilityai|NousResearch|sentence-transformers|Salesforce|"
    r"bigcode|01-ai|upstage|ibm-granite|nvidia|Unbabel|almanach|croissantllm|occiglot|OpenLLM-France|TildeAI|speakleash|PORTULAN|Helsinki-NLP|FacebookAI|distilbert|google-bert)/[\w.\-]+"
)


_MODEL_OPTION = re.compile(
    r"--(?:model(?:[-_]name(?:[-_]or[-_]path)?|[-_]id|[-_]path)?|pretrained[-_]model(?:[-_]name[-_]or[-_]path)?|tokenizer(?:[-_]name)?)"
    r"[= ][\"']?([A-Za-z][\w\-]{1,40}/[A-Za-z][\w.\-]{2,80})(?=[\s\"']|$)"
)
_LOCAL_FOLDER = re.compile(
    r"(?i)^(?:models?|checkpoints?|ckpts?|weights|data|datasets?|out(?:puts?)?|results?|runs?|hub|hf|cache|scratch|work|"
    r"projects?|pretrained|configs?|src|exp\w*|saved?|final)/"
)


NO_TRAINING = re.compile(r"(?i)infer|eval|bench|test|generat|serv|predict|embed|score|client")


def is_training(job: Job) -> bool:
    return any(
        _TRAIN.search(f"{launch.program} {launch.command.text}")
        or (launch.launcher in ("torchrun", "accelerate", "deepspeed") and not NO_TRAINING.search(launch.program))
        for launch in job.main_launches
    )


def is_preparation(job: Job) -> bool:
    """Downloads, tokenisation, builds: no GPU is meant."""
    if any(launch.launcher in ("torchrun", "accelerate", "deepspeed", "vllm", "server") for launch in job.launches):
        return False
    return bool(_PREP.search(job.code)) and not is_training(job)


def uses_hub(job: Job) -> bool:
    """Hugging Face libraries are at work, as far as the script shows."""
    return bool(_HUB.search(job.code)) or bool(hub_models(job))


def is_language_work(job: Job) -> bool:
    """Names in the script speak of language models, so Hugging Face libraries are likely."""
    text = " ".join(f"{launch.program} {' '.join(launch.args)}" for launch in job.main_launches)
    return bool(
        re.search(
            r"(?i)llm|llama|mistral|qwen|bert|gpt|lora|sft|finetun|fine_tun|clm|t5\b|tokenizer|model_(?:name|path)",
            text,
        )
    )


def hub_models(job: Job) -> list[tuple[int, str]]:
    """Lines and names of models or data sets named as on the hub."""
    found = []
    for number, line in enumerate(job.lines, start=1):
        if line.lstrip().startswith(("#", "echo")):
            continue
        match, named = _HUB_MODEL.search(line), _MODEL_OPTION.search(line)
        if match:
            found.append((number, match.group()))
        elif named and not _LOCAL_FOLDER.match(named.group(1)):
            found.append((number, named.group(1)))
    return found


def gpu_sign(job: Job) -> str:
    """What shows that a GPU is needed; empty when nothing does."""
    for launch in job.launches:
        procs = job.number(launch.options.get("nproc_per_node", "")) or 0
        if (launch.launcher == "vllm" and launch.program in ("serve", "bench", "")) or launch.launcher == "server":
            return f"`{launch.launcher}` on line {launch.line} runs on GPUs"
        if launch.launcher == "deepspeed" or procs > 1 or "multi_gpu" in launch.options:
            return f"`{launch.launcher}` on line {launch.line} starts GPU processes"
        if launch.container and {"--nv", "--rocm"} & set(launch.container.options):
            return f"the container on line {launch.line} is given GPUs"
    match = re.search(
        r"^\s*(?:module|ml)\s+(?:load\s+|add\s+)?[^#\n]*?\b((?:cuda|rocm|cudnn|nccl|pytorch-gpu|CUDA)[\w./\-]*)",
        job.code,
        re.MULTILINE,
    )
    if match:
        return f"the module {match.group(1)} is loaded"
    if re.search(r"^\s*(?:srun\s+)?(?:nvidia-smi|rocm-smi)\b|--device[ =]cuda|device=cuda", job.code, re.MULTILINE):
        return "the script uses GPU tools"
    return ""


def submitted_with(job: Job, *names: str) -> bool:
    """Whether the script itself says that the option is given on the command line or by the environment."""
    for name in names:
        dashes = "--" if len(name) > 1 else "-"
        if name.isupper() and len(name) > 1:
            if name in job.text:
                return True
        elif re.search(
            rf"sbatch\b[^\n]*\s{dashes}{name}\b",
            "\n".join(line for line in job.lines if "#" in line and not line.startswith("#SBATCH")),
        ):
            return True
    return False


def sets_export(job: Job, name: str) -> bool:
    return job.sets(name) or bool(re.search(rf"\b{name}=", job.value("export")))


_LARGE = ("SCRATCH", "WORK", "CINECA_SCRATCH", "SCRATCHDIR", "WORKDIR")


_AREA = re.compile(
    r"/nobackup/proj/(?:disk|flash)/[\w.\-]+|/ceph/hpc/data/[\w\-]+|/exa5/scratch/user/[\w\-]+|/projects/[A-Za-z]\d[\w]+|"
    r"/scratch/project/[\w\-]+|/gpfs/(?:scratch|projects)/[\w\-]+|/leonardo_work/[\w\-]+"
)


def large_area(job: Job) -> str:
    """A place for big files that is known by name on the system; empty when none is."""
    if job.site is None:
        own = re.search(r"\$\{?(SCRATCH|WORK|PROJECT|SCRATCHDIR|WORKDIR)\b", job.code)
        return f"${own.group(1)}" if own and own.group(1) not in job.assigned else ""
    variables = [str(area["env"]) for area in job.site.filesystems if area.get("env") in _LARGE]
    if variables:
        return f"${variables[0]}"
    account = job.value("account")
    by_account = {
        "lumi-g": "/scratch/",
        "roihu": "/scratch/",
        "meluxina": "/project/scratch/",
        "discoverer-plus": "/valhalla/projects/",
    }
    if job.site.id in by_account and re.fullmatch(r"[\w\-]+", account):
        return by_account[job.site.id] + account
    used = _AREA.search(job.code)
    if used:
        return used.group()
    if job.site.id in ("mn5-acc", "karolina") and re.fullmatch(r"[\w\-]+", account):
        return f"/gpfs/scratch/{account}" if job.site.id == "mn5-acc" else f"/scratch/project/{account.lower()}"
    return ""
