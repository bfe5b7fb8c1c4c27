"""What logs say about speed: samples of GPU use, step times, tables of a profiler, lines of trainers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.doctor.performance import speed_findings

SMI_TABLE = """\
| NVIDIA-SMI 550.54.15              Driver Version: 550.54.15      CUDA Version: 12.4     |
|   0  NVIDIA A100-SXM4-64GB          On  |   00000000:1D:00.0 Off |                    0 |
| N/A   43C    P0             61W /  400W |   12034MiB /  65536MiB |     21%      Default |
|   1  NVIDIA A100-SXM4-64GB          On  |   00000000:56:00.0 Off |                    0 |
| N/A   43C    P0             61W /  400W |       4MiB /  65536MiB |      0%      Default |
|   2  NVIDIA A100-SXM4-64GB          On  |   00000000:8F:00.0 Off |                    0 |
| N/A   43C    P0             61W /  400W |       4MiB /  65536MiB |      0%      Default |
|   3  NVIDIA A100-SXM4-64GB          On  |   00000000:C8:00.0 Off |                    0 |
| N/A   43C    P0             61W /  400W |       4MiB /  65536MiB |      0%      Default |
"""
CSV_WITH_HEAD = """\
utilization.gpu [%], memory.used [MiB], memory.total [MiB]
12 %, 5120 MiB, 65536 MiB
14 %, 5120 MiB, 65536 MiB
11 %, 5120 MiB, 65536 MiB
"""
DMON = """\
# gpu     pwr  gtemp  mtemp     sm    mem    enc    dec    jpg    ofa   mclk   pclk
# Idx       W      C      C      %      %      %      %      %      %    MHz    MHz
    0      71     38     41     13      2      0      0      0      0   1593   1410
    1      60     38     41      0      0      0      0      0      0   1593   1410
    0      71     38     41     15      2      0      0      0      0   1593   1410
    1      60     38     41      0      0      0      0      0      0   1593   1410
"""
ROCM_TABLE = """\
Device  Node  IDs              Temp        Power     Partitions          SCLK    MCLK     Fan  Perf  PwrCap  VRAM%  GPU%
0       4     0x7408,   5512  43.0C       90.0W     N/A, N/A, 0         800Mhz  1600Mhz  0%   auto  560.0W  12%    22%
1       5     0x7408,   5512  43.0C       N/A       N/A, N/A, 0         800Mhz  1600Mhz  0%   auto  0.0W    0%     0%
2       6     0x7408,   5512  43.0C       N/A       N/A, N/A, 0         800Mhz  1600Mhz  0%   auto  0.0W    0%     0%
"""
ROCM_USE = "GPU[0]\t\t: GPU use (%): 8\nGPU[1]\t\t: GPU use (%): 0\n" * 2
AMD_SMI = """\
GPU  XCP  POWER   GPU_T   MEM_T   GFX_CLK   GFX%   MEM%
  0    0  190 W   43 °C   40 °C   133 MHz    12 %    3 %
  0    0  190 W   43 °C   40 °C   133 MHz    10 %    3 %
  0    0  190 W   43 °C   40 °C   133 MHz    11 %    3 %
"""
HF_HEAD = """\
***** Running training *****
  Num examples = 52,002
  Instantaneous batch size per device = 1
  Gradient Accumulation steps = 1
"""
PROFILER = """\
                                                   Name    Self CPU %      Self CPU   CPU total %     CPU total
enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__        61.20%       6.120s        61.20%       6.120s
                                            aten::copy_         1.02%     102.000ms         3.10%     310.000ms
Self CPU time total: 10.000s
Self CUDA time total: 1.900s
"""
PROFILER_ITEM = """\
                                             aten::item        0.10%      10.000ms        55.20%       5.520s
                                       cudaLaunchKernel       40.10%       4.010s        40.10%       4.010s
Self CPU time total: 10.000s
Self CUDA time total: 9.100s
"""
VISION = "".join(f"Epoch: [0]  [{step}/5004]  lr: 0.01  time: 0.71  data: 0.60  max mem: 8012\n" for step in range(3))
SLOWED = "".join(f"step {step} | loss 2.1 | step_time {0.4 if step < 4 else 4.0}s\n" for step in range(9))
TITAN = "step: 10 loss: 8.1 memory: 12.10GiB(15.2%) tps: 812 tflops: 20.11 mfu: 6.4%\n" * 3
LIGHTNING = "GPU available: True (cuda), used: False\n"


@pytest.mark.parametrize(
    ("log", "wanted"),
    [
        (SMI_TABLE, {"perf-gpus-unused", "perf-gpu-idle", "perf-memory-left"}),
        (CSV_WITH_HEAD, {"perf-gpu-idle", "perf-memory-left"}),
        (DMON, {"perf-gpus-unused", "perf-gpu-idle"}),
        (ROCM_TABLE, {"perf-gpus-unused", "perf-gpu-idle", "perf-memory-left"}),
        (ROCM_USE, {"perf-gpus-unused", "perf-gpu-idle"}),
        (AMD_SMI, {"perf-gpu-idle"}),
        (HF_HEAD, {"perf-small-batch"}),
        (PROFILER, {"perf-loader-bound", "perf-gpu-idle"}),
        (PROFILER_ITEM, {"perf-synchronises", "perf-launch-bound"}),
        (VISION, {"perf-loader-bound"}),
        (SLOWED, {"perf-slowed-down"}),
        (TITAN, {"perf-low-mfu", "perf-memory-left"}),
        (LIGHTNING, {"perf-cpu-only"}),
        ("TrainingArguments(bf16=False, do_train=True, fp16=False)\n", {"perf-no-mixed-precision"}),
    ],
)
def test_what_is_slow_is_named(log: str, wanted: set[str]) -> None:
    found = speed_findings(log.encode(), "log")
    assert {item.id for item in found} == wanted
    assert {item.severity for item in found} <= {"warning", "hint"}
    for item in found:
        assert item.evidence == log.split("\n")[item.line - 1]
        assert item.why
        assert item.fix


@pytest.mark.parametrize(
    "log",
    [
        SMI_TABLE.replace("21%", "97%").replace(" 0%", "96%").replace("4MiB /", "60004MiB /").replace("12034", "62034"),
        VISION.replace("data: 0.60", "data: 0.01"),
        SLOWED.replace("4.0s", "0.5s"),
        TITAN.replace("6.4%", "44.1%").replace("15.2%", "88.0%"),
        "Loading checkpoint shards:  50%|#####     | 2/4 [00:00<00:00,  0.20s/it]\n" * 6
        + " 10%|#         | 10/100 [00:30<02:00,  3.10s/it]\n" * 6,
        PROFILER.replace("61.20%", "2.20%").replace("1.900s", "9.900s"),
        "gpu 0 is fine and 1, 2, 3 too\n" * 5,
    ],
)
def test_what_is_not_slow_is_not_named(log: str) -> None:
    assert speed_findings(log.encode(), "log") == ()


def test_slower_steps_are_shown_where_they_begin() -> None:
    (found,) = speed_findings(SLOWED.encode(), "log")
    assert found.line == 5
    assert "10.0 times" in found.what


@given(st.lists(st.sampled_from((SMI_TABLE, DMON, ROCM_TABLE, PROFILER, VISION, AMD_SMI)), max_size=3), st.binary())
def test_any_mixture_is_read(parts: list[str], noise: bytes) -> None:
    raw = "".join(parts).encode()
    middle = len(raw) // 2
    speed_findings(raw[:middle] + noise + raw[middle:], "log")
