"""The one list of periodic jobs, run by ``manage.py run_schedule readiness.schedule``."""

from rq.cron import register

from readiness.alerts import jobs as alerts
from readiness.checklist import jobs as checklist
from readiness.demo import jobs as demo
from readiness.evaluations import jobs as evaluations
from readiness.inference import jobs as inference
from readiness.limits import jobs as limits
from readiness.quality import jobs as quality
from readiness.telemetry import jobs as telemetry

register(evaluations.reap_expired_leases, queue_name="default", interval=30)
register(limits.sweep, queue_name="default", interval=60)
register(checklist.gather_all_evidence, queue_name="default", interval=300)
register(quality.sample_and_check, queue_name="spot_checks", interval=300)
register(telemetry.compact_rollups, queue_name="default", interval=3600)
register(telemetry.delete_expired_records, queue_name="default", cron="17 3 * * *")
register(inference.delete_expired_answers, queue_name="default", cron="27 3 * * *")
register(limits.delete_expired_samples, queue_name="default", cron="32 3 * * *")
register(alerts.delete_expired_alerts, queue_name="default", cron="37 3 * * *")
register(demo.trickle, queue_name="spot_checks", interval=30)
