"""Well-known services and the base URLs that they document."""

from dataclasses import dataclass

from django.conf import settings

from readiness.providers.models import ProviderKind


@dataclass(frozen=True, slots=True)
class Preset:
    """One choice on the form for a new account."""

    key: str
    name: str
    base_url: str
    note: str = ""
    kind: str = ProviderKind.OPENAI


_OWN_MACHINE = "On your own machine or network: the site must allow private addresses."

_PUBLIC = (
    Preset("openai", "OpenAI", "https://api.openai.com/v1"),
    Preset("anthropic", "Anthropic", "https://api.anthropic.com/v1", kind=ProviderKind.ANTHROPIC),
    Preset(
        "azure",
        "Azure OpenAI",
        "https://YOUR-RESOURCE.openai.azure.com/openai/v1",
        "Put your resource's name into the address; a model id is the name of one of your Azure deployments.",
    ),
    Preset("openrouter", "OpenRouter", "https://openrouter.ai/api/v1"),
    Preset("groq", "Groq", "https://api.groq.com/openai/v1"),
    Preset("mistral", "Mistral", "https://api.mistral.ai/v1"),
    Preset("together", "Together AI", "https://api.together.xyz/v1"),
    Preset("vllm", "vLLM", "http://localhost:8000/v1", _OWN_MACHINE),
    Preset("ollama", "Ollama", "http://localhost:11434/v1", _OWN_MACHINE),
)


def presets() -> tuple[Preset, ...]:
    """All choices; the last is the simulated AI service of this site."""
    note = "Answers without a model and without a bill; everything from it is marked Simulated."
    return (*_PUBLIC, Preset("simulated", "Simulated AI service", settings.SIMULATOR_URL, note))


def preset(key: str) -> Preset | None:
    """The choice with this key; None for a key that is none."""
    return next((choice for choice in presets() if choice.key == key), None)
