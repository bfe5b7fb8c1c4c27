"""Looks after all wanted services: asks Slurm and the servers, decides, acts, and tells the helpdesk by records."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import structlog

from agent.llm.endpoints import last_use
from agent.llm.records import EndpointState, read_records, remove_record, write_record
from bench_runner.errors import SlurmError
from bench_runner.reruns import slurm
from bench_runner.reruns.sites import Site
from bench_runner.reruns.slurm import Transport, transport_of
from deploy.llm.decide import Cancel, Seen, Submit, decide, failed, submitted
from deploy.llm.errors import ServiceError
from deploy.llm.placement import place
from deploy.llm.presets import preset
from deploy.llm.queue import Row, our_jobs
from deploy.llm.records import key_file, records_of, targets_of
from deploy.llm.script import ADDRESS, KEY, LOG, folder_of, job_name, job_script, number_in
from deploy.llm.service import Service, locked, read_services, remove_service, write_service

log = structlog.get_logger()

PROBE_S = 5.0
_ADDRESS = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,200}) (\d{1,5})\n?")
_BUSY = re.compile(r"^vllm:num_requests_(?:running|waiting)(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Keeper:
    """`services` and `endpoints` are folders; `now` is this machine's clock, the only one whose times are kept."""

    services: Path
    endpoints: Path
    sites: Mapping[str, Site]
    transport: Callable[[str], Transport] = transport_of
    now: Callable[[], datetime] = _now
    urls: dict[str, str] = field(default_factory=dict)
    """By job: where its server is."""

    def tick(self) -> None:
        """One look at everything. A site that does not answer is left as it is, and said."""
        with locked(self.services):
            wanted = read_services(self.services)
            for system in sorted({service.system for service in wanted}):
                try:
                    self._look_after_all([service for service in wanted if service.system == system], system)
                except (SlurmError, ServiceError) as error:
                    log.warning("llm_site_unreachable", system=system, problem=str(error))
            self._write_targets()

    def up(self, service: Service) -> None:
        """Want this service, or want it otherwise: its walltime is that of the next job."""
        with locked(self.services):
            for old in read_services(self.services):
                if old.name == service.name:
                    kept = {"jobs": old.jobs, "next_number": old.next_number}
                    service = service.model_copy(update=kept)
            write_service(self.services, service)
        self.tick()

    def down(self, service: Service) -> None:
        """Cancel its jobs and forget it; the logs stay. Raises SlurmError when the site does not answer."""
        transport = self._transport(service.system)
        with locked(self.services):
            for row in our_jobs(transport):
                number = number_in(row.name, service.name)
                if number is None:
                    continue
                if row.is_alive:
                    slurm.cancel(transport, row.job)
                self._forget_key(service, number)
            remove_service(self.services, service.name)
            self._publish(service.model_copy(update={"jobs": (), "asleep_since": None, "failures": 0}), {})

    def newest_log(self, service: Service, lines: int) -> str:
        """The end of what the youngest job wrote; empty when there is none yet."""
        site = self._site(service.system)
        number = max([job.number for job in service.jobs] or [service.next_number - 1])
        return slurm.tail(self._transport(service.system), f"{folder_of(site, service.name, number)}/{LOG}", lines)

    def _look_after_all(self, services: Iterable[Service], system: str) -> None:
        rows = our_jobs(self._transport(system))
        for service in services:
            self._look_after(service, rows)

    def _look_after(self, service: Service, rows: Iterable[Row]) -> None:
        ours = [row for row in rows if number_in(row.name, service.name) is not None]
        seen = [self._seen(service, row) for row in ours]
        before = service
        service, actions = decide(service, seen, self.now(), last_use(self.endpoints))
        if service.failures > before.failures:
            service = self._with_log(service, before)
        for action in actions:
            service = self._done(service, action)
            write_service(self.services, service)
        write_service(self.services, service)
        self._publish(service, {item.row.job: item for item in seen})

    def _done(self, service: Service, action: Submit | Cancel) -> Service:
        try:
            if isinstance(action, Cancel):
                slurm.cancel(self._transport(service.system), action.job)
                return service
            return submitted(service, action.number, self._submit(service, action.number), self.now())
        except ServiceError as error:
            return failed(service, str(error), self.now())
        except SlurmError as error:
            log.warning("llm_action_failed", service=service.name, problem=str(error))
            return failed(service, str(error), self.now()) if error.permanent else service

    def _submit(self, service: Service, number: int) -> str:
        """Job id. The key goes into a file that only its owner reads, before the job can look for it."""
        site, transport = self._site(service.system), self._transport(service.system)
        chosen, folder = preset(service.preset), folder_of(site, service.name, number)
        placement = place(chosen, site, service.walltime_min)
        key = secrets.token_urlsafe(32)
        self.endpoints.mkdir(mode=0o700, parents=True, exist_ok=True)
        local = self.endpoints / key_file(service.name, number)
        local.touch(mode=0o600)
        local.write_text(key, encoding="ascii")
        put = 'umask 077 && mkdir -p -- "$1" && cat > "$1/$2"'
        code, _, error = transport.run(["sh", "-c", put, "sh", folder, KEY], stdin=key)
        if code != 0:
            raise SlurmError(f"{folder} cannot be written on {site.system}: {error.strip()[:200]}", permanent=True)
        script = job_script(chosen, site, placement, folder=folder, walltime_min=service.walltime_min)
        job = slurm.submit(transport, folder, script, name=job_name(service.name, number), comment="minerva llm")
        log.info("llm_job_submitted", service=service.name, number=number, job=job)
        return job

    def _seen(self, service: Service, row: Row) -> Seen:
        number = number_in(row.name, service.name)
        if row.state != "RUNNING" or number is None:
            self.urls.pop(row.job, None)
            return Seen(row=row)
        url = self.urls.get(row.job) or self._url(service, number)
        if url is None or not _is_healthy(url):
            return Seen(row=row)
        self.urls[row.job] = url
        return Seen(row=row, healthy=True, busy=_busy(url))

    def _url(self, service: Service, number: int) -> str | None:
        """As the job wrote it down; None as long as it has not."""
        site = self._site(service.system)
        text = slurm.read_text(
            self._transport(service.system), f"{folder_of(site, service.name, number)}/{ADDRESS}", limit=300
        )
        found = _ADDRESS.fullmatch(text or "")
        return address_on(site, found[1], found[2]) if found else None

    def _with_log(self, service: Service, before: Service) -> Service:
        """The problem with what the job itself said of it."""
        said = [line for line in self.newest_log(before, 40).splitlines() if line.startswith("minerva: ")]
        told = "; ".join(line.removeprefix("minerva: ") for line in said[-3:])
        return service.model_copy(update={"problem": f"{service.problem}: {told}"[:500]}) if told else service

    def _publish(self, service: Service, seen: Mapping[str, Seen]) -> None:
        """Servers that answer first, so that at every moment a reader finds the old one or the new one."""
        made = records_of(service, seen, self.urls, self.now())
        for record in sorted(made, key=lambda record: record.state != EndpointState.READY):
            write_record(self.endpoints, record)
        names = {record.name for record in made}
        for record in read_records(self.endpoints).records:
            if record.name not in names and self._is_of(record.name, service.name):
                remove_record(self.endpoints, record.name)
                (self.endpoints / f"{record.name}.key").unlink(missing_ok=True)

    def _write_targets(self) -> None:
        """For Prometheus' file_sd, beside the folder of the services: where the servers' metrics are at this moment."""
        records = [record for record in read_records(self.endpoints).records if record.state == EndpointState.READY]
        path = self.services.parent / "targets.json"
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps([targets_of(record) for record in records], indent=1) + "\n", encoding="utf-8")
        partial.replace(path)

    def _forget_key(self, service: Service, number: int) -> None:
        folder = folder_of(self._site(service.system), service.name, number)
        self._transport(service.system).run(["rm", "-f", "--", f"{folder}/{KEY}"])
        (self.endpoints / key_file(service.name, number)).unlink(missing_ok=True)

    @staticmethod
    def _is_of(record: str, service: str) -> bool:
        begin, _, number = record.rpartition("-")
        return record == service or (begin == service and number.isdecimal())

    def _site(self, system: str) -> Site:
        if system not in self.sites:
            raise ServiceError(f"{system} is not in sites.yaml; there are {', '.join(self.sites) or 'none yet'}")
        return self.sites[system]

    def _transport(self, system: str) -> Transport:
        return self.transport(self._site(system).transport)


def address_on(site: Site, node: str, port: str) -> str:
    """Raises ServiceError when the site's `llm_url` is no such pattern."""
    try:
        url = site.llm_url.format(node=node, port=port)
        httpx.URL(url)
    except (KeyError, IndexError, ValueError, httpx.InvalidURL) as error:
        raise ServiceError(
            f"llm_url of {site.system} in sites.yaml: {site.llm_url!r} is no address with {{node}} and {{port}}"
        ) from error
    if not url.startswith(("http://", "https://")):
        raise ServiceError(f"llm_url of {site.system} in sites.yaml: {url!r} must begin with http:// or https://")
    return url


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url.removesuffix('/v1')}/health", timeout=PROBE_S).status_code == 200
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


def _busy(url: str) -> int | None:
    try:
        text = httpx.get(f"{url.removesuffix('/v1')}/metrics", timeout=PROBE_S).text
    except httpx.HTTPError:
        return None
    found = _BUSY.findall(text)
    return round(sum(map(float, found))) if found else None
