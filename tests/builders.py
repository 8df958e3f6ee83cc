"""Keyword builders of rows for tests: every argument has a default, nothing is read from files."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from readiness.datasets.models import Dataset, DatasetVersion, Example
from readiness.inference.models import LoggedAnswer
from readiness.lib import crypto
from readiness.limits.models import UpstreamSample
from readiness.projects.models import Project
from readiness.prompts.models import Prompt, PromptVersion
from readiness.prompts.services import save_version
from readiness.providers.models import Deployment, ProviderAccount
from readiness.reviews.models import ReviewItem


def make_account(project: Project | None = None, **values: Any) -> ProviderAccount:
    defaults: dict[str, Any] = {
        "name": f"Provider {ProviderAccount.objects.count() + 1}",
        "base_url": "https://api.example.com/v1",
        "credential_encrypted": crypto.encrypt("sim-key"),
    }
    return ProviderAccount.objects.create(project=project, **(defaults | values))


def make_deployment(account: ProviderAccount | None = None, **values: Any) -> Deployment:
    number = Deployment.objects.count() + 1
    defaults: dict[str, Any] = {"name": f"Deployment {number}", "model": f"model-{number}", "rpm": 600}
    return Deployment.objects.create(account=account or make_account(), **(defaults | values))


def make_sample(deployment: Deployment, at: datetime, **values: Any) -> UpstreamSample:
    """How a deployment stood in one minute: idle, unless said otherwise."""
    defaults: dict[str, Any] = {"waiting": 0, "oldest_ms": 0, "in_flight": 0, "share": 1.0, "paused": False}
    return UpstreamSample.objects.create(deployment=deployment, at=at, **(defaults | values))


def make_dataset(
    project: Project, *, examples: Sequence[dict[str, Any]] | int = 3, name: str = "Questions"
) -> DatasetVersion:
    """A dataset with one frozen version; ``examples`` as field dicts or as a number of made-up ones."""
    if isinstance(examples, int):
        examples = [
            {
                "question": f"How many days may item {i} be kept?",
                "source": f"Item {i} may be kept for {i + 10} days. It must not get wet.",
                "reference": f"{i + 10} days",
                "stratum": "even" if i % 2 == 0 else "odd",
            }
            for i in range(examples)
        ]
    dataset = Dataset.objects.create(project=project, name=name, slug=name.lower().replace(" ", "-"))
    strata: dict[str, int] = {}
    for fields in examples:
        strata[fields.get("stratum", "")] = strata.get(fields.get("stratum", ""), 0) + 1
    version = DatasetVersion.objects.create(
        dataset=dataset, number=1, sha256="0" * 64, example_count=len(examples), strata=strata
    )
    Example.objects.bulk_create(
        Example(version=version, uid=f"e{i}", position=i, **fields) for i, fields in enumerate(examples)
    )
    return version


def make_prompt_version(project: Project, **values: Any) -> PromptVersion:
    defaults: dict[str, Any] = {
        "system": "Answer from the source only.",
        "user": "Question: {{ question }}\n\nSource: {{ source }}",
        "parameters": {"temperature": 0, "max_tokens": 128},
    }
    prompt, _ = Prompt.objects.get_or_create(project=project, slug="answer", defaults={"name": "Answer"})
    return save_version(prompt=prompt, by=None, **(defaults | values))


def make_review_item(project: Project, **values: Any) -> ReviewItem:
    number = ReviewItem.objects.count() + 1
    defaults: dict[str, Any] = {
        "kind": "spot_check",
        "object_id": str(number),
        "question": f"How long is warranty {number}?",
        "source": f"Warranty {number} lasts two years. It covers the battery.",
        "output": f"Warranty {number} lasts three years.",
        "stratum": "warranty",
    }
    return ReviewItem.objects.create(project=project, **(defaults | values))


def make_logged_answer(project: Project, **values: Any) -> LoggedAnswer:
    number = LoggedAnswer.objects.count() + 1
    defaults: dict[str, Any] = {
        "request_id": f"answer-{number}",
        "at": datetime(2026, 3, 1, 11, 0, tzinfo=UTC),
        "question": f"How long is warranty {number}?",
        "source": f"Warranty {number} lasts two years. It covers the battery.",
        "output": f"Warranty {number} lasts two years.",
        "stratum": "warranty",
    }
    return LoggedAnswer.objects.create(project=project, **(defaults | values))
