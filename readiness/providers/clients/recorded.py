"""Answers that were recorded elsewhere and imported: nothing is called, nothing is paid."""

from readiness.lib.tokens import estimate_tokens
from readiness.providers.base import BadRequestError, ChatReply, ChatRequest, ConnectionReport, Usage


class RecordedClient:
    """Returns the recording that the request carries."""

    is_replay = True

    async def chat(self, request: ChatRequest) -> ChatReply:
        """The recorded answer. Raises ``BadRequestError`` when the request carries none."""
        replay = request.replay
        if replay is None:
            raise BadRequestError(f"There is no recorded output of {request.model} for this example.")
        return ChatReply(
            text=replay.text,
            model=replay.model,
            usage=Usage(
                input_tokens=estimate_tokens(message.content for message in request.messages),
                output_tokens=estimate_tokens([replay.text]),
                estimated=True,
            ),
            # The recording does not say why the model stopped.
            finish_reason="",
            latency_ms=replay.latency_ms,
            ttft_ms=None,
        )

    async def check(self) -> ConnectionReport:
        return ConnectionReport(ok=True, message="Recorded outputs need no connection.")

    async def aclose(self) -> None:
        """Nothing is open."""
