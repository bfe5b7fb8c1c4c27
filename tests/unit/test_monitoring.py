"""Scrape configuration, alerts and dashboard name metrics that exist: ours as served, vLLM's of today or of before."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import yaml

import deploy
from agent.llm.records import EndpointRecord, EndpointState
from deploy.llm.records import targets_of

FOLDER = Path(deploy.__file__).parent / "monitoring"
HEALTH = (Path(deploy.__file__).parents[1] / "agent" / "desk" / "health.py").read_text("utf-8")
NEW = {
    "num_requests_running", "num_requests_waiting", "kv_cache_usage_perc", "prompt_tokens_total",
    "generation_tokens_total", "time_to_first_token_seconds_bucket", "inter_token_latency_seconds_bucket",
    "prefix_cache_hits_total", "prefix_cache_queries_total",
}  # fmt: skip
"""As vLLM 0.32 serves them; tests/integration/test_llm_vllm.py holds these names against a real server."""
OLD = {
    "gpu_cache_usage_perc", "time_per_output_token_seconds_bucket", "gpu_prefix_cache_hits_total",
    "gpu_prefix_cache_queries_total",
}  # fmt: skip


def texts() -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()}


def test_every_metric_of_ours_is_one_that_the_desk_serves() -> None:
    named = {name for text in texts().values() for name in re.findall(r"\bminerva_\w+", text)}
    assert len(named) >= 5
    assert {name for name in named if f'"{name}"' not in HEALTH} == set()


def test_every_metric_of_vllm_exists_and_where_names_changed_both_are_asked_for() -> None:
    named = {name for text in texts().values() for name in re.findall(r"\bvllm:(\w+)", text)}
    assert named <= NEW | OLD
    assert named >= OLD | NEW - {"num_requests_running"}
    for panel in json.loads(texts()["grafana-dashboard.json"])["panels"]:
        for target in panel["targets"]:
            if any(old in target["expr"] for old in OLD):
                assert " or " in target["expr"]


def test_the_configuration_reads_what_the_keeper_writes() -> None:
    configuration = yaml.safe_load(texts()["prometheus.yml"])
    (files,) = [
        job["file_sd_configs"][0]["files"] for job in configuration["scrape_configs"] if "file_sd_configs" in job
    ]
    assert files == ["/var/lib/minerva-helpdesk/llm/targets.json"]
    assert configuration["rule_files"] == ["alerts.yml"]
    rules = [rule for group in yaml.safe_load(texts()["alerts.yml"])["groups"] for rule in group["rules"]]
    assert all({"alert", "expr", "annotations"} <= rule.keys() for rule in rules)
    assert all({"summary", "description"} == rule["annotations"].keys() for rule in rules)


def test_a_server_behind_a_proxy_is_scraped_there_too() -> None:
    now = datetime.now(UTC)
    record = EndpointRecord(
        name="a-1", url="https://llm.example.org/n1/20001/v1", model="a", state=EndpointState.READY, updated_at=now
    )
    made = targets_of(record)
    assert made["targets"] == ["llm.example.org"]
    assert made["labels"] == {
        "model": "a", "service": "a-1", "__scheme__": "https", "__metrics_path__": "/n1/20001/metrics",
    }  # fmt: skip


def test_the_dashboard_can_be_imported() -> None:
    board = json.loads(texts()["grafana-dashboard.json"])
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    assert {variable["name"] for variable in board["templating"]["list"]} == {"datasource", "model"}
    for panel in board["panels"]:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["title"]
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["expr"].count("(") == target["expr"].count(")")
